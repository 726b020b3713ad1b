//! A Node process that runs already: whether it can be attached to, what it listens on, how its inspector is asked for.

use super::AttachError;
use crate::listeners::{holder_of_socket, listening_sockets};
use crate::proc_fs::{command_of, socket_inodes, stat_of};
use crate::redact_args;
use rustix::process::{Pid, Signal};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Port of Node's inspector where nothing else is said.
const USUAL_PORT: u16 = 9229;

/// Programs that only start others, by the beginning of their title or the name of their script.
const PACKAGE_MANAGERS: &[&str] = &["npm", "npx", "pnpm", "pnpx", "yarn", "corepack"];

/// How long Node takes, after its start, until it listens to signals.
const START: Duration = Duration::from_secs(2);

/// How often that is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A process that Node.js runs in.
#[derive(Debug)]
pub(super) struct NodeProcess {
    pub(super) pid: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    command: Vec<String>,
}

impl NodeProcess {
    /// Returns the process if it is one of Node.js and more than a package manager.
    pub(super) fn find(pid: u32) -> Option<Self> {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let name = program.file_name()?.to_str()?;
        let command = command_of(pid);
        if !name.starts_with("node") || is_package_manager(&command) {
            return None;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        // Real, effective, saved, file system.
        let effective = |name: &str| field(name)?.split_ascii_whitespace().nth(1)?.parse().ok();
        Some(Self { pid, uid: effective("Uid:")?, gid: effective("Gid:")?, command })
    }

    /// Says what stands against attaching, before anything is done to it.
    pub(super) fn check(&self) -> Result<(), AttachError> {
        let pid = self.pid;
        let own = rustix::process::geteuid();
        if !own.is_root() && own.as_raw() != self.uid {
            return Err(AttachError::OtherUser { pid, uid: self.uid });
        }
        for (file, namespace) in [("mnt", "mount"), ("pid", "pid"), ("net", "network")] {
            let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/{file}")).ok();
            if let (Some(theirs), Some(ours)) = (of(&pid.to_string()), of("self"))
                && theirs != ours
            {
                return Err(AttachError::Contained { pid, namespace });
            }
        }
        let deadline = Instant::now() + START;
        while !self.handles(Signal::USR1) && self.ports_of_open_inspector().is_empty() {
            if Instant::now() >= deadline {
                return Err(AttachError::NoSignal { pid });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Whether it has a handler for a signal: without one, SIGUSR1 would end it.
    fn handles(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        let handled = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
        handled >> (signal.as_raw() - 1) & 1 == 1
    }

    /// Returns the port that its inspector is on, or would be; 0 is one that the system chooses.
    pub(super) fn inspector_port(&self) -> u16 {
        self.options().iter().filter_map(|option| port_of_option(option)).next_back().unwrap_or(USUAL_PORT)
    }

    /// Returns the ports one of which is that of its inspector, if its options had Node open that at the start.
    pub(super) fn ports_of_open_inspector(&self) -> BTreeSet<u16> {
        match self.inspector_port() {
            0 if self.options().iter().any(|option| opens_inspector(option)) => self.ports(),
            port => self.ports().into_iter().filter(|open| *open == port).collect(),
        }
    }

    /// Returns Node's own options, the later ones winning.
    fn options(&self) -> Vec<String> {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        let options = environment.split('\0').find_map(|variable| variable.strip_prefix("NODE_OPTIONS="));
        let options = options.unwrap_or_default().split_ascii_whitespace();
        let own = self.command.iter().skip(1).take_while(|arg| arg.starts_with('-'));
        options.chain(own.map(String::as_str)).map(|option| option.trim_matches('"').to_owned()).collect()
    }

    /// Whether it listens on this port.
    pub(super) fn listens_on(&self, port: u16) -> bool {
        self.ports().contains(&port)
    }

    /// Returns the ports that it listens on.
    pub(super) fn ports(&self) -> BTreeSet<u16> {
        let sockets = listening_sockets();
        socket_inodes(self.pid).iter().filter_map(|inode| sockets.get(inode).copied()).collect()
    }

    pub(super) fn is_alive(&self) -> bool {
        stat_of(self.pid).is_some_and(|stat| stat.state != 'Z')
    }

    /// Sends SIGUSR1, which Node takes as the wish for its inspector.
    pub(super) fn ask_for_inspector(&self) -> Result<(), AttachError> {
        let ended = AttachError::Ended { pid: self.pid };
        let Some(pid) = Pid::from_raw(self.pid as i32) else { return Err(ended) };
        rustix::process::kill_process(pid, Signal::USR1).map_err(|_| ended)
    }
}

/// Returns who listens on a port: its process id and redacted command line.
pub(super) fn holder_of_port(port: u16) -> Option<(u32, String)> {
    let sockets = listening_sockets();
    let (inode, _) = sockets.iter().find(|(_, of)| **of == port)?;
    let pid = holder_of_socket(*inode)?;
    Some((pid, redact_args(&command_of(pid)).join(" ")))
}

/// Whether a command line is that of a program which only starts others. npm makes it its title, `npm run start`.
fn is_package_manager(command: &[String]) -> bool {
    let script =
        command.get(1).and_then(|script| Path::new(script).file_name()).and_then(|name| name.to_str());
    let title = command.first().and_then(|title| title.split_ascii_whitespace().next());
    let is_one = |name: &str| {
        let name = name.split(['.', '-']).next().unwrap_or(name);
        PACKAGE_MANAGERS.contains(&name)
    };
    script.is_some_and(is_one) || title.is_some_and(is_one)
}

/// Returns the port that an option of Node gives its inspector: `--inspect`, `--inspect=HOST:PORT`, `--inspect-port=PORT` …
fn port_of_option(option: &str) -> Option<u16> {
    let is_one = ["--inspect", "--debug-port"].iter().any(|name| option.starts_with(name));
    let (_, place) = option.split_once('=').filter(|_| is_one)?;
    place.rsplit(':').next()?.parse().ok()
}

/// Whether an option has Node open its inspector at once.
fn opens_inspector(option: &str) -> bool {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    ["--inspect", "--inspect-brk", "--inspect-wait"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_inspector_is_read_from_options() {
        let read = |option: &str| port_of_option(option);
        assert_eq!(read("--inspect=9300"), Some(9300));
        assert_eq!(read("--inspect=127.0.0.1:9301"), Some(9301));
        assert_eq!(read("--inspect-port=[::1]:9302"), Some(9302));
        assert_eq!(read("--inspect-publish-uid=stderr"), None);
        assert_eq!(read("--inspect"), None);
        assert_eq!(read("--max-old-space-size=9303"), None);
    }

    #[test]
    fn only_some_options_open_the_inspector_at_the_start() {
        assert!(opens_inspector("--inspect") && opens_inspector("--inspect=127.0.0.1:0"));
        assert!(!opens_inspector("--inspect-port=0") && !opens_inspector("--inspect-publish-uid=http"));
    }

    #[test]
    fn package_managers_are_told_from_programs() {
        let is_one = |line: &str| is_package_manager(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(is_one("node /usr/lib/node_modules/npm/bin/npm-cli.js start"));
        assert!(is_one("node /usr/bin/yarn.js dev"));
        assert!(is_package_manager(&["npm run start".to_owned()]));
        assert!(!is_one("node server.js") && !is_one("node npmjs-mirror/server.js") && !is_one("node"));
    }

    #[test]
    fn what_is_no_node_is_not_found() {
        assert!(NodeProcess::find(std::process::id()).is_none());
    }
}
