//! Sums the load log: per phase and over the undisturbed phases. Failures never enter the latency.

use crate::phases::Phases;
use hdrhistogram::Histogram;
use slowpath_profile::recording::LoadInterval;
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// Latency percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p99_9: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max() as f64 / 1e3,
            mean: histogram.mean() / 1e3,
        }
    }
}

/// Load results of one phase.
#[derive(Debug, Clone)]
pub struct PhaseLoad {
    /// Name of the phase.
    pub phase: String,
    /// Length of the intervals counted, seconds.
    pub seconds: f64,
    /// Successful responses.
    pub n_requests: u64,
    /// Successful responses a second.
    pub requests_per_second: f64,
    /// Latency of successful responses.
    pub latency: Latency,
    /// Failed requests by class.
    pub errors: BTreeMap<String, u64>,
    /// CPU time of the target's tree per successful request, ms.
    pub cpu_ms_per_request: Option<f64>,
}

/// Load results of the run.
#[derive(Debug, Clone)]
pub struct LoadMeasure {
    /// The undisturbed phases together: the service's own numbers.
    pub own: PhaseLoad,
    /// Names of those phases.
    pub own_phases: Vec<String>,
    /// Each phase by itself, warm-up included.
    pub phases: Vec<PhaseLoad>,
    /// Responses by status, over the whole run.
    pub status: BTreeMap<u16, u64>,
    /// Failed requests by class, over the whole run.
    pub errors: BTreeMap<String, u64>,
    /// Redacted samples of errors, over the whole run.
    pub error_samples: Vec<String>,
    /// Successful requests over the whole run.
    pub n_requests: u64,
    /// Bytes received a second in the undisturbed phases.
    pub bytes_per_second: f64,
    /// Mean CPU share of the generator's busiest thread over the measured intervals.
    pub generator_cpu_share: f64,
}

impl LoadMeasure {
    pub(crate) fn of(recording: &Recording, phases: &Phases) -> Option<Self> {
        let intervals = &recording.load;
        if intervals.is_empty() {
            return None;
        }
        let of_phase =
            |name: &str| intervals.iter().filter(|interval| interval.label == name).collect::<Vec<_>>();
        let mut each = Vec::new();
        for phase in &phases.phases {
            each.push(sum(&phase.name, &of_phase(&phase.name), phase.target_cpu.map(Nanos::as_millis_f64)));
        }
        let own_phases: Vec<_> = phases.quiet().into_iter().map(|phase| phase.name.clone()).collect();
        let quiet: Vec<_> =
            intervals.iter().filter(|interval| own_phases.contains(&interval.label)).collect();
        let cpu: Option<f64> =
            phases.quiet().iter().map(|phase| phase.target_cpu.map(Nanos::as_millis_f64)).sum();
        let own = sum("baseline", &quiet, cpu);
        let mut error_samples: Vec<String> =
            intervals.iter().flat_map(|interval| interval.error_samples.iter().cloned()).collect();
        error_samples.sort_unstable();
        error_samples.dedup();
        error_samples.truncate(MAX_ERROR_SAMPLES);
        let mut status = BTreeMap::new();
        for interval in intervals {
            for (code, n) in &interval.status {
                *status.entry(*code).or_default() += n;
            }
        }
        let bytes: u64 = quiet.iter().map(|interval| interval.bytes_in).sum();
        Some(Self {
            bytes_per_second: if own.seconds > 0.0 { bytes as f64 / own.seconds } else { 0.0 },
            own,
            own_phases,
            phases: each,
            status,
            errors: sum_errors(intervals),
            error_samples,
            n_requests: intervals.iter().map(|interval| interval.n_requests).sum(),
            generator_cpu_share: generator_share(intervals, phases),
        })
    }

    /// Failed requests of the whole run.
    pub fn n_errors(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Error samples that a report shows.
const MAX_ERROR_SAMPLES: usize = 8;

/// An interval shorter than this says nothing of the generator's CPU share.
const MIN_SHARE_SECONDS: f64 = 0.5;

fn generator_share(intervals: &[LoadInterval], phases: &Phases) -> f64 {
    let long =
        |interval: &&LoadInterval| interval.end.since(interval.start).as_secs_f64() >= MIN_SHARE_SECONDS;
    let measured = intervals.iter().filter(|interval| phases.is_measured(interval.start)).filter(long);
    let shares: Vec<f64> = measured.map(|interval| interval.busiest_thread_cpu_share).collect();
    // The mean, not the maximum: a generator at its limit for one second of thirty spoils nothing.
    if shares.is_empty() { 0.0 } else { shares.iter().sum::<f64>() / shares.len() as f64 }
}

fn sum(phase: &str, intervals: &[&LoadInterval], cpu_ms: Option<f64>) -> PhaseLoad {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits are valid");
    for interval in intervals {
        // Histograms without a fixed upper bound resize, so that adding cannot fail.
        histogram.add(&interval.latency).expect("the sum resizes itself");
    }
    let seconds: f64 =
        intervals.iter().map(|interval| interval.end.since(interval.start).as_secs_f64()).sum();
    let n_requests: u64 = intervals.iter().map(|interval| interval.n_requests).sum();
    PhaseLoad {
        phase: phase.to_owned(),
        seconds,
        n_requests,
        requests_per_second: if seconds > 0.0 { n_requests as f64 / seconds } else { 0.0 },
        latency: Latency::of(&histogram),
        errors: sum_errors(intervals.iter().copied()),
        cpu_ms_per_request: cpu_ms.filter(|_| n_requests > 0).map(|cpu| cpu / n_requests as f64),
    }
}

fn sum_errors<'a>(intervals: impl IntoIterator<Item = &'a LoadInterval>) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::new();
    for interval in intervals {
        for (class, n) in &interval.errors {
            *errors.entry(class.clone()).or_default() += n;
        }
    }
    errors
}
