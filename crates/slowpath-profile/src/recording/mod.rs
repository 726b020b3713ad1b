//! The recording: which files it has, how they are appended to and read back. `docs/recording-format.md` describes it.

mod async_log;
mod counter_log;
mod cpu_log;
mod heap_log;
mod json_lines;
mod load_log;
mod lookups;
mod manifest;
mod native_log;
mod native_log_writer;
mod native_symbols;
mod process_log;
mod project;
mod reader;
mod session_log;
mod source_log;
mod system_log;

pub use async_log::{
    AsyncFrame, AsyncHooks, AsyncJobs, AsyncLine, AsyncLog, AsyncLogWriter, AsyncSecond, AsyncSource,
    FollowedRequest, HooksSide, RawRequest, RawSlice, Slice, read_async_log,
};
pub use counter_log::{
    CallCounts, CallSite, CounterRecord, DeoptCause, DeoptCounts, DeoptPosition, OptimisedFunction,
    PlaceShare, ScriptCalls, SiteFrame, Total, UNKNOWN_SITE,
};
pub use cpu_log::{CpuLogReader, CpuLogWriter, CpuSegment};
pub use heap_log::{CollectionSum, HeapFrame, HeapNode, HeapRecord, HeapSeen, SampledHeap};
pub use json_lines::{JsonLines, ReadLines, read_json_lines};
pub use load_log::LoadInterval;
pub use manifest::{FORMAT_VERSION, Level, LoadPlanInfo, Machine, Manifest, PhasePlan, ScalePlan, Varied};
pub use native_log::{
    AddressNode, AddressSpace, CodeMap, KERNEL_START, NATIVE_LOG_VERSION, NativeHeader, NativeLog,
    NativeSample, NativeThread,
};
pub use native_log_writer::{NativeLogWriter, NewMap};
pub use native_symbols::{NamedAddress, NativeSymbol, NativeSymbols};
pub use process_log::{GcPause, HeapUse, LoopSecond, ProcessRecord, StallWindow};
pub use project::{ChosenPack, Definition, Import, Project};
pub use reader::{NativeStacks, Recording, RecordingError, ThreadCpu};
pub use session_log::{Ended, Event, ProcessHello, RecorderState, TimedEvent, signal_name};
pub use source_log::{MapSection, Source, SourceLog, read_source_log};
pub use system_log::{CgroupSample, MachineCpu, ProcessSample, SystemSample, TaskSample};

use std::path::{Path, PathBuf};

/// Names the files of a recording below its directory.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The recording's directory.
    pub dir: PathBuf,
}

impl Layout {
    /// Returns the layout of the recording in `dir`; touches nothing.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self { dir: dir.as_ref().to_path_buf() }
    }

    /// What was run, where and when; written once, first.
    pub fn manifest(&self) -> PathBuf {
        self.dir.join("manifest.json")
    }

    /// What project it is, and the checkpoint pack for it; written once, before the target starts.
    pub fn project(&self) -> PathBuf {
        self.dir.join("project.json")
    }

    /// Phases, processes, recorder states, exits; one line an event.
    pub fn session_log(&self) -> PathBuf {
        self.dir.join("session.jsonl")
    }

    /// Load results; one line a second.
    pub fn load_log(&self) -> PathBuf {
        self.dir.join("load.jsonl")
    }

    /// `/proc` of the process tree and of the machine; one line a sample.
    pub fn system_log(&self) -> PathBuf {
        self.dir.join("system.jsonl")
    }

    /// Event loop, GC and heap of one Node process; one line a second and thread.
    pub fn process_log(&self, pid: u32) -> PathBuf {
        self.dir.join(format!("process-{pid}.jsonl"))
    }

    /// What the counters recorder of one Node process counted; one line a second and thread.
    pub fn counter_log(&self, pid: u32) -> PathBuf {
        self.dir.join(format!("counters-{pid}.jsonl"))
    }

    /// Who allocated in one Node process, and what stayed; one line a window of the heap recorder.
    pub fn heap_log(&self, pid: u32) -> PathBuf {
        self.dir.join(format!("heap-{pid}.jsonl"))
    }

    /// CPU samples of one thread, as gzipped Chrome trace `ProfileChunk` events.
    pub fn cpu_log(&self, pid: u32, thread: u32) -> PathBuf {
        self.dir.join(format!("cpu-{pid}-{thread}.trace.json.gz"))
    }

    /// What followed requests of one process ran and waited for; gzipped JSON lines.
    pub fn async_log(&self, pid: u32) -> PathBuf {
        self.dir.join(format!("async-{pid}.jsonl.gz"))
    }

    /// Scripts that samples fell into, with their source maps and function ranges; gzipped, one line each.
    pub fn source_log(&self) -> PathBuf {
        self.dir.join("sources.jsonl.gz")
    }

    /// Stacks of native code as addresses, of all processes.
    pub fn native_log(&self) -> PathBuf {
        self.dir.join("native.jsonl.gz")
    }

    /// Names of those addresses.
    pub fn native_symbols(&self) -> PathBuf {
        self.dir.join("native-symbols.jsonl.gz")
    }

    /// What the target wrote to standard output.
    pub fn stdout_log(&self) -> PathBuf {
        self.dir.join("stdout.log")
    }

    /// What the target wrote to standard error.
    pub fn stderr_log(&self) -> PathBuf {
        self.dir.join("stderr.log")
    }

    /// Returns the paths of both files of the target's output.
    pub fn output_logs(&self) -> [PathBuf; 2] {
        [self.stdout_log(), self.stderr_log()]
    }
}
