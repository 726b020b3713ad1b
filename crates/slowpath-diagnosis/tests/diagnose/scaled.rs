//! Loads that were compared: what grows faster than its input is named at its place, and what does not is left alone.

use crate::check::{Diagnosed, check};
use crate::cpu::flat;
use crate::drawing::Drawing;
use slowpath_analysis::{Cost, Input, InputMeasure};
use slowpath_diagnosis::Pace;

/// A full thread, 100 requests a second of 8 ms in `work` at line 12; 10 connections, bodies of 8 kB.
fn full() -> Drawing {
    Drawing::of(&format!("handle@3;work@12 80\n{}", flat(4))).load(100, 100.0)
}

/// One second in which `work` takes so much of 100 hundredths, and the rest is many small functions.
fn work(hundredths: u32) -> String {
    format!("handle@3;work@12 {hundredths}\n{}", flat((100 - hundredths as usize) / 5))
}

/// There and back between two loads.
fn compared(drawing: Drawing, small: ((u32, f64), u64, u32), large: ((u32, f64), u64, u32)) -> Drawing {
    let at = |drawing: Drawing, (input, rate, hundredths): ((u32, f64), u64, u32)| {
        drawing.level(input, rate, work(hundredths))
    };
    [small, large, large, small].into_iter().fold(drawing, at)
}

fn of(found: &Diagnosed, input: Input) -> &InputMeasure {
    found.measurements.scale.as_ref().expect("loads were compared").input(input).expect("it was varied")
}

/// Returns exponent and interval of `work`.
fn exponent(found: &Diagnosed, input: Input) -> (f64, f64, f64) {
    let measure = of(found, input);
    let work = measure
        .costs
        .iter()
        .filter(|row| matches!(row.cost, Cost::Function(_)))
        .max_by(|a, b| a.n_samples.cmp(&b.n_samples));
    let growth = work.and_then(|row| row.growth).expect("`work` has samples");
    (growth.exponent, growth.low, growth.high)
}

#[test]
fn work_that_grows_with_the_square_of_the_body_is_named() {
    // 0.1 ms of work at 1 kB, 8 ms at 8 kB.
    let drawing = compared(full(), ((10, 1e3), 800, 10), ((10, 8e3), 100, 80));
    let found = check(&drawing, "cpu", &["quadratic-work work app.js:12"]);
    let (exponent, low, high) = exponent(&found, Input::BodyBytes);
    assert!(low <= exponent && (exponent - 2.0).abs() < 0.2 && high < 2.6, "{exponent} ({low} to {high})");
    let first = found.first();
    assert!(first.title.contains("for a body 8.0 times as large"), "{}", first.title);
    assert!(first.advice.contains("a Set or a Map"), "{}", first.advice);
    let evidence = first.evidence.iter().find(|row| row.unit == "exponent").expect("it is said");
    assert!((evidence.value.expect("a number") - exponent).abs() < 1e-9);
    // 8 ms would be 0.8 ms in step: 7.2 of 10 ms are gained.
    let gain = first.predicted_gain.expect("the thread is full");
    assert!((gain.throughput - 10.0 / 3.0).abs() < 0.4 && gain.low > 2.0, "{gain:?}");
}

#[test]
fn work_in_step_with_the_body_is_a_hot_function_and_no_more() {
    let drawing = compared(full(), ((10, 1e3), 800, 80), ((10, 8e3), 100, 80));
    let found = check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
    let (exponent, low, high) = exponent(&found, Input::BodyBytes);
    assert!((exponent - 1.0).abs() < 0.1 && low > 0.7 && high < 1.3, "{exponent} ({low} to {high})");
}

#[test]
fn work_for_all_that_is_under_way_is_named() {
    // 0.1 ms a request with two connections, 1.6 ms with 16.
    let drawing = compared(full(), ((2, 8e3), 500, 10), ((16, 8e3), 300, 80));
    let found = check(&drawing, "cpu", &["quadratic-work work app.js:12"]);
    assert!(
        found.first().title.contains("per request with 8.0 times the connections"),
        "{}",
        found.first().title
    );
    assert!(found.first().advice.contains("under way"), "{}", found.first().advice);
    let measure = of(&found, Input::Connections);
    assert!(measure.fixed.is_none() && measure.levels.len() == 2);
    let bodies = of(&found, Input::BodyBytes);
    assert_eq!((bodies.fixed.as_deref(), bodies.levels.len()), (Some("the body has one size"), 0));
}

#[test]
fn a_request_that_costs_the_same_among_many_is_not() {
    let drawing = compared(full(), ((2, 8e3), 100, 80), ((16, 8e3), 100, 80));
    let found = check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
    let measure = of(&found, Input::Connections);
    for cost in [Cost::Cpu, Cost::Busy, Cost::Latency] {
        let row = measure.cost(cost).expect("it is measured");
        assert_eq!(Pace::of(Input::Connections, row), Pace::InStep, "{row:?}");
    }
    assert!(found.refutes("cost that grows with the connections"), "{:?}", found.diagnosis.refuted);
}

#[test]
fn requests_that_wait_for_each_other_while_the_thread_is_idle_show_in_what_they_wait() {
    let idle =
        |drawing: Drawing, connections: u32| drawing.level((connections, 8e3), 100, "handle@3;work@12 10");
    let drawing = [2, 16, 16, 2].into_iter().fold(full(), idle);
    let found = check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
    let row = of(&found, Input::Connections).cost(Cost::Waiting).expect("it is measured");
    assert_eq!(Pace::of(Input::Connections, row), Pace::Faster, "{row:?}");
    // Nine tenths of 20 ms, and of 160 ms.
    assert!((row.per_request[0] - 18.0).abs() < 1.0 && (row.per_request[1] - 144.0).abs() < 8.0, "{row:?}");
}

#[test]
fn samples_under_other_loads_are_not_the_services_own() {
    let drawing = compared(full(), ((2, 8e3), 400, 20), ((16, 8e3), 400, 20));
    let found = check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
    let share = found.first().share.expect("a share");
    assert!((share - 0.8).abs() < 0.02, "{share}");
    let load = found.measurements.load.as_ref().expect("there was load");
    assert!((load.own.requests_per_second - 100.0).abs() < 1e-6);
    assert!(found.measurements.overhead.iter().all(|row| !row.phase.starts_with("level")));
}
