//! The program that is recorded: started for it, or there before.

use crate::launch::{ChildChange, Launched};
use crate::run_dir::exit_code_in;
use crate::{RunDir, RunningProcess};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The program that is recorded.
#[derive(Debug)]
pub enum Target {
    /// Started for it, and stopped at its end.
    Launched(Launched),
    /// There before, and left as it was.
    Attached {
        /// The process that was asked for.
        process: RunningProcess,
        /// Where its Node processes note how they end.
        run_dir: PathBuf,
    },
}

impl Target {
    /// Takes a process that an agent was brought into.
    pub fn attached(process: RunningProcess, run_dir: &RunDir) -> Self {
        Self::Attached { process, run_dir: run_dir.path().to_owned() }
    }

    /// Returns the id of its first process.
    pub fn pid(&self) -> u32 {
        match self {
            Self::Launched(launched) => launched.pid,
            Self::Attached { process, .. } => process.pid,
        }
    }

    /// Tells how its first process ended, once it has; see [`Launched::poll`]. Never blocks.
    pub fn poll(&mut self) -> Option<ChildChange> {
        match self {
            Self::Launched(launched) => launched.poll(false),
            Self::Attached { process, .. } if process.is_alive() => None,
            Self::Attached { process, run_dir } => {
                Some(exit_code_in(run_dir, process.pid).map_or(ChildChange::Gone, ChildChange::Exited))
            }
        }
    }

    /// Returns the processes of its tree that are alive.
    pub fn tree(&self) -> BTreeSet<u32> {
        match self {
            Self::Launched(launched) => launched.tree(),
            Self::Attached { process, .. } if process.is_alive() => process.tree(),
            Self::Attached { .. } => BTreeSet::new(),
        }
    }

    /// Whether any process of its tree is alive.
    pub fn is_alive(&self) -> bool {
        !self.tree().is_empty()
    }

    /// Whether it was given the terminal: Ctrl-C then reaches it and not us.
    pub fn has_terminal(&self) -> bool {
        matches!(self, Self::Launched(launched) if launched.has_terminal())
    }

    /// Returns the exit code that a Node process of it noted as it ended.
    pub fn noted_exit_code(&self, pid: u32) -> Option<i32> {
        match self {
            Self::Launched(launched) => launched.noted_exit_code(pid),
            Self::Attached { run_dir, .. } => exit_code_in(run_dir, pid),
        }
    }
}
