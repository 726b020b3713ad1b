//! Loads that tests share: drawn numbers, nothing is sent.

use super::measured::{Ended, Measured, Second};
use super::report::LoadReport;
use super::results::{FORMAT_VERSION, ResultsHead, Shards};
use super::settings::{ArrivalKind, Limits, Pace, PaceStage, Settings, WholeLoad};
use jiff::Timestamp;
use slowpath_load::{ErrorClass, Interval, LoadPlan, StreamStats, Url};
use std::collections::BTreeMap;
use std::time::Duration;

/// A closed load of 100 connections for 3 s.
pub(crate) fn settings() -> Settings {
    let plan = LoadPlan::new(Url::parse("http://localhost:3000/v1/models?key=abc&n=1").unwrap());
    let duration = Some(Duration::from_secs(3));
    Settings::of(&plan, WholeLoad { connections: 100, duration, ..WholeLoad::default() })
}

/// One at 500 requests/s.
pub(crate) fn open_settings() -> Settings {
    let stage = PaceStage { from: 500.0, to: 500.0, length_s: Some(3.0) };
    Settings { pace: Pace::Open { stages: vec![stage], arrival: ArrivalKind::Poisson }, ..settings() }
}

/// Second `k` of a healthy load: 1,000 requests of 1 to 100 ms.
pub(crate) fn second(k: u64) -> Interval {
    let mut interval = Interval::empty(k * 1_000_000_000, (k + 1) * 1_000_000_000);
    for i in 0..1000 {
        interval.latency.record(1000 + i * i / 10 + k).unwrap();
        interval.first_body_byte.record(900 + i).unwrap();
    }
    interval.n_requests = 1000;
    interval.n_good = 900;
    interval.status = BTreeMap::from([(200, 990), (304, 10)]);
    interval.bytes_in = 1_300_000;
    interval.bytes_out = 90_000;
    interval.busiest_thread_cpu_share = 0.31;
    interval.open_connections = 100;
    interval.in_flight_ns = (interval.latency.mean() * 1e3) as u64 * 1000;
    interval
}

/// The same with everything that can go wrong.
pub(crate) fn troubled_second(k: u64) -> Interval {
    let mut interval = second(k);
    interval.errors =
        BTreeMap::from([(ErrorClass::Status, 12), (ErrorClass::Timeout, 3), (ErrorClass::Truncated, 1)]);
    interval.status.insert(503, 12);
    interval.error_samples = vec![
        "timeout: no byte came for 10 s".to_owned(),
        "status: 503 to GET /v1/models: {\"error\":{\"message\":\"the upstream did not answer in time and this \
         message goes on for longer than a line\"}}"
            .to_owned(),
        "truncated: the connection was closed in the middle of the answer".to_owned(),
    ];
    interval.busiest_thread_cpu_share = 0.97;
    interval
}

/// An open load's second, with streams.
pub(crate) fn streaming_second(k: u64) -> Interval {
    let mut interval = second(k);
    let mut uncorrected = StreamStats::empty().e2el;
    uncorrected.record_n(1200, 1000).unwrap();
    interval.uncorrected = Some(uncorrected);
    interval.in_flight_ns = 1_200_000_000;
    interval.n_late = 7;
    interval.n_dropped = 2;
    let mut stream = StreamStats::empty();
    stream.n_streams = 1000;
    stream.dialects = BTreeMap::from([("claude".to_owned(), 10), ("openai-chat".to_owned(), 990)]);
    stream.n_content_events = 20_000;
    stream.n_output_tokens = 21_000;
    for i in 0..1000 {
        stream.ttfb.record(20_000 + i).unwrap();
        stream.ttft.record(25_000 + 10 * i).unwrap();
        stream.ttfo.record(25_000 + 20 * i).unwrap();
        stream.tpot.record(10_000).unwrap();
        stream.itl.record_n(10_000 + i, 19).unwrap();
        stream.e2el.record(225_000 + 100 * i).unwrap();
    }
    interval.stream = Some(stream);
    interval
}

/// Adds up what intervals did, beginning at a fixed moment.
pub(crate) fn measured(intervals: &[Interval]) -> Measured {
    let mut whole = intervals[0].clone();
    intervals[1..].iter().for_each(|interval| whole.merge(interval));
    Measured {
        whole,
        seconds: intervals.iter().map(Second::of).collect(),
        started: "2026-11-23T07:30:37.266Z".parse().unwrap(),
        ended: Ended::Complete,
    }
}

/// A report of three seconds, with thresholds.
pub(crate) fn report(settings: Settings, second: fn(u64) -> Interval, thresholds: &[&str]) -> LoadReport {
    let thresholds: Vec<_> =
        thresholds.iter().map(|text| super::threshold::parse_threshold(text).unwrap()).collect();
    let measured = measured(&[second(0), second(1), second(2)]);
    LoadReport::new(settings, measured, Shards { count: 1, indexes: vec![0] }, &thresholds)
}

/// Limits for goodput.
pub(crate) fn limits() -> Limits {
    Limits { ttft_ms: Some(200.0), tpot_ms: Some(50.0), e2el_ms: None }
}

/// The head of the results of part `index` of `count`.
pub(crate) fn head(id: &str, index: u32, count: u32, started_at: &str) -> ResultsHead {
    let started_at: Timestamp = started_at.parse().unwrap();
    ResultsHead {
        format_version: FORMAT_VERSION,
        slowpath_version: "0.1.0".to_owned(),
        ids: vec![id.to_owned()],
        shards: Shards { count, indexes: vec![index] },
        started_at,
        settings: open_settings(),
    }
}
