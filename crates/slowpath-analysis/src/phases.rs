//! When each phase ran, how the run ended, how long it was.

use slowpath_profile::recording::{Ended, Event, Level, SystemSample, TaskSample};
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeSet;

/// An interval in which a stated set of recorders was on.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Name, such as `baseline`.
    pub name: String,
    /// When it began.
    pub start: Nanos,
    /// When it ended.
    pub end: Nanos,
    /// CPU time of the target's tree in it, where `/proc` was sampled at both ends.
    pub target_cpu: Option<Nanos>,
    /// The part of it in threads that recorders can make dearer: those that run JavaScript, the agent's own and V8's
    /// samplers. V8's helpers are left out: what they compile, mostly in the first seconds, is no recorder's doing.
    pub recorded_cpu: Option<Nanos>,
    /// The load in it, where that is another than the run's own.
    pub level: Option<Level>,
}

impl Phase {
    /// Whether its numbers are the service's own: no recorder disturbed it.
    pub fn is_baseline(&self) -> bool {
        self.name.starts_with("baseline")
    }

    /// Whether it is discarded.
    pub fn is_warm_up(&self) -> bool {
        self.name == "warm-up"
    }

    /// Whether its recorders sit in the target's own calls: what they cost is not the service's doing, and the loop, GC and
    /// heap recorders are off.
    pub fn is_instrumented(&self) -> bool {
        matches!(self.name.as_str(), "async" | "counters" | "deopts" | "calls" | "heap")
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.end.since(self.start).as_secs_f64()
    }

    /// Whether `t` lies in it.
    pub fn contains(&self, t: Nanos) -> bool {
        self.start <= t && t < self.end
    }
}

/// How the run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All phases ran.
    Complete,
    /// Ended early by a person.
    Interrupted,
    /// The target ended by itself.
    TargetDied,
    /// The target never listened.
    NeverReady,
    /// slowpath itself was killed: the recording has no end.
    Cut,
}

/// The run as a whole.
#[derive(Debug, Clone)]
pub struct Phases {
    /// In order.
    pub phases: Vec<Phase>,
    /// How it ended.
    pub outcome: Outcome,
    /// The recorded sentence about the ending, such as how the target died.
    pub detail: String,
    /// First moment.
    pub start: Nanos,
    /// Last moment that something was recorded.
    pub end: Nanos,
}

impl Phases {
    pub(crate) fn of(recording: &Recording) -> Self {
        let start = recording.manifest.start;
        let mut end = recording.events.last().map_or(start, |event| event.t);
        end = end.max(recording.system.last().map_or(start, |sample| sample.t));
        let mut phases: Vec<Phase> = Vec::new();
        let mut outcome = Outcome::Cut;
        let mut detail = String::new();
        for timed in &recording.events {
            match &timed.event {
                Event::PhaseStarted { phase } => {
                    phases.push(Phase {
                        name: phase.clone(),
                        start: timed.t,
                        end,
                        target_cpu: None,
                        recorded_cpu: None,
                        level: recording.manifest.level_of(phase),
                    });
                }
                Event::PhaseEnded { phase } => {
                    if let Some(open) = phases.iter_mut().rfind(|open| open.name == *phase) {
                        open.end = timed.t;
                    }
                }
                Event::Stopping { ended, detail: sentence } => {
                    detail.clone_from(sentence);
                    outcome = match ended {
                        Ended::Complete => Outcome::Complete,
                        Ended::Interrupted => Outcome::Interrupted,
                        Ended::TargetDied => Outcome::TargetDied,
                        Ended::NeverReady => Outcome::NeverReady,
                    };
                }
                _ => {}
            }
        }
        let recorded = recorded_threads(recording);
        let is_recorded = |pid: u32, task: &TaskSample| {
            task.tid == pid || recorded.contains(&task.tid) || task.name.starts_with(SAMPLER_NAME)
        };
        for phase in &mut phases {
            phase.target_cpu = cpu_in(&recording.system, phase, |_, _| true);
            phase.recorded_cpu = cpu_in(&recording.system, phase, is_recorded);
        }
        Self { phases, outcome, detail, start, end }
    }

    /// Phases that count: all but the warm-up, instrumented ones and those under another load; these too where there are no others.
    pub fn measured(&self) -> impl Iterator<Item = &Phase> {
        let others = |phase: &Phase| !phase.is_warm_up() && !phase.is_instrumented() && phase.level.is_none();
        let has_others = self.phases.iter().any(others);
        self.phases.iter().filter(move |phase| if has_others { others(phase) } else { !phase.is_warm_up() })
    }

    /// Returns the intervals in which the service ran undisturbed; all measured phases where there was no baseline.
    pub fn quiet(&self) -> Vec<&Phase> {
        let baseline: Vec<_> = self.phases.iter().filter(|phase| phase.is_baseline()).collect();
        if baseline.is_empty() { self.measured().collect() } else { baseline }
    }

    /// Whether `t` lies in a measured phase.
    pub fn is_measured(&self, t: Nanos) -> bool {
        self.measured().any(|phase| phase.contains(t))
    }

    /// Seconds since the start of the recording.
    pub fn since_start(&self, t: Nanos) -> f64 {
        t.since(self.start).as_secs_f64()
    }
}

/// What V8 calls the threads that sample others for its profiler.
const SAMPLER_NAME: &str = "v8:ProfEvnt";

/// Returns the kernel's ids of worker threads and of the agents' own threads.
fn recorded_threads(recording: &Recording) -> BTreeSet<u32> {
    let tids = recording.events.iter().filter_map(|timed| match &timed.event {
        Event::ThreadStarted { tid, .. } => *tid,
        Event::Process(hello) => hello.relay_tid,
        _ => None,
    });
    tids.collect()
}

/// Sums the CPU time that `counted` threads of the tree (process id, thread) spent between the samples that enclose most
/// of a phase.
fn cpu_in(
    system: &[SystemSample],
    phase: &Phase,
    counted: impl Fn(u32, &TaskSample) -> bool,
) -> Option<Nanos> {
    let inside: Vec<_> = system.iter().filter(|s| phase.start <= s.t && s.t <= phase.end).collect();
    let (first, last) = (inside.first()?, inside.last()?);
    let covered = last.t.since(first.t);
    // The samples at the boundaries lie just inside; a phase that lost most of them has no figure.
    if covered.0 * 10 < phase.end.since(phase.start).0 * 8 {
        return None;
    }
    let mut spent = 0;
    for pair in inside.windows(2) {
        spent += spent_between(pair[0], pair[1], &counted);
    }
    let scale = phase.end.since(phase.start).0 as f64 / covered.0 as f64;
    Some(Nanos((spent as f64 * scale) as u64))
}

/// Returns the CPU time of the whole tree between two samples.
pub(crate) fn tree_cpu_between(before: &SystemSample, after: &SystemSample) -> Nanos {
    Nanos(spent_between(before, after, |_, _| true))
}

fn spent_between(
    before: &SystemSample,
    after: &SystemSample,
    counted: impl Fn(u32, &TaskSample) -> bool,
) -> u64 {
    let mut spent = 0;
    for process in &after.processes {
        let earlier = before.processes.iter().find(|earlier| earlier.pid == process.pid);
        for task in process.tasks.iter().filter(|task| counted(process.pid, task)) {
            let run =
                earlier.and_then(|earlier| earlier.tasks.iter().find(|t| t.tid == task.tid)).map(|t| t.run);
            spent += task.run.since(run.unwrap_or(Nanos(0))).0;
        }
    }
    spent
}
