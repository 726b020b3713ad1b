//! What a person can get wrong: each mistake has a clear error, a hint where one helps, its exit code, and leaves
//! nothing behind.

use crate::fixtures::app;
use crate::harness::{Invocation, binary};
use crate::patience::wait_until;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

/// The target's fault, the user's, ours: as `exit_code.rs` has them.
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const TARGET_FAILED: i32 = 3;

/// Checks the exit code and that standard error holds each text, in this order.
#[track_caller]
fn check(invocation: Invocation, code: i32, texts: &[&str]) -> String {
    let finished = invocation.finish();
    let stderr = finished.stderr.clone();
    let mut rest = stderr.as_str();
    for text in texts {
        let at = rest.find(text);
        rest = &rest[at.unwrap_or_else(|| panic!("no `{text}` (in this order) in:\n{stderr}"))..];
    }
    finished.expect_code(code);
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// Checks that the mistake was seen before anything started: there is no recording.
#[track_caller]
fn check_at_once(invocation: Invocation, texts: &[&str]) {
    let finished = invocation.finish().expect_code(USAGE);
    for text in texts {
        assert!(finished.stderr.contains(text), "no `{text}` in:\n{}", finished.stderr);
    }
    assert!(!finished.out().exists(), "a recording was begun");
}

fn plain(program: &str) -> Invocation {
    Invocation::run().cwd(app("plain")).load("/", "3").target(["node", program])
}

#[test]
fn no_command() {
    check_at_once(Invocation::run(), &["error: no command to run", "hint: ", "-- node server.js"]);
}

#[test]
fn command_not_found() {
    let run = || Invocation::run().load("/", "3");
    check_at_once(
        run().target(["no-such-program"]),
        &["error: command not found: `no-such-program`", "hint: "],
    );
    check_at_once(
        run().target(["./package.json"]).cwd(app("launch")),
        &["error: cannot execute `./package.json`", "hint: "],
    );
}

#[test]
fn bad_urls() {
    let with = |url: &str| Invocation::run().args(["--url", url]).target(["node", "server.js"]);
    check_at_once(with("127.0.0.1:3000"), &["error: cannot use the url", "127.0.0.1:3000", "hint: "]);
    check_at_once(with("ftp://127.0.0.1/"), &["error: cannot use the url", "ftp", "hint: "]);
    check_at_once(with("http://127.0.0.1:99999/"), &["error: cannot use the url", "hint: "]);
    check_at_once(with(""), &["error: cannot use the url", "hint: "]);
}

#[test]
fn bad_headers() {
    let with =
        |header: &str| Invocation::run().load("/", "3").args(["-H", header]).target(["node", "server.js"]);
    check_at_once(with("no colon"), &["error: cannot use the header", "hint: "]);
    check_at_once(with("a: b\r\nevil: c"), &["error: cannot use the header", "hint: "]);
    check_at_once(with("na me: b"), &["error: cannot use the header", "hint: "]);
}

#[test]
fn bad_numbers_and_plans() {
    let with = |name: &str, value: &str| Invocation::run().args([name, value]).target(["node", "server.js"]);
    check_at_once(with("-d", "soon"), &["error: ", "`soon` is not a duration"]);
    check_at_once(with("-d", "1"), &["error: a run of 1 s is too short", "hint: "]);
    check_at_once(with("-c", "0"), &["error: ", "0"]);
    check_at_once(with("--only", "lunch"), &["error: there is no phase `lunch`", "hint: ", "`cpu`"]);
    check_at_once(with("-b", "text"), &["error: ", "no URL", "hint: "]);
}

#[test]
fn body_file_missing() {
    let run = Invocation::run().load("/", "3").args(["-m", "POST", "-i", "/no/such/body.json"]);
    let texts = ["cannot read the body file `/no/such/body.json`", "No such file", "hint: "];
    check_at_once(run.target(["node", "server.js"]), &texts);
}

#[test]
fn not_a_node_program() {
    let run = Invocation::run().load("/", "3");
    let port = run.port().to_string();
    let run = run.target(["python3", "-m", "http.server", "--bind", "127.0.0.1", &port]);
    check(run, USAGE, &["error: not a Node.js program", "hint: "]);
    // One that ends without ever listening.
    check(
        Invocation::run().load("/", "3").target(["true"]),
        TARGET_FAILED,
        &["error: ", "exit code 0", "hint: "],
    );
}

#[test]
fn port_held_by_a_stranger() {
    let run = Invocation::run().cwd(app("plain")).load("/", "3");
    let listener = TcpListener::bind(("127.0.0.1", run.port())).expect("the port is free");
    let finished = run.target(["node", "healthy.js"]).start().wait().expect_code(TARGET_FAILED);
    drop(listener);
    finished.assert_nothing_is_left();
    let own = format!("process {}", std::process::id());
    for text in ["error: port ", "already listened on", own.as_str(), "hint: "] {
        assert!(finished.stderr.contains(text), "no `{text}` in:\n{}", finished.stderr);
    }
    assert!(!finished.out().exists(), "nothing was begun, so nothing is left");
}

#[test]
fn target_exits_before_it_listens() {
    let texts = ["error: ", "exit code 7", "config.json: no database configured", "hint: "];
    check(plain("exits-early.js"), TARGET_FAILED, &texts);
}

#[test]
fn target_never_listens() {
    let run = Invocation::run().cwd(app("plain")).load("/", "3").args(["--ready-timeout", "2"]);
    let texts =
        ["error: the target did not get ready", "did not listen on port", "waiting for a database", "hint: "];
    check(run.target(["node", "never-listens.js"]), TARGET_FAILED, &texts);
}

#[test]
fn target_listens_on_another_port() {
    let run = Invocation::run().cwd(app("plain")).load("/", "3").args(["--ready-timeout", "2"]);
    let texts = ["error: the target did not get ready", "it listens, but not on port", "hint: "];
    check(run.target(["node", "other-port.js"]), TARGET_FAILED, &texts);
}

#[test]
fn target_answers_only_errors() {
    let finished = plain("only-errors.js").finish().expect_code(TARGET_FAILED);
    for text in ["error: The target answered only errors", "status", "hint: "] {
        assert!(finished.stderr.to_lowercase().contains(&text.to_lowercase()), "{}", finished.stderr);
    }
    let report = finished.report();
    report.expect_verdict("not-enough-data");
    assert!(report.json["load"]["status"]["500"].as_u64().is_some_and(|n| n > 0), "{}", report.json["load"]);
}

#[test]
fn recording_directory_not_writable() {
    let run = Invocation::new("run").cwd(app("plain")).load("/", "3");
    let file = run.scratch().join("file");
    fs::write(&file, "").expect("our own directory");
    let out = file.join("below");
    let run = run.arg("--out").arg(&out).target(["node", "healthy.js"]);
    check(run, FAILED, &["error: cannot write the recording into", "below", "caused by: ", "hint: "]);
    let run = Invocation::new("run").cwd(app("plain")).load("/", "3").args(["--out", "/proc/recording"]);
    check(run.target(["node", "healthy.js"]), FAILED, &["error: cannot write the recording into", "hint: "]);
}

#[test]
fn recordings_are_never_overwritten() {
    let run = Invocation::run().cwd(app("plain")).load("/", "3");
    fs::create_dir(run.out()).expect("our own directory");
    fs::write(run.out().join("manifest.json"), "{}").expect("our own directory");
    check(run.target(["node", "healthy.js"]), USAGE, &["already holds a recording", "hint: "]);
}

/// Runs with a recording directory on a disk of so many bytes, in a mount namespace of its own. `None` where the
/// kernel forbids that.
fn on_a_disk_of(size: &str) -> Option<Invocation> {
    let allowed =
        Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("skipped: mount namespaces are not permitted here");
        return None;
    }
    let script = r#"mkdir "$DISK" && mount -t tmpfs -o size="$SIZE" none "$DISK" && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(binary());
    let run = Invocation::with_program(command, "run").cwd(app("plain")).load("/", "6");
    let disk = run.scratch().join("disk");
    let out = disk.join("out");
    let run = run.env("SIZE", size).env("DISK", disk).arg("--out").arg(out);
    Some(run.args(["-c", "4"]).target(["node", "hot-function.js"]))
}

#[test]
fn disk_full_from_the_start() {
    // One page, which the directory's first file takes.
    if let Some(run) = on_a_disk_of("4k") {
        check(run, FAILED, &["error: ", "No space left on device", "hint: "]);
    }
}

#[test]
fn disk_full_in_mid_run() {
    if let Some(run) = on_a_disk_of("48k") {
        let stderr =
            check(run, FAILED, &["the target is ready", "error: ", "No space left on device", "hint: "]);
        assert!(stderr.contains("the recording cannot be written"), "{stderr}");
    }
}

#[test]
fn report_of_what_is_no_recording() {
    let report = |dir: &str| Invocation::new("report").args([dir]);
    let texts = ["error: cannot read the recording", "is not a recording", "hint: "];
    check(report("/no/such/dir"), USAGE, &texts);
    check(report("/"), USAGE, &texts);
    check(report("/etc/passwd"), USAGE, &texts);
}

#[test]
fn a_port_taken_while_the_target_starts_is_told_too() {
    // The stranger comes after the first look, before the target listens.
    let run = Invocation::run().cwd(app("plain")).load("/", "3");
    let port = run.port();
    let mut running = run.args(["--ready-timeout", "20"]).target(["node", "never-listens.js"]).start();
    let out = running.out();
    wait_until("the target was launched", || {
        fs::read_to_string(out.join("stdout.log")).is_ok_and(|text| text.contains("waiting"))
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    running.wait_for_stderr("already listened on");
    let finished = running.wait().expect_code(TARGET_FAILED);
    drop(listener);
    finished.assert_nothing_is_left();
}
