//! The page against its contract, with loads in memory.

#[path = "../../../../slowpath-report/tests/report/contract.rs"]
mod contract;

use super::super::measured::{Ended, Measured};
use super::super::report::LoadReport;
use super::super::samples::{
    limits, measured, open_settings, report, second, settings, streaming_second, troubled_second,
};
use super::super::settings::Settings;
use super::super::sweep::{Step, Sweep, SweepPoint};
use super::data::LoadPage;
use contract::Contract;
use serde_json::Value;
use slowpath_load::{ErrorClass, Interval};

fn page(report: &LoadReport) -> Value {
    serde_json::to_value(LoadPage::of(report)).unwrap()
}

fn failed() -> LoadReport {
    let nothing = |k: u64| {
        let mut interval = Interval::empty(k * 1_000_000_000, (k + 1) * 1_000_000_000);
        interval.errors.insert(ErrorClass::Connect, 40);
        interval.error_samples = vec!["connect: connection refused".to_owned()];
        interval
    };
    report(settings(), nothing, &["p99>100ms"])
}

fn sweep() -> LoadReport {
    let point = |step: Step, k: u64| SweepPoint::of(step, None, &measured(&[second(k)]));
    let points = vec![
        point(Step::Synchronous, 0),
        point(Step::Saturation, 1),
        point(Step::Rate { offered: 900.0 }, 2),
        point(Step::Rate { offered: 2000.0 }, 3),
    ];
    let mut report = report(settings(), second, &[]);
    report.sweep = Some(Sweep::of(points));
    report
}

fn streaming() -> LoadReport {
    let settings = Settings { objectives: Some(limits()), ..open_settings() };
    report(settings, streaming_second, &["ttft.p95>300ms", "p50>1us"])
}

fn all() -> Vec<LoadReport> {
    vec![
        report(settings(), second, &[]),
        report(settings(), troubled_second, &["errors>0.1%"]),
        report(settings(), |k| Interval::empty(k, k), &[]),
        streaming(),
        sweep(),
        failed(),
    ]
}

#[test]
fn the_page_is_given_what_it_expects() {
    let contract = Contract::of(include_str!("../../../../../ui/src/load-contract.ts"));
    for report in all() {
        assert_eq!(contract.misfits("LoadPage", &page(&report)), [""; 0]);
    }
}

#[test]
fn columns_of_the_seconds_are_of_one_length() {
    for report in all() {
        let page = page(&report);
        let seconds = page["seconds"].as_object().unwrap();
        let n = seconds["t_s"].as_array().unwrap().len();
        for (name, column) in seconds {
            let length = column.as_array().unwrap().len();
            assert!(length == n || (name == "offered_per_second" && length == 0), "{name}");
        }
    }
}

#[test]
fn the_answer_says_rate_latency_and_failures() {
    let check = |report: &LoadReport, expected: &str| {
        assert_eq!(page(report)["verdict"]["sentence"], expected);
    };
    check(&report(settings(), second, &[]), "1,000 requests/s, p99 98.8 ms, no errors");
    check(
        &report(settings(), troubled_second, &[]),
        "The load generator was the bottleneck: 1,000 requests/s, p99 98.8 ms, 1.57 % failed (most: status)",
    );
    check(&failed(), "All 120 requests failed");
    check(&report(settings(), |k| Interval::empty(k, k), &[]), "No request was answered");
    check(&sweep(), "The curve bends at 1,000 requests/s with p99 98.8 ms");
}

#[test]
fn waiting_that_only_a_schedule_shows_is_told() {
    let page = page(&streaming());
    let details = page["verdict"]["details"].to_string();
    assert!(
        details.contains("p99 would look like 1.20 ms") && details.contains("could not be sent"),
        "{details}"
    );
    assert_eq!(page["times"][1]["series"], "uncorrected");
    assert_eq!(page["seconds"]["offered_per_second"], serde_json::json!([500.0, 500.0, 500.0]));
}

#[test]
fn a_crossed_threshold_is_told_with_what_was_measured() {
    let thresholds = page(&streaming())["thresholds"].clone();
    assert_eq!(thresholds[0]["is_crossed"], false);
    assert_eq!(thresholds[1]["is_crossed"], true);
    assert_eq!(thresholds[1]["condition"], "p50>1us");
    assert_eq!(page(&failed())["thresholds"][0]["measured"], "not measured");
}

#[test]
fn nothing_that_was_not_measured_is_a_zero() {
    let page = page(&failed());
    assert_eq!(page["times"][0]["p99"], Value::Null);
    assert_eq!(page["seconds"]["p50"], serde_json::json!([null, null, null]));
    assert_eq!(page["histogram"], serde_json::json!([]));
    assert_eq!(page["errors"][0]["sample"], "connection refused");
}

#[test]
fn a_sweep_shows_the_latency_at_its_knee() {
    let page = page(&sweep());
    assert_eq!(page["totals"]["of"], "the knee: 900 requests/s asked for");
    assert_eq!((&page["sweep"]["knee"], &page["sweep"]["highest_kept"]), (&2.into(), &2.into()));
    assert_eq!(page["times"][0]["count"], 1000);
}

#[test]
fn a_minute_of_load_makes_a_small_page() {
    let minute: Vec<Interval> = (0..60).map(streaming_second).collect();
    let measured = Measured { ended: Ended::Complete, ..measured(&minute) };
    let mut report = streaming();
    report.measured = measured;
    let size = page(&report).to_string().len();
    assert!(size < 40_000, "{size} bytes of data");
}

/// Ends scripts and comments, opens tags, brings the places of the page.
const HOSTILE: &[&str] = &[
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "--><b>",
    "<!--slowpath:report--><!--slowpath:profile-->",
    "\u{2028}\u{0}\\\"",
];

fn written(title: &str) -> String {
    let mut report = failed();
    report.settings.title = Some(title.to_owned());
    report.measured.whole.error_samples = vec![format!("connect: {title}")];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("load.html");
    super::write(&report, &path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn what_a_server_or_a_person_writes_stays_text() {
    let harmless = written("harmless");
    for text in HOSTILE {
        let html = written(text);
        let data = html.split_once("id=\"slowpath-report\">").unwrap().1.split_once("</script>").unwrap().0;
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["run"]["title"], &data["errors"][0]["sample"]), (&(*text).into(), &(*text).into()));
        for markup in ["<script", "</script", "<img", "<!--"] {
            assert_eq!(html.matches(markup).count(), harmless.matches(markup).count(), "{text:?}: {markup}");
        }
    }
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_before_the_load() {
    let dir = tempfile::tempdir().unwrap();
    let check = |path: &std::path::Path, expected: &str| {
        let error = super::check_path(path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(dir.path(), "is a directory");
    check(&dir.path().join("none/load.html"), "there is no directory");
    assert!(super::check_path(&dir.path().join("load.html")).is_ok());
}

#[test]
fn secrets_are_not_on_the_page() {
    let page = page(&report(settings(), second, &[])).to_string();
    assert!(page.contains("/v1/models") && !page.contains("abc"), "{page}");
}
