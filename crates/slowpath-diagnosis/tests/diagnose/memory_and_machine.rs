//! Collections, and CPUs that others have.

use crate::check::{check, check_first};
use crate::cpu::flat;
use crate::drawing::Drawing;

#[test]
fn collections_are_blamed_on_the_function_that_ran_before_them() {
    let drawing = Drawing::of(&format!("handle@3;concat@30 8\ngc 45\n{}", flat(9))).load(100, 150.0);
    let found = check(&drawing, "gc", &["gc-pressure concat app.js:30"]);
    assert!(found.sentence().contains("caused by concat() at app.js:30"), "{}", found.sentence());
    assert!(!found.refutes("garbage collection"), "{:?}", found.diagnosis.refuted);
}

#[test]
fn a_few_collections_are_no_finding() {
    let found = check(&Drawing::of(&format!("gc 4\n{}", flat(19))).load(5000, 5.0), "healthy", &[]);
    assert!(found.refutes("garbage collection"), "{:?}", found.diagnosis.refuted);
}

#[test]
fn a_thread_that_waits_for_a_cpu_half_of_the_time_is_starved() {
    let found = check(&Drawing::of(&flat(20)).run_queue(0.5).load(100, 300.0), "starved", &["cpu-starved"]);
    assert!(found.sentence().contains("had no CPU 50 % of the time"), "{}", found.sentence());
}

#[test]
fn a_thread_that_mostly_waits_for_something_else_is_not_starved() {
    let drawing = Drawing::of(&flat(10)).run_queue(0.35).load(20, 600.0);
    check(&drawing, "waiting", &["cpu-starved"]);
}

#[test]
fn a_cause_of_its_own_that_weighs_more_goes_before_the_lack_of_cpu() {
    let drawing = Drawing::of(&format!("handle@3;render@12 80\n{}", flat(4))).run_queue(0.5);
    let drawing = drawing.load(100, 300.0);
    check(&drawing, "cpu", &["cpu-hot-function render app.js:12", "cpu-starved"]);
}

#[test]
fn the_services_own_cause_goes_before_programs_beside_the_measurement() {
    let drawing =
        || Drawing::of(&format!("handle@3;render@12 25\n{}", flat(15))).load(100, 300.0).run_queue(0.5);
    check(&drawing(), "starved", &["cpu-starved", "cpu-hot-function render app.js:12"]);
    let beside = drawing().neighbours(3.0);
    check(&beside, "cpu", &["cpu-hot-function render app.js:12", "cpu-starved"]);
    let alone = Drawing::of(&flat(20)).load(100, 300.0).run_queue(0.5).neighbours(3.0);
    check(&alone, "starved", &["cpu-starved"]);
}

#[test]
fn a_short_wait_for_a_cpu_is_no_finding() {
    let found = check(&Drawing::of(&flat(20)).run_queue(0.05).load(5000, 5.0), "healthy", &[]);
    assert!(found.refutes("waiting for a CPU"), "{:?}", found.diagnosis.refuted);
}

#[test]
fn a_heap_that_grows_between_full_collections_and_over_the_run_is_a_leak() {
    let drawing = Drawing::of(&flat(4)).load(300, 5.0).heap_grows(8_000_000, 120, 4e6);
    let found = check(&drawing, "memory", &["heap-growth keep app.js:12"]);
    assert!(found.first().advice.contains("keep() at app.js:12"), "{}", found.first().advice);
    let share = found.first().share.expect("a share");
    assert!((share - 0.9).abs() < 0.01, "built-ins that it calls count for it: {share}");
}

#[test]
fn what_stays_of_an_inlined_function_is_not_its_callers() {
    let drawing = Drawing::of(&format!("keep@12;handle@3 5\n{}", flat(4))).load(300, 5.0);
    let found = check(&drawing.heap_grows(8_000_000, 120, 4e6), "memory", &["heap-growth handle app.js:3"]);
    let said = |row: &slowpath_diagnosis::Evidence| row.text.starts_with("handle() runs below keep()");
    assert!(found.first().evidence.iter().any(said), "{:?}", found.first().evidence);
}

#[test]
fn what_stays_of_requests_in_flight_is_no_leak() {
    for drawing in [
        // Too little.
        Drawing::of(&flat(4)).load(300, 5.0).heap_grows(500_000, 8, 250e3),
        // Not over the run: a cache that is full.
        Drawing::of(&flat(4)).load(300, 5.0).heap_grows(8_000_000, 120, 0.0),
        // Not by objects that were seen.
        Drawing::of(&flat(4)).load(300, 5.0).heap_grows(8_000_000, 2, 4e6),
    ] {
        check(&drawing, "healthy", &[]);
    }
}

#[test]
fn collections_are_blamed_on_who_allocates_where_that_was_sampled() {
    let drawing = Drawing::of(&format!("handle@3;concat@30 8\ngc 45\n{}", flat(9))).load(100, 150.0);
    let blamed = ["gc-pressure keep app.js:12", "cpu-hot-function concat app.js:30"];
    let found = check(&drawing.allocates(200_000_000), "gc", &blamed);
    let evidence: Vec<_> = found.first().evidence.iter().map(|row| row.text.as_str()).collect();
    assert!(evidence.contains(&"400.0 MB are allocated a second"), "{evidence:?}");
}

#[test]
fn what_is_inlined_into_the_function_that_v8_names_is_blamed_itself() {
    let text = format!("handle@3;keep@12;concat@30 8\ngc 45\n{}", flat(9));
    let drawing = Drawing::of(&text).load(100, 150.0).allocates(200_000_000);
    check(&drawing, "gc", &["gc-pressure concat app.js:30"]);
}

#[test]
fn what_makes_a_function_slow_comes_before_what_it_leaves_behind() {
    let drawing = Drawing::of(&format!("handle@3;keep@12 60\n{}", flat(4))).load(100, 150.0);
    let found =
        check_first(&drawing.heap_grows(8_000_000, 120, 4e6), "cpu", "cpu-hot-function keep app.js:12");
    assert_eq!(found.diagnosis.findings[1].rule, "heap-growth");
}

#[test]
fn collections_of_nobody_that_bring_nothing_ask_for_nothing() {
    let drawing = Drawing::of(&format!("gc 16\n{}", flat(9))).load(2000, 5.0);
    let found = check_first(&drawing, "healthy", "gc-pressure");
    assert_eq!(found.first().severity, slowpath_diagnosis::Severity::Info, "{:#?}", found.first());
}

#[test]
fn collections_are_a_part_of_what_a_function_costs_that_computes_more_than_it_collects() {
    let text = format!("handle@3;build@12 20\ngc 8\nhandle@3;build@12 20\ngc 8\n{}", flat(4));
    let drawing = Drawing::of(&text).load(100, 150.0);
    let found = check(&drawing, "cpu", &["cpu-hot-function build app.js:12", "gc-pressure"]);
    assert!(found.first().title.starts_with("build() takes 74 %"), "{}", found.first().title);
}
