//! Whose connections the collector takes: those of the target's processes, whatever users they run as.

use crate::proc_fs::stat_of;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;

/// More generations than there are between a target and its processes.
const MAX_GENERATIONS: usize = 64;

/// Returns the mode of the socket: root's target may have processes of other users, those of others cannot.
pub(super) fn socket_mode() -> u32 {
    if geteuid().is_root() { 0o666 } else { 0o600 }
}

/// Whether a connection comes from our own user or root, from a process that descends from this one (orphans of a launched target are
/// handed to it), or from one that was attached to.
pub(super) fn is_of_the_target(stream: &UnixStream, attached: &BTreeSet<u32>) -> bool {
    let Ok(peer) = socket_peercred(stream) else { return false };
    let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
    peer.uid == geteuid()
        || peer.uid.is_root()
        || attached.contains(&pid)
        || descends_from(pid, std::process::id())
}

fn descends_from(pid: u32, ancestor: u32) -> bool {
    let parent = |pid: &u32| stat_of(*pid).map(|stat| stat.ppid).filter(|parent| *parent > 0);
    std::iter::successors(Some(pid), parent).take(MAX_GENERATIONS).any(|known| known == ancestor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_descends_from_itself_and_its_ancestors_and_not_from_its_children() {
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        assert!(descends_from(own, own) && descends_from(own, parent));
        assert!(!descends_from(parent, own) && !descends_from(u32::MAX, own));
    }

    #[test]
    fn our_own_user_is_taken() {
        let (one, _other) = UnixStream::pair().expect("a pair of sockets");
        assert!(is_of_the_target(&one, &BTreeSet::new()));
    }
}
