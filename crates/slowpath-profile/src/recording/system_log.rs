//! The system log: `/proc` of the target's process tree and of the machine, about twice a second and at every phase
//! boundary. Times of threads come from `schedstat` (nanoseconds), user and system shares from `stat` (clock ticks).

use crate::Nanos;
use serde::{Deserialize, Serialize};

/// One sample of everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemSample {
    /// When it was taken.
    pub t: Nanos,
    /// The whole machine.
    pub machine: MachineCpu,
    /// slowpath's own CPU time so far (load generator, collector), in nanoseconds.
    pub own_cpu: Nanos,
    /// The target's cgroup, where it has one that limits or counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupSample>,
    /// Every process of the tree that is alive.
    pub processes: Vec<ProcessSample>,
}

/// Cumulative CPU time of all cores, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineCpu {
    /// User, nice, system, irq and softirq time.
    pub busy: Nanos,
    /// Idle and iowait time.
    pub idle: Nanos,
    /// Time that the hypervisor gave to others.
    pub steal: Nanos,
}

/// Cumulative counters of a cgroup's `cpu.stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupSample {
    /// Periods in which the quota ran out.
    pub n_throttled: u64,
    /// Time throttled, summed over its threads.
    pub throttled: Nanos,
}

/// One process at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// Name from `comm`.
    pub name: String,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Open file descriptors, zero when not readable.
    pub n_fds: u32,
    /// Those of them that are sockets.
    pub n_sockets: u32,
    /// Threads alive.
    pub tasks: Vec<TaskSample>,
}

/// One kernel thread at one moment: `[tid, name, run, wait, user, system, voluntary, involuntary]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "TaskRow", into = "TaskRow")]
pub struct TaskSample {
    /// Kernel thread id.
    pub tid: u32,
    /// Name from `comm`.
    pub name: String,
    /// Time on a CPU.
    pub run: Nanos,
    /// Time runnable but waiting for a CPU.
    pub wait: Nanos,
    /// User part of the CPU time, in clock-tick resolution.
    pub user: Nanos,
    /// System part of the CPU time, in clock-tick resolution.
    pub system: Nanos,
    /// Voluntary context switches.
    pub n_voluntary: u64,
    /// Involuntary context switches.
    pub n_involuntary: u64,
}

type TaskRow = (u32, String, Nanos, Nanos, Nanos, Nanos, u64, u64);

impl From<TaskRow> for TaskSample {
    fn from((tid, name, run, wait, user, system, n_voluntary, n_involuntary): TaskRow) -> Self {
        Self { tid, name, run, wait, user, system, n_voluntary, n_involuntary }
    }
}

impl From<TaskSample> for TaskRow {
    fn from(t: TaskSample) -> Self {
        (t.tid, t.name, t.run, t.wait, t.user, t.system, t.n_voluntary, t.n_involuntary)
    }
}
