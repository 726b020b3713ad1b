//! The supported Node.js versions: on each, the hot function is found and every recorder delivers.

use crate::fixtures::{app, node, planted};
use crate::harness::Invocation;
use crate::patience::undisturbed;

fn check(major: u32) {
    let node = node(major);
    let run = Invocation::run().cwd(app("plain")).load("/", "5");
    let finished = run.arg("--").arg(&node).arg("hot-function.js").finish().expect_code(0);
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "", "the target says nothing by itself");
    let report = finished.report();
    report.expect_clean_load().expect_whole_recorders().expect_whole_split().expect_verdict("cpu");
    report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
    let version = report.json["run"]["node"].as_str().unwrap_or_default().trim_start_matches('v');
    assert!(version.starts_with(&format!("{major}.")), "it ran on {version}");
}

#[test]
fn node_18_is_recorded() {
    undisturbed(|| check(18));
}

#[test]
fn node_20_is_recorded() {
    undisturbed(|| check(20));
}

#[test]
fn node_22_is_recorded() {
    undisturbed(|| check(22));
}

#[test]
fn node_24_is_recorded() {
    undisturbed(|| check(24));
}
