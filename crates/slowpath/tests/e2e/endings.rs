//! However a run ends, what was recorded stays, the report says how, and nothing goes on running that should not.

use crate::fixtures::{app, get, planted};
use crate::harness::{Finished, Invocation};
use crate::patience::wait_until;
use crate::processes::{is_alive, kill};
use crate::recorded::Recorded;
use rustix::process::Signal;
use std::fs;
use std::path::Path;

/// A run that no test waits for the end of, with a short way to the first CPU samples.
fn long(program: &str) -> Invocation {
    let run = Invocation::run().cwd(app("plain")).load("/", "10").args(["-c", "4"]);
    run.args(["--phases", "baseline:1,cpu:50"]).target(["node", program])
}

fn plain(program: &str, duration: &str) -> Invocation {
    Invocation::run().cwd(app("plain")).load("/", duration).args(["-c", "4"]).target(["node", program])
}

/// Rebuilds the report of a recording.
fn rebuild(dir: &Path) -> Finished {
    Invocation::new("report").arg(dir).finish()
}

/// One signal to slowpath's own pid, as from a process manager.
fn ends_early_by(signal: Signal) {
    let mut running = long("hot-function.js").start();
    running.wait_for_samples();
    kill(running.pid(), signal);
    let report = running.finish().expect_code(0).report();
    assert_eq!(report.ended(), "interrupted");
    report.expect_clean_load();
    assert!(report.json["timeline"]["duration_s"].as_f64().is_some_and(|seconds| seconds < 40.0));
}

#[test]
fn sigint_ends_early_with_a_report() {
    ends_early_by(Signal::INT);
}

#[test]
fn sigterm_ends_early_with_a_report() {
    ends_early_by(Signal::TERM);
}

#[test]
fn sigint_before_the_target_is_ready_ends_it() {
    let running = plain("never-listens.js", "5").start();
    let out = running.out();
    wait_until("the target was launched", || {
        fs::read_to_string(out.join("stdout.log")).is_ok_and(|text| text.contains("waiting for a database"))
    });
    kill(running.pid(), Signal::INT);
    let finished = running.finish();
    assert!(finished.status.code().is_some(), "it ends in order:\n{}", finished.stderr);
    assert_eq!(finished.report().verdict(), "not-enough-data");
}

#[test]
fn two_signals_abort_and_keep_the_recording() {
    let run = long("ignores-sigint.js").env("IGNORES_SIGTERM", "1");
    let mut running = run.start();
    running.wait_for_samples();
    kill(running.pid(), Signal::INT);
    running.wait_for_stdout("SIGINT ignored");
    kill(running.pid(), Signal::INT);
    let finished = running.finish().expect_code(130);
    assert!(finished.stderr.contains("aborted; the recording is in"), "{}", finished.stderr);
    assert!(!finished.out().join("report.html").exists(), "aborted means no report");
    rebuild(&finished.out()).expect_code(0);
    assert_eq!(finished.report().ended(), "interrupted");
}

#[test]
fn a_killed_target_leaves_a_report_that_says_how_it_died() {
    let mut running = long("hot-function.js").start();
    let target = running.wait_until_ready();
    running.wait_for_samples();
    kill(target, Signal::KILL);
    let finished = running.finish().expect_code(3);
    assert!(finished.stderr.contains("was killed by SIGKILL"), "{}", finished.stderr);
    let report = finished.report();
    assert_eq!(report.ended(), "target-died");
    assert!(report.json["run"]["ended_detail"].as_str().is_some_and(|text| text.contains("SIGKILL")));
    assert!(report.json["load"]["requests"].as_u64().is_some_and(|n| n > 0), "{}", report.summary());
    report.lists_function(&planted("plain", "checksum.js", "checksum"));
    let exits: Vec<_> =
        report.json["processes"].as_array().expect("a list").iter().map(|p| &p["exit"]).collect();
    assert!(exits.iter().any(|exit| **exit == "killed by SIGKILL"), "{exits:?}");
}

/// A target that ends by itself under load.
fn dies_by(way: &str, texts: &[&str]) -> Recorded {
    let finished =
        plain("dies.js", "20").env("DIES_BY", way).env("NODE_OPTIONS", "--max-old-space-size=60").finish();
    let finished = finished.expect_code(3);
    for text in texts {
        assert!(finished.stderr.contains(text), "no `{text}` in:\n{}", finished.stderr);
    }
    assert!(finished.stderr.contains("hint: "), "{}", finished.stderr);
    let report = finished.report();
    assert_eq!(report.ended(), "target-died");
    assert!(report.json["load"]["requests"].as_u64().is_some_and(|n| n > 0), "{}", report.summary());
    report
}

#[test]
fn a_target_that_exits_mid_run_is_told_with_its_code() {
    dies_by("exit", &["the target ended with exit code 9"]);
}

#[test]
fn a_target_that_throws_mid_run_is_told_with_its_last_output() {
    dies_by("throw", &["the target ended with exit code 1", "the cache is corrupt"]);
}

#[test]
fn a_target_out_of_memory_is_told_with_its_last_output() {
    dies_by("out-of-memory", &["heap out of memory", "SIGABRT"]);
}

#[test]
fn a_killed_slowpath_leaves_the_target_serving_and_a_readable_recording() {
    let run = long("hot-function.js");
    let port = run.port();
    let mut running = run.start();
    let target = running.wait_until_ready();
    running.wait_for_samples();
    kill(running.pid(), Signal::KILL);
    let finished = running.wait();
    for _ in 0..300 {
        let answer = get(port).expect("the target still serves");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let stderr = fs::read_to_string(finished.out().join("stderr.log")).expect("the target's output");
    assert_eq!(stderr, "", "the target complains");
    assert!(is_alive(target));
    rebuild(&finished.out()).expect_code(0);
    let report = finished.report();
    assert_eq!(report.ended(), "recording-cut");
    report.lists_function(&planted("plain", "checksum.js", "checksum"));
    kill(target, Signal::INT);
    wait_until("the target has ended by a plain SIGINT", || !is_alive(target));
}

#[test]
fn secrets_that_a_killed_slowpath_left_go_when_the_recording_is_reported() {
    let key = "sk-live0123456789abcdefgh";
    let run = Invocation::run().cwd(app("plain")).load("/", "60").env("UPSTREAM_API_KEY", key);
    let mut running = run.target(["node", "prints-secret.js"]).start();
    let target = running.wait_until_ready();
    kill(running.pid(), Signal::KILL);
    let finished = running.wait();
    let early = rebuild(&finished.out()).expect_code(0);
    assert!(early.stderr.contains("stdout.log` open: what it printed stays as it is"), "{}", early.stderr);
    kill(target, Signal::KILL);
    wait_until("the target has ended", || !is_alive(target));
    rebuild(&finished.out()).expect_code(0);
    finished.report().expect_nowhere(key);
}

#[test]
fn an_endless_loop_is_named_and_the_run_ends() {
    let report = plain("endless-loop.js", "8").finish().expect_code(0).report();
    let planted = planted("plain", "endless-loop.js", "spin");
    report.blames("event-loop-stall", &planted);
    report.expect_verdict("cpu");
    let place = format!("{}:{}", planted.file, planted.line);
    assert!(
        report.sentence().contains("spin()") && report.sentence().contains(&place),
        "{}",
        report.sentence()
    );
}

#[test]
fn a_target_deaf_to_sigint_is_ended_after_the_grace() {
    let run = Invocation::run().cwd(app("plain")).load("/", "2").args(["--only", "baseline", "--grace", "1"]);
    let finished = run.target(["node", "ignores-sigint.js"]).finish().expect_code(0);
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "SIGINT ignored\n");
    let report = finished.report();
    assert_eq!(report.ended(), "complete");
    let exit = &report.json["processes"][0]["exit"];
    assert_eq!(exit, "stopped by slowpath: killed by SIGTERM");
}

#[test]
fn secrets_in_the_targets_output_are_shown_but_not_kept() {
    let key = "sk-live0123456789abcdefgh";
    let run = Invocation::run().cwd(app("plain")).load("/", "2").args(["--only", "baseline"]);
    let run = run.env("UPSTREAM_API_KEY", key).args(["-H", "x-api-key: sk-live0123456789abcdefgh"]);
    let finished = run.target(["node", "prints-secret.js", "--api-key", key]).finish().expect_code(0);
    assert!(String::from_utf8_lossy(&finished.stdout).contains(key), "the person sees it as it was printed");
    finished.report().expect_clean_load().expect_nowhere(key);
}
