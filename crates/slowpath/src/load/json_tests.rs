//! The JSON of `-j`: autocannon's keys are all there, and ours beside them.

use super::super::samples;
use super::*;
use serde_json::Value;

fn json(report: &LoadReport) -> Value {
    serde_json::from_str(&line(report).unwrap()).unwrap()
}

/// What autocannon 8.0.0 printed for `autocannon -j -T t -S /tmp/x.sock`, keys only.
const AUTOCANNON_KEYS: &str = "title url socketPath connections sampleInt pipelining workers duration samples start \
    finish errors timeouts mismatches non2xx resets 1xx 2xx 3xx 4xx 5xx statusCodeStats latency requests throughput";

const AUTOCANNON_SPREAD: &str = "average mean stddev min max p0_001 p0_01 p0_1 p1 p2_5 p10 p25 p50 p75 p90 p97_5 p99 \
    p99_9 p99_99 p99_999";

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted<'a>(words: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words: Vec<&str> = words.split_whitespace().chain(more.iter().copied()).collect();
    words.sort_unstable();
    words
}

#[test]
fn has_exactly_the_keys_of_autocannon_and_ours() {
    let mut settings = samples::settings();
    settings.title = Some("t".to_owned());
    settings.unix_socket = Some("/tmp/x.sock".to_owned());
    let json = json(&samples::report(settings, samples::second, &[]));
    assert_eq!(keys(&json), sorted(AUTOCANNON_KEYS, &["slowpath"]));
    assert_eq!(keys(&json["latency"]), sorted(AUTOCANNON_SPREAD, &["totalCount"]));
    assert_eq!(keys(&json["requests"]), sorted(AUTOCANNON_SPREAD, &["total", "sent"]));
    assert_eq!(keys(&json["throughput"]), sorted(AUTOCANNON_SPREAD, &["total"]));
}

#[test]
fn counts_as_autocannon_does() {
    let json = json(&samples::report(samples::settings(), samples::troubled_second, &[]));
    // 3 x (3 timeouts + 1 truncated); the 3 x 12 answers with 503 are no errors there.
    assert_eq!((&json["errors"], &json["timeouts"], &json["mismatches"]), (&12.into(), &9.into(), &0.into()));
    assert_eq!((&json["2xx"], &json["3xx"], &json["5xx"]), (&2970.into(), &30.into(), &36.into()));
    assert_eq!(json["non2xx"], 66);
    assert_eq!(json["statusCodeStats"]["503"]["count"], 36);
    assert_eq!((&json["requests"]["total"], &json["requests"]["sent"]), (&3036.into(), &3048.into()));
    assert_eq!(
        (&json["start"], &json["finish"]),
        (&"2026-11-23T07:30:37.266Z".into(), &"2026-11-23T07:30:40.266Z".into())
    );
    assert_eq!(
        (&json["duration"], &json["samples"], &json["latency"]["totalCount"]),
        (&3.0.into(), &3.into(), &3000.into())
    );
    assert_eq!(json["url"], "http://localhost:3000/v1/models?key=[redacted]&n=1");
    assert_eq!(json["slowpath"]["errors_by_class"]["status"], 36);
    assert_eq!(json["slowpath"]["generator"]["was_bottleneck"], true);
}

#[test]
fn several_urls_are_a_list() {
    let mut settings = samples::settings();
    settings.urls.push("http://localhost:3001/".to_owned());
    let json = json(&samples::report(settings, samples::second, &[]));
    assert_eq!(json["url"].as_array().unwrap().len(), 2);
}

/// Histograms are long, and their numbers stand beside them.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| {
            if name == "hdr" {
                assert!(value.as_str().unwrap().starts_with("HISTEw"), "base64 of HdrHistogram V2");
                *value = "HISTEw…".into();
            } else {
                shorten(value);
            }
        }),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}

#[test]
fn everything_of_an_open_load_of_streams_is_in_it() {
    let mut settings = samples::open_settings();
    settings.objectives = Some(samples::limits());
    let mut report = samples::report(settings, samples::streaming_second, &["p99>1ms", "rps<5", "errors>1%"]);
    report.warm_up = Some(samples::measured(&[samples::second(0)]));
    let mut json = json(&report);
    assert_eq!(json["warmup"]["2xx"], 990);
    shorten(&mut json);
    insta::assert_json_snapshot!(json["slowpath"]);
}
