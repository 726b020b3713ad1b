//! Whatever starts the target: its command line, directory, input, environment and output stay as they were.

use crate::fixtures::{app, root};
use crate::harness::{Finished, Invocation};
use serde_json::Value;

/// A short run of the program that says what it was started with.
fn launch() -> Invocation {
    Invocation::run().cwd(app("launch")).load("/", "2").args(["--only", "baseline"])
}

/// Splits the target's output into what it said of itself and everything else.
fn said(finished: &Finished) -> (Value, Vec<u8>) {
    let text = finished.stdout.strip_prefix(b"started ").unwrap_or_else(|| panic!("{finished:?}"));
    let end = text.iter().position(|byte| *byte == b'\n').expect("a line");
    (serde_json::from_slice(&text[..end]).expect("JSON"), text[end + 1..].to_vec())
}

#[test]
fn node_keeps_arguments_directory_and_input() {
    let run = launch().stdin("typed in\n".as_bytes()).env("READ_STDIN", "1");
    let finished = run.target(["node", "server.js", "--name", "a b", ""]).finish().expect_code(0);
    let (said, _) = said(&finished);
    assert_eq!(said["argv"], serde_json::json!(["--name", "a b", ""]));
    assert_eq!(said["cwd"], app("launch").to_str().expect("UTF-8"));
    assert_eq!(said["stdin"], "typed in\n");
    finished.report().expect_clean_load();
}

#[test]
fn output_passes_byte_for_byte_and_exit_handlers_run() {
    let run = launch();
    let raw: Vec<u8> =
        (0..=255).chain([0xff, 0xfe, b'\r', b'\n', 0xf0, 0x9f]).cycle().take(300_000).collect();
    let path = run.scratch().join("raw");
    std::fs::write(&path, &raw).expect("our own directory");
    let finished = run.env("RAW_OUTPUT", path).target(["node", "server.js"]).finish().expect_code(0);
    let (_, rest) = said(&finished);
    let (passed, handlers) = rest.split_at(raw.len().min(rest.len()));
    assert!(passed == raw, "the output was changed");
    let handlers = String::from_utf8_lossy(handlers);
    assert_eq!(handlers, "SIGINT handler ran\nexit handler ran with 0\n");
    let kept = std::fs::read(finished.out().join("stdout.log")).expect("the recording has it");
    assert!(kept == finished.stdout, "stdout.log is not what was passed on");
}

#[test]
fn node_options_of_the_user_are_kept() {
    let run = launch().env("NODE_OPTIONS", "--max-old-space-size=123 --no-deprecation");
    let finished = run.target(["node", "server.js"]).finish().expect_code(0);
    let limit = said(&finished).0["heapLimitMb"].as_u64().expect("a number");
    assert!((123..250).contains(&limit), "the heap's limit is {limit} MB");
    finished.report().expect_clean_load();
}

/// Checks that the Node process below a package manager is found, measured and stopped.
fn check_package_manager(command: [&str; 3]) {
    let finished = launch().target(command).finish().expect_code(0);
    let (said, rest) = said(&finished);
    assert!(String::from_utf8_lossy(&rest).contains("exit handler ran with"), "{}", finished.stderr);
    let report = finished.report();
    report.expect_clean_load();
    assert_eq!(report.json["split_source"]["pid"], said["pid"], "{}", report.summary());
    let roles: Vec<_> =
        report.json["processes"].as_array().expect("a list").iter().map(|p| &p["role"]).collect();
    assert!(roles.iter().any(|role| **role == "package manager"), "{roles:?}");
}

#[test]
fn npm_start_is_followed_to_the_node_process() {
    // npm prints its banner before the program's own output; `--silent` leaves it out.
    check_package_manager(["npm", "start", "--silent"]);
}

#[test]
fn pnpm_and_yarn_are_followed_too() {
    for name in ["pnpm", "yarn"] {
        let program = root().join("node_modules/.bin").join(name);
        check_package_manager([program.to_str().expect("UTF-8"), "--silent", "start"]);
    }
}

#[test]
fn a_shell_script_in_front_is_followed() {
    let finished = launch().target(["./start.sh"]).finish().expect_code(0);
    let (said, rest) = said(&finished);
    assert_eq!(said["startedByScript"], "yes");
    assert!(String::from_utf8_lossy(&rest).contains("exit handler ran with"), "{}", finished.stderr);
    let report = finished.report();
    report.expect_clean_load();
    assert_eq!(report.json["split_source"]["pid"], said["pid"]);
}

#[test]
fn quiet_prints_only_the_report_path_and_json_only_the_report() {
    let quiet = launch().args(["--quiet"]).target(["node", "server.js"]).finish().expect_code(0);
    let path = quiet.out().join("report.html");
    assert_eq!(String::from_utf8_lossy(&quiet.stdout), format!("{}\n", path.display()));
    assert_eq!(quiet.stderr, "");
    let json = launch().args(["--json"]).target(["node", "server.js"]).finish().expect_code(0);
    let printed: Value = serde_json::from_slice(&json.stdout).expect("standard output is JSON alone");
    assert_eq!(printed, json.report().json);
    assert_eq!(json.stderr, "");
}
