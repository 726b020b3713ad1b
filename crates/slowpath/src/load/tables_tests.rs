//! Snapshots of the tables: each was read.

use super::super::samples;
use super::super::sweep::{Step, Sweep, SweepPoint};
use super::*;

fn shown(report: &LoadReport, display: &DisplayOptions) -> String {
    let ink = Ink::plain();
    let n_rates = report.sweep.as_ref().map(|_| 8);
    let text = format!("{}\n{}", opening(&report.settings, n_rates, ink), closing(report, display, ink));
    // The first line has the URL, which may be longer.
    for line in text.lines().skip(1) {
        assert!(line.chars().count() <= 80, "wider than a terminal: {line}");
        assert_eq!(line.trim_end(), line, "blanks at the end");
    }
    text
}

#[test]
fn a_healthy_load() {
    let report = samples::report(samples::settings(), samples::second, &[]);
    insta::assert_snapshot!(shown(&report, &DisplayOptions::default()));
}

#[test]
fn a_load_with_errors_and_a_busy_generator() {
    let thresholds = ["p99>50ms", "errors>10%", "ttft.p95>300ms", "status.5xx>0"];
    let mut report = samples::report(samples::settings(), samples::troubled_second, &thresholds);
    report.measured.ended = Ended::Bailout;
    insta::assert_snapshot!(shown(&report, &DisplayOptions::default()));
}

#[test]
fn an_open_load_of_streams() {
    let mut settings = samples::open_settings();
    settings.title = Some("chat".to_owned());
    settings.objectives = Some(samples::limits());
    let mut report = samples::report(settings, samples::streaming_second, &["goodput<95%"]);
    report.notes =
        vec!["1 of 3 shards are not there (2): rates are lower than the load that was asked for".to_owned()];
    insta::assert_snapshot!(shown(&report, &DisplayOptions::default()));
}

#[test]
fn chosen_percentiles_and_all_of_them() {
    let report = samples::report(samples::settings(), samples::second, &[]);
    let display = DisplayOptions {
        latency: true,
        latency_percentiles: vec![25.0, 50.0, 75.0, 90.0, 95.0, 99.99],
        ..DisplayOptions::default()
    };
    insta::assert_snapshot!(shown(&report, &display));
}

#[test]
fn a_sweep() {
    let mut report = samples::report(samples::settings(), samples::second, &[]);
    let point = |step, achieved: u64, mean_us: u64| {
        let mut interval = samples::second(0);
        interval.latency.clear();
        interval.latency.record_n(mean_us, achieved).unwrap();
        interval.n_requests = achieved;
        SweepPoint::of(step, None, &samples::measured(&[interval]))
    };
    let rate = |offered: u32| Step::Rate { offered: f64::from(offered) };
    report.sweep = Some(Sweep::of(vec![
        point(Step::Synchronous, 900, 1100),
        point(Step::Saturation, 12_000, 8300),
        point(rate(4600), 4600, 1200),
        point(rate(8300), 8300, 1900),
        point(rate(12_000), 10_900, 400_000),
    ]));
    insta::assert_snapshot!(shown(&report, &DisplayOptions::default()));
}

#[test]
fn a_load_in_which_nothing_happened() {
    let nothing = |k: u64| slowpath_load::Interval::empty(k * 1_000_000_000, (k + 1) * 1_000_000_000);
    insta::assert_snapshot!(shown(
        &samples::report(samples::settings(), nothing, &[]),
        &DisplayOptions::default()
    ));
}
