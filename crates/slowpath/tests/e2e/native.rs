//! Native stacks: `slowpath perf` on a running process, `slowpath run --native` on each Node.js version, and what happens
//! where the kernel refuses.

use crate::fixtures::{app, free_port, get, node, planted};
use crate::harness::Invocation;
use crate::patience::{undisturbed, wait_until};
use crate::processes::kill;
use crate::recorded::Recorded;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs its arguments under a filter that refuses `perf_event_open` with EPERM, as containers do.
const CONTAINER: &str = r#"
import ctypes, os, platform, struct, sys
call = {"x86_64": 298, "aarch64": 241}[platform.machine()]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in code))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(len(code), ctypes.addressof(program)))) == 0
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Says why native stacks cannot be recorded here, if so: such tests are skipped.
pub(crate) fn refused_here() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let capabilities = field("CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0);
    let may_all = capabilities & (1 << 38 | 1 << 21) != 0;
    let Ok(paranoid) = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid") else {
        return Some("this kernel has no perf events".into());
    };
    let paranoid: i32 = paranoid.trim().parse().expect("a number");
    let why = if paranoid > 2 && !may_all {
        format!("kernel.perf_event_paranoid is {paranoid}")
    } else if field("Seccomp:") == Some("2") {
        "a seccomp filter is in force".into()
    } else {
        return None;
    };
    eprintln!("skipped: no native stacks here: {why}");
    Some(why)
}

/// A Node.js program that runs already, with what it needs to be named in native stacks.
struct Target {
    child: Child,
    port: u16,
    /// Where V8 leaves its log.
    _dir: tempfile::TempDir,
}

impl Target {
    fn start(program: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let child = Command::new(node(22))
            .arg(app("plain").join(program))
            .env("PORT", port.to_string())
            .env("NODE_OPTIONS", "--perf-basic-prof --interpreted-frames-native-stack")
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("node starts");
        let target = Self { child, port, _dir: dir };
        wait_until("the target listens", || get(target.port).is_ok());
        target
    }

    /// Asks it again and again until `is_over`.
    fn keep_busy(&self, mut is_over: impl FnMut() -> bool) {
        while !is_over() {
            get(self.port).expect("the target answers");
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        kill(self.child.id(), Signal::KILL);
        let _ = self.child.wait();
        let _ = fs::remove_file(format!("/tmp/perf-{}.map", self.child.id()));
    }
}

/// Returns the row of a kind of work.
#[track_caller]
fn work<'a>(report: &'a Recorded, class: &str, part: &str) -> &'a Value {
    let rows = report.json["native"]["work"].as_array().expect("native stacks were recorded");
    let row = rows.iter().find(|row| row["class"] == class && row["part"] == part);
    row.unwrap_or_else(|| panic!("no {class}: {part} in {rows:#?}"))
}

/// Checks that work has a share worth the name and that JavaScript of `file` caused it.
#[track_caller]
fn expect_caused(report: &Recorded, class: &str, part: &str, file: &str) {
    let row = work(report, class, part);
    assert!(row["share"].as_f64().is_some_and(|share| share > 0.005), "{row:#}");
    let callers = row["callers"].as_array().expect("a list");
    // V8 may inline the function into its caller, which is in the same file.
    let names_file = |caller: &Value| caller["file"].as_str().is_some_and(|found| found.ends_with(file));
    assert!(callers.iter().any(names_file), "{row:#}");
}

#[track_caller]
fn expect_work_of_the_fixture(report: &Recorded) {
    for (class, part) in [("json", "parse"), ("regexp", "match"), ("node", "zlib")] {
        expect_caused(report, class, part, "native-work.js");
    }
    assert!(work(report, "gc", "scavenge")["n_samples"].as_u64() > Some(0));
    let shares = report.json["native"]["work"].as_array().expect("a list").iter();
    let sum: f64 = shares.filter_map(|row| row["share"].as_f64()).sum();
    assert!((sum - 1.0).abs() < 1e-6, "the shares add up to {sum}");
}

#[test]
fn perf_says_what_v8_works_on_in_a_running_process_and_for_whom() {
    if refused_here().is_some() {
        return;
    }
    let target = Target::start("native-work.js");
    let perf = Invocation::new("perf");
    let out = perf.out();
    let pid = target.child.id().to_string();
    let mut running = perf.arg("--out").arg(&out).args(["--duration", "5", "--pid"]).arg(pid).start();
    target.keep_busy(|| running.has_ended());
    let report = running.finish().expect_code(0);
    let report = report.report();
    expect_work_of_the_fixture(&report);
    assert_eq!(report.json["native"]["frequency_hz"], 99);
    assert!(report.json["load"].is_null());
}

fn check_run(major: u32) {
    if refused_here().is_some() {
        return;
    }
    let run = Invocation::run().cwd(app("plain")).load("/", "6");
    let run = run.args(["--native", "--phases", "cpu:1,native:4", "-c", "2", "--"]).arg(node(major));
    let finished = run.arg("native-work.js").finish().expect_code(0);
    let report = finished.report();
    report.expect_clean_load();
    expect_work_of_the_fixture(&report);
    let native = &report.json["native"];
    let named_by_v8 =
        native["threads"].as_array().expect("a list").iter().any(|thread| thread["name"] == "main");
    assert!(named_by_v8, "{native:#}");
    // What V8 wrote for it is gone.
    for process in report.json["processes"].as_array().expect("a list") {
        let pid = process["pid"].as_u64().expect("a number");
        assert!(!Path::new(&format!("/tmp/perf-{pid}.map")).exists(), "the map of {pid} is left");
        let logs = fs::read_dir(app("plain")).expect("a folder").flatten().map(|entry| entry.file_name());
        let ours = format!("-{pid}-v8.log");
        let left: Vec<_> = logs.filter(|name| name.to_string_lossy().ends_with(&ours)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn native_stacks_of_node_18_are_named() {
    check_run(18);
}

#[test]
fn native_stacks_of_node_20_are_named() {
    check_run(20);
}

#[test]
fn native_stacks_of_node_22_are_named() {
    check_run(22);
}

#[test]
fn native_stacks_of_node_24_are_named() {
    check_run(24);
}

#[test]
fn both_profilers_name_the_same_function() {
    if refused_here().is_some() {
        return;
    }
    undisturbed(|| {
        let run = Invocation::run().cwd(app("plain")).load("/", "6").args([
            "--native",
            "--phases",
            "cpu:2,native:3",
        ]);
        let report = run.arg("--").arg(node(22)).arg("hot-function.js").finish().expect_code(0).report();
        let hot = planted("plain", "checksum.js", "checksum");
        report.blames("cpu-hot-function", &hot);
        let cause = &work(&report, "javascript", "TurboFan")["callers"][0];
        assert_eq!(
            (cause["function"].as_str(), cause["line"].as_u64()),
            (Some("checksum"), Some(u64::from(hot.line)))
        );
        let listed = report.lists_function(&hot);
        assert_eq!(cause["function_index"], listed["function_index"], "one function, not two");
    });
}

/// Begins a command line that runs where the kernel refuses, unless there is no Python to bring that about.
fn in_a_container(subcommand: &str) -> Option<Invocation> {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3 to put a filter in force");
        return None;
    }
    let mut python = Command::new("python3");
    python.args(["-c", CONTAINER]).arg(crate::harness::binary());
    Some(Invocation::with_program(python, subcommand))
}

#[test]
fn a_run_goes_on_without_native_stacks_where_the_kernel_refuses() {
    let Some(run) = in_a_container("run") else { return };
    let out = run.out();
    let run = run.arg("--out").arg(out).cwd(app("plain")).load("/", "3").args(["--native", "--"]);
    let finished = run.arg(node(22)).arg("hot-function.js").finish().expect_code(0);
    assert!(
        finished.stderr.contains("going on without native stacks: a seccomp filter"),
        "{}",
        finished.stderr
    );
    let report = finished.report();
    assert!(report.json["native"].is_null());
    let recorders = report.json["recorders"].as_array().expect("a list");
    let native = recorders.iter().find(|row| row["name"] == "native").expect("it was asked for");
    assert_eq!(native["state"], "missing");
    let why = native["why"].as_str().unwrap_or_default();
    assert!(why.contains("--cap-add PERFMON"), "{why}");
}

#[test]
fn a_run_of_native_stacks_alone_fails_where_the_kernel_refuses() {
    let Some(run) = in_a_container("run") else { return };
    let run = run.cwd(app("plain")).args(["-d", "3", "--only", "native", "--"]).arg(node(22));
    let finished = run.arg("hot-function.js").finish().expect_code(1);
    assert!(finished.stderr.contains("a seccomp filter of this container forbids"), "{}", finished.stderr);
}

#[test]
fn perf_names_what_refuses_and_leaves_nothing() {
    let Some(perf) = in_a_container("perf") else { return };
    let out = perf.out();
    let own = std::process::id().to_string();
    let finished =
        perf.arg("--out").arg(&out).args(["--duration", "1", "--pid"]).arg(own).finish().expect_code(1);
    assert!(finished.stderr.contains("a seccomp filter of this container forbids"), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("hint: start the container with `--cap-add PERFMON"),
        "{}",
        finished.stderr
    );
    assert!(!out.exists(), "an empty recording is left");
}

#[test]
fn perf_of_no_process_is_a_mistake_of_the_command_line() {
    let finished =
        Invocation::new("perf").args(["--duration", "1", "--pid", "8388608"]).finish().expect_code(2);
    assert!(finished.stderr.contains("there is no process 8388608"), "{}", finished.stderr);
}
