//! Threads with time to spare: well, or waiting for others.

use crate::check::check;
use crate::drawing::Drawing;

#[test]
fn an_idle_thread_with_fast_answers_is_healthy() {
    let found = check(&Drawing::of("handle@3 10\nhandle@3;native:writev 2").load(100, 30.0), "healthy", &[]);
    assert!(found.sentence().contains("idle 88 % of the time"), "{}", found.sentence());
}

#[test]
fn an_idle_thread_with_slow_answers_waits_for_something_outside() {
    let found = check(&Drawing::of("handle@3 5").load(100, 400.0), "waiting", &[]);
    assert!(found.sentence().contains("idle 95 % of the time"), "{}", found.sentence());
}

#[test]
fn a_few_failed_requests_do_not_make_a_healthy_service_ill() {
    check(&Drawing::of("handle@3 4").load(100, 5.0).errors("status 404", 1), "healthy", &[]);
}

#[test]
fn counters_alone_tell_an_idle_thread_from_a_full_one() {
    check(&Drawing::of("").without_samples().on_cpu(0.1), "healthy", &[]);
    check(&Drawing::of("").without_samples().on_cpu(0.97).load(100, 300.0), "not-enough-data", &[]);
}

#[test]
fn counters_that_run_ahead_of_the_clock_still_add_up() {
    check(&Drawing::of("").without_samples().on_cpu(1.01).load(100, 300.0), "not-enough-data", &[]);
}

#[test]
fn without_load_an_idle_thread_is_nothing_wrong() {
    let found = check(&Drawing::of("handle@3 4").without_load(), "healthy", &[]);
    assert!(found.sentence().contains("Nothing wrong in what was seen"), "{}", found.sentence());
}
