//! Tells which process listens on a TCP port, by matching socket inodes of `/proc/net/tcp` to descriptors.
//!
//! This is what keeps a stale server on the same port from being measured in place of the target.

use crate::proc_fs::{all_pids, command_of, socket_inodes, tree_of};
use crate::redact_args;
use std::collections::BTreeSet;
use std::fs;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Answers questions about listening sockets.
#[derive(Debug, Clone, Copy)]
pub struct Listeners {
    /// Root of the target's process tree.
    pub root: u32,
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortOwner {
    /// Nobody.
    Nobody,
    /// A process of the target's tree.
    Target {
        /// Its process id.
        pid: u32,
    },
    /// Somebody else; `None` where their descriptors are hidden from us.
    Stranger {
        /// Process id and command line.
        process: Option<(u32, String)>,
    },
}

impl Listeners {
    /// Tells who listens on `port`, on any local address.
    pub fn owner_of(&self, port: u16) -> PortOwner {
        let inodes = listening_inodes(Some(port));
        if inodes.is_empty() {
            return PortOwner::Nobody;
        }
        let holds = |pid: &u32| socket_inodes(*pid).iter().any(|inode| inodes.contains(inode));
        let tree = tree_of(self.root, std::process::id());
        if let Some(pid) = tree.iter().copied().find(|pid| holds(pid)) {
            return PortOwner::Target { pid };
        }
        stranger(&inodes)
    }

    /// Returns a process of the tree that listens on some TCP port.
    pub fn any_listener(&self) -> Option<u32> {
        let inodes = listening_inodes(None);
        let tree = tree_of(self.root, std::process::id());
        tree.into_iter().find(|pid| socket_inodes(*pid).iter().any(|inode| inodes.contains(inode)))
    }

    /// Tells who listens on `port` before there is a target.
    pub fn stranger_on(port: u16) -> PortOwner {
        let inodes = listening_inodes(Some(port));
        if inodes.is_empty() { PortOwner::Nobody } else { stranger(&inodes) }
    }
}

fn stranger(inodes: &BTreeSet<u64>) -> PortOwner {
    let holder =
        all_pids().into_iter().find(|pid| socket_inodes(*pid).iter().any(|inode| inodes.contains(inode)));
    PortOwner::Stranger { process: holder.map(|pid| (pid, redact_args(&command_of(pid)).join(" "))) }
}

fn listening_inodes(port: Option<u16>) -> BTreeSet<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| parse_listening(&fs::read_to_string(path).unwrap_or_default(), port))
        .collect()
}

/// Returns the inodes of listening sockets, on `port` or on all.
fn parse_listening(table: &str, port: Option<u16>) -> Vec<u64> {
    let mut inodes = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, local, _, state, ..] = fields.as_slice() else {
            continue;
        };
        let local_port = local.rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
        if *state == LISTEN && local_port.is_some() && port.is_none_or(|port| local_port == Some(port)) {
            inodes.extend(fields.get(9).and_then(|inode| inode.parse::<u64>().ok()));
        }
    }
    inodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_the_listener_of_its_own_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id();
        assert_eq!(Listeners { root: own }.owner_of(port), PortOwner::Target { pid: own });
        let PortOwner::Stranger { process: Some((pid, _)) } = Listeners::stranger_on(port) else { panic!() };
        assert_eq!(pid, own);
        drop(listener);
    }

    #[test]
    fn connected_sockets_do_not_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1\n\
            1: 0100007F:0BB8 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4712 1\n";
        assert_eq!(parse_listening(table, Some(3000)), [4711]);
        assert!(parse_listening(table, Some(3001)).is_empty());
    }
}
