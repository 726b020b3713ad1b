//! Turns a load into what its page shows.

use super::super::measured::{PerSecond, n_failed, n_failed_by};
use super::super::report::LoadReport;
use super::super::series::Series;
use super::super::settings::Pace;
use super::super::sweep::{Step, Sweep, SweepPoint};
use super::data::{
    Counted, Curve, CurvePoint, ErrorRow, Generator, Goodput, LittleSides, LoadPage, RateRow, RunFacts,
    Schedule, Seconds, StatusRow, StepKind, Streams, ThresholdRow, TimesRow, Totals,
};
use super::distribution::{bars, spectrum};
use super::words;
use hdrhistogram::Histogram;
use slowpath_load::{ErrorClass, Interval, StreamStats};

/// Version of what the page is given.
const PAGE_FORMAT_VERSION: u32 = 1;

impl LoadPage {
    pub(super) fn of(report: &LoadReport) -> Self {
        let measured = &report.measured;
        let whole = &measured.whole;
        let shown = Shown::of(report);
        let series = shown.series();
        let spectra = series.iter().filter(|(series, _)| is_drawn(*series));
        Self {
            format_version: PAGE_FORMAT_VERSION,
            slowpath_version: env!("CARGO_PKG_VERSION"),
            run: RunFacts {
                title: words::title(&report.settings),
                facts: words::how_hard(report),
                started_at: measured.started.to_string(),
                duration_s: thousandths(measured.wall_s()),
                ended: measured.ended,
            },
            verdict: words::verdict(report),
            warnings: report.warnings(),
            thresholds: report.verdicts.iter().map(threshold_row).collect(),
            totals: shown.totals(),
            times: series.iter().map(|(series, times)| times_row(*series, times)).collect(),
            rates: vec![
                rate_row(Counted::Requests, &measured.per_second(|second| second.n_requests)),
                rate_row(Counted::Bytes, &measured.per_second(|second| second.bytes_in)),
            ],
            streams: whole.stream.as_ref().map(|stream| streams(stream, whole, measured.wall_s())),
            goodput: report.settings.objectives.map(|objectives| Goodput {
                objectives: objectives.in_words(),
                requests_per_second: thousandths(whole.n_good as f64 / measured.wall_s()),
                share: share(whole.n_good, measured.n_ended()),
            }),
            schedule: report.settings.is_open().then(|| Schedule {
                late: whole.n_late,
                late_share: share(whole.n_late, measured.n_ended()),
                dropped: whole.n_dropped,
                dropped_share: share(whole.n_dropped, measured.n_due()),
                unfinished: whole.n_unfinished,
                unfinished_share: share(whole.n_unfinished, measured.n_due()),
            }),
            status: status_rows(whole),
            errors: error_rows(whole, measured.n_ended()),
            seconds: seconds(report),
            histogram: bars(&shown.interval.latency),
            spectra: spectra.map(|(series, times)| spectrum(*series, times)).collect(),
            sweep: report.sweep.as_ref().map(curve),
            generator: Generator {
                cpu_share: report.check.cpu_share,
                was_bottleneck: report.check.was_bottleneck(),
                little: report.check.little.map(|little| LittleSides {
                    under_way: thousandths(little.under_way),
                    rate_times_latency: thousandths(little.rate_times_latency),
                    difference: thousandths(little.difference()),
                    is_kept: little.is_kept(),
                }),
            },
            settings: words::settings(report),
        }
    }
}

/// The part of a load whose latency is shown: all of it, or one step of a sweep, because a sum over rates says nothing.
struct Shown<'a> {
    interval: &'a Interval,
    of: String,
    /// What a step of a sweep says of its rate, its last answers left out.
    achieved: Option<f64>,
}

impl<'a> Shown<'a> {
    fn of(report: &'a LoadReport) -> Self {
        let point = report.sweep.as_ref().and_then(|sweep| sweep.knee_point().or(sweep.points.last()));
        match point {
            Some(point) => Self {
                interval: &point.totals,
                of: words::step(point, report.sweep.as_ref()),
                achieved: Some(point.achieved),
            },
            None => Self { interval: &report.measured.whole, of: String::new(), achieved: None },
        }
    }

    fn totals(&self) -> Totals {
        let interval = self.interval;
        let wall_s = (interval.end_ns.saturating_sub(interval.start_ns) as f64 / 1e9).max(1e-9);
        let failed = n_failed(interval);
        Totals {
            of: self.of.clone(),
            requests: interval.n_requests,
            requests_per_second: thousandths(self.achieved.unwrap_or(interval.n_requests as f64 / wall_s)),
            failed,
            failed_share: share(failed, interval.n_requests + failed),
            bytes_per_second: (interval.bytes_in as f64 / wall_s).round(),
            duration_s: thousandths(wall_s),
        }
    }

    fn series(&self) -> Vec<(Series, &'a Histogram<u64>)> {
        let mut series = vec![(Series::Latency, &self.interval.latency)];
        series.extend(self.interval.uncorrected.as_ref().map(|times| (Series::Uncorrected, times)));
        match &self.interval.stream {
            Some(stream) => series.extend([
                (Series::Ttfb, &stream.ttfb),
                (Series::Ttft, &stream.ttft),
                (Series::Ttfo, &stream.ttfo),
                (Series::Tpot, &stream.tpot),
                (Series::Itl, &stream.itl),
                (Series::E2el, &stream.e2el),
            ]),
            None => series.push((Series::FirstByte, &self.interval.first_body_byte)),
        }
        series
    }
}

/// Series with a spectrum of their own: more lines than these would hide each other.
fn is_drawn(series: Series) -> bool {
    matches!(series, Series::Latency | Series::Uncorrected | Series::Ttft | Series::Itl)
}

fn threshold_row(verdict: &super::super::threshold::Verdict) -> ThresholdRow {
    ThresholdRow {
        condition: verdict.threshold.text.clone(),
        measured: verdict.shown_value(),
        is_crossed: verdict.is_crossed,
    }
}

fn times_row(series: Series, times: &Histogram<u64>) -> TimesRow {
    let ms = |us: f64| (!times.is_empty()).then(|| us.round() / 1e3);
    let at = |quantile: f64| ms(times.value_at_quantile(quantile) as f64);
    TimesRow {
        series,
        count: times.len(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p99_9: at(0.999),
        max: ms(times.max() as f64),
        mean: ms(times.mean()),
    }
}

fn rate_row(of: Counted, rates: &PerSecond) -> RateRow {
    RateRow {
        of,
        average: thousandths(rates.average),
        stdev: thousandths(rates.stdev()),
        min: thousandths(rates.min()),
        max: thousandths(rates.max()),
        n_seconds: rates.n_samples(),
    }
}

fn streams(stream: &StreamStats, whole: &Interval, wall_s: f64) -> Streams {
    Streams {
        whole: stream.n_streams,
        broken: n_failed_by(whole, &[ErrorClass::Truncated, ErrorClass::Api]),
        dialects: stream.dialects.iter().map(|(dialect, count)| (dialect.clone(), *count)).collect(),
        content_events: stream.n_content_events,
        output_tokens: stream.n_output_tokens,
        output_tokens_per_second: thousandths(stream.n_output_tokens as f64 / wall_s),
    }
}

fn status_rows(whole: &Interval) -> Vec<StatusRow> {
    let n_answers = whole.status.values().sum();
    let row = |(status, count): (&u16, &u64)| StatusRow {
        status: *status,
        count: *count,
        share: share(*count, n_answers),
    };
    whole.status.iter().map(row).collect()
}

/// Most frequent first.
fn error_rows(whole: &Interval, n_ended: u64) -> Vec<ErrorRow> {
    let row = |(class, count): (&ErrorClass, &u64)| {
        let prefix = format!("{class}: ");
        let sample = whole.error_samples.iter().find_map(|sample| sample.strip_prefix(&prefix));
        ErrorRow {
            class: *class,
            count: *count,
            share: share(*count, n_ended),
            sample: sample.unwrap_or_default().to_owned(),
        }
    };
    let mut rows: Vec<ErrorRow> = whole.errors.iter().map(row).collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then(a.class.cmp(&b.class)));
    rows
}

fn seconds(report: &LoadReport) -> Seconds {
    let measured = &report.measured;
    let longest = measured.longest_s();
    let origin_ns = measured.whole.start_ns;
    let mut columns = Seconds::default();
    for second in measured.seconds.iter().filter(|second| second.length_s > 0.0) {
        let per_second = |n: u64| second.is_whole(longest).then(|| thousandths(n as f64 / second.length_s));
        let ms = |us: u64| (second.n_requests > 0).then_some(us as f64 / 1e3);
        let middle_s = second.start_ns.saturating_sub(origin_ns) as f64 / 1e9 + second.length_s / 2.0;
        columns.t_s.push(thousandths(middle_s));
        columns.requests_per_second.push(per_second(second.n_requests));
        columns.failed_per_second.push(per_second(second.n_failed));
        columns.p50.push(ms(second.p50_us));
        columns.p90.push(ms(second.p90_us));
        columns.p99.push(ms(second.p99_us));
    }
    let rate_at = |t_s: &f64| scheduled_rate(&report.settings.pace, *t_s).map(thousandths);
    columns.offered_per_second = columns.t_s.iter().filter_map(rate_at).collect();
    columns
}

/// Returns the rate that a schedule asks for at a moment, its last one after its end; `None` in a closed load.
fn scheduled_rate(pace: &Pace, t_s: f64) -> Option<f64> {
    let Pace::Open { stages, .. } = pace else { return None };
    let mut since_s = t_s;
    for stage in stages {
        match stage.length_s {
            Some(length_s) if since_s > length_s => since_s -= length_s,
            Some(length_s) if length_s > 0.0 => {
                return Some(stage.from + (stage.to - stage.from) * since_s / length_s);
            }
            _ => return Some(stage.from),
        }
    }
    stages.last().map(|stage| stage.to)
}

fn curve(sweep: &Sweep) -> Curve {
    let row = |point: &SweepPoint| CurvePoint {
        step: match point.step {
            Step::Synchronous => StepKind::Synchronous,
            Step::Saturation => StepKind::Saturation,
            Step::Rate { .. } => StepKind::Rate,
        },
        offered: if let Step::Rate { offered } = point.step { Some(thousandths(offered)) } else { None },
        achieved: thousandths(point.achieved),
        keeps_up: point.keeps_up,
        failed: point.n_failed,
        times: times_row(Series::Latency, &point.totals.latency),
    };
    let index = |wanted: &SweepPoint| sweep.points.iter().position(|point| std::ptr::eq(point, wanted));
    Curve {
        points: sweep.points.iter().map(row).collect(),
        knee: sweep.knee,
        highest_kept: sweep.highest_kept().and_then(index),
    }
}

/// Of nothing, nothing.
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole.max(1) as f64 * 1e6).round() / 1e6
}

/// To three decimals.
fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
