//! A process that runs already: what it is, whether it still is that process, what belongs to it.

use crate::proc_fs::{command_of, stat_of, tree_of};
use crate::redact_args;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A process that was found by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningProcess {
    /// Process id.
    pub pid: u32,
    /// Name from `comm`.
    pub name: String,
    /// Command line, redacted; empty for kernel threads.
    pub command: Vec<String>,
    /// Working directory, where we may see it.
    pub cwd: Option<PathBuf>,
    /// Tells it from a later process with the same id.
    started: Option<String>,
}

impl RunningProcess {
    /// Finds a process; `None` where there is none with that id, or only its remains.
    pub fn find(pid: u32) -> Option<Self> {
        let stat = stat_of(pid).filter(|stat| stat.state != 'Z')?;
        // A thread has a directory of its own as well; the process is the one that leads its group.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let leader = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()?;
        if leader != pid {
            return Self::find(leader);
        }
        Some(Self {
            pid,
            name: stat.name,
            command: redact_args(&command_of(pid)),
            cwd: fs::read_link(format!("/proc/{pid}/cwd")).ok(),
            started: start_of(pid),
        })
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        let is_there = stat_of(self.pid).is_some_and(|stat| stat.state != 'Z');
        is_there && start_of(self.pid) == self.started
    }

    /// Returns it and all its descendants.
    pub fn tree(&self) -> BTreeSet<u32> {
        tree_of(self.pid, self.pid)
    }
}

/// Returns the start time of a process in clock ticks since boot, as text.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_itself_and_not_what_is_not() {
        let own = RunningProcess::find(std::process::id()).unwrap();
        assert!(own.is_alive() && own.tree().contains(&own.pid) && !own.command.is_empty());
        assert_eq!(RunningProcess::find(0), None);
        // Larger than any process id that Linux gives.
        assert_eq!(RunningProcess::find(1 << 23), None);
    }
}
