//! Thresholds: `--fail-if 'p99>100ms'`. Parses the text once, then compares it with what a load did.
//!
//! ```text
//! p99>100ms   avg>=2ms   ttft.p95>300ms   itl.p99>=50ms     a time and its unit
//! errors>0.1%   errors.timeout>0   status.5xx>0   late>1%   a number of requests, or its share
//! rps<500   tokens<1k                                       per second
//! goodput<95%   goodput<50                                  share of requests; good requests per second
//! ```

use super::measured::{Measured, n_answers_of_hundred, n_failed, n_failed_by};
use super::series::Series;
use super::units;
use hdrhistogram::Histogram;
use slowpath_load::ErrorClass;

/// A limit that a load must not cross.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// As written.
    pub(crate) text: String,
    metric: Metric,
    comparison: Comparison,
    /// µs, a share from 0 to 1, a count or a rate, as `unit` says.
    limit: f64,
    unit: Unit,
}

/// A threshold and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) threshold: Threshold,
    /// What was measured; `None` where the load has no such number, which fails: a gate on numbers that are not
    /// there must not open.
    pub(crate) value: Option<f64>,
    pub(crate) is_crossed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    Time(Series, Statistic),
    Requests,
    RequestRate,
    TokenRate,
    Errors(Option<ErrorClass>),
    /// A whole status, or its first digit.
    Status(u16),
    Goodput,
    Late,
    Dropped,
    Unfinished,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    Percentile(f64),
    Mean,
    Min,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What the limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Time,
    Share,
    Number,
    PerSecond,
}

const METRICS: &str = "one of p50, p99.9, avg, min, max (of the latency), ttft.p95 and the like (latency, uncorrected, \
     first-byte, ttfb, ttft, ttfo, tpot, itl, e2el), rps, requests, errors, errors.CLASS, status.5xx, status.429, \
     goodput, tokens, late, dropped, unfinished";

/// Parses `METRIC OP LIMIT`, for clap.
pub(crate) fn parse_threshold(text: &str) -> Result<Threshold, String> {
    let Some(at) = text.find(['<', '>']) else {
        return Err("it compares nothing: write it as `p99>100ms`, `errors>0.1%` or `rps<500`".to_owned());
    };
    let (name, rest) = text.split_at(at);
    let (comparison, limit) = match rest.strip_prefix(">=").or(rest.strip_prefix("<=")) {
        Some(limit) if rest.starts_with('>') => (Comparison::GreaterOrEqual, limit),
        Some(limit) => (Comparison::LessOrEqual, limit),
        None if rest.starts_with('>') => (Comparison::Greater, &rest[1..]),
        None => (Comparison::Less, &rest[1..]),
    };
    let (name, limit) = (name.trim(), limit.trim());
    let metric = parse_metric(&name.to_ascii_lowercase())
        .ok_or_else(|| format!("`{name}` is nothing that is measured: write {METRICS}"))?;
    let (limit, unit) = parse_limit(limit, metric, name)?;
    Ok(Threshold { text: text.trim().to_owned(), metric, comparison, limit, unit })
}

fn parse_metric(name: &str) -> Option<Metric> {
    if let Some(statistic) = parse_statistic(name) {
        return Some(Metric::Time(Series::Latency, statistic));
    }
    // Only the first dot parts: `ttft.p99.9`.
    let (head, tail) = name.split_once('.').map_or((name, None), |(head, tail)| (head, Some(tail)));
    if let Some((_, series)) = Series::ALL.iter().find(|(name, _)| *name == head) {
        return Some(Metric::Time(*series, parse_statistic(tail?)?));
    }
    match (head, tail) {
        ("requests", None) => Some(Metric::Requests),
        ("rps", None) => Some(Metric::RequestRate),
        ("tokens", None) => Some(Metric::TokenRate),
        ("goodput", None) => Some(Metric::Goodput),
        ("late", None) => Some(Metric::Late),
        ("dropped", None) => Some(Metric::Dropped),
        ("unfinished", None) => Some(Metric::Unfinished),
        ("errors", None) => Some(Metric::Errors(None)),
        ("errors", Some(class)) => {
            let class = ErrorClass::ALL.into_iter().find(|known| known.as_str() == class)?;
            Some(Metric::Errors(Some(class)))
        }
        ("status", Some(status)) => {
            let digits = status.strip_suffix("xx").unwrap_or(status);
            let number = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            let fits = if digits.len() == status.len() { 100..=999 } else { 1..=9 }.contains(&number);
            fits.then_some(Metric::Status(number))
        }
        _ => None,
    }
}

fn parse_statistic(name: &str) -> Option<Statistic> {
    match name {
        "avg" | "mean" | "average" => Some(Statistic::Mean),
        "min" => Some(Statistic::Min),
        "max" => Some(Statistic::Max),
        _ => parse_percentile(name.strip_prefix('p')?).map(Statistic::Percentile),
    }
}

/// Parses `99.9`, and `99_9` as autocannon's keys have it.
pub(crate) fn parse_percentile(text: &str) -> Option<f64> {
    let plain = text.replace('_', ".");
    let is_number = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.parse().ok().filter(|percent| is_number && *percent > 0.0 && *percent < 100.0)
}

fn parse_limit(text: &str, metric: Metric, name: &str) -> Result<(f64, Unit), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a limit: write a number"))?;
    let is_time = matches!(metric, Metric::Time(..));
    match (unit, metric) {
        ("µs" | "us", _) if is_time => Ok((number, Unit::Time)),
        ("ms", _) if is_time => Ok((number * 1e3, Unit::Time)),
        ("s", _) if is_time => Ok((number * 1e6, Unit::Time)),
        ("", _) if is_time => Err(format!("`{name}` is a time: write its unit, as in `{name}>{text}ms`")),
        (_, _) if is_time => Err(format!("`{unit}` is no unit of time: write us, ms or s")),
        ("%", _) if metric.has_share() => Ok((number / 100.0, Unit::Share)),
        ("%", _) => Err(format!("`{name}` has no share: write a number")),
        ("" | "k" | "m", _) => {
            let factor = match unit {
                "k" => 1e3,
                "m" => 1e6,
                _ => 1.0,
            };
            let is_rate = matches!(metric, Metric::RequestRate | Metric::TokenRate | Metric::Goodput);
            Ok((number * factor, if is_rate { Unit::PerSecond } else { Unit::Number }))
        }
        (_, _) => Err(format!("`{unit}` is no unit of `{name}`: write a number or a share such as `1%`")),
    }
}

impl Metric {
    /// Whether it counts requests, so that it may be their share.
    fn has_share(self) -> bool {
        match self {
            Self::Errors(_)
            | Self::Status(_)
            | Self::Goodput
            | Self::Late
            | Self::Dropped
            | Self::Unfinished => true,
            Self::Time(..) | Self::Requests | Self::RequestRate | Self::TokenRate => false,
        }
    }
}

impl Threshold {
    /// Compares with what a load did.
    pub(crate) fn judge(&self, measured: &Measured) -> Verdict {
        let value = self.measure(measured);
        let is_crossed = value.is_none_or(|value| match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::LessOrEqual => value <= self.limit,
            Comparison::Greater => value > self.limit,
            Comparison::GreaterOrEqual => value >= self.limit,
        });
        Verdict { threshold: self.clone(), value, is_crossed }
    }

    fn measure(&self, measured: &Measured) -> Option<f64> {
        let whole = &measured.whole;
        let ended = measured.n_ended() as f64;
        // A number of requests, or its share of `of`.
        let part = |n: u64, of: f64| match self.unit {
            Unit::Share => (of > 0.0).then(|| n as f64 / of),
            _ => Some(n as f64),
        };
        match self.metric {
            Metric::Time(series, statistic) => series.of(measured).map(|times| statistic.of(times)),
            Metric::Requests => Some(whole.n_requests as f64),
            Metric::RequestRate => Some(measured.requests_per_second()),
            Metric::TokenRate => {
                whole.stream.as_ref().map(|stream| stream.n_output_tokens as f64 / measured.wall_s())
            }
            Metric::Errors(None) => part(n_failed(whole), ended),
            Metric::Errors(Some(class)) => part(n_failed_by(whole, &[class]), ended),
            Metric::Status(status) => {
                let n_answers: u64 = whole.status.values().sum();
                let n = match status {
                    digit @ 1..=9 => n_answers_of_hundred(whole, digit),
                    status => whole.status.get(&status).copied().unwrap_or(0),
                };
                part(n, n_answers as f64)
            }
            Metric::Goodput if self.unit == Unit::Share => part(whole.n_good, ended),
            Metric::Goodput => Some(whole.n_good as f64 / measured.wall_s()),
            Metric::Late => part(whole.n_late, ended),
            Metric::Dropped => part(whole.n_dropped, measured.n_due() as f64),
            Metric::Unfinished => part(whole.n_unfinished, measured.n_due() as f64),
        }
    }

    /// What its value counts.
    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }
}

impl Statistic {
    fn of(self, times: &Histogram<u64>) -> f64 {
        match self {
            Self::Percentile(percent) => times.value_at_quantile(percent / 100.0) as f64,
            Self::Mean => times.mean(),
            Self::Min => times.min() as f64,
            Self::Max => times.max() as f64,
        }
    }
}

impl Verdict {
    /// Returns the measured value with its unit.
    pub(crate) fn shown_value(&self) -> String {
        match (self.value, self.threshold.unit) {
            (None, _) => "not measured".to_owned(),
            (Some(value), Unit::Time) => units::time(value),
            (Some(value), Unit::Share) => units::share(value, 1.0),
            (Some(value), Unit::Number) => units::count(value as u64),
            (Some(value), Unit::PerSecond) => format!("{}/s", units::rate(value)),
        }
    }
}

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;
