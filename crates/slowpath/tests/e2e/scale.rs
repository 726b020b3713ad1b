//! `--scale`: loads that are compared, and what grows faster than its input.

use crate::fixtures::{Planted, app, planted};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;
use serde_json::Value;

/// A body of 2,000 elements; an eighth of them where it is small.
const BODY: &str = r#"{"items":[{{repeat 2000 '{"id":"item-#","text":"some words"}' ','}}]}"#;

const RULE: &str = "quadratic-work";

fn run(program: &str, fixed: &str, load: &[&str]) -> Recorded {
    let run = Invocation::run().cwd(app("plain")).load("/", "16").env("FIXED", fixed).arg("--scale");
    let run = load.iter().fold(run, Invocation::arg);
    let finished = run.target(["node", program]).finish().expect_code(0);
    let report = finished.report();
    report.expect_clean_load();
    report
}

/// Returns what varying an input showed.
#[track_caller]
fn input<'a>(report: &'a Recorded, name: &str) -> &'a Value {
    let inputs = report.json["scale"]["inputs"].as_array().expect("loads were compared");
    inputs.iter().find(|input| input["input"] == name).expect("both inputs are told of")
}

/// Returns the row of a function.
#[track_caller]
fn row<'a>(report: &'a Recorded, name: &str, function: &Planted) -> &'a Value {
    let rows = input(report, name)["rows"].as_array().expect("a list");
    let found = rows.iter().find(|row| row["function"] == function.function.as_str());
    found.unwrap_or_else(|| panic!("{function:?} has no row among {rows:#?}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn work_that_grows_with_the_square_of_the_body_is_named_and_linear_work_beside_it_is_not() {
    let load = ["-c", "8", "-m", "POST", "--template", "-b", BODY];
    let (scan, parse) = ("withoutRepeats", "readList");
    let planted = |function| planted("plain", "quadratic-body.js", function);
    undisturbed(|| {
        let sick = run("quadratic-body.js", "", &load);
        let finding = sick.blames(RULE, &planted(scan));
        assert!(finding["evidence"].as_array().expect("a list").iter().any(|row| row["unit"] == "exponent"));
        assert_eq!(sick.findings(RULE).len(), 1, "{}", sick.summary());
        let square = row(&sick, "body-bytes", &planted(scan));
        assert!((number(&square["exponent"]) - 2.0).abs() < 0.4, "{square}");
        assert_eq!(square["pace"], "faster");
        let linear = row(&sick, "body-bytes", &planted(parse));
        assert!((number(&linear["exponent"]) - 1.0).abs() < 0.3 && linear["pace"] != "faster", "{linear}");
        // The same number of elements, however many ask at once.
        assert_ne!(row(&sick, "connections", &planted(scan))["pace"], "faster");
        let healthy = run("quadratic-body.js", "1", &load);
        assert!(healthy.findings(RULE).is_empty(), "{}", healthy.summary());
    });
}

#[test]
fn work_for_all_requests_that_are_under_way_is_named_and_a_body_of_one_size_is_not_compared() {
    let load = ["-c", "32"];
    let scan = planted("plain", "scan-in-flight.js", "placeInQueue");
    undisturbed(|| {
        let sick = run("scan-in-flight.js", "", &load);
        sick.blames(RULE, &scan);
        let grown = row(&sick, "connections", &scan);
        assert!(number(&grown["low"]) > 0.3, "{grown}");
        let bodies = input(&sick, "body-bytes");
        assert!(bodies["not_measured"].as_str().is_some_and(|why| why.contains("no body")), "{bodies}");
        let healthy = run("scan-in-flight.js", "1", &load);
        assert!(healthy.findings(RULE).is_empty(), "{}", healthy.summary());
    });
}

#[test]
fn the_smallest_bodies_of_a_file_are_taken_against_its_largest() {
    let body = |n: usize| {
        let items: Vec<_> = (0..n).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        format!(r#"{{"items":[{}]}}"#, items.join(","))
    };
    undisturbed(|| {
        let run =
            Invocation::run().cwd(app("plain")).load("/", "14").args(["--scale", "-c", "4", "-m", "POST"]);
        let file = run.scratch().join("bodies.jsonl");
        std::fs::write(&file, [body(100), body(400), body(2000)].join("\n")).expect("a file");
        let finished = run.arg("--bodies").arg(&file).target(["node", "quadratic-body.js"]).finish();
        let report = finished.expect_code(0).report();
        let measure = input(&report, "body-bytes");
        let values: Vec<f64> = measure["levels"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|level| number(&level["value"]))
            .collect();
        assert_eq!(values, [body(100).len() as f64, body(2000).len() as f64]);
        let square = row(&report, "body-bytes", &planted("plain", "quadratic-body.js", "withoutRepeats"));
        assert!(number(&square["exponent"]) > 1.3, "{square}");
    });
}

#[test]
fn a_load_of_which_nothing_can_be_varied_is_refused_before_anything_starts() {
    let refused = |options: &[&str], expected: &str| {
        let run = Invocation::run().cwd(app("plain")).load("/", "8").arg("--scale");
        let run = options.iter().fold(run, Invocation::arg);
        let finished = run.target(["node", "healthy.js"]).finish().expect_code(2);
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    };
    refused(&["-c", "1"], "nothing to vary");
    refused(&["-R", "50"], "on a schedule");
}
