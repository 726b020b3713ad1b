//! Runs the binary and takes in what it says.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_mins(1);

/// Returns the binary under test: the release one of this target directory, which is the one that ships, or Cargo's.
pub(crate) fn binary() -> PathBuf {
    let release = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release").join("slowpath");
    if release.exists() { release } else { env!("CARGO_BIN_EXE_slowpath").into() }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Begins `slowpath`, with nothing of the developer's own environment that changes it.
pub(crate) fn slowpath<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(binary());
    command.args(args);
    clean(&mut command);
    command
}

/// Takes out what changes the command.
pub(crate) fn clean(command: &mut Command) {
    for name in ["PORT", "JOB_COMPLETION_INDEX", "NO_COLOR", "NODE_OPTIONS"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// Runs `slowpath load` with these arguments.
pub(crate) fn load<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Finished {
    finish(slowpath(["load"]).args(args).spawn().expect("the slowpath binary starts"))
}

/// Runs `slowpath load -j`, which must succeed, and returns its JSON.
pub(crate) fn load_json<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Value {
    let finished = finish(slowpath(["load", "-j"]).args(args).spawn().expect("the slowpath binary starts"));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout.lines().count(), 1, "one line: {}", finished.stdout);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

/// Waits for the end; what does not end is killed and fails.
pub(crate) fn finish(child: Child) -> Finished {
    let pid = pid_of(&child);
    let (sender, outputs) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = outputs.recv_timeout(PATIENCE) else {
        let _ = kill_process(pid, Signal::KILL);
        panic!("it does not end");
    };
    let output = output.expect("it can be waited for");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends Ctrl-C's signal.
pub(crate) fn interrupt(child: &Child) {
    kill_process(pid_of(child), Signal::INT).expect("it is ours");
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32).expect("a process has an id")
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A directory of the test's own.
pub(crate) fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("load-").tempdir().expect("a temporary directory")
}
