//! How long a phase runs before it counts, and how long it must count at least.

use super::Session;
use crate::phase_plan::recorders_in;
use slowpath_capture::RecorderKind;
use slowpath_profile::recording::PhasePlan;
use std::time::Duration;

/// How long the target runs with CPU sampling on before the phase counts, where sampling is switched on under load, and
/// the share of the phase that this may take at most. Starting V8's profiler holds the thread for some 10 to 300 ms, and
/// the agent makes V8 optimise its hot code anew: requests then cost up to half as much again for one to two seconds.
const SETTLE: (Duration, f64) = (Duration::from_secs(2), 0.25);

/// As [`SETTLE`], of the counters phase.
const SETTLE_COUNTERS: (Duration, f64) = (Duration::from_millis(500), 0.25);

/// As [`SETTLE`], of the async phase: a little longer than the agent takes (`agent/async-windows.cjs`).
const SETTLE_ASYNC: (Duration, f64) = (Duration::from_millis(550), 0.17);

/// As [`SETTLE`], of another load: its connections are made, and the requests of the one before it, which were cut off, end.
const SETTLE_LOAD: (Duration, f64) = (Duration::from_millis(600), 0.3);

/// Latencies that these may take.
const SETTLE_LATENCIES: f64 = 2.0;

impl Session<'_> {
    /// How long a new load is driven before it counts.
    pub(super) fn settle_time_of_load(&self, phase: &PhasePlan) -> Duration {
        let latencies = self.usual_load.map_or(0.0, |load| load.p50_ms / 1e3 * SETTLE_LATENCIES);
        let longest = SETTLE_LOAD.0.as_secs_f64().max(latencies);
        Duration::from_secs_f64(longest.min(phase.seconds * SETTLE_LOAD.1))
    }

    /// How long phase number `index` must count, where requests are so slow that its planned length would see too few from
    /// end to end: closed loops send them in bursts, one every latency.
    pub(super) fn least_window(&self, index: usize) -> Duration {
        let recorders = self.recorders(index);
        let per_request = [RecorderKind::Async, RecorderKind::Counters, RecorderKind::Calls];
        let counts = per_request.iter().any(|kind| recorders.contains(kind));
        match self.usual_load.filter(|_| counts) {
            Some(load) => load.window_per_request(),
            None => Duration::ZERO,
        }
    }
}

/// Returns how long to wait before phase number `index` counts.
pub(super) fn settle_time(phases: &[PhasePlan], index: usize) -> Duration {
    let has = |index, recorder| recorders_in(phases, index).contains(&recorder);
    let begins_to_sample = index > 0 && has(index, RecorderKind::Cpu) && !has(index - 1, RecorderKind::Cpu);
    let (longest, share) = match begins_to_sample {
        true => SETTLE,
        // V8 optimises anew what calls the functions that were replaced: half a second at twice the price.
        false if has(index, RecorderKind::Counters) => SETTLE_COUNTERS,
        // The same for what makes promises.
        false if has(index, RecorderKind::Async) => SETTLE_ASYNC,
        false => return Duration::ZERO,
    };
    longest.min(Duration::from_secs_f64(phases[index].seconds * share))
}
