//! The results under autocannon's key names, so that scripts keep working.
//!
//! Same names and meaning, finer numbers: latencies are milliseconds with three decimals where autocannon's are whole. As
//! there, `requests` counts every complete answer whatever its status, and `errors` leaves out answers with a bad status
//! (`non2xx`) or a wrong body (`mismatches`). Latencies are of successful requests only, as with autocannon's `-x`.

use super::measured::{Measured, PerSecond, n_answers_of_hundred, n_failed, n_failed_by};
use super::settings::Settings;
use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use slowpath_load::ErrorClass;
use std::collections::BTreeMap;

/// One result as autocannon prints it; ours stands under `slowpath`.
#[derive(Debug, Serialize)]
pub(crate) struct AutocannonResult<'a, Ours> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    url: Urls<'a>,
    #[serde(rename = "socketPath", skip_serializing_if = "Option::is_none")]
    socket_path: Option<&'a str>,
    connections: u32,
    #[serde(rename = "sampleInt")]
    sample_ms: u32,
    pipelining: u32,
    workers: u32,
    duration: f64,
    samples: usize,
    start: String,
    finish: String,
    errors: u64,
    timeouts: u64,
    mismatches: u64,
    non2xx: u64,
    resets: u64,
    #[serde(rename = "1xx")]
    n_1xx: u64,
    #[serde(rename = "2xx")]
    n_2xx: u64,
    #[serde(rename = "3xx")]
    n_3xx: u64,
    #[serde(rename = "4xx")]
    n_4xx: u64,
    #[serde(rename = "5xx")]
    n_5xx: u64,
    #[serde(rename = "statusCodeStats")]
    status_code_stats: BTreeMap<u16, StatusCount>,
    latency: Latency,
    requests: Requests,
    throughput: Throughput,
    slowpath: Ours,
    #[serde(skip_serializing_if = "Option::is_none")]
    warmup: Option<Box<serde_json::value::RawValue>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Urls<'a> {
    One(&'a str),
    Several(&'a [String]),
}

#[derive(Debug, Serialize)]
struct StatusCount {
    count: u64,
}

#[derive(Debug, Serialize)]
struct Latency {
    #[serde(flatten)]
    spread: Spread,
    #[serde(rename = "totalCount")]
    total_count: u64,
}

#[derive(Debug, Serialize)]
struct Requests {
    #[serde(flatten)]
    spread: Spread,
    total: u64,
    sent: u64,
}

#[derive(Debug, Serialize)]
struct Throughput {
    #[serde(flatten)]
    spread: Spread,
    total: u64,
}

/// Statistics with autocannon's percentiles.
#[derive(Debug, Serialize)]
struct Spread {
    average: f64,
    mean: f64,
    stddev: f64,
    min: f64,
    max: f64,
    #[serde(flatten)]
    percentiles: Percentiles,
}

/// The percentiles of autocannon's JSON and of its `-l` table.
pub(crate) const PERCENTILES: [f64; 15] =
    [0.001, 0.01, 0.1, 1.0, 2.5, 10.0, 25.0, 50.0, 75.0, 90.0, 97.5, 99.0, 99.9, 99.99, 99.999];

/// `p0_001` to `p99_999`, in this order.
#[derive(Debug)]
struct Percentiles([f64; PERCENTILES.len()]);

impl Serialize for Percentiles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = |percent: &f64| format!("p{percent}").replace('.', "_");
        serializer.collect_map(PERCENTILES.iter().map(key).zip(self.0))
    }
}

impl Spread {
    fn of_times(times: &Histogram<u64>) -> Self {
        let ms = |us: f64| (us.round()) / 1e3;
        let at = |percent: f64| ms(times.value_at_quantile(percent / 100.0) as f64);
        Self {
            average: ms(times.mean()),
            mean: ms(times.mean()),
            stddev: ms(times.stdev()),
            min: ms(if times.is_empty() { 0.0 } else { times.min() as f64 }),
            max: ms(times.max() as f64),
            percentiles: Percentiles(PERCENTILES.map(at)),
        }
    }

    fn of_rates(rates: &PerSecond) -> Self {
        let rounded = |rate: f64| (rate * 100.0).round() / 100.0;
        Self {
            average: rounded(rates.mean()),
            mean: rounded(rates.mean()),
            stddev: rounded(rates.stdev()),
            min: rounded(rates.min()),
            max: rounded(rates.max()),
            percentiles: Percentiles(PERCENTILES.map(|percent| rounded(rates.at(percent)))),
        }
    }
}

impl<'a, Ours: Serialize> AutocannonResult<'a, Ours> {
    pub(crate) fn of(
        settings: &'a Settings,
        measured: &Measured,
        slowpath: Ours,
        warmup: Option<Box<serde_json::value::RawValue>>,
    ) -> Self {
        let whole = &measured.whole;
        let n_answers: u64 = whole.status.values().sum();
        let n_2xx = n_answers_of_hundred(whole, 2);
        let requests = measured.per_second(|second| second.n_answers);
        let throughput = measured.per_second(|second| second.bytes_in);
        // A status is an answer, not an error; a wrong body is a mismatch.
        let elsewhere = n_failed_by(whole, &[ErrorClass::Status, ErrorClass::Check]);
        // Failures that had no complete answer; with one they are among the answers already.
        let unanswered = [
            ErrorClass::Connect,
            ErrorClass::Reset,
            ErrorClass::Timeout,
            ErrorClass::Malformed,
            ErrorClass::Truncated,
            ErrorClass::Tls,
        ];
        let finish =
            measured.started + SignedDuration::try_from_secs_f64(measured.wall_s()).unwrap_or_default();
        Self {
            title: settings.title.as_deref(),
            url: match settings.urls.as_slice() {
                [url] => Urls::One(url),
                urls => Urls::Several(urls),
            },
            socket_path: settings.unix_socket.as_deref(),
            connections: settings.connections,
            sample_ms: 1000,
            pipelining: settings.pipelining,
            workers: settings.threads,
            duration: (measured.wall_s() * 100.0).round() / 100.0,
            samples: requests.n_samples(),
            start: calendar(measured.started),
            finish: calendar(finish),
            errors: n_failed(whole) - elsewhere,
            timeouts: n_failed_by(whole, &[ErrorClass::Timeout]),
            mismatches: n_failed_by(whole, &[ErrorClass::Check]),
            non2xx: n_answers - n_2xx,
            resets: 0,
            n_1xx: n_answers_of_hundred(whole, 1),
            n_2xx,
            n_3xx: n_answers_of_hundred(whole, 3),
            n_4xx: n_answers_of_hundred(whole, 4),
            n_5xx: n_answers_of_hundred(whole, 5),
            status_code_stats: whole
                .status
                .iter()
                .map(|(status, count)| (*status, StatusCount { count: *count }))
                .collect(),
            latency: Latency { spread: Spread::of_times(&whole.latency), total_count: whole.latency.len() },
            requests: Requests {
                spread: Spread::of_rates(&requests),
                total: n_answers,
                sent: n_answers + n_failed_by(whole, &unanswered) + whole.n_unfinished,
            },
            throughput: Throughput { spread: Spread::of_rates(&throughput), total: whole.bytes_in },
            slowpath,
            warmup,
        }
    }
}

/// Returns `2026-11-23T07:30:37.266Z`, as JavaScript prints dates.
fn calendar(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
