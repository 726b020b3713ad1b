//! Requests sent beside those that are served, and what is like them.

use crate::check::{check_first, diagnosed};
use crate::cpu::flat;
use crate::drawing::Drawing;
use crate::waits::{HOST, requests};
use slowpath_diagnosis::Severity;

const AUDIT: &str = "audit.example:8080";
const AGENT: &str = "audit.example:8080 true Infinity 256";

/// A full thread that sends so many requests for each one that arrives to a service of audits, in `stack`; and one to the provider,
/// which is what it waits for.
fn sends(per_request: f64, stack: &'static str, samples: &str) -> Drawing {
    let waits =
        [(0.4, 10.0, "HTTPCLIENTREQUEST", Some(AUDIT), false), (0.4, 20.0, "HTTPCLIENTREQUEST", HOST, false)];
    counted(Drawing::of(&format!("{samples}\n{}", flat(8))), per_request, stack)
        .follows(requests(150.0, &waits))
}

fn counted(drawing: Drawing, per_request: f64, stack: &'static str) -> Drawing {
    drawing
        .load(100, 150.0)
        .counts(("http.agent", AGENT), per_request, 0.0, 0.0, stack)
        .counts(("http.request", AUDIT), per_request, 0.0, 0.0, "")
        .counts(("http.request", "api.example:443"), 1.0, 0.0, 0.0, "")
        .counts(("lookup.other", "http.work"), per_request + 1.0, 0.0, 0.0, "")
}

/// 30 % below `send`, and 20 % in Node's client alone.
const SENDING: &str = "handle@3;send@12;client:request 30\nclient:onSocket 20\nhandle@3 10";

#[test]
fn a_post_for_each_step_is_named_at_who_sends_it() {
    let found =
        check_first(&sends(3.0, "send@14<handle@3", SENDING), "cpu", "unbatched-exports send app.js:12");
    let finding = found.first();
    let share = finding.share.expect("a share");
    assert!((share - (0.30 + 0.20 * 0.75)).abs() < 0.03, "three of four requests are these: {share}");
    let gain = finding.predicted_gain.expect("a gain");
    assert!((1.5..1.9).contains(&gain.throughput) && gain.low < gain.throughput, "{gain:?}");
    assert_eq!(finding.severity, Severity::High);
}

#[test]
fn a_package_that_sends_by_itself_is_named() {
    let samples = "dep:export;client:request 30\nclient:onSocket 20\nhandle@3 10";
    let drawing = sends(3.0, "dep:post@14<dep:export@20", samples);
    let found = check_first(&drawing, "cpu", "unbatched-exports export node_modules/dep/index.js:1");
    assert!(found.first().title.starts_with("package dep sends 3.0 requests"), "{}", found.first().title);
}

#[test]
fn what_a_request_waits_for_is_its_own_work() {
    let waits = [
        (0.4, 70.0, "HTTPCLIENTREQUEST", Some(AUDIT), false),
        (70.4, 140.0, "HTTPCLIENTREQUEST", HOST, false),
    ];
    let drawing = sends(3.0, "send@14<handle@3", SENDING).follows(requests(150.0, &waits));
    silent(&drawing);
}

#[test]
fn a_batch_now_and_then_is_the_remedy() {
    silent(&sends(0.1, "send@14<handle@3", SENDING));
}

#[test]
fn questions_are_no_records() {
    let drawing = sends(3.0, "send@14<handle@3", SENDING);
    silent(&drawing.counts(
        ("lookup.http", "GET audit.example:8080/rules"),
        3.0,
        0.0,
        0.0,
        "send@14<handle@3",
    ));
}

#[test]
fn what_a_timer_sends_does_not_come_with_requests() {
    let drawing = sends(3.0, "check@14", "check@12;client:request 30\nclient:onSocket 20\nhandle@3 10");
    silent(&drawing.counts(("timer.interval", "5 ms"), 3.0, 0.0, 0.1, "check@13"));
}

#[test]
fn cheap_requests_are_not_worth_a_word() {
    silent(&sends(1.0, "send@14<handle@3", "handle@3;send@12;client:request 2\nhandle@3 58"));
}

#[test]
fn without_followed_requests_nobody_knows_who_waits() {
    let samples = Drawing::of(&format!("{SENDING}\n{}", flat(8)));
    silent(&counted(samples, 3.0, "send@14<handle@3"));
}

/// The rule finds nothing.
fn silent(drawing: &Drawing) {
    let found = diagnosed(drawing).diagnosis.findings;
    assert!(found.iter().all(|finding| finding.rule != "unbatched-exports"), "{found:#?}");
}
