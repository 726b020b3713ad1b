//! Recordings that say nothing: the answer is that, and why.

use crate::check::check;
use crate::cpu::flat;
use crate::drawing::Drawing;

const CLASS: &str = "not-enough-data";

#[test]
fn nothing_recorded_at_all_is_not_enough_data() {
    let found = check(&Drawing::empty(), CLASS, &[]);
    assert!(found.diagnosis.refuted.is_empty(), "{:?}", found.diagnosis.refuted);
}

#[test]
fn load_alone_is_not_enough_data() {
    check(&Drawing::empty().load(100, 5.0), CLASS, &[]);
}

#[test]
fn only_errors_say_nothing_of_speed() {
    let drawing = Drawing::of(&flat(2)).load(0, 0.0).errors("status 500", 50);
    let found = check(&drawing, CLASS, &[]);
    assert!(found.sentence().contains("answered only errors (1650 status 500)"), "{}", found.sentence());
}

#[test]
fn a_handful_of_requests_says_nothing() {
    let found = check(&Drawing::of(&flat(2)).load(2, 5.0), CLASS, &[]);
    assert!(found.sentence().contains("36 requests were answered"), "{}", found.sentence());
}

#[test]
fn a_handful_of_requests_that_fill_a_thread_say_enough() {
    let drawing = Drawing::of(&format!("handle@3;match@12 90\n{}", flat(1))).load(1, 900.0);
    let found = check(&drawing, "cpu", &["cpu-hot-function match app.js:12"]);
    assert!(
        found.diagnosis.verdict.detail.contains("requests were answered in all"),
        "{:?}",
        found.diagnosis.verdict
    );
}

#[test]
fn a_target_that_died_early_is_said_to_have_died() {
    for second in [1.0, 2.0] {
        let found = check(&Drawing::of(&flat(2)).dies_at(second), CLASS, &[]);
        assert!(found.diagnosis.verdict.detail.contains("exit code 7"), "{:?}", found.diagnosis.verdict);
    }
}

#[test]
fn a_target_that_died_late_is_judged_by_what_it_did_before() {
    let drawing = Drawing::of(&format!("handle@3;render@12 60\n{}", flat(8))).load(100, 150.0);
    check(&drawing.dies_at(18.0), "cpu", &["cpu-hot-function render app.js:12"]);
}
