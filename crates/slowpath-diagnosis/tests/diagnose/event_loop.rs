//! Loops that are held: rarely, once, by the machine, for ever.

use crate::check::{check, check_first};
use crate::drawing::Drawing;

const STALLS: &[f64] = &[4.5, 8.5, 12.5, 14.5, 17.5, 20.5, 25.5];
const STALL_IN_APP: &str = "event-loop-stall rebuild app.js:7";

#[test]
fn rare_long_stalls_of_an_idle_thread_are_loop_delay_and_name_their_culprit() {
    let drawing = Drawing::of("handle@3 3").stalls(STALLS, 300.0, "timer@5;rebuild@7");
    let drawing = drawing.slow_requests(0.03, 200.0);
    let found = check(&drawing, "loop-delay", &[STALL_IN_APP]);
    assert!(found.sentence().contains("rebuild() held the event loop 7 times, up to 300 ms (app.js:7)"));
}

#[test]
fn a_single_stall_is_an_incident_and_no_finding() {
    let drawing = Drawing::of("handle@3 3").stalls(&[14.5], 300.0, "timer@5;rebuild@7");
    check(&drawing, "healthy", &[]);
}

#[test]
fn a_stall_in_which_the_thread_had_no_cpu_is_not_blamed_on_what_ran_next() {
    let in_cpu_phase = [12.505, 14.505, 17.505, 20.505];
    let drawing = Drawing::of("handle@3 3").stalls_without_cpu(&in_cpu_phase, 200.0);
    check(&drawing, "healthy", &[]);
}

#[test]
fn unsampled_stalls_are_not_blamed_on_code_when_the_sampled_ones_were_the_machines() {
    let drawing = Drawing::of("handle@3 3").stalls_without_cpu(&[4.5, 8.5, 12.5, 14.5, 17.5, 25.5], 200.0);
    check(&drawing, "healthy", &[]);
}

#[test]
fn unsampled_stalls_of_a_thread_that_waited_for_a_cpu_are_the_machines() {
    let outside_cpu_phase = [4.6, 5.6, 6.6, 7.6, 8.6, 24.6, 25.6];
    let drawn = || Drawing::of("handle@3 30").stalls(&outside_cpu_phase, 120.0, "rebuild@7").load(100, 500.0);
    check(&drawn().run_queue(0.2), "waiting", &["cpu-starved"]);
    check(&drawn(), "waiting", &["event-loop-stall"]);
}

#[test]
fn stalls_far_shorter_than_slow_requests_are_a_finding_but_not_the_cause() {
    let drawing = Drawing::of("handle@3 3").stalls(STALLS, 100.0, "timer@5;rebuild@7").load(20, 1000.0);
    check_first(&drawing, "waiting", STALL_IN_APP);
}

#[test]
fn an_endless_loop_is_named_though_every_request_timed_out() {
    for start in [2.0, 6.0, 12.0, 15.0] {
        let drawing = Drawing::of("handle@3 3").hangs_from(start, "handle@3;spin@9");
        let found = check_first(&drawing, "cpu", "event-loop-stall spin app.js:9");
        let sentence = found.sentence();
        assert!(
            sentence.contains("spin() since") && sentence.contains("(app.js:9)"),
            "{start} s: {sentence}"
        );
    }
}

#[test]
fn a_loop_whose_requests_are_answered_does_not_hang() {
    let drawing = Drawing::of("handle@3;count@9 99").hangs_from(12.0, "handle@3;count@9").but_answers();
    let found = check_first(&drawing.load(4, 5000.0), "cpu", "cpu-hot-function count app.js:9");
    assert!(!found.sentence().contains("hangs"), "{}", found.sentence());
}

#[test]
fn a_loop_that_never_turned_at_all_is_named() {
    let drawing = Drawing::of("").hangs_from(0.0, "handle@3;spin@9");
    check_first(&drawing, "cpu", "event-loop-stall spin app.js:9");
}

#[test]
fn a_missing_loop_recorder_is_not_a_loop_that_hangs() {
    let drawing = Drawing::of("handle@3 4").without_loop_records();
    check(&drawing, "healthy", &[]);
}

#[test]
fn records_that_were_lost_are_not_a_loop_that_hangs() {
    let drawing = Drawing::of("handle@3 4").records_lost_from(15.0);
    check(&drawing, "healthy", &[]);
}

#[test]
fn stalls_are_summed_by_who_held_the_loop() {
    let drawing = Drawing::of("handle@3 3").stalls(STALLS, 300.0, "timer@5;rebuild@7").load(100, 20.0);
    let found = check_first(&drawing, "loop-delay", STALL_IN_APP);
    let groups = &found.measurements.stall_groups;
    let n_stalls: Vec<_> = groups.iter().map(|group| (group.culprit.is_some(), group.n_stalls)).collect();
    assert_eq!(n_stalls, [(true, 4), (false, 3)]);
    assert!((groups[0].total.as_millis_f64() - 1200.0).abs() < 1.0, "{:?}", groups[0]);
    // 100 requests a second, 20 ms each, in 300 ms: 32 would be caught, but there are 10 connections.
    assert!(groups.iter().all(|group| group.requests_caught == Some(10.0)), "{groups:?}");
}
