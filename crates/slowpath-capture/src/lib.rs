//! Starts Node.js targets and records them.
//!
//! [`launch`] starts the target with the agent injected, [`attach`] brings the agent into one that runs already, [`Collector`] takes what the agents of its processes send,
//! [`SystemSampler`] reads `/proc`, [`Listeners`] tells who listens on a port, [`stop`] ends the target as a person would.
//! All of it only appends to a recording; nothing here measures or judges.

mod async_records;
mod attach;
mod collector;
mod frames;
mod launch;
mod listeners;
mod machine;
mod native;
mod output;
mod output_log;
mod proc_fs;
mod recorder_kind;
mod redact;
mod run_dir;
mod running;
mod session_writer;
mod source_maps;
mod source_recorder;
mod stop;
mod system_sampler;
mod target;
mod thread_records;

pub use attach::{AttachError, attach};
pub use collector::{Collector, LiveReading, ProcessInfo};
pub use launch::{ChildChange, LaunchError, LaunchPlan, Launched, launch};
pub use listeners::{Listeners, PortOwner};
pub use machine::describe_machine;
pub use native::{
    JIT_NODE_OPTIONS, Lack, NativeError, NativeRecorder, Privileges, Recorded, remove_jit_files,
};
pub use output::OutputFollower;
pub use output_log::{holder_of, redact_output_log};
pub use recorder_kind::{CpuSampling, RecorderKind};
pub use redact::{redact_args, redact_text, redact_url};
pub use run_dir::RunDir;
pub use running::RunningProcess;
pub use session_writer::SessionWriter;
pub use stop::{StopReport, stop};
pub use system_sampler::SystemSampler;
pub use target::Target;

use slowpath_profile::Nanos;

/// Returns the present on `CLOCK_MONOTONIC`.
pub fn now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Nanos(time.tv_sec as u64 * slowpath_profile::SECOND + time.tv_nsec as u64)
}
