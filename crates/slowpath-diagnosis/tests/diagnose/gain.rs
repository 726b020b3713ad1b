//! The predicted gain: Amdahl's law where the thread is full, the latency bound where it is not.

use crate::check::check;
use crate::cpu::flat;
use crate::drawing::Drawing;
use slowpath_diagnosis::{PredictedGain, Severity};

const HOT: &str = "cpu-hot-function render app.js:12";

#[track_caller]
fn gain_of(drawing: &Drawing, class: &str) -> PredictedGain {
    check(drawing, class, &[HOT]).first().predicted_gain.expect("a gain")
}

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 0.005, "{found}, not {expected}");
}

#[test]
fn a_full_thread_gains_by_amdahls_law() {
    let drawing = Drawing::of(&format!("handle@3;render@12 60\n{}", flat(8))).load(100, 150.0);
    assert_close(gain_of(&drawing, "cpu").throughput, 1.0 / (1.0 - 0.6));
}

#[test]
fn idle_time_left_in_a_nearly_full_thread_does_not_count_as_gain() {
    let drawing = Drawing::of(&format!("handle@3;render@12 40\n{}", flat(8))).load(100, 150.0);
    assert_close(gain_of(&drawing, "cpu").throughput, 1.0 / (1.0 - 0.4));
}

#[test]
fn a_thread_with_time_to_spare_gains_only_what_each_request_gets_faster() {
    // 100 requests/s of 10 ms, of which `render` computes 3 ms.
    let drawing = Drawing::of(&format!("handle@3;render@12 30\n{}", flat(1))).load(100, 10.0);
    assert_close(gain_of(&drawing, "healthy").throughput, 10.0 / (10.0 - 3.0));
}

#[test]
fn waiting_requests_gain_next_to_nothing_from_less_computing() {
    // 100 requests/s of 200 ms, of which `render` computes 3 ms: below what a load test can tell.
    let drawing = Drawing::of(&format!("handle@3;render@12 30\n{}", flat(1))).load(100, 200.0);
    check(&drawing, "waiting", &[]);
}

#[test]
fn what_will_fill_the_thread_at_more_load_is_told_without_a_promise() {
    let drawing = Drawing::of(&format!("handle@3;render@12 50\n{}", flat(2))).load(100, 200.0);
    let found = check(&drawing, "waiting", &[HOT]);
    let first = found.first();
    assert!(first.predicted_gain.expect("a gain").throughput < 1.05, "{first:?}");
    assert_eq!(first.severity, Severity::Low);
    assert!(first.advice.contains("requests wait for others"), "{}", first.advice);
}

#[test]
fn the_interval_is_as_wide_as_the_seconds_differ() {
    let other = format!("handle@3;render@12 40\n{}", flat(12));
    let drawing = Drawing::of(&format!("handle@3;render@12 60\n{}", flat(8))).in_turn_with(&other);
    let gain = gain_of(&drawing.load(100, 150.0), "cpu");
    assert_close(gain.throughput, 2.0);
    assert!(1.6 < gain.low && gain.low < 1.95 && 2.05 < gain.high && gain.high < 2.6, "{gain:?}");
}

#[test]
fn steady_seconds_give_a_narrow_interval() {
    let drawing = Drawing::of(&format!("handle@3;render@12 60\n{}", flat(8))).load(100, 150.0);
    let gain = gain_of(&drawing, "cpu");
    assert_close(gain.low, gain.high);
}

#[test]
fn causes_that_share_a_thread_gain_more_together_than_multiplied() {
    let drawing = Drawing::of(&format!("handle@3;render@12 40\nhandle@3;merge@50 30\n{}", flat(6)));
    let found = check(&drawing.load(100, 150.0), "cpu", &[HOT, "cpu-hot-function merge app.js:50"]);
    assert_close(found.diagnosis.gain_of_all.expect("a gain"), 1.0 / (1.0 - 0.7));
    let one =
        check(&Drawing::of(&format!("handle@3;render@12 60\n{}", flat(8))).load(100, 150.0), "cpu", &[HOT]);
    assert_eq!(one.diagnosis.gain_of_all, None);
}

#[test]
fn all_of_a_threads_time_in_one_function_gives_a_bounded_gain() {
    let gain = gain_of(&Drawing::of("render@12 100").load(100, 150.0), "cpu");
    assert!(gain.throughput <= 20.0 + 1e-9, "{gain:?}");
}
