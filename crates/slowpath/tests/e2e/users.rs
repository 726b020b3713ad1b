//! Targets whose processes run as several users. Only root can start one, so elsewhere these tests say so and end.

use crate::attach::Service;
use crate::fixtures::{app, node, planted};
use crate::harness::{Finished, Invocation};
use crate::patience::undisturbed;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

const PROGRAM: &str = "drops-privileges.js";

/// Whether a process of another user can be started here, and read the fixture; says why not.
fn can_change_user() -> bool {
    let fixture = app("plain").join("checksum.js");
    let tried = rustix::process::geteuid().is_root().then(|| {
        let mut other = Command::new(node(22));
        other.arg(&fixture).uid(65534).gid(65534).stderr(Stdio::null());
        other.status().is_ok_and(|status| status.success())
    });
    match tried {
        None => eprintln!("skipped: only root can start processes of other users"),
        Some(false) => eprintln!("skipped: other users cannot read {}", fixture.display()),
        Some(true) => return true,
    }
    false
}

#[track_caller]
fn expect_worker_in_report(finished: Finished) {
    let report = finished.expect_code(0).report();
    report.expect_clean_load().expect_verdict("cpu");
    report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
}

#[test]
fn a_worker_of_another_user_is_recorded() {
    if can_change_user() {
        let node = node(22);
        let target = [node.to_str().expect("a plain path"), PROGRAM];
        undisturbed(|| {
            let run = Invocation::run().cwd(app("plain")).load("/", "6").args(["--only", "cpu"]);
            expect_worker_in_report(run.target(target).finish());
        });
    }
}

#[test]
fn processes_of_several_users_are_attached_to() {
    if can_change_user() {
        let service = Service::start(22, PROGRAM);
        undisturbed(|| {
            let finished = service.attach_with_load("6").args(["--only", "cpu"]).finish();
            assert!(finished.stderr.contains("the agent is in processes "), "{}", finished.stderr);
            expect_worker_in_report(finished);
        });
    }
}
