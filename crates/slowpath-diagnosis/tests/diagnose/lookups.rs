//! Look-ups of the same thing for each request, and what is like them.

use crate::check::{check, check_first};
use crate::cpu::flat;
use crate::drawing::Drawing;
use crate::waits::{HOST, requests};
use slowpath_diagnosis::Confidence;

const MODELS: &str = "GET api.example:443/v1/models";

/// Requests of 41 ms that wait for two answers of 20 ms, both asked for by `ask`.
fn waiting() -> Drawing {
    let waits = [(0.4, 20.0, "TLSWRAP", HOST, false), (20.4, 40.0, "TLSWRAP", HOST, false)];
    Drawing::of("handle@3 2").load(100, 42.0).follows(requests(41.0, &waits))
}

/// `ask`, through which all requests go, asks for `target` so often per request, for `listModels`; and a model once.
fn asks(drawing: Drawing, target: &'static str, per_request: f64) -> Drawing {
    let drawing = drawing.counts(("lookup.http", target), per_request, 0.0, 0.0, "ask@12<listModels@30");
    drawing.counts(("lookup.other", "http.work"), 1.0, 0.0, 0.0, "ask@12<complete@40")
}

fn answered(drawing: Drawing, target: &'static str, n_changed: f64, n_unknown: f64) -> Drawing {
    drawing
        .counts(("lookup.answer", target), 1.0, 500.0, 19.5, "")
        .counts(("lookup.changed", target), n_changed, 0.0, 0.0, "")
        .counts(("lookup.unknown", target), n_unknown, 0.0, 0.0, "")
}

#[test]
fn a_list_asked_for_before_each_chat_is_named_at_who_wants_it_not_at_the_client() {
    let drawing = answered(asks(waiting(), MODELS, 1.0), MODELS, 0.0, 0.0);
    let found = check_first(&drawing, "waiting", "repeated-lookup listModels app.js:30");
    let finding = found.first();
    assert!(finding.title.starts_with(MODELS), "{}", finding.title);
    let gain = finding.predicted_gain.expect("a gain").throughput;
    assert!((1.6..2.2).contains(&gain), "one of two equal waits goes: {gain}");
    assert!(
        finding.evidence.iter().any(|row| row.text.starts_with("100 % of its answers are as the one before")),
        "{finding:#?}"
    );
    assert_eq!(finding.confidence, Confidence::Medium);
}

#[test]
fn what_differs_from_request_to_request_cannot_be_kept() {
    // Half of the requests ask for this one by chance, and more for something else.
    let drawing =
        asks(waiting(), MODELS, 0.6).counts(("lookup.other", "http"), 0.9, 0.0, 0.0, "ask@12<listModels@30");
    check(&answered(drawing, MODELS, 0.0, 0.0), "waiting", &["sequential-awaits ask app.js:12"]);
    // The same question, and nearly always another answer.
    let drawing = answered(asks(waiting(), MODELS, 1.0), MODELS, 0.9, 0.0);
    check(&drawing, "waiting", &["sequential-awaits ask app.js:12"]);
}

#[test]
fn what_is_asked_for_now_and_then_is_kept_already() {
    let drawing = answered(asks(waiting(), MODELS, 0.05), MODELS, 0.0, 0.0);
    check(&drawing, "waiting", &["sequential-awaits ask app.js:12"]);
}

#[test]
fn equal_answers_that_were_not_seen_make_it_less_sure() {
    let drawing = answered(asks(waiting(), MODELS, 1.0), MODELS, 0.0, 1.0);
    let found = check_first(&drawing, "waiting", "repeated-lookup listModels app.js:30");
    assert_eq!(found.first().confidence, Confidence::Low);
}

/// A full thread at 100 requests a second, most of which `load` at line 12 takes, which reads `file` so often per request, and else
/// another one.
fn reads(file: &'static str, per_request: f64) -> Drawing {
    let drawing = Drawing::of(&format!("handle@3;load@12 60\n{}", flat(8))).load(100, 150.0);
    drawing.counts(("lookup.other", "file"), 1.0 - per_request, 0.0, 0.0, "load@14").counts(
        ("lookup.file", file),
        per_request,
        0.0,
        0.0,
        "load@14",
    )
}

#[test]
fn a_file_read_and_parsed_for_each_request_takes_all_that_its_reader_does() {
    let drawing = reads("config/accounts.json", 1.0).counts(("json.parse", ""), 1.0, 4e4, 5.0, "load@15");
    let found = check(&drawing, "cpu", &["repeated-lookup load app.js:12"]);
    let gain = found.first().predicted_gain.expect("a gain").throughput;
    assert!((2.2..2.8).contains(&gain), "60 % of a full thread: {gain}");
    let drawing = drawing.counts(("lookup.written", "config/accounts.json"), 0.2, 0.0, 0.0, "");
    let found = check(&drawing, "cpu", &["repeated-lookup load app.js:12"]);
    assert!(found.first().evidence.iter().any(|row| row.text.contains("by the service itself")));
}

#[test]
fn files_that_differ_are_no_repetition() {
    check(&reads("uploads/a.json", 0.1), "cpu", &["cpu-hot-function load app.js:12"]);
}

#[test]
fn a_look_up_that_costs_nothing_is_not_worth_a_word() {
    let idle = Drawing::of("handle@3 3").load(100, 5.0);
    check(&answered(asks(idle, MODELS, 1.0), MODELS, 0.0, 0.0), "healthy", &[]);
}

#[test]
fn a_blocking_read_says_that_it_is_always_the_same_file() {
    let drawing = Drawing::of(&format!("handle@3;quota@12;fs:readFileSync 60\n{}", flat(8)))
        .load(100, 150.0)
        .counts(("lookup.file.sync", "quota.json"), 1.0, 0.0, 0.0, "quota@14");
    let found = check(&drawing, "blocked", &["sync-fs quota app.js:12"]);
    let evidence = &found.first().evidence;
    assert!(
        evidence.iter().any(|row| row.text.contains("always the same file: quota.json")),
        "{evidence:#?}"
    );
}

/// Requests that wait for `HOST` alone, of which packages ask for each: `client`, and `dep` through it.
fn asked_by_a_package(awaited_in: &str) -> Drawing {
    let mut followed = requests(41.0, &[(0.4, 40.0, "TLSWRAP", HOST, false)]);
    followed.frames[1].file = awaited_in.into();
    let stack = "client:fetch@7<dep:getKeys@12<dep:getKey@30";
    Drawing::of("handle@3 2\nclient:onSocket 1\ndep:getKeys@11 2")
        .load(100, 42.0)
        .follows(followed)
        .counts(("lookup.http", MODELS), 1.0, 0.0, 0.0, stack)
        .counts(("http.agent", "api.example:443 true Infinity 256"), 1.0, 0.0, 0.0, stack)
        .counts(("http.request", "api.example:443"), 1.0, 0.0, 0.0, "")
}

#[test]
fn a_package_that_asks_by_itself_is_named_with_its_place() {
    let drawing = asked_by_a_package("file:///srv/node_modules/dep/index.js");
    let found = check_first(&drawing, "waiting", "repeated-lookup getKey node_modules/dep/index.js:30");
    let finding = found.first();
    assert!(finding.title.ends_with("by package dep"), "{}", finding.title);
    assert!(finding.share.is_some_and(|share| share > 0.9), "{finding:#?}");
    assert!(
        finding.evidence.iter().any(|row| row.text.starts_with("no application function is on the stack"))
    );
}

#[test]
fn who_awaits_what_a_package_asks_for_comes_before_the_package() {
    let drawing = asked_by_a_package("file:///srv/app.js").calls("ask@11", 1.0);
    let drawing =
        Drawing { threads: Drawing::of("handle@3 2\nask@11 1\ndep:getKeys@11 2").threads, ..drawing };
    check_first(&drawing, "waiting", "repeated-lookup ask app.js:11");
}

#[test]
fn a_package_that_others_are_asked_through_did_not_choose_to_ask() {
    let drawing = asked_by_a_package("file:///srv/node_modules/dep/index.js").counts(
        ("http.agent", "other.example:443 true Infinity 256"),
        1.0,
        0.0,
        0.0,
        "client:fetch@7<dep:getKey@30",
    );
    check_first(&drawing, "waiting", "repeated-lookup getKeys node_modules/dep/index.js:11");
}
