//! `slowpath attach`: a service that runs already is recorded and left as it was.

use crate::fixtures::{app, free_port, get, node, planted};
use crate::harness::Invocation;
use crate::native::refused_here;
use crate::patience::{undisturbed, wait_until};
use crate::processes::{is_alive, kill};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

/// A Node.js program that runs already, with a port of its own for its inspector.
pub(crate) struct Service {
    child: Child,
    port: u16,
    inspector: u16,
    dir: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start(major: u32, program: &str) -> Self {
        Self::start_with(major, &[], program)
    }

    fn start_with(major: u32, options: &[&str], program: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (port, inspector) = (free_port(), free_port());
        let stderr = fs::File::create(dir.path().join("stderr")).expect("a file");
        let child = Command::new(node(major))
            .arg(format!("--inspect-port={inspector}"))
            .args(options)
            .arg(program)
            .current_dir(app("plain"))
            .env("PORT", port.to_string())
            .env_remove("NODE_OPTIONS")
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("node starts");
        let service = Self { child, port, inspector, dir };
        wait_until("the service listens", || get(service.port).is_ok());
        service
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn attach(&self) -> Invocation {
        Invocation::recording("attach").arg(self.pid().to_string()).arg("--no-open")
    }

    pub(crate) fn attach_with_load(&self, duration: &str) -> Invocation {
        let url = format!("http://127.0.0.1:{}/", self.port);
        self.attach().args(["--url", &url, "-d", duration])
    }

    /// What the agent could leave behind, as the service itself sees it.
    fn state(&self) -> Value {
        let answer = Command::new(node(22))
            .args(["-e", "fetch(process.argv[1]).then((a) => a.text()).then(console.log)"])
            .arg(format!("http://127.0.0.1:{}/state", self.port))
            .output()
            .expect("node starts");
        serde_json::from_slice(&answer.stdout).expect("the service tells its state")
    }

    fn n_threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).map_or(0, Iterator::count)
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    fn has_open_inspector(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.inspector)).is_ok()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        kill(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn check(major: u32) {
    let mut service = Service::start(major, "runs-already.js");
    let before = service.state();
    let n_threads = service.n_threads();
    for _ in 0..2 {
        let finished = service.attach_with_load("6").args(["--phases", "cpu:4,baseline:2"]).finish();
        let report = finished.expect_code(0).report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split().expect_verdict("cpu");
        report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
        wait_until("the agent has left", || {
            service.n_threads() <= n_threads + 1 && service.state() == before
        });
        assert!(!service.has_open_inspector(), "the inspector is closed again");
    }
    let said = service.stderr();
    let is_of_the_inspector = |line: &str| line.starts_with("Debugger ") || line.starts_with("For help, see");
    assert!(said.lines().all(is_of_the_inspector), "{said}");
    kill(service.pid(), Signal::TERM);
    assert_eq!(service.child.wait().expect("it is our child").code(), Some(7), "it ends as ever: {said}");
}

#[test]
fn node_18_is_attached_to() {
    undisturbed(|| check(18));
}

#[test]
fn node_20_is_attached_to() {
    undisturbed(|| check(20));
}

#[test]
fn node_22_is_attached_to() {
    undisturbed(|| check(22));
}

#[test]
fn node_24_is_attached_to() {
    undisturbed(|| check(24));
}

#[test]
fn every_phase_is_recorded_and_leaves_nothing_behind() {
    let service = Service::start(22, "runs-already.js");
    let before = service.state();
    let finished = service.attach_with_load("14").arg("--deopts").finish().expect_code(0);
    let report = finished.report();
    report.expect_clean_load();
    for key in ["requests", "counters", "memory"] {
        assert!(!report.json[key].is_null(), "{key} was recorded");
    }
    wait_until("the service is as it was", || service.state() == before);
}

/// V8 wrote no perf map: the JavaScript is V8's own samples', joined by time.
#[test]
fn native_stacks_of_a_service_that_ran_before_name_the_javascript_that_caused_them() {
    if refused_here().is_some() {
        return;
    }
    undisturbed(|| {
        let service = Service::start(22, "native-work.js");
        let run = service.attach_with_load("9").args(["--native", "--phases", "cpu:1,native:7"]);
        let report = run.finish().expect_code(0).report();
        let rows = report.json["native"]["work"].as_array().expect("native stacks were recorded");
        for (class, part, function) in [("node", "zlib", "packOrders"), ("json", "parse", "parseOrders")] {
            let row = rows.iter().find(|row| row["class"] == class && row["part"] == part);
            let most = &row.unwrap_or_else(|| panic!("no {class}: {part} in {rows:#?}"))["callers"][0];
            assert!(most["function"] == function && most["share"].as_f64() > Some(0.5), "{most:#}");
        }
    });
}

#[test]
fn the_workers_of_a_cluster_are_attached_to_as_well() {
    let service = Service::start(20, "cluster.js");
    let finished = service.attach_with_load("5").args(["--only", "cpu"]).finish().expect_code(0);
    assert!(finished.stderr.contains("the agent is in processes "), "{}", finished.stderr);
    let report = finished.report();
    let processes = report.json["processes"].as_array().expect("a list");
    let roles: Vec<_> = processes.iter().filter_map(|row| row["role"].as_str()).collect();
    assert!(
        roles.contains(&"main")
            && roles.iter().filter(|role| role.starts_with("cluster worker")).count() >= 2,
        "{roles:?}"
    );
}

#[test]
fn ctrl_c_ends_the_recording_and_not_the_service() {
    let service = Service::start(20, "runs-already.js");
    let mut running = service.attach_with_load("60").start();
    running.wait_for_stderr("attached to process");
    running.wait_for_samples();
    kill(running.pid(), Signal::INT);
    running.finish().expect_code(0).report();
    get(service.port).expect("the service answers");
}

#[test]
fn a_killed_slowpath_leaves_the_service_running_without_its_agent() {
    let service = Service::start(20, "runs-already.js");
    let (before, n_threads) = (service.state(), service.n_threads());
    let mut running = service.attach_with_load("60").start();
    running.wait_for_stderr("attached to process");
    running.wait_for_samples();
    kill(running.pid(), Signal::KILL);
    assert_eq!(running.wait().status.signal(), Some(9));
    wait_until("the agent has left", || service.n_threads() <= n_threads + 1 && service.state() == before);
}

#[test]
fn a_service_that_ends_meanwhile_is_reported_with_its_exit_code() {
    let service = Service::start(20, "runs-already.js");
    let mut running = service.attach_with_load("60").start();
    running.wait_for_stderr("attached to process");
    running.wait_for_samples();
    kill(service.pid(), Signal::TERM);
    let finished = running.finish().expect_code(3);
    assert!(finished.stderr.contains("ended with exit code 7"), "{}", finished.stderr);
    finished.report();
}

/// Attaches, expecting to be refused with `what`, and that the process lives on.
#[track_caller]
fn expect_refused(pid: u32, what: &str) {
    let finished = Invocation::recording("attach").arg(pid.to_string()).finish().expect_code(2);
    assert!(finished.stderr.contains(what), "{}", finished.stderr);
    assert!(!finished.out().exists(), "no recording is left");
    assert!(is_alive(pid));
}

#[test]
fn what_cannot_be_attached_to_is_refused_before_anything_is_done_to_it() {
    let mut sleeper = Command::new("sleep").arg("600").spawn().expect("sleep starts");
    expect_refused(sleeper.id(), "is no Node.js process");
    let _ = sleeper.kill();
    let _ = sleeper.wait();

    // It would die of the signal.
    let deaf = Service::start_with(24, &["--disable-sigusr1"], "runs-already.js");
    expect_refused(deaf.pid(), "does not open its inspector on SIGUSR1");

    let gone = Invocation::recording("attach").arg("4194305").finish().expect_code(2);
    assert!(gone.stderr.contains("there is no process 4194305"), "{}", gone.stderr);
}

#[test]
fn a_taken_port_of_the_inspector_is_named() {
    let service = Service::start(20, "runs-already.js");
    let holder = std::net::TcpListener::bind(("127.0.0.1", service.inspector)).expect("the port is free");
    let finished = service.attach().finish().expect_code(2);
    let port = service.inspector.to_string();
    assert!(
        finished.stderr.contains(&format!("port {port} is held by process {}", std::process::id())),
        "{}",
        finished.stderr
    );
    assert_eq!(service.stderr(), "", "the service was not asked");
    drop(holder);
    get(service.port).expect("the service answers");
}

#[test]
fn a_service_that_handles_sigusr1_itself_is_recorded_through_an_inspector_that_was_open_before() {
    for major in [20, 22] {
        let service = Service::start_with(major, &["--inspect=127.0.0.1:0"], "handles-sigusr1.js");
        let finished = service.attach_with_load("4").args(["--only", "cpu"]).finish().expect_code(0);
        finished.report().expect_clean_load();
        assert!(!service.stderr().contains("SIGUSR1 was handled"), "{}", service.stderr());
    }
}
