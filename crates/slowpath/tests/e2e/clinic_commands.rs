//! `slowpath flame`, `slowpath doctor` and `slowpath bubble`: record until a person or the program ends it, and leave the program's own
//! output and end as they are.

use crate::fixtures::{app, get, planted};
use crate::harness::{Finished, Invocation, Running};
use crate::processes::kill;
use rustix::process::Signal;
use std::fs;

/// A command on a service that nobody drives.
fn on_service(command: &str, program: &str) -> Invocation {
    Invocation::recording(command).cwd(app("plain")).without_load().target(["node", program])
}

/// Waits until the service is ready, asks it something, waits until that was sampled, and ends the recording.
fn use_and_end(invocation: Invocation, signal: Signal) -> Finished {
    let port = invocation.port();
    let mut running: Running = invocation.start();
    running.wait_until_ready();
    for _ in 0..200 {
        let answer = get(port).expect("the service answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    running.wait_for_samples();
    kill(running.pid(), signal);
    running.finish().expect_code(0)
}

#[test]
fn flame_records_until_ctrl_c_and_names_the_hot_function() {
    let finished = use_and_end(on_service("flame", "hot-function.js"), Signal::INT);
    let report = finished.report();
    assert_eq!(report.ended(), "complete");
    assert!(report.json["load"].is_null(), "nothing was driven: {}", report.json["load"]);
    report.lists_function(&planted("plain", "checksum.js", "checksum"));
    let said = &finished.stderr;
    assert!(said.contains("Ctrl-C ends the recording and writes the report"), "{said}");
    let (_, table) = said.split_once("hottest functions").expect("the closing lines list them");
    let row = table.lines().find(|line| line.contains(" checksum ")).unwrap_or_default();
    assert!(row.contains(" checksum.js:"), "{said}");
}

#[test]
fn doctor_judges_until_sigterm_and_says_how_the_main_thread_was() {
    let finished = use_and_end(on_service("doctor", "hot-function.js"), Signal::TERM);
    assert_eq!(finished.report().ended(), "complete");
    for line in ["  main thread  ", "  event loop   delay p99 ", "  CPU  ", "  heap  "] {
        assert!(finished.stderr.contains(line), "no `{line}` in:\n{}", finished.stderr);
    }
}

#[test]
fn the_programs_own_handlers_run_and_its_output_is_untouched() {
    let invocation =
        Invocation::recording("flame").cwd(app("launch")).without_load().target(["node", "server.js"]);
    let mut running = invocation.start();
    running.wait_until_ready();
    kill(running.pid(), Signal::INT);
    let finished = running.finish().expect_code(0);
    let output = String::from_utf8_lossy(&finished.stdout);
    assert!(output.starts_with("started {"), "{output}");
    assert!(output.ends_with("\nSIGINT handler ran\nexit handler ran with 0\n"), "{output}");
}

/// `slowpath flame` on a program that is no service.
fn batch(exit_code: &str) -> Finished {
    let invocation = Invocation::recording("flame").cwd(app("plain")).env("BATCH_EXIT", exit_code);
    let finished = invocation.target(["node", "batch.js"]).finish();
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "done\n", "{}", finished.stderr);
    finished.report().lists_function(&planted("plain", "checksum.js", "checksum"));
    finished
}

#[test]
fn flame_records_a_program_from_its_start_to_its_own_end() {
    assert_eq!(batch("0").expect_code(0).report().ended(), "complete");
}

#[test]
fn a_program_that_ends_with_a_code_of_its_own_is_told_with_the_report() {
    let finished = batch("7").expect_code(3);
    assert!(finished.stderr.contains("the target ended with exit code 7"), "{}", finished.stderr);
    assert_eq!(finished.report().ended(), "target-died");
}

#[test]
fn flame_drives_load_when_told_to() {
    let port = crate::fixtures::free_port();
    let invocation = Invocation::recording("flame").cwd(app("plain")).env("PORT", port.to_string());
    let invocation =
        invocation.arg("--load").arg(format!("http://127.0.0.1:{port}/")).args(["-c", "4", "-d", "3"]);
    let report = invocation.target(["node", "hot-function.js"]).finish().expect_code(0).report();
    assert_eq!(report.ended(), "complete");
    report.expect_clean_load();
    let phases = report.json["timeline"]["phases"].as_array().expect("a list");
    let names: Vec<_> = phases.iter().map(|phase| phase["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["warm-up", "cpu"]);
}

#[test]
fn bubble_names_what_requests_wait_for() {
    let port = crate::fixtures::free_port();
    let invocation = Invocation::recording("bubble").cwd(app("plain")).env("PORT", port.to_string());
    let invocation =
        invocation.arg("--load").arg(format!("http://127.0.0.1:{port}/")).args(["-c", "4", "-d", "5"]);
    let finished = invocation.target(["node", "waiting.js"]).finish().expect_code(0);
    let requests = &finished.report().json["requests"];
    assert_eq!(requests["sites"][0]["kind"], "http", "{requests}");
    assert_eq!(requests["sites"][0]["file"], "waiting.js");
    let slow = &requests["all"]["slow"];
    assert!(slow["mean_ms"].as_f64().is_some_and(|ms| ms >= 150.0), "the upstream takes that long: {slow}");
    assert!(finished.stderr.contains("requests waited for"), "{}", finished.stderr);
    assert!(finished.stderr.contains("(waiting.js:"), "{}", finished.stderr);
}

#[test]
fn each_recording_gets_a_directory_of_its_own_in_the_output_directory() {
    let invocation = Invocation::new("flame").cwd(app("plain")).env("BATCH_MS", "300");
    let profiles = invocation.scratch().join("profiles");
    let invocation = invocation.arg("--quiet").arg("--output-dir").arg(&profiles);
    let finished = invocation.target(["node", "batch.js"]).finish().expect_code(0);
    let dirs: Vec<_> =
        fs::read_dir(&profiles).expect("it was made").flatten().map(|dir| dir.path()).collect();
    let [dir] = &dirs[..] else { panic!("one recording: {dirs:?}") };
    assert!(dir.to_string_lossy().ends_with("-batch"), "{}", dir.display());
    let page = dir.join("report.html");
    assert_eq!(String::from_utf8_lossy(&finished.stdout), format!("{}\n", page.display()));
    assert!(page.exists());
}

#[test]
fn a_program_that_is_not_node_is_told_so() {
    let finished = Invocation::recording("flame").target(["true"]).finish().expect_code(2);
    assert!(
        finished.stderr.contains("no Node process of the program had loaded slowpath's agent"),
        "{}",
        finished.stderr
    );
}
