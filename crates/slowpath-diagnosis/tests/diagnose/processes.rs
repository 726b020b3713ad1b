//! Work in other threads and other processes than the first.

use crate::check::check;
use crate::cpu::flat;
use crate::drawing::{Drawing, PID};

#[test]
fn a_worker_thread_that_does_the_work_is_the_one_looked_at() {
    let worker = format!("task@2;render@12 70\n{}", flat(6));
    let drawing = Drawing::of("handle@3 5").thread(PID, 1, &worker).load(100, 150.0);
    let found = check(&drawing, "cpu", &["cpu-hot-function render app.js:12"]);
    let split = found.measurements.split.expect("a split");
    assert_eq!((split.pid, split.thread), (PID, 1));
}

#[test]
fn waiting_for_a_cpu_is_not_refuted_for_a_thread_whose_waiting_was_not_counted() {
    let drawing = Drawing::of("handle@3 5").thread(PID, 1, &flat(20)).load(100, 300.0);
    let found = check(&drawing, "cpu", &[]);
    assert!(!found.refutes("waiting for a CPU"), "{:?}", found.diagnosis.refuted);
}

#[test]
fn the_busiest_cluster_worker_is_the_one_looked_at() {
    let second = PID + 1;
    let drawing = Drawing::of(&flat(6)).thread(second, 0, &format!("handle@3;render@12 80\n{}", flat(3)));
    let found = check(&drawing.load(100, 150.0), "cpu", &["cpu-hot-function render app.js:12"]);
    assert_eq!(found.measurements.split.as_ref().map(|split| split.pid), Some(second));
    assert_eq!(found.first().location.as_ref().and_then(|place| place.process), Some(second));
}

#[test]
fn a_finding_names_the_process_that_runs_its_function() {
    let second = PID + 1;
    let drawing = Drawing::of(&format!("handle@3;render@12 60\n{}", flat(8)));
    let found = check(
        &drawing.thread(second, 0, "export@40 50").load(100, 150.0),
        "cpu",
        &["cpu-hot-function render app.js:12", "cpu-hot-function export app.js:40"],
    );
    let process = |at: usize| found.diagnosis.findings[at].location.as_ref().and_then(|place| place.process);
    assert_eq!((process(0), process(1)), (Some(PID), Some(second)));
}

#[test]
fn cluster_workers_that_share_the_work_are_judged_together() {
    let half = format!("handle@3;render@12 60\n{}", flat(8));
    let drawing = Drawing::of(&half).thread(PID + 1, 0, &half).load(100, 150.0);
    let found = check(&drawing, "cpu", &["cpu-hot-function render app.js:12"]);
    assert_eq!(found.measurements.serving.len(), 2);
    assert_eq!(found.first().share.map(|share| (share * 100.0).round()), Some(60.0));
}
