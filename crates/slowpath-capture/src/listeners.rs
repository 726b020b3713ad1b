//! Tells which process listens on a TCP port, by matching socket inodes of `/proc/net/tcp` to descriptors.
//!
//! This is what keeps a stale server on the same port from being measured in place of the target.

use crate::proc_fs::{all_pids, command_of, socket_inodes, tree_of};
use crate::redact_args;
use std::collections::{BTreeMap, BTreeSet};
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
        let inodes = inodes_on(port);
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
        self.any_port().map(|(pid, _)| pid)
    }

    /// Returns a process of the tree that listens on some TCP port, and the lowest such port of it.
    pub fn any_port(&self) -> Option<(u32, u16)> {
        let listening = listening_sockets();
        let port_of =
            |pid: u32| socket_inodes(pid).iter().filter_map(|inode| listening.get(inode)).min().copied();
        let tree = tree_of(self.root, std::process::id());
        tree.into_iter().find_map(|pid| port_of(pid).map(|port| (pid, port)))
    }

    /// Tells who listens on `port` before there is a target.
    pub fn stranger_on(port: u16) -> PortOwner {
        let inodes = inodes_on(port);
        if inodes.is_empty() { PortOwner::Nobody } else { stranger(&inodes) }
    }
}

/// Returns a process that holds the socket of this inode, if we may see it.
pub(crate) fn holder_of_socket(inode: u64) -> Option<u32> {
    all_pids().into_iter().find(|pid| socket_inodes(*pid).contains(&inode))
}

fn stranger(inodes: &BTreeSet<u64>) -> PortOwner {
    let holder = inodes.iter().find_map(|inode| holder_of_socket(*inode));
    PortOwner::Stranger { process: holder.map(|pid| (pid, redact_args(&command_of(pid)).join(" "))) }
}

fn inodes_on(port: u16) -> BTreeSet<u64> {
    listening_sockets().into_iter().filter(|(_, local)| *local == port).map(|(inode, _)| inode).collect()
}

/// Returns the port of each listening socket by its inode.
pub(crate) fn listening_sockets() -> BTreeMap<u64, u16> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| parse_listening(&fs::read_to_string(path).unwrap_or_default()))
        .collect()
}

/// Returns the inodes and ports of listening sockets.
fn parse_listening(table: &str) -> Vec<(u64, u16)> {
    let mut sockets = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, local, _, state, ..] = fields.as_slice() else {
            continue;
        };
        let port = local.rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
        let inode = fields.get(9).and_then(|inode| inode.parse().ok());
        if *state == LISTEN
            && let (Some(inode), Some(port)) = (inode, port)
        {
            sockets.push((inode, port));
        }
    }
    sockets
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
        assert_eq!(Listeners { root: own }.any_port().map(|(pid, _)| pid), Some(own));
        let PortOwner::Stranger { process: Some((pid, _)) } = Listeners::stranger_on(port) else { panic!() };
        assert_eq!(pid, own);
        drop(listener);
    }

    #[test]
    fn connected_sockets_do_not_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1\n\
            1: 0100007F:0BB8 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4712 1\n";
        assert_eq!(parse_listening(table), [(4711, 3000)]);
    }
}
