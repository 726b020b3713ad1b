//! The native phase of a run: samples the target's tree while it lasts, names the addresses when the target is gone.

use slowpath_capture::{
    JIT_NODE_OPTIONS, Lack, NativeError, NativeRecorder, Recorded, RunDir, SessionWriter, remove_jit_files,
};
use slowpath_profile::recording::{Event, Layout, RecorderState, TimedEvent, read_json_lines};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Samples a second of CPU time and thread. Odd, so that it does not keep step with timers; the same as in the usual
/// `perf record -F 99`.
const FREQUENCY_HZ: u32 = 99;

/// As [`FREQUENCY_HZ`], of a target that ran before: the more samples, the more of them are near in time to one of V8's, which tell
/// what its code is.
const FREQUENCY_WITHOUT_NAMES_HZ: u32 = 397;

/// Name of the recorder.
const RECORDER: &str = "native";

/// Whether native stacks are to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NativePlan {
    /// Nobody asked for them.
    None,
    /// In the native phase.
    Wanted,
    /// Asked for, but this machine does not permit it.
    Refused(Lack),
}

impl NativePlan {
    /// Asks this machine whether it permits them.
    pub(crate) fn new(wanted: bool) -> Self {
        match wanted.then(NativeRecorder::probe) {
            None => Self::None,
            Some(Ok(())) => Self::Wanted,
            Some(Err(lack)) => Self::Refused(lack),
        }
    }

    /// Returns what is not permitted, if it was asked for.
    pub(crate) fn lack(&self) -> Option<&Lack> {
        match self {
            Self::Refused(lack) => Some(lack),
            _ => None,
        }
    }

    /// Options that the target's Node.js processes need for it.
    pub(crate) fn node_options(&self) -> &'static str {
        if *self == Self::Wanted { JIT_NODE_OPTIONS } else { "" }
    }
}

/// The recorder over the life of a session.
#[derive(Debug)]
pub(crate) struct NativePhase {
    /// Whether the files that V8 leaves behind are of our asking.
    leaves_files: bool,
    frequency_hz: u32,
    begun: SystemTime,
    recorder: Option<NativeRecorder>,
    recorded: Option<Recorded>,
    lacks: Vec<String>,
}

impl NativePhase {
    /// Prepares; says what is refused. `starts_target`: a target that runs already was given no options.
    pub(crate) fn new(plan: &NativePlan, starts_target: bool, log: &SessionWriter) -> Self {
        if let Some(lack) = plan.lack() {
            log.recorder(RECORDER, None, RecorderState::Missing, lack.to_string());
        }
        let own_options = std::env::var("NODE_OPTIONS").unwrap_or_default();
        Self {
            leaves_files: starts_target
                && *plan == NativePlan::Wanted
                && !own_options.contains("--perf-basic-prof"),
            frequency_hz: if starts_target { FREQUENCY_HZ } else { FREQUENCY_WITHOUT_NAMES_HZ },
            begun: SystemTime::now(),
            recorder: None,
            recorded: None,
            lacks: Vec::new(),
        }
    }

    /// Begins to sample `tree`. What cannot be had is recorded, and the run goes on without.
    pub(crate) fn begin(&mut self, tree: &BTreeSet<u32>, layout: &Layout, log: &SessionWriter) {
        match NativeRecorder::start(tree, self.frequency_hz, layout, log) {
            Ok(recorder) => {
                self.lacks.extend(recorder.lacks().iter().map(ToString::to_string));
                self.recorder = Some(recorder);
            }
            Err(NativeError::Refused(lack)) => {
                log.recorder(RECORDER, None, RecorderState::Missing, lack.to_string());
            }
            Err(NativeError::Log(error)) => log.note_write_failure("the native log", &error),
        }
    }

    /// Ends sampling, if it goes on.
    pub(crate) fn end(&mut self, log: &SessionWriter) {
        match self.recorder.take().map(NativeRecorder::stop) {
            Some(Ok(recorded)) => self.recorded = Some(recorded),
            Some(Err(error)) => log.note_write_failure("the native log", &error),
            None => {}
        }
    }

    /// Whether addresses wait to be named.
    pub(crate) fn has_addresses(&self) -> bool {
        self.recorded.is_some()
    }

    /// Names what was recorded, unless there is a hurry, and removes what V8 wrote for it. The target, which was started in
    /// `cwd`, is gone by now, so that this disturbs nobody.
    pub(crate) fn conclude(
        mut self,
        layout: &Layout,
        log: &SessionWriter,
        run_dir: &RunDir,
        cwd: Option<&Path>,
        hurry: bool,
    ) {
        if let Some(recorded) = self.recorded.as_ref().filter(|_| !hurry) {
            match recorded.symbolise(layout) {
                Ok(lacks) => self.lacks.extend(lacks.iter().map(ToString::to_string)),
                Err(error) => log.note_write_failure("the names of native functions", &error),
            }
        }
        if !self.lacks.is_empty() {
            log.recorder(RECORDER, None, RecorderState::Partial, self.lacks.join("; "));
        }
        if self.leaves_files {
            let mut directories = directories(layout);
            directories.extend(cwd.map(Path::to_owned));
            remove_jit_files(run_dir.path(), &directories, self.begun);
        }
    }
}

/// Returns the directories in which processes of the target were started.
fn directories(layout: &Layout) -> BTreeSet<PathBuf> {
    let events =
        read_json_lines::<TimedEvent>(&layout.session_log()).map_or_else(|_| Vec::new(), |read| read.values);
    let started_in = events.into_iter().filter_map(|timed| match timed.event {
        Event::Process(hello) => Some(PathBuf::from(hello.cwd)),
        _ => None,
    });
    started_in.chain(std::env::current_dir()).collect()
}
