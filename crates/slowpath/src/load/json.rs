//! What `-j` prints: autocannon's keys, and ours under `slowpath`. `docs/load-json.schema.json` describes it.

use super::autocannon::AutocannonResult;
use super::measured::{Ended, Measured};
use super::report::LoadReport;
use super::results::{FORMAT_VERSION, Shards};
use super::settings::{Limits, Pace};
use super::sweep::{Step, Sweep};
use super::threshold::{Unit, Verdict};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::value::RawValue;
use slowpath_load::{ErrorClass, Interval, StreamStats, histogram_base64};
use std::collections::BTreeMap;

/// Our part. Times are milliseconds, shares are from 0 to 1.
#[derive(Debug, Serialize)]
pub(crate) struct Ours<'a> {
    format_version: u32,
    version: &'static str,
    ended: Ended,
    pace: &'a Pace,
    shards: &'a Shards,
    seconds: f64,
    /// Successful requests.
    requests: u64,
    requests_per_second: f64,
    failed: u64,
    /// From the intended start: what a user of the server sees.
    corrected: Times,
    /// From the real start; `None` in a closed load, where both are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    uncorrected: Option<Times>,
    first_byte: Times,
    errors_by_class: &'a BTreeMap<ErrorClass, u64>,
    samples: &'a [String],
    late: u64,
    dropped: u64,
    unfinished: u64,
    connects: u64,
    reconnects: u64,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Stream<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goodput: Option<Goodput>,
    generator: GeneratorCheck,
    thresholds: Vec<ThresholdOutcome<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<SweepOutcome>,
    notes: &'a [String],
}

/// A series of times in ms, with its histogram of µs.
#[derive(Debug, Serialize)]
struct Times {
    count: u64,
    mean: f64,
    stdev: f64,
    min: f64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
    /// base64 of HdrHistogram's V2 encoding.
    hdr: String,
}

#[derive(Debug, Serialize)]
struct Stream<'a> {
    streams: u64,
    broken: u64,
    dialects: &'a BTreeMap<String, u64>,
    content_events: u64,
    output_tokens: u64,
    output_tokens_per_second: f64,
    ttfb: Times,
    ttft: Times,
    ttfo: Times,
    tpot: Times,
    itl: Times,
    e2el: Times,
}

#[derive(Debug, Serialize)]
struct Goodput {
    objectives: Limits,
    requests_per_second: f64,
    share: f64,
}

#[derive(Debug, Serialize)]
struct GeneratorCheck {
    cpu_share: f64,
    was_bottleneck: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    little: Option<LittleCheck>,
}

#[derive(Debug, Serialize)]
struct LittleCheck {
    under_way: f64,
    rate_times_latency: f64,
    difference: f64,
    kept: bool,
}

#[derive(Debug, Serialize)]
struct ThresholdOutcome<'a> {
    condition: &'a str,
    /// Milliseconds, a share, a number or a rate, as `unit` says; `null` where there is no such number.
    value: Option<f64>,
    unit: &'static str,
    crossed: bool,
}

#[derive(Debug, Serialize)]
struct SweepOutcome {
    points: Vec<SweepRow>,
    /// Index in `points`.
    knee: Option<usize>,
}

#[derive(Debug, Serialize)]
struct SweepRow {
    #[serde(flatten)]
    step: Step,
    achieved: f64,
    failed: u64,
    keeps_up: bool,
    latency: Times,
}

/// Returns the one line of JSON.
pub(crate) fn line(report: &LoadReport) -> serde_json::Result<String> {
    let warm_up = report.warm_up.as_ref().map(|measured| warm_up_line(report, measured)).transpose()?;
    let result = AutocannonResult::of(&report.settings, &report.measured, Ours::of(report), warm_up);
    serde_json::to_string(&result)
}

fn warm_up_line(report: &LoadReport, measured: &Measured) -> serde_json::Result<Box<RawValue>> {
    let ours: BTreeMap<&str, f64> =
        BTreeMap::from([("requests_per_second", rounded(measured.requests_per_second()))]);
    let result = AutocannonResult::of(&report.settings, measured, ours, None);
    serde_json::value::to_raw_value(&result)
}

impl<'a> Ours<'a> {
    fn of(report: &'a LoadReport) -> Self {
        let measured = &report.measured;
        let whole = &measured.whole;
        let wall_s = measured.wall_s();
        Self {
            format_version: FORMAT_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            ended: measured.ended,
            pace: &report.settings.pace,
            shards: &report.shards,
            seconds: rounded(wall_s),
            requests: whole.n_requests,
            requests_per_second: rounded(measured.requests_per_second()),
            failed: super::measured::n_failed(whole),
            corrected: Times::of(&whole.latency),
            uncorrected: whole.uncorrected.as_ref().map(Times::of),
            first_byte: Times::of(&whole.first_body_byte),
            errors_by_class: &whole.errors,
            samples: &whole.error_samples,
            late: whole.n_late,
            dropped: whole.n_dropped,
            unfinished: whole.n_unfinished,
            connects: whole.n_connects,
            reconnects: whole.n_reconnects,
            bytes_in: whole.bytes_in,
            bytes_out: whole.bytes_out,
            stream: whole.stream.as_ref().map(|stream| Stream::of(stream, whole, wall_s)),
            goodput: report.settings.objectives.map(|objectives| Goodput {
                objectives,
                requests_per_second: rounded(whole.n_good as f64 / wall_s),
                share: rounded(whole.n_good as f64 / (measured.n_ended().max(1)) as f64),
            }),
            generator: GeneratorCheck {
                cpu_share: report.check.cpu_share,
                was_bottleneck: report.check.was_bottleneck(),
                little: report.check.little.map(|little| LittleCheck {
                    under_way: rounded(little.under_way),
                    rate_times_latency: rounded(little.rate_times_latency),
                    difference: rounded(little.difference()),
                    kept: little.is_kept(),
                }),
            },
            thresholds: report.verdicts.iter().map(ThresholdOutcome::of).collect(),
            sweep: report.sweep.as_ref().map(SweepOutcome::of),
            notes: &report.notes,
        }
    }
}

impl Times {
    fn of(times: &Histogram<u64>) -> Self {
        let ms = |us: f64| us.round() / 1e3;
        let at = |quantile: f64| ms(times.value_at_quantile(quantile) as f64);
        Self {
            count: times.len(),
            mean: ms(times.mean()),
            stdev: ms(times.stdev()),
            min: if times.is_empty() { 0.0 } else { ms(times.min() as f64) },
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: ms(times.max() as f64),
            hdr: histogram_base64(times),
        }
    }
}

impl<'a> Stream<'a> {
    fn of(stream: &'a StreamStats, whole: &Interval, wall_s: f64) -> Self {
        Self {
            streams: stream.n_streams,
            broken: super::measured::n_failed_by(whole, &[ErrorClass::Truncated, ErrorClass::Api]),
            dialects: &stream.dialects,
            content_events: stream.n_content_events,
            output_tokens: stream.n_output_tokens,
            output_tokens_per_second: rounded(stream.n_output_tokens as f64 / wall_s),
            ttfb: Times::of(&stream.ttfb),
            ttft: Times::of(&stream.ttft),
            ttfo: Times::of(&stream.ttfo),
            tpot: Times::of(&stream.tpot),
            itl: Times::of(&stream.itl),
            e2el: Times::of(&stream.e2el),
        }
    }
}

impl<'a> ThresholdOutcome<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        let (factor, unit) = match verdict.threshold.unit() {
            Unit::Time => (1e-3, "ms"),
            Unit::Share => (1.0, "share"),
            Unit::Number => (1.0, "count"),
            Unit::PerSecond => (1.0, "per_second"),
        };
        Self {
            condition: &verdict.threshold.text,
            value: verdict.value.map(|value| rounded_to(value * factor, 1e6)),
            unit,
            crossed: verdict.is_crossed,
        }
    }
}

impl SweepOutcome {
    fn of(sweep: &Sweep) -> Self {
        let row = |point: &super::sweep::SweepPoint| SweepRow {
            step: point.step,
            achieved: rounded(point.achieved),
            failed: point.n_failed,
            keeps_up: point.keeps_up,
            latency: Times::of(&point.totals.latency),
        };
        Self { points: sweep.points.iter().map(row).collect(), knee: sweep.knee }
    }
}

/// To three decimals.
fn rounded(number: f64) -> f64 {
    rounded_to(number, 1e3)
}

fn rounded_to(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
