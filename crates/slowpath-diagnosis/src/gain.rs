//! Predicts what removing a cost would bring.
//!
//! Where the main thread is the bottleneck, Amdahl's law on its wall time: removing a part `p` of it lets `1 / (1 − p)`
//! times as many requests through. Where it is not, a request gets faster only by the part itself, so in a closed loop
//! throughput rises by `R / (R − p·D)` with mean latency `R` and main-thread time per request `D` (Little's law with a
//! constant number of requests in flight). Where requests were followed, their measured waits are the next limit of a gain.

use crate::Facts;
use crate::finding::PredictedGain;
use slowpath_analysis::RowKind;

/// Utilisation from which on the main thread counts as the bottleneck. Below it an M/D/1 queue at this load is shorter
/// than two requests, so waiting for the thread no longer rules the latency.
pub(crate) const SATURATED: f64 = 0.75;

/// Largest factor that is shown: past it the next bottleneck, not this one, decides.
pub(crate) const MAX_GAIN: f64 = 20.0;

/// Predicts the gain of never waiting for a CPU, for a thread that waits for one `share` of its wall time. The upper end
/// is that of a thread that would use all of it.
pub(crate) fn of_more_cpu(facts: Facts<'_>, share: f64) -> Option<PredictedGain> {
    let gain = without(facts, share)?;
    Some(PredictedGain { throughput: gain, low: 1.0, high: gain })
}

/// Predicts the gain of not waiting for `share` of a request's time, in a closed loop whose thread is not saturated: requests
/// become shorter by it (Little's law), until the thread is full. What the wait was for may take the load less well: so
/// the lower end is no gain at all.
pub(crate) fn of_waiting_less(facts: Facts<'_>, share: f64) -> Option<PredictedGain> {
    let utilisation = facts.measurements.split.as_ref()?.utilisation().clamp(1.0 / MAX_GAIN, 1.0);
    let gain = (1.0 / (1.0 - share.clamp(0.0, 1.0 - 1.0 / MAX_GAIN))).min(1.0 / utilisation);
    Some(PredictedGain { throughput: gain, low: 1.0, high: gain })
}

/// Returns the largest factor on throughput that waits leave room for when `saved_ms` of thread time a request are gone: with so
/// many requests in flight as there were, none can be shorter than what it waits and computes.
fn limit_of_waits(facts: Facts<'_>, saved_ms: f64) -> f64 {
    let measurements = facts.measurements;
    let (Some(load), Some(followed)) = (&measurements.load, &measurements.async_ops) else {
        return f64::INFINITY;
    };
    let waiting = followed.all.share(|row| matches!(row.kind, RowKind::Waiting(_)));
    let waiting_ms = waiting * followed.all.mean.as_millis_f64();
    let computing_ms = load.own.cpu_ms_per_request.map_or(0.0, |cpu_ms| (cpu_ms - saved_ms).max(0.0));
    (load.own.latency.mean / (waiting_ms + computing_ms).max(f64::MIN_POSITIVE)).max(1.0)
}

/// Predicts the gain of removing `share` (with its interval) of the busy time of the serving threads.
pub(crate) fn of_removing(facts: Facts<'_>, share: f64, interval: (f64, f64)) -> Option<PredictedGain> {
    let utilisation = facts.measurements.split.as_ref()?.utilisation();
    let event_loop = facts.measurements.event_loop.as_ref();
    if event_loop.is_some_and(|event_loop| event_loop.stalls.iter().any(|stall| stall.never_ended)) {
        // A loop that hangs answers nothing: there is no throughput to multiply.
        return None;
    }
    let own_cpu_ms =
        facts.measurements.load.as_ref().and_then(|load| load.own.cpu_ms_per_request).unwrap_or(0.0);
    let predict = |share: f64| -> Option<f64> {
        let gain = without(facts, share * utilisation)?;
        let is_limited = utilisation >= SATURATED;
        Some(if is_limited { gain.min(limit_of_waits(facts, own_cpu_ms * share)) } else { gain })
    };
    Some(PredictedGain { throughput: predict(share)?, low: predict(interval.0)?, high: predict(interval.1)? })
}

/// Returns the factor of throughput without `part` of the wall time of the serving threads.
fn without(facts: Facts<'_>, part: f64) -> Option<f64> {
    const LARGEST_PART: f64 = 1.0 - 1.0 / MAX_GAIN;
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
