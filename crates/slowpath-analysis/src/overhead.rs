//! What each phase cost, against the undisturbed phases of the same run.

use crate::load::{LoadMeasure, PhaseLoad};
use crate::phases::Phases;
use slowpath_profile::Nanos;

/// Ratios of one phase to the baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseOverhead {
    /// Name of the phase.
    pub phase: String,
    /// Requests a second, as a ratio.
    pub throughput: Option<f64>,
    /// CPU per request of the threads that recorders can make dearer, as a ratio.
    pub cpu_per_request: Option<f64>,
    /// p99 latency, as a ratio.
    pub p99: Option<f64>,
    /// Why this must be read with care, or empty.
    pub note: String,
}

/// Fewer requests than this in a phase give no ratio worth showing: its p99 would rest on fewer than two requests.
const MIN_REQUESTS: u64 = 200;

/// A phase that cost more than this share of CPU per request, and more than `DISTURBED_CORES`, disturbed the target.
const DISTURBED: f64 = 1.10;

/// Sampling costs some percent of a core however little the target does: of a target that is mostly idle that is much
/// per request, and yet no request waits for it.
const DISTURBED_CORES: f64 = 0.10;

pub(crate) fn measure(phases: &Phases, load: Option<&LoadMeasure>) -> Vec<PhaseOverhead> {
    let Some(load) = load else { return Vec::new() };
    let has_baseline = phases.phases.iter().any(crate::Phase::is_baseline);
    let baseline_cpu: Option<Nanos> =
        phases.quiet().iter().map(|phase| phase.recorded_cpu).try_fold(Nanos(0), |sum, cpu| Some(sum + cpu?));
    let baseline = Compared { load: &load.own, cpu: baseline_cpu };
    // Another load is another cost.
    let is_comparable =
        |name: &str| phases.phases.iter().all(|phase| phase.name != name || phase.level.is_none());
    let rows = load.phases.iter().filter(|phase| phase.phase != "warm-up" && is_comparable(&phase.phase));
    let cpu_of = |name: &str| phases.phases.iter().find(|phase| phase.name == name)?.recorded_cpu;
    rows.map(|phase| compare(Compared { load: phase, cpu: cpu_of(&phase.phase) }, baseline, has_baseline))
        .collect()
}

/// One side of a ratio.
#[derive(Debug, Clone, Copy)]
struct Compared<'a> {
    load: &'a PhaseLoad,
    /// CPU time of the threads that recorders can make dearer.
    cpu: Option<Nanos>,
}

impl Compared<'_> {
    fn cpu_ms_per_request(self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.as_millis_f64() / self.load.n_requests as f64)
    }
}

fn compare(of: Compared<'_>, with: Compared<'_>, has_baseline: bool) -> PhaseOverhead {
    let (phase, baseline) = (of.load, with.load);
    let mut row = PhaseOverhead {
        phase: phase.phase.clone(),
        throughput: None,
        cpu_per_request: None,
        p99: None,
        note: String::new(),
    };
    if !has_baseline {
        row.note = "no baseline phase to compare with".into();
    } else if phase.n_requests < MIN_REQUESTS || baseline.n_requests < MIN_REQUESTS {
        row.note = format!("{} requests are too few for a ratio", phase.n_requests.min(baseline.n_requests));
    } else {
        row.throughput = Some(phase.requests_per_second / baseline.requests_per_second);
        row.cpu_per_request = of.cpu_ms_per_request().zip(with.cpu_ms_per_request()).map(|(a, b)| a / b);
        row.p99 = Some(phase.latency.p99 / baseline.latency.p99);
        let added_ms = of.cpu_ms_per_request().zip(with.cpu_ms_per_request()).map_or(0.0, |(a, b)| a - b);
        let added_cores = added_ms * phase.requests_per_second / 1000.0;
        if row.cpu_per_request.is_some_and(|ratio| ratio > DISTURBED)
            && added_cores > DISTURBED_CORES
            && !phase.phase.starts_with("baseline")
        {
            row.note = "this phase disturbed the target: read shares, not milliseconds".into();
        }
    }
    row
}
