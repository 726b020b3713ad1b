//! The same bytes each time; the keys and types that the page and scripts rely on; no number that is none.

use crate::contract::Contract;
use crate::recordings::{compared, empty, full, remains};
use serde_json::Value;
use slowpath_profile::Recording;
use slowpath_report::{Report, render_markdown};

/// The contract of the report's page.
pub(crate) const CONTRACT: &str = include_str!("../../../../ui/src/contract.ts");

fn all() -> Vec<Recording> {
    remains().into_iter().chain([empty(), full("render"), compared()]).collect()
}

fn json(recording: &Recording) -> Value {
    serde_json::from_str(&Report::of(recording).to_json().unwrap()).unwrap()
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    let render = || {
        let report = Report::of(&full("render"));
        [report.to_html().unwrap(), report.to_json().unwrap(), render_markdown(&report.data)]
    };
    assert!(render() == render(), "two reports of one recording differ");
}

#[test]
fn the_full_recording_fills_every_part_of_the_report() {
    let report = json(&full("render"));
    for part in
        ["findings", "refuted", "load_phases", "overhead", "processes", "recorders", "warnings", "functions"]
    {
        assert!(!report[part].as_array().unwrap().is_empty(), "{part}");
    }
    assert_eq!(report["findings"][0]["where"]["function"], "render");
    assert_eq!(report["findings"][0]["where"]["line"], 13);
}

#[test]
fn compared_loads_are_told_of_with_what_was_not_compared() {
    let report = Report::of(&compared());
    let inputs = json(&compared())["scale"]["inputs"].clone();
    assert_eq!(inputs[0]["levels"].as_array().map(Vec::len), Some(2));
    let latency = inputs[0]["rows"].as_array().unwrap().iter().find(|row| row["cost"] == "latency").unwrap();
    // 5 ms with 2 connections as with 16.
    assert!(latency["exponent"].as_f64().unwrap().abs() < 1e-9 && latency["pace"] == "in-step", "{latency}");
    assert_eq!(inputs[1]["not_measured"], "the body has one size");
    let text = render_markdown(&report.data);
    assert!(
        text.contains("| mean latency | 5.") && text.contains("not measured: the body has one size"),
        "{text}"
    );
}

#[test]
fn report_json_is_what_the_page_expects() {
    let contract = Contract::of(CONTRACT);
    for recording in all() {
        assert_eq!(contract.misfits("ReportData", &json(&recording)), [""; 0]);
    }
}

#[test]
fn the_profile_is_what_the_page_expects() {
    let contract = Contract::of(CONTRACT);
    for recording in all() {
        let profile = serde_json::to_value(&Report::of(&recording).profile).unwrap();
        assert_eq!(contract.misfits("ProfileData", &profile), [""; 0]);
    }
}

/// Keys of `report.json` that scripts may rely on, as paths; a number means "in each".
const PROMISED: &[&str] = &[
    "format_version",
    "verdict/class",
    "verdict/sentence",
    "findings/0/rule",
    "findings/0/title",
    "findings/0/severity",
    "findings/0/confidence",
    "findings/0/share",
    "findings/0/predicted_gain/throughput",
    "findings/0/predicted_gain/low",
    "findings/0/predicted_gain/high",
    "findings/0/where/function",
    "findings/0/where/file",
    "findings/0/where/line",
    "findings/0/where/package",
    "findings/0/where/process",
    "findings/0/evidence",
    "findings/0/advice",
    "checkpoints",
    "checklist",
    "load/requests",
    "load/requests_per_second",
    "load/latency_ms/p50",
    "load/latency_ms/p90",
    "load/latency_ms/p99",
    "load/latency_ms/p99_9",
    "load/latency_ms/max",
    "load/latency_ms/mean",
    "load/errors",
    "load/stream",
    "split/js",
    "split/idle",
    "overhead/0/phase",
    "overhead/0/throughput",
    "overhead/0/cpu_per_request",
    "processes/0/pid",
    "processes/0/role",
    "processes/0/command",
    "processes/0/node",
    "processes/0/threads",
    "processes/0/exit",
    "recorders/0/name",
    "recorders/0/state",
    "recorders/0/why",
];

#[test]
fn report_json_has_the_keys_that_scripts_rely_on() {
    let report = json(&full("render"));
    for path in PROMISED {
        assert!(report.pointer(&format!("/{path}")).is_some(), "{path}");
    }
}

#[test]
fn the_split_adds_up_to_one() {
    let report = json(&full("render"));
    let sum: f64 = report["split"].as_object().unwrap().values().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

#[test]
fn every_number_is_finite() {
    for recording in all() {
        let report = Report::of(&recording);
        // JSON would hide them as `null`.
        let text = format!("{:#?}", report.data);
        let is_none = |line: &&str| line.ends_with("NaN,") || line.ends_with("inf,");
        assert_eq!(text.lines().find(is_none), None);
    }
}
