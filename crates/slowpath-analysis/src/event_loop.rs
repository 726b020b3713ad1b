//! Event-loop delay and stalls, and garbage collection, of one main thread.

use crate::phases::Phases;
use crate::stack_class::{Doing, StackClasses};
use hdrhistogram::Histogram;
use slowpath_profile::recording::ProcessRecord;
use slowpath_profile::tables::{FunctionId, Profile};
use slowpath_profile::{Nanos, Recording, SECOND};
use std::collections::BTreeMap;

/// An interval in which the loop did not turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Stall {
    /// Process id.
    pub pid: u32,
    /// From when a timer was due.
    pub start: Nanos,
    /// To when it ran, or to the last sign of life of a loop that never turned again.
    pub end: Nanos,
    /// The application function (else any function) that held the loop longest, where CPU samples cover the interval.
    pub culprit: Option<FunctionId>,
    /// Share of the part that CPU samples cover in which they saw the thread run, or sleep in a call. A
    /// thread that is not given a CPU cannot be sampled, so a low share means that it was not at fault.
    pub sampled_share: Option<f64>,
    /// Share of that part in which they saw it wait for events.
    pub idle_share: Option<f64>,
    /// Whether the loop still had not turned when the recording ended.
    pub never_ended: bool,
    /// How long the main thread waited for a CPU between the two readings of `/proc` around it: an upper bound of what
    /// the machine added. `None` where there are no such readings.
    pub waited_for_cpu: Option<Nanos>,
}

impl Stall {
    /// Returns the part of the stall that the wait for a CPU does not explain.
    pub fn own(&self) -> Nanos {
        let length = self.end.since(self.start);
        Nanos(length.0.saturating_sub(self.waited_for_cpu.unwrap_or_default().0))
    }
}

/// Delay of the event loop of one main thread over the measured phases.
#[derive(Debug, Clone)]
pub struct LoopMeasure {
    /// Process id.
    pub pid: u32,
    /// Delay percentiles in ms: p50, p99, max.
    pub delay_ms: (f64, f64, f64),
    /// Readings that they rest on.
    pub n_ticks: u64,
    /// Share of time that the loop did not wait for events (delta utilisation).
    pub utilisation: f64,
    /// Stalls in order of time.
    pub stalls: Vec<Stall>,
    /// Share of the measured time spent in stalls, without what waiting for a CPU explains.
    pub stalled_share: f64,
}

/// Garbage collection of one main thread over the measured phases.
#[derive(Debug, Clone, PartialEq)]
pub struct GcMeasure {
    /// Collections by kind: name, count, total, longest.
    pub kinds: Vec<(&'static str, u64, Nanos, Nanos)>,
    /// Share of the measured time in pauses.
    pub share: f64,
}

/// A gap of this length without a tick at the end of a recording, on a process that lives, is a loop that hangs. Two
/// seconds: a tick is due each 10 ms and records arrive each 100 ms.
const HANG: u64 = 2 * SECOND;

/// A thread that hangs never waits for events; one seen waiting for half of the time turns.
const TURNING_IDLE: f64 = 0.5;

impl LoopMeasure {
    pub(crate) fn of(recording: &Recording, pid: u32, phases: &Phases) -> Option<Self> {
        let records: Vec<&ProcessRecord> =
            recording.processes.get(&pid)?.iter().filter(|record| record.thread == 0).collect();
        let seconds: Vec<_> = records.iter().filter_map(|record| record.event_loop.as_ref()).collect();
        let mut delay = Histogram::<u64>::new(2).expect("two digits are valid");
        let (mut idle, mut span) = (0, 0);
        let mut stalls = Vec::new();
        for second in &seconds {
            if !phases.is_measured(second.to) {
                continue;
            }
            delay.add(&second.delay).expect("the sum resizes itself");
            idle += second.idle.0;
            span += second.to.since(second.from).0;
            stalls.extend(second.stalls.iter().map(|stall| Stall {
                pid,
                start: stall.start,
                end: stall.end,
                culprit: None,
                sampled_share: None,
                idle_share: None,
                never_ended: false,
                waited_for_cpu: run_queue_wait(recording, pid, stall.start, stall.end),
            }));
        }
        let last_tick = records.iter().filter_map(|record| sign_of_life(record)).max();
        let last_sign = last_tick.max(last_answer(recording));
        stalls.extend(hang(recording, pid, phases, last_sign));
        if seconds.is_empty() && stalls.is_empty() {
            return None;
        }
        let ms = |us: u64| us as f64 / 1e3;
        Some(Self {
            pid,
            delay_ms: (ms(delay.value_at_quantile(0.5)), ms(delay.value_at_quantile(0.99)), ms(delay.max())),
            n_ticks: delay.len(),
            utilisation: if span > 0 { 1.0 - (idle as f64 / span as f64).min(1.0) } else { 1.0 },
            stalled_share: stalled_share(&stalls, phases),
            stalls,
        })
    }

    /// Names for each stall the function that held the loop longest, where samples cover it.
    /// A loop that seems to hang while samples see its thread idle lost its records instead, and is left out.
    pub(crate) fn name_culprits(&mut self, profile: &Profile, phases: &Phases) {
        let Some(samples) = profile.threads.iter().find(|t| t.pid == self.pid && t.thread == 0) else {
            return;
        };
        let classes = StackClasses::of(profile);
        let interval = samples.effective_interval().unwrap_or_default().0;
        for stall in &mut self.stalls {
            let covered: u64 = samples
                .segments
                .iter()
                .map(|(start, end)| (*end).min(stall.end).since((*start).max(stall.start)).0)
                .sum();
            if covered == 0 {
                continue;
            }
            let from = samples.start.partition_point(|start| *start < stall.start);
            let mut time: BTreeMap<FunctionId, u64> = BTreeMap::new();
            let (mut n_samples, mut idle) = (0, 0);
            for index in from..samples.start.len() {
                if samples.start[index] >= stall.end {
                    break;
                }
                let stack = samples.stack[index];
                if classes.doing[stack.0 as usize] == Doing::Idle {
                    idle += samples.duration[index].0;
                    continue;
                }
                let leaf = profile.stacks.function[stack.0 as usize];
                let held_by = classes.owner[stack.0 as usize].unwrap_or(leaf);
                *time.entry(held_by).or_default() += samples.duration[index].0;
                n_samples += 1;
            }
            stall.sampled_share = Some((f64::from(n_samples) * interval as f64 / covered as f64).min(1.0));
            stall.idle_share = Some((idle as f64 / covered as f64).min(1.0));
            let longest =
                time.into_iter().max_by_key(|(function, time)| (*time, std::cmp::Reverse(*function)));
            stall.culprit = longest.map(|(function, _)| function);
        }
        let turns = |stall: &Stall| stall.idle_share.is_some_and(|share| share >= TURNING_IDLE);
        self.stalls.retain(|stall| !(stall.never_ended && turns(stall)));
        self.stalled_share = stalled_share(&self.stalls, phases);
    }
}

fn stalled_share(stalls: &[Stall], phases: &Phases) -> f64 {
    let measured: u64 = phases.measured().map(|phase| phase.end.since(phase.start).0).sum();
    let stalled: u64 = stalls.iter().map(|stall| stall.own().0).sum();
    (stalled as f64 / measured.max(1) as f64).min(1.0)
}

/// Returns when a record last shows the loop turning: by its ticks, or by heap and GC readings, which the same thread
/// takes between ticks.
fn sign_of_life(record: &ProcessRecord) -> Option<Nanos> {
    let reading = (record.heap.is_some() || !record.gc.is_empty()).then_some(record.t);
    record.event_loop.as_ref().map(|second| second.to).or(reading)
}

/// Returns when the load was last answered, where one process alone can have answered it: its loop turned then, however
/// late its timers are.
fn last_answer(recording: &Recording) -> Option<Nanos> {
    let has_loop = |records: &&Vec<ProcessRecord>| records.iter().any(|record| record.event_loop.is_some());
    if recording.processes.values().filter(has_loop).count() > 1 {
        return None;
    }
    // They came some time in their interval: not before its start.
    recording.load.iter().filter(|interval| interval.bytes_in > 0).map(|interval| interval.start).max()
}

/// Finds a loop that had not turned again when the recording ended: no tick for long while the process lived.
fn hang(recording: &Recording, pid: u32, phases: &Phases, last_sign: Option<Nanos>) -> Option<Stall> {
    let mut watched = phases.measured().filter(|phase| !phase.is_instrumented());
    let first_phase = watched.next()?;
    let last_phase = watched.last().unwrap_or(first_phase);
    let alive = |sample: &&slowpath_profile::recording::SystemSample| {
        sample.t <= last_phase.end && sample.processes.iter().any(|process| process.pid == pid)
    };
    let last_alive = recording.system.iter().rfind(alive)?.t;
    let since = last_sign.unwrap_or(first_phase.start).max(phases.start);
    (last_alive.since(since).0 >= HANG).then_some(Stall {
        pid,
        start: since,
        end: last_alive,
        culprit: None,
        sampled_share: None,
        idle_share: None,
        never_ended: true,
        waited_for_cpu: None,
    })
}

/// Returns how long the main thread of `pid` waited for a CPU between the last reading of `/proc` before `start` and the
/// first after `end`.
fn run_queue_wait(recording: &Recording, pid: u32, start: Nanos, end: Nanos) -> Option<Nanos> {
    let before = recording.system.partition_point(|sample| sample.t <= start).checked_sub(1)?;
    let after = recording.system.partition_point(|sample| sample.t < end);
    let wait = |index: usize| -> Option<Nanos> {
        let process = recording.system.get(index)?.processes.iter().find(|process| process.pid == pid)?;
        Some(process.tasks.iter().find(|task| task.tid == pid)?.wait)
    };
    Some(wait(after)?.since(wait(before)?))
}

impl GcMeasure {
    pub(crate) fn of(recording: &Recording, pid: u32, phases: &Phases) -> Option<Self> {
        let records = recording.processes.get(&pid)?;
        let pauses = records.iter().filter(|record| record.thread == 0).flat_map(|record| &record.gc);
        let mut kinds: BTreeMap<&'static str, (u64, Nanos, Nanos)> = BTreeMap::new();
        let mut total = 0;
        for pause in pauses.filter(|pause| phases.is_measured(pause.start)) {
            let (n, sum, longest) = kinds.entry(pause.kind_name()).or_default();
            *n += 1;
            *sum = *sum + pause.pause;
            *longest = (*longest).max(pause.pause);
            total += pause.pause.0;
        }
        let measured: u64 = phases.measured().map(|phase| phase.end.since(phase.start).0).sum();
        Some(Self {
            kinds: kinds.into_iter().map(|(kind, (n, sum, longest))| (kind, n, sum, longest)).collect(),
            share: total as f64 / measured.max(1) as f64,
        })
    }
}
