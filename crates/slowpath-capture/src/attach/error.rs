//! Why a running process could not be recorded.

use std::io;

/// Why the agent could not be brought into a process.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Neither the process nor any that it started is one of Node.js.
    #[error("process {pid} (`{name}`) is no Node.js process, and has started none")]
    NoNode {
        /// As given.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Somebody else's, and we are not root.
    #[error("process {pid} belongs to user {uid}")]
    OtherUser {
        /// Process id.
        pid: u32,
        /// Its effective user.
        uid: u32,
    },
    /// In a container.
    #[error("process {pid} runs in a container: it has a {namespace} namespace of its own")]
    Contained {
        /// Process id.
        pid: u32,
        /// `mount`, `pid` or `network`.
        namespace: &'static str,
    },
    /// It would die of SIGUSR1, or ignore it.
    #[error("process {pid} does not open its inspector on SIGUSR1")]
    NoSignal {
        /// Process id.
        pid: u32,
    },
    /// It got the signal and opened nothing.
    #[error("process {pid} did not open its inspector within {seconds} s of SIGUSR1")]
    NoInspector {
        /// Process id.
        pid: u32,
        /// How long was waited.
        seconds: u64,
    },
    /// The port that its inspector would listen on is another's.
    #[error("process {pid} cannot open its inspector: port {port} is held by process {by} (`{command}`)")]
    PortTaken {
        /// Process id.
        pid: u32,
        /// The port.
        port: u16,
        /// Who listens on it.
        by: u32,
        /// That one's command line, redacted.
        command: String,
    },
    /// It is gone.
    #[error("process {pid} ended while slowpath attached to it")]
    Ended {
        /// Process id.
        pid: u32,
    },
    /// The inspector answered otherwise than it should.
    #[error("the inspector of process {pid} {what}")]
    Inspector {
        /// Process id.
        pid: u32,
        /// What was wrong, as the end of a sentence.
        what: String,
    },
    /// The agent's files could not be made readable for the target's user.
    #[error("cannot share the agent's files with the target's user")]
    Share(#[source] io::Error),
}

impl AttachError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoNode { .. } => {
                "pass the id of the Node.js process, as `pgrep -af node` tells it; `slowpath perf -p PID` records any program"
            }
            Self::OtherUser { .. } => "run slowpath as that user, or as root",
            Self::Contained { .. } => {
                "run slowpath inside the container, as in `docker cp slowpath NAME:/tmp/ && docker exec NAME /tmp/slowpath attach 1`"
            }
            Self::NoSignal { .. } => {
                "wait until it has started; a process that was started with `--disable-sigusr1` can only be recorded from its start, by `slowpath run`"
            }
            Self::NoInspector { .. } => {
                "a program with a SIGUSR1 handler of its own runs that instead: start it with `--inspect=127.0.0.1:0`, which needs no signal, or record it from its start with `slowpath run`"
            }
            Self::PortTaken { .. } => {
                "close the other inspector (Ctrl-C its debugger), or start this process with `--inspect-port=0`"
            }
            Self::Ended { .. } => "find the new process with `pgrep -af node`",
            Self::Inspector { .. } => "record the service from its start with `slowpath run`",
            Self::Share(_) => "run slowpath as the target's user",
        }
    }
}
