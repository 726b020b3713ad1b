//! Splits the wall time of a main thread into classes that add up to it.
//!
//! With CPU samples: each sample's duration goes to the class of its stack. V8's samples are wall-clock: one that was
//! due while the thread waited for a CPU is taken when it gets one, so the run-queue wait that the kernel counted
//! (`schedstat`) is taken out of the busy classes in proportion. Without samples the kernel's and the event loop's
//! own counters give a coarser split.

use crate::phases::Phases;
use crate::stack_class::{Doing, StackClasses};
use crate::threads::ServingThread;
use slowpath_profile::recording::TaskSample;
use slowpath_profile::tables::Profile;
use slowpath_profile::{Nanos, Recording};

/// What a main thread's time went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SplitClass {
    /// Running JavaScript.
    JavaScript,
    /// Collecting garbage.
    Gc,
    /// In native code.
    Native,
    /// Blocked in a synchronous call.
    SyncCall,
    /// Loading and compiling code.
    Compile,
    /// Runnable, but not given a CPU.
    RunQueue,
    /// Waiting for events.
    Idle,
}

impl SplitClass {
    /// All classes in the order of reports.
    pub const ALL: [Self; 7] =
        [Self::JavaScript, Self::Gc, Self::Native, Self::SyncCall, Self::Compile, Self::RunQueue, Self::Idle];

    /// Returns the key of `report.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::Gc => "gc",
            Self::Native => "native",
            Self::SyncCall => "sync_io",
            Self::Compile => "compile",
            Self::RunQueue => "run_queue",
            Self::Idle => "idle",
        }
    }
}

/// The split of one thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Process id.
    pub pid: u32,
    /// Node's `threadId`.
    pub thread: u32,
    /// Share of wall time by class, in the order of [`SplitClass::ALL`]; adds up to 1.
    pub shares: [f64; 7],
    /// Wall time that the split covers.
    pub wall: Nanos,
    /// CPU samples that it rests on, 0 without.
    pub n_samples: usize,
    /// Median distance between samples.
    pub effective_interval: Option<Nanos>,
    /// Busy time that was on no CPU and in no run queue: the thread slept inside a call.
    pub slept_while_busy: Option<f64>,
    /// The part of the run queue's share in which the thread had just been woken, and did nothing yet.
    pub woken_late: f64,
    /// Recorders that it comes from.
    pub recorders: Vec<&'static str>,
}

impl Split {
    /// Share of one class.
    pub fn share(&self, class: SplitClass) -> f64 {
        self.shares[class as usize]
    }

    /// Share of wall time not idle.
    pub fn utilisation(&self) -> f64 {
        1.0 - self.share(SplitClass::Idle)
    }

    /// Share of wall time that the thread was busy with work of its own, on a CPU or asleep in a call.
    pub fn own_utilisation(&self) -> f64 {
        (self.utilisation() - self.share(SplitClass::RunQueue)).max(0.0)
    }

    /// Share of wall time in which samples show code, on a CPU or kept from one.
    pub fn sampled_utilisation(&self) -> f64 {
        (self.utilisation() - self.woken_late).max(0.0)
    }

    /// Share of one class of the busy time.
    pub fn share_of_busy(&self, class: SplitClass) -> f64 {
        if self.utilisation() > 0.0 { self.share(class) / self.utilisation() } else { 0.0 }
    }

    pub(crate) fn of(
        recording: &Recording,
        profile: &Profile,
        busiest: Option<&ServingThread>,
        main_pid: Option<u32>,
        phases: &Phases,
    ) -> Option<Self> {
        match busiest {
            Some(thread) => Self::from_samples(recording, profile, thread),
            None => Self::from_counters(recording, main_pid?, phases),
        }
    }

    fn from_samples(recording: &Recording, profile: &Profile, thread: &ServingThread) -> Option<Self> {
        let samples = &profile.threads[thread.index];
        let classes = StackClasses::of(profile);
        let mut spent = [0.0_f64; 7];
        for (stack, duration) in samples.stack.iter().zip(&samples.duration) {
            let class = match classes.doing[stack.0 as usize] {
                Doing::Idle => SplitClass::Idle,
                Doing::Gc => SplitClass::Gc,
                Doing::Program | Doing::Native => SplitClass::Native,
                Doing::SyncCall(_) => SplitClass::SyncCall,
                Doing::Compile => SplitClass::Compile,
                Doing::JavaScript => SplitClass::JavaScript,
            };
            spent[class as usize] += duration.0 as f64;
        }
        let wall: f64 = spent.iter().sum();
        if wall <= 0.0 {
            return None;
        }
        let mut recorders = vec!["cpu"];
        let (mut slept_while_busy, mut woken_late) = (None, 0.0);
        if let Some((run, wait)) = recording
            .kernel_thread(thread.pid, thread.thread)
            .and_then(|tid| scheduled(recording, thread.pid, tid, &samples.segments))
        {
            recorders.push("proc");
            let idle = spent[SplitClass::Idle as usize];
            let busy = wall - idle;
            // A sample in the run queue shows what the thread was about to do: code that was interrupted, or, where it had been
            // woken, idling. Code is busy on a CPU for `run` and no longer.
            let waited_busy = (wait * wall).min((busy - run * wall).max(0.0));
            let waited_idle = (wait * wall - waited_busy).min(idle);
            if busy > 0.0 {
                for class in &SplitClass::ALL[..5] {
                    spent[*class as usize] *= 1.0 - waited_busy / busy;
                }
            }
            spent[SplitClass::Idle as usize] = idle - waited_idle;
            spent[SplitClass::RunQueue as usize] = waited_busy + waited_idle;
            woken_late = waited_idle / wall;
            slept_while_busy = Some(((busy - waited_busy) / wall - run).max(0.0));
        }
        Some(Self {
            pid: thread.pid,
            thread: thread.thread,
            shares: spent.map(|time| time / wall),
            wall: Nanos(wall as u64),
            n_samples: samples.stack.len(),
            effective_interval: samples.effective_interval(),
            slept_while_busy,
            woken_late,
            recorders,
        })
    }

    fn from_counters(recording: &Recording, pid: u32, phases: &Phases) -> Option<Self> {
        let intervals: Vec<_> = phases.measured().map(|phase| (phase.start, phase.end)).collect();
        let wall: u64 = intervals.iter().map(|(start, end)| end.since(*start).0).sum();
        let (run, wait) = scheduled(recording, pid, pid, &intervals)?;
        let gc: u64 = recording.processes.get(&pid).map_or(0, |records| {
            let pauses = records.iter().filter(|r| r.thread == 0).flat_map(|record| &record.gc);
            pauses.filter(|gc| phases.is_measured(gc.start)).map(|gc| gc.pause.0).sum()
        });
        let gc = (gc as f64 / wall.max(1) as f64).min(run);
        let mut shares = [0.0; 7];
        shares[SplitClass::JavaScript as usize] = run - gc;
        shares[SplitClass::Gc as usize] = gc;
        shares[SplitClass::RunQueue as usize] = wait.min((1.0 - run).max(0.0));
        shares[SplitClass::Idle as usize] = (1.0 - run - wait).max(0.0);
        let total: f64 = shares.iter().sum();
        Some(Self {
            pid,
            thread: 0,
            shares: shares.map(|share| share / total),
            wall: Nanos(wall),
            n_samples: 0,
            effective_interval: None,
            slept_while_busy: None,
            woken_late: 0.0,
            recorders: vec!["proc", "gc"],
        })
    }
}

/// Returns the shares of `intervals` that a kernel thread was on a CPU, and was waiting for one.
fn scheduled(recording: &Recording, pid: u32, tid: u32, intervals: &[(Nanos, Nanos)]) -> Option<(f64, f64)> {
    let task_at = |sample: &slowpath_profile::recording::SystemSample| -> Option<(Nanos, TaskSample)> {
        let process = sample.processes.iter().find(|process| process.pid == pid)?;
        Some((sample.t, process.tasks.iter().find(|task| task.tid == tid)?.clone()))
    };
    let (mut run, mut wait, mut covered) = (0, 0, 0);
    for (start, end) in intervals {
        let inside: Vec<_> =
            recording.system.iter().filter(|s| *start <= s.t && s.t <= *end).filter_map(task_at).collect();
        let (Some((t0, first)), Some((t1, last))) = (inside.first(), inside.last()) else {
            continue;
        };
        run += last.run.since(first.run).0;
        wait += last.wait.since(first.wait).0;
        covered += t1.since(*t0).0;
    }
    (covered > 0).then(|| (run as f64 / covered as f64, wait as f64 / covered as f64))
}
