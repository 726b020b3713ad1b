//! What the page is given. Changes together with `ui/src/load-contract.ts`; a test holds one against the other.
//!
//! Times are ms, moments are seconds since the load's start, shares are from 0 to 1; `None` is "not measured".

use super::super::measured::Ended;
use super::super::series::Series;
use serde::Serialize;
use slowpath_load::ErrorClass;

/// Everything on the page.
#[derive(Debug, Serialize)]
pub(super) struct LoadPage {
    pub(super) format_version: u32,
    pub(super) slowpath_version: &'static str,
    pub(super) run: RunFacts,
    pub(super) verdict: Sentences,
    pub(super) warnings: Vec<String>,
    pub(super) thresholds: Vec<ThresholdRow>,
    pub(super) totals: Totals,
    pub(super) times: Vec<TimesRow>,
    pub(super) rates: Vec<RateRow>,
    pub(super) streams: Option<Streams>,
    pub(super) goodput: Option<Goodput>,
    pub(super) schedule: Option<Schedule>,
    pub(super) status: Vec<StatusRow>,
    pub(super) errors: Vec<ErrorRow>,
    pub(super) seconds: Seconds,
    pub(super) histogram: Vec<Bar>,
    pub(super) spectra: Vec<Spectrum>,
    pub(super) sweep: Option<Curve>,
    pub(super) generator: Generator,
    /// What was asked for, as name and value; nothing secret.
    pub(super) settings: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
pub(super) struct RunFacts {
    /// What the load is called: its title, or what was asked of whom.
    pub(super) title: String,
    /// How hard, in a few words each: `50 connections`, `500 requests/s`.
    pub(super) facts: Vec<String>,
    /// RFC 3339, in UTC.
    pub(super) started_at: String,
    pub(super) duration_s: f64,
    pub(super) ended: Ended,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Sentences {
    pub(super) sentence: String,
    pub(super) details: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ThresholdRow {
    pub(super) condition: String,
    /// With its unit.
    pub(super) measured: String,
    pub(super) is_crossed: bool,
}

/// The line of numbers; of one step if the load was a sweep.
#[derive(Debug, Serialize)]
pub(super) struct Totals {
    /// Which part of the load `totals`, `times`, `histogram` and `spectra` are of; empty if the whole.
    pub(super) of: String,
    /// Successful ones.
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) failed: u64,
    /// Of the requests that ended.
    pub(super) failed_share: f64,
    pub(super) bytes_per_second: f64,
    pub(super) duration_s: f64,
}

/// A series of times. Nothing measured has no percentiles.
#[derive(Debug, Serialize)]
pub(super) struct TimesRow {
    pub(super) series: Series,
    pub(super) count: u64,
    pub(super) p50: Option<f64>,
    pub(super) p90: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) p99_9: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) mean: Option<f64>,
}

/// A count per second and how it was spread over the seconds.
#[derive(Debug, Serialize)]
pub(super) struct RateRow {
    pub(super) of: Counted,
    pub(super) average: f64,
    pub(super) stdev: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Whole seconds that the spread is over.
    pub(super) n_seconds: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Counted {
    Requests,
    Bytes,
}

#[derive(Debug, Serialize)]
pub(super) struct Streams {
    /// That ended properly.
    pub(super) whole: u64,
    pub(super) broken: u64,
    pub(super) dialects: Vec<(String, u64)>,
    pub(super) content_events: u64,
    pub(super) output_tokens: u64,
    pub(super) output_tokens_per_second: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Goodput {
    pub(super) objectives: String,
    pub(super) requests_per_second: f64,
    pub(super) share: f64,
}

/// What became of an open load's schedule.
#[derive(Debug, Serialize)]
pub(super) struct Schedule {
    pub(super) late: u64,
    /// Of the requests that ended.
    pub(super) late_share: f64,
    pub(super) dropped: u64,
    /// Of the requests that were due.
    pub(super) dropped_share: f64,
    pub(super) unfinished: u64,
    /// Of the requests that were due.
    pub(super) unfinished_share: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct StatusRow {
    pub(super) status: u16,
    pub(super) count: u64,
    /// Of all answers.
    pub(super) share: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorRow {
    pub(super) class: ErrorClass,
    pub(super) count: u64,
    /// Of the requests that ended.
    pub(super) share: f64,
    /// The first one, secrets redacted; empty if none was kept.
    pub(super) sample: String,
}

/// One column each; all of the same length.
#[derive(Debug, Default, Serialize)]
pub(super) struct Seconds {
    /// Middle of the second.
    pub(super) t_s: Vec<f64>,
    /// `None` in a rest too short to have a rate.
    pub(super) requests_per_second: Vec<Option<f64>>,
    pub(super) failed_per_second: Vec<Option<f64>>,
    /// What the schedule asked for; empty without one.
    pub(super) offered_per_second: Vec<f64>,
    pub(super) p50: Vec<Option<f64>>,
    pub(super) p90: Vec<Option<f64>>,
    pub(super) p99: Vec<Option<f64>>,
}

/// A bar of the histogram of latency, whose axis is logarithmic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bar {
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    pub(super) count: u64,
    /// Of all requests in the histogram.
    pub(super) share: f64,
    /// Count per width on the axis, over that of the highest bar.
    pub(super) height: f64,
}

/// Latency by percentile, as far as there are requests for it.
#[derive(Debug, Serialize)]
pub(super) struct Spectrum {
    pub(super) series: Series,
    /// 1 / (1 - q) of the quantile q: 1 is the minimum, 100 is p99.
    pub(super) inverse: Vec<f64>,
    pub(super) ms: Vec<f64>,
}

/// A sweep.
#[derive(Debug, Serialize)]
pub(super) struct Curve {
    pub(super) points: Vec<CurvePoint>,
    /// Index in `points`.
    pub(super) knee: Option<usize>,
    /// Index in `points` of the fastest rate that the server kept up with.
    pub(super) highest_kept: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct CurvePoint {
    pub(super) step: StepKind,
    /// `None` where no rate was asked for.
    pub(super) offered: Option<f64>,
    pub(super) achieved: f64,
    pub(super) keeps_up: bool,
    pub(super) failed: u64,
    pub(super) times: TimesRow,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StepKind {
    Synchronous,
    Saturation,
    Rate,
}

/// Whether the numbers can be trusted.
#[derive(Debug, Serialize)]
pub(super) struct Generator {
    /// Of one core, of its busiest thread in its busiest second.
    pub(super) cpu_share: f64,
    pub(super) was_bottleneck: bool,
    /// Both sides of Little's law; `None` where they cannot be compared.
    pub(super) little: Option<LittleSides>,
}

#[derive(Debug, Serialize)]
pub(super) struct LittleSides {
    pub(super) under_way: f64,
    pub(super) rate_times_latency: f64,
    pub(super) difference: f64,
    pub(super) is_kept: bool,
}
