//! The recorders that the agent can switch, and how densely it samples.

/// How densely the agents sample the CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuSampling {
    /// Distance between samples, in microseconds; with `max_share` the shortest.
    pub interval_us: u32,
    /// Part of a core that sampling one thread may cost. Agents measure what a sample costs on this machine and widen
    /// the interval to keep to it.
    pub max_share: Option<f64>,
}

impl CpuSampling {
    /// A sample a millisecond, fewer where that would cost more than 3 % of a core.
    pub const AUTO: Self = Self { interval_us: 1000, max_share: Some(0.03) };
}

/// A recorder that the agent can switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecorderKind {
    /// Event-loop delay and utilisation.
    Loop,
    /// Garbage collections.
    Gc,
    /// Heap size.
    HeapUsage,
    /// CPU samples.
    Cpu,
    /// Calls of built-ins, bytes, connections, commands.
    Counters,
    /// Calls of functions.
    Calls,
    /// Who allocates, what of it stays, and what collections do.
    Heap,
    /// Optimised code that V8 throws away.
    Deopts,
    /// What requests ran and waited for.
    Async,
}

impl RecorderKind {
    /// Returns its name in the protocol and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Gc => "gc",
            Self::HeapUsage => "heap_usage",
            Self::Cpu => "cpu",
            Self::Counters => "counters",
            Self::Calls => "calls",
            Self::Heap => "heap",
            Self::Deopts => "deopts",
            Self::Async => "async",
        }
    }
}
