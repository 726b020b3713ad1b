//! Ten thousand places that requests wait at: the report stays small, and what it does not list is in sums.

use crate::contract::Contract;
use crate::recordings::full;
use crate::shape::CONTRACT;
use serde_json::Value;
use slowpath_profile::recording::{AsyncFrame, AsyncLog, AsyncSource, FollowedRequest, Slice};
use slowpath_profile::{Nanos, Recording};
use slowpath_report::Report;

const PLACES: u32 = 10_000;

/// Requests that wait at a hundred places each, one after the other: at place `n` for about a second over `n`.
fn with_many_places() -> Recording {
    let mut recording = full("render");
    let start = recording.manifest.start;
    let frame = |n: u32| AsyncFrame {
        name: format!("stepNumber{n}OfTheWorkflow"),
        file: format!("file:///srv/app/src/workflows/part{}/steps/step{n}.js", n % 300),
        line: n,
        column: 17,
    };
    let source = |kind: &str, remote: Option<&str>| AsyncSource {
        r#type: kind.into(),
        remote: remote.map(Into::into),
        inbound: false,
    };
    let request = |n: u32| {
        let begin = Nanos(start.0 + 2_000_000_000 + u64::from(n) * 10_000_000);
        let mut at = begin;
        let slices: Vec<Slice> = (0..PLACES / 100)
            .map(|index| {
                let site = 1 + (n * (PLACES / 100) + index) % PLACES;
                let since = at;
                at = Nanos(at.0 + 1_000_000_000 / u64::from(site));
                Slice {
                    start: at,
                    end: at,
                    ran: Nanos(0),
                    since: Some(since),
                    queued: Nanos(0),
                    site,
                    source: 1 + site % 3,
                    again: false,
                    waker: 0,
                }
            })
            .collect();
        FollowedRequest {
            thread: 0,
            route: "GET /".into(),
            port: 3000,
            status: 200,
            start: begin,
            end: at,
            cut: false,
            queued: Nanos(0),
            slices,
            runs: Vec::new(),
        }
    };
    let log = AsyncLog {
        frames: (1..=PLACES).map(frame).collect(),
        sites: std::iter::once(Vec::new()).chain((0..PLACES).map(|frame| vec![frame])).collect(),
        sources: vec![
            AsyncSource::default(),
            source("Timeout", None),
            source("TCPWRAP", Some("db.internal:5432")),
            source("FSREQCALLBACK", None),
        ],
        requests: (0..200).map(request).collect(),
        pool_size: 4,
        ..AsyncLog::default()
    };
    recording.asynchronous.insert(101, log);
    recording
}

fn sum(rows: &Value, key: &str) -> f64 {
    rows.as_array().expect("rows").iter().filter_map(|row| row[key].as_f64()).sum()
}

#[test]
fn ten_thousand_places_make_a_report_below_a_megabyte_in_which_no_time_is_lost() {
    let text = Report::of(&with_many_places()).to_json().unwrap();
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(Contract::of(CONTRACT).misfits("ReportData", &report), [""; 0]);
    let requests = &report["requests"];
    assert_eq!(requests["sites"].as_array().unwrap().len(), 1000);
    assert_eq!(requests["n_more_sites"], 9000);
    assert!((sum(&requests["more_sites"], "n") - 9000.0).abs() < 0.5, "{requests:#}");
    let (listed, more) = (sum(&requests["sites"], "held_up_ms"), sum(&requests["more_sites"], "held_up_ms"));
    // Twice each place, for a second over its number.
    let all: f64 = 2.0 * (1..=PLACES).map(|site| 1000.0 / f64::from(site)).sum::<f64>();
    assert!((listed + more - all).abs() < 1.0, "{listed} and {more} of {all}");
    let share = requests["more_sites_share"].as_f64().unwrap();
    assert!((share - more / all).abs() < 1e-3, "{share}");
}
