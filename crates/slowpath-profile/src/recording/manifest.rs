//! The manifest: what was run, where and when. Written once, before anything else; what happens later is in the logs.

use crate::Nanos;
use serde::{Deserialize, Serialize};

/// Version of the recording format that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What was run, on what machine, with what plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Version of the program that wrote the recording.
    pub slowpath_version: String,
    /// Start of the recording on the monotonic clock; the origin of every "since start" time.
    pub start: Nanos,
    /// The same moment as RFC 3339 in UTC.
    pub started_at: String,
    /// The target's command line, secrets redacted.
    pub command: Vec<String>,
    /// The target's working directory.
    pub cwd: String,
    /// Short name of the target, such as `api-server`.
    pub title: String,
    /// The load that slowpath drives, if it drives any.
    pub load: Option<LoadPlanInfo>,
    /// Planned phases in order.
    pub phases: Vec<PhasePlan>,
    /// What `--scale` could not vary; `None` without `--scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScalePlan>,
    /// Asked-for interval between CPU samples, in microseconds; agents widen it where sampling costs too much.
    pub cpu_interval_us: u32,
    /// The machine that it ran on.
    pub machine: Machine,
}

impl Manifest {
    /// Returns the load of a phase that is compared with others; `None` for phases under the run's own load.
    pub fn level_of(&self, phase: &str) -> Option<Level> {
        self.phases.iter().find(|planned| planned.name == phase)?.level
    }
}

/// The part of a load plan that a report states. Headers and bodies are left out: they carry secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPlanInfo {
    /// URL without user info; values of query parameters that look like secrets are redacted.
    pub url: String,
    /// HTTP method.
    pub method: String,
    /// Concurrent connections of the closed loop.
    pub connections: u32,
}

/// One planned phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhasePlan {
    /// Name as the report shows it, such as `baseline`.
    pub name: String,
    /// Planned length in seconds.
    pub seconds: f64,
    /// The load of a phase that is compared with others under another load, as `--scale` plans them; `None` for phases under the
    /// run's own load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

impl PhasePlan {
    /// Plans a phase under the run's own load.
    pub fn new(name: impl Into<String>, seconds: f64) -> Self {
        Self { name: name.into(), seconds, level: None }
    }
}

/// How hard a load is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Concurrent connections of the closed loop.
    pub connections: u32,
    /// Mean size of a request's body, bytes.
    pub body_bytes: f64,
    /// What it differs in from those that it is compared with.
    pub varied: Varied,
}

/// What phases are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Varied {
    /// The number of connections.
    Connections,
    /// The size of bodies.
    Bodies,
    /// It is one end of both comparisons.
    Both,
}

/// What a comparison of loads left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalePlan {
    /// Why the number of connections is not varied; `None` where it is.
    pub connections_fixed: Option<String>,
    /// Why the size of bodies is not varied, and what to give; `None` where it is.
    pub bodies_fixed: Option<String>,
}

/// The machine a recording was made on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Logical CPUs that this process may use.
    pub cpus: u32,
    /// Model name of the first CPU.
    pub cpu_model: String,
    /// Kernel release.
    pub kernel: String,
    /// Physical memory in bytes.
    pub memory_bytes: u64,
    /// CPU limit of the cgroup in cores, if one is set.
    pub cgroup_cpu_limit: Option<f64>,
}
