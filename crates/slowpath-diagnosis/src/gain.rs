//! Predicts what removing a cost would bring.
//!
//! Where requests were followed it is known how long one waits for others and how long it needs the thread. Then the service is a
//! closed network with one queue (Lazowska et al., *Quantitative System Performance*, chapters 3 and 7): so many requests as
//! are in flight wait for `Z` and queue for a thread that each needs for `D`. Approximate mean value analysis (Schweitzer) gives the
//! throughput for any `D` and `Z`; the gain is that with the smaller ones over that with the measured ones.
//!
//! Where they were not, and the main thread is the bottleneck, Amdahl's law on its wall time: removing a part `p` of it lets
//! `1 / (1 − p)` times as many requests through. Where it is not, a request gets faster only by the part itself, so in a closed
//! loop throughput rises by `R / (R − p·D)` with mean latency `R` (Little's law).

use crate::Facts;
pub(crate) use crate::finding::Saving;
use crate::finding::{Finding, PredictedGain};
use slowpath_analysis::{AppFunction, AsyncMeasure, RowKind, WaitKind};
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Utilisation from which on the main thread counts as the bottleneck. Below it an M/D/1 queue at this load is shorter
/// than two requests, so waiting for the thread no longer rules the latency.
pub(crate) const SATURATED: f64 = 0.75;

/// Largest factor that is shown: past it the next bottleneck, not this one, decides.
pub(crate) const MAX_GAIN: f64 = 20.0;

/// Largest part of anything that is taken away.
const LARGEST_PART: f64 = 1.0 - 1.0 / MAX_GAIN;

/// Fewer requests followed from head to last byte than this say nothing of how long one waits: one that is cut has waited for less.
const MIN_FOLLOWED: u64 = 10;

/// Steps of the mean value analysis. It comes closer by a factor at each; near a full thread some hundred are needed.
const STEPS: usize = 500;

/// Predicts the gain of never waiting for a CPU, for a thread that waits for one `share` of its wall time. The upper end
/// is that of a thread that would use all of it.
pub(crate) fn of_more_cpu(facts: Facts<'_>, share: f64) -> Option<PredictedGain> {
    let gain = without(facts, share)?;
    Some(PredictedGain { throughput: gain, low: 1.0, high: gain, saving: Saving::default() })
}

/// Predicts the gain of not waiting for `share` of a request's time. What the wait was for may take the load less well: so the lower
/// end is no gain at all.
pub(crate) fn of_waiting_less(facts: Facts<'_>, share: f64) -> Option<PredictedGain> {
    of_saving(facts, Saving { busy: 0.0, waiting: share })
}

/// Predicts the gain of saving both time of the thread and waits. The lower end is that of the thread's time alone.
pub(crate) fn of_saving(facts: Facts<'_>, saving: Saving) -> Option<PredictedGain> {
    let network = Network::of(facts)?;
    let throughput = network.gain(saving);
    let low = network.gain(Saving { waiting: 0.0, ..saving });
    Some(PredictedGain { throughput, low, high: throughput, saving })
}

/// Predicts the gain of removing `share` (with its interval) of the busy time of the serving threads.
pub(crate) fn of_removing(facts: Facts<'_>, share: f64, interval: (f64, f64)) -> Option<PredictedGain> {
    let event_loop = facts.measurements.event_loop.as_ref();
    if event_loop.is_some_and(|event_loop| event_loop.stalls.iter().any(|stall| stall.never_ended)) {
        // A loop that hangs answers nothing: there is no throughput to multiply.
        return None;
    }
    let network = Network::of(facts);
    let utilisation = facts.measurements.split.as_ref()?.utilisation();
    let predict = |network: &Option<Network>, share: f64| match network {
        Some(network) => Some(network.gain(Saving { busy: share, waiting: 0.0 })),
        None => without(facts, share * utilisation),
    };
    Some(PredictedGain {
        throughput: predict(&network, share)?,
        low: predict(&network, interval.0)?,
        high: predict(&network.map(Network::at_nobodys_pace), interval.1)?,
        saving: Saving { busy: share, waiting: 0.0 },
    })
}

/// Predicts the factor on throughput with all causes gone that `findings` name a function for; `None` where these are fewer than two
/// functions, or nothing can be predicted. Of several findings of one function and what is folded into it, which see the same time, the
/// largest counts.
pub(crate) fn of_all(facts: Facts<'_>, findings: &[Finding]) -> Option<f64> {
    let mut by_function: BTreeMap<FunctionId, Saving> = BTreeMap::new();
    for finding in findings {
        let Some((function, gain)) = finding.function.zip(finding.predicted_gain) else { continue };
        let charged = facts.measurements.charges.functions.iter();
        let is_of = |outer: &&AppFunction| outer.folded.iter().any(|inner| inner.function == function);
        let outer = charged.into_iter().find(is_of).map_or(function, |outer| outer.function);
        let saving = by_function.entry(outer).or_default();
        saving.busy = saving.busy.max(gain.saving.busy);
        saving.waiting = saving.waiting.max(gain.saving.waiting);
    }
    by_function.retain(|_, saving| *saving != Saving::default());
    if by_function.len() < 2 {
        return None;
    }
    let sum = |part: fn(&Saving) -> f64| by_function.values().map(part).sum::<f64>().min(1.0);
    let (busy, waiting) = (sum(|saving| saving.busy), sum(|saving| saving.waiting));
    match Network::of(facts) {
        Some(network) => Some(network.gain(Saving { busy, waiting })),
        None => without(facts, busy * facts.measurements.split.as_ref()?.utilisation()),
    }
}

/// Returns the factor of throughput without `part` of the wall time of the serving threads.
fn without(facts: Facts<'_>, part: f64) -> Option<f64> {
    let part = part.clamp(0.0, LARGEST_PART);
    if facts.measurements.split.as_ref()?.utilisation() >= SATURATED {
        return Some(1.0 / (1.0 - part));
    }
    let own = &facts.measurements.load.as_ref()?.own;
    if own.requests_per_second <= 0.0 {
        return None;
    }
    // Threads share the requests: time per request is that of all of them together.
    let n_threads = facts.measurements.serving.len().max(1) as f64;
    let saved_ms = part * 1000.0 * n_threads / own.requests_per_second;
    let latency = own.latency.mean.max(f64::MIN_POSITIVE);
    Some(1.0 / (1.0 - (saved_ms / latency).clamp(0.0, LARGEST_PART)))
}

/// Requests in flight between waits and the thread.
#[derive(Debug, Clone, Copy)]
struct Network {
    /// Requests in flight.
    n: f64,
    /// Mean time of a request in it, ms.
    latency_ms: f64,
    /// What each waits for besides the thread, ms.
    waiting_ms: f64,
    /// Of that, queueing for the thread that is taken for the pace at which the upstream sends a stream, ms.
    paced_ms: f64,
    /// What each needs of the thread, waits for a CPU included, ms; of all serving threads together, divided among them.
    needed_ms: f64,
}

impl Network {
    /// Returns it where a closed load was driven and requests were followed.
    fn of(facts: Facts<'_>) -> Option<Self> {
        let measurements = facts.measurements;
        let load = measurements.load.as_ref()?;
        let followed = measurements
            .async_ops
            .as_ref()
            .filter(|followed| followed.n_followed - followed.n_cut >= MIN_FOLLOWED)?;
        // The split is that of the cpu phase, whose throughput it goes with.
        let sampled =
            load.phases.iter().find(|phase| phase.phase == "cpu" && phase.requests_per_second > 0.0);
        let sampled = sampled.unwrap_or(&load.own);
        let (own, latency_ms) = (load.own.requests_per_second, load.own.latency.mean);
        if own <= 0.0 || sampled.requests_per_second <= 0.0 || latency_ms <= 0.0 {
            return None;
        }
        // Waiting for a CPU after being woken is no more for more requests.
        let busy = measurements.split.as_ref().map(|split| split.utilisation() - split.woken_late)?;
        // Where a worker thread is the busiest, waiting for it is queueing for the thread.
        let is_worker = measurements.split.as_ref().is_some_and(|split| split.thread != 0);
        let waiting = followed.all.share(|row| {
            let for_worker = row.place.as_ref().is_some_and(|place| place.kind == WaitKind::Worker);
            matches!(row.kind, RowKind::Waiting(_)) && !(for_worker && is_worker)
        });
        // The parts of a stream come when the upstream sends them: only the last one's queueing makes the answer later.
        let queued = followed.all.share(|row| row.kind == RowKind::Queued)
            * (1.0 - 1.0 / parts_of_answers(facts, followed));
        // What requests wait for outside takes as long as it takes, but never longer than the requests.
        let of_request = followed.all.mean.as_millis_f64();
        let waiting_ms = ((waiting + queued) * of_request).min(latency_ms);
        let paced_ms = (queued * of_request).min(waiting_ms);
        let (n, needed_ms) = (own * latency_ms / 1e3, busy * 1e3 / sampled.requests_per_second);
        Some(Self { n, latency_ms: of_request, waiting_ms, paced_ms, needed_ms })
    }

    /// Returns it for an upstream that sends its streams as fast as they are taken. Of parts that queue for a full thread nobody
    /// knows whether they would have come sooner: there the gain is anything between.
    fn at_nobodys_pace(self) -> Self {
        Self { waiting_ms: self.waiting_ms - self.paced_ms, paced_ms: 0.0, ..self }
    }

    /// Returns the factor on throughput.
    fn gain(&self, saving: Saving) -> f64 {
        let needed = self.needed_ms * (1.0 - saving.busy.clamp(0.0, LARGEST_PART));
        let waiting = (self.waiting_ms - saving.waiting.clamp(0.0, 1.0) * self.latency_ms).max(0.0);
        let now = throughput(self.n, self.needed_ms, self.waiting_ms);
        (throughput(self.n, needed, waiting) / now).clamp(1.0, MAX_GAIN)
    }
}

/// Returns how many parts, one after the other, the answers come in that requests wait for most; 1 where they come whole.
fn parts_of_answers(facts: Facts<'_>, followed: &AsyncMeasure) -> f64 {
    let upstream = followed.sites.iter().filter(|site| site.place.kind.is_upstream() && site.n_requests > 0);
    let Some(most) = upstream.max_by_key(|site| site.held_up) else { return 1.0 };
    let waits = most.n as f64 / most.n_requests as f64;
    // Parts of one answer count once in a series, where that can be told. Of HTTP it is known how many answers were asked for.
    let asked = most.place.remote.as_deref().and_then(|remote| requests_to(facts, remote));
    let answers = asked.map_or(most.mean_in_series, |asked| asked.min(most.mean_in_series));
    (waits / answers.max(1.0)).max(1.0)
}

/// Returns how many HTTP requests each request sends to a host; `None` where none was counted.
fn requests_to(facts: Facts<'_>, host: &str) -> Option<f64> {
    let counters = facts.measurements.counters.as_ref()?;
    let rows = counters.of_kind("http.request");
    let n: f64 = rows.filter(|row| row.key.split(' ').next() == Some(host)).map(|row| row.sum.n).sum();
    Some(counters.per_request(n)).filter(|per_request| *per_request > 0.0)
}

/// Returns the throughput, requests a millisecond, of `n` requests that each need a thread for `needed_ms` and wait for
/// `waiting_ms`.
fn throughput(n: f64, needed_ms: f64, waiting_ms: f64) -> f64 {
    let others = ((n - 1.0) / n.max(1.0)).max(0.0);
    let mut queued = n;
    let mut rate = 0.0;
    for _ in 0..STEPS {
        let at_thread = needed_ms * (1.0 + others * queued);
        rate = n / (waiting_ms + at_thread).max(f64::MIN_POSITIVE);
        queued = rate * at_thread;
    }
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: (f64, f64, f64), saving: (f64, f64), expected: f64) {
        let (n, needed_ms, waiting_ms) = network;
        let latency_ms = n / throughput(n, needed_ms, waiting_ms);
        let network = Network { n, latency_ms, waiting_ms, paced_ms: 0.0, needed_ms };
        let gain = network.gain(Saving { busy: saving.0, waiting: saving.1 });
        assert!((gain / expected - 1.0).abs() < 0.03, "{gain}, not {expected}");
    }

    #[test]
    fn a_full_thread_gains_by_amdahls_law() {
        check((64.0, 10.0, 5.0), (0.6, 0.0), 1.0 / 0.4);
    }

    #[test]
    fn waits_are_the_next_limit_of_a_thread_that_was_full() {
        // 10 requests wait 100 ms and need 20 ms: at most 50 a second now, and 100 without the thread.
        check((10.0, 20.0, 100.0), (0.95, 0.0), 10.0 / 101.1 / throughput(10.0, 20.0, 100.0));
    }

    #[test]
    fn a_single_request_in_flight_gains_what_it_gets_shorter() {
        check((1.0, 4.0, 6.0), (0.5, 0.0), 10.0 / 8.0);
        check((1.0, 4.0, 6.0), (0.0, 0.3), 10.0 / 7.0);
    }

    #[test]
    fn a_full_thread_gains_more_where_nobody_paces_the_streams_that_queue_for_it() {
        let network =
            Network { n: 8.0, latency_ms: 300.0, waiting_ms: 200.0, paced_ms: 200.0, needed_ms: 80.0 };
        let saving = Saving { busy: 0.9, waiting: 0.0 };
        let (paced, free) = (network.gain(saving), network.at_nobodys_pace().gain(saving));
        assert!(paced < 4.0 && (free - 10.0).abs() < 0.1, "{paced} {free}");
    }

    #[test]
    fn less_waiting_does_not_help_a_full_thread() {
        check((64.0, 10.0, 50.0), (0.0, 0.05), 1.0);
    }

    #[test]
    fn less_waiting_helps_an_idle_thread_until_it_is_full() {
        let latency = 20.0 / throughput(20.0, 0.1, 100.0);
        check((20.0, 0.1, 100.0), (0.0, 50.0 / latency), 2.0);
        // 0.25 a millisecond is what the thread can do; 20 in 1004 ms what it does now.
        check((20.0, 4.0, 1000.0), (0.0, 1.0), 0.25 / (20.0 / 1004.0));
    }
}
