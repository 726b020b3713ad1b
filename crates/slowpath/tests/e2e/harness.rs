//! Runs the slowpath binary as a person does, waits for events, and checks that nothing of a run is left behind.

use crate::patience::{PATIENCE, wait_until};
use crate::processes::{MARK, kill, marked};
use crate::recorded::Recorded;
use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Returns the binary under test: the release one of this target directory, which is the one that ships, or Cargo's.
pub(crate) fn binary() -> PathBuf {
    let release = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release").join("slowpath");
    if release.exists() { release } else { env!("CARGO_BIN_EXE_slowpath").into() }
}

/// A command line of slowpath under construction.
#[derive(Debug)]
pub(crate) struct Invocation {
    command: Command,
    scratch: TempDir,
    stdin: Vec<u8>,
    port: Option<u16>,
}

impl Invocation {
    /// Begins `slowpath SUBCOMMAND`, with a temporary directory of its own.
    pub(crate) fn new(subcommand: &str) -> Self {
        Self::with_program(Command::new(binary()), subcommand)
    }

    /// Begins with a program that runs slowpath in the end.
    pub(crate) fn with_program(mut command: Command, subcommand: &str) -> Self {
        let scratch = tempfile::Builder::new().prefix("e2e-").tempdir().expect("a temporary directory");
        let private = scratch.path().join("tmp");
        fs::create_dir(&private).expect("a directory in it");
        command.arg(subcommand).env("TMPDIR", private).env(MARK, scratch.path());
        command.env_remove("NODE_OPTIONS").env_remove("FIXED").env_remove("DISPLAY");
        Self { command, scratch, stdin: Vec::new(), port: None }
    }

    /// Begins `slowpath run` with a directory for the recording.
    pub(crate) fn run() -> Self {
        Self::recording("run")
    }

    /// Begins a command that records, with a directory for the recording.
    pub(crate) fn recording(subcommand: &str) -> Self {
        let run = Self::new(subcommand);
        let out = run.out();
        run.arg("--out").arg(out)
    }

    /// Gives the target a free port in `PORT`, and drives nothing at it.
    pub(crate) fn without_load(mut self) -> Self {
        let port = crate::fixtures::free_port();
        self.port = Some(port);
        self.env("PORT", port.to_string())
    }

    /// Drives load at `path` of a free port, which the target is told in `PORT`.
    pub(crate) fn load(mut self, path: &str, duration: &str) -> Self {
        let port = crate::fixtures::free_port();
        self.port = Some(port);
        self.command.env("PORT", port.to_string());
        self.command.arg("--url").arg(format!("http://127.0.0.1:{port}{path}"));
        self.args(["-d", duration])
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.command.args(args);
        self
    }

    /// Ends the options: the target's command.
    pub(crate) fn target<const N: usize>(self, command: [&str; N]) -> Self {
        self.arg("--").args(command)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    /// Directory of the recording.
    pub(crate) fn out(&self) -> PathBuf {
        self.scratch.path().join("out")
    }

    /// A directory for whatever the test needs.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Port that the load is driven at.
    pub(crate) fn port(&self) -> u16 {
        self.port.expect("the invocation has a load")
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the slowpath binary starts");
        // A target that does not read its input leaves a closed pipe, which is its right.
        let _ = child.stdin.take().expect("piped").write_all(&self.stdin);
        let stdout = Follower::of(child.stdout.take().expect("piped"));
        let stderr = Follower::of(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr, scratch: Some(self.scratch), port: self.port }
    }

    /// Runs it to its end, and checks that nothing is left.
    pub(crate) fn finish(self) -> Finished {
        self.start().finish()
    }
}

/// Collects what a pipe gives.
#[derive(Debug)]
struct Follower {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                sink.lock().expect("no panic holds it").extend_from_slice(&buffer[..n]);
            }
        });
        Self { bytes, thread: Some(thread) }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("no panic holds it").clone()
    }

    fn whole(&mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the reader does not panic");
        }
        self.so_far()
    }
}

/// A run under way. Dropped early, as by a failing test, it takes all its processes with it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Follower,
    stderr: Follower,
    scratch: Option<TempDir>,
    port: Option<u16>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Directory of the recording.
    pub(crate) fn out(&self) -> PathBuf {
        self.scratch.as_ref().expect("there until the end").path().join("out")
    }

    /// Waits until standard error holds `text`, and returns it.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) -> String {
        wait_for_text(&mut self.child, &self.stderr, text)
    }

    /// Waits until standard output holds `text`.
    pub(crate) fn wait_for_stdout(&mut self, text: &str) {
        wait_for_text(&mut self.child, &self.stdout, text);
    }

    /// Waits until the target is ready, and returns the process that listens.
    pub(crate) fn wait_until_ready(&mut self) -> u32 {
        let seen = self.wait_for_stderr("the target is ready");
        let (_, rest) = seen.split_once("(process ").expect("the line names the process");
        rest.split(')').next().and_then(|pid| pid.parse().ok()).expect("a process id")
    }

    /// Waits until the recording holds two pieces of CPU samples of the cpu phase.
    pub(crate) fn wait_for_samples(&mut self) {
        let out = self.out();
        wait_until("the cpu phase has begun", || {
            let log = fs::read_to_string(out.join("session.jsonl")).unwrap_or_default();
            log.lines().any(|line| line.contains("phase-started") && line.contains(r#""cpu""#))
        });
        for piece in ["first", "second"] {
            let before = cpu_bytes(&out);
            wait_until(&format!("the {piece} piece is on the disk"), || cpu_bytes(&out) > before);
        }
    }

    /// Waits for the end, whatever is left behind.
    pub(crate) fn wait(mut self) -> Finished {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it hangs:\n{}",
                String::from_utf8_lossy(&self.stderr.so_far())
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
        let scratch = self.scratch.take().expect("taken only here");
        Finished {
            status,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            scratch,
            port: self.port,
        }
    }

    /// Waits for the end and checks that nothing is left.
    pub(crate) fn finish(self) -> Finished {
        let finished = self.wait();
        finished.assert_nothing_is_left();
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(scratch) = &self.scratch {
            kill(self.child.id(), Signal::KILL);
            let _ = self.child.wait();
            for (pid, _) in marked(scratch.path()) {
                kill(pid, Signal::KILL);
            }
        }
    }
}

fn wait_for_text(child: &mut Child, follower: &Follower, text: &str) -> String {
    let started = Instant::now();
    loop {
        // The end first: what was written before it is then seen below.
        let is_whole = follower.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let seen = String::from_utf8_lossy(&follower.so_far()).into_owned();
        if seen.contains(text) {
            return seen;
        }
        let patient = !is_whole && started.elapsed() < PATIENCE;
        assert!(patient, "`{text}` did not come ({:?}):\n{seen}", child.try_wait());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the size of all CPU samples in a recording.
fn cpu_bytes(out: &Path) -> u64 {
    let files = fs::read_dir(out).expect("a recording").flatten();
    let cpu = files.filter(|file| file.file_name().to_string_lossy().starts_with("cpu-"));
    cpu.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    scratch: TempDir,
    port: Option<u16>,
}

impl Finished {
    /// Directory of the recording.
    pub(crate) fn out(&self) -> PathBuf {
        self.scratch.path().join("out")
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit code of:\n{}", self.stderr);
        self
    }

    /// Reads the report.
    #[track_caller]
    pub(crate) fn report(&self) -> Recorded {
        Recorded::read(&self.out())
    }

    /// Checks that no process, no listener and no temporary directory of the run is left.
    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self) {
        let processes = marked(self.scratch.path());
        assert!(processes.is_empty(), "still running: {processes:?}\n{}", self.stderr);
        let left: Vec<_> = fs::read_dir(self.scratch.path().join("tmp"))
            .expect("our own directory")
            .flatten()
            .map(|file| file.file_name())
            .filter(|name| name.to_string_lossy().starts_with("slowpath-"))
            .collect();
        assert!(left.is_empty(), "temporary directories are left: {left:?}");
        if let Some(port) = self.port {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "port {port} is still listened on");
        }
    }
}
