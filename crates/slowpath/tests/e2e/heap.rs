//! What stays alive: the report names who allocates what no collection frees, and is silent on the twin that lets go.

use crate::fixtures::{app, planted};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;

/// A steady rate: what a request leaves behind then grows as fast on any machine.
fn run(fixed: &str) -> Recorded {
    let run = Invocation::run().cwd(app("plain")).load("/", "10").env("FIXED", fixed);
    let run = run.args(["-c", "10", "-R", "200", "--phases", "cpu:2,heap:5,baseline"]);
    let report = run.target(["node", "leak.js"]).finish().expect_code(0).report();
    report.expect_clean_load().expect_whole_recorders();
    report
}

#[test]
fn what_is_kept_for_ever_is_named_by_who_allocates_it() {
    undisturbed(|| {
        let sick = run("");
        let findings = sick.findings("heap-growth");
        let finding = findings.first().unwrap_or_else(|| panic!("nothing grows:\n{}", sick.summary()));
        let maker = planted("plain", "leak.js", "describe");
        assert!(maker.is_at(&finding["where"]), "{finding}\n{}", sick.summary());
        let twin = run("1");
        assert!(twin.findings("heap-growth").is_empty(), "the twin lets go:\n{}", twin.summary());
    });
}
