//! The session log: phases, processes, recorder states and how the run ended, in the order they happened.

use crate::Nanos;
use serde::{Deserialize, Serialize};

/// An [`Event`] with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent {
    /// When it happened.
    pub t: Nanos,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened during a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The target was started as this process.
    Launched {
        /// Process id of the direct child.
        pid: u32,
    },
    /// The target ran already; the agent is brought into it.
    Attached {
        /// The process that was asked for.
        pid: u32,
    },
    /// The target listens; load starts.
    Ready {
        /// The listening process.
        pid: u32,
    },
    /// A phase began.
    PhaseStarted {
        /// Name of the phase.
        phase: String,
    },
    /// A phase ended.
    PhaseEnded {
        /// Name of the phase.
        phase: String,
    },
    /// A Node process of the tree connected its agent.
    Process(ProcessHello),
    /// A worker thread of a Node process started.
    ThreadStarted {
        /// Process id.
        pid: u32,
        /// Node's `threadId`.
        thread: u32,
        /// Title or file of the worker.
        title: String,
        /// Kernel thread id, where the worker told it.
        #[serde(default)]
        tid: Option<u32>,
    },
    /// A recorder said how it is doing.
    Recorder {
        /// Name of the recorder.
        recorder: String,
        /// Process concerned, if one is.
        pid: Option<u32>,
        /// State.
        state: RecorderState,
        /// Reason, empty when all is well.
        why: String,
    },
    /// A process of the tree is gone.
    ProcessEnded {
        /// Process id.
        pid: u32,
        /// Exit code, where known.
        code: Option<i32>,
        /// Signal number, where known.
        signal: Option<i32>,
        /// Whether slowpath was stopping the target at that time.
        stopping: bool,
    },
    /// slowpath began to stop the target.
    Stopping {
        /// Why the run ended.
        ended: Ended,
        /// One sentence of detail, such as the last output lines of a target that died.
        detail: String,
    },
    /// A signal was sent to the target.
    Signalled {
        /// Name of the signal.
        signal: String,
    },
    /// Something that spoils numbers or was lost.
    Warning {
        /// The sentence to show.
        text: String,
    },
    /// The recording is whole; nothing follows.
    Finished,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// All phases ran.
    Complete,
    /// A person or a signal ended it early.
    Interrupted,
    /// The target ended by itself.
    TargetDied,
    /// The target never listened.
    NeverReady,
}

/// State of one recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecorderState {
    /// Everything arrived.
    Ok,
    /// Some data was lost; the reason says which.
    Partial,
    /// Nothing was recorded.
    Missing,
}

/// What a Node process said of itself when its agent connected. Arguments are redacted before they get here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessHello {
    /// Process id as the collector sees it.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// Node version without the `v`.
    pub node: String,
    /// Arguments, `argv[0]` being the node binary.
    pub argv: Vec<String>,
    /// Options given to node itself.
    pub exec_argv: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// Real path of the main script, empty where there is none.
    #[serde(default)]
    pub main: String,
    /// Cluster worker id, if it is one.
    pub cluster_worker: Option<u32>,
    /// Kernel thread id of the agent's own thread.
    #[serde(default)]
    pub relay_tid: Option<u32>,
    /// Heap limit of V8 in bytes.
    pub heap_size_limit: u64,
}

/// Returns the name of a signal that ends processes: `SIGKILL` for 9, and so on.
pub fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}
