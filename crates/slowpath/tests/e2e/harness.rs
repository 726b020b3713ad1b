//! Runs the slowpath binary as a person does, waits for events, and checks that nothing of a run is left behind.

use crate::recorded::Recorded;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for anything: a hang fails with what was seen so far and does not stop the suite.
const PATIENCE: Duration = Duration::from_secs(60);

/// Variable that marks every process of a run, however far it strays from its parents.
const MARK: &str = "SLOWPATH_E2E_RUN";

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
        let run = Self::new("run");
        let out = run.out();
        run.arg("--out").arg(out)
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

    /// Waits until the recording holds CPU samples.
    pub(crate) fn wait_for_samples(&mut self) {
        self.wait_for_stderr("slowpath: baseline");
        let out = self.out();
        wait_until("CPU samples are on the disk", || {
            fs::read_dir(&out).expect("a recording").flatten().any(|file| {
                file.file_name().to_string_lossy().starts_with("cpu-")
                    && file.metadata().is_ok_and(|metadata| metadata.len() > 0)
            })
        });
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
            marked(scratch.path()).into_iter().for_each(|(pid, _)| kill(pid, Signal::KILL));
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

/// Runs until the machine was quiet enough for a judgement: a verdict of `starved` is the honest answer where others
/// compile at the same time, and then says nothing of the target. The last of three answers stands.
pub(crate) fn undisturbed(invocation: impl Fn() -> Invocation) -> Finished {
    for _ in 0..2 {
        let finished = invocation().finish();
        if !finished.out().join("report.json").exists() || finished.report().verdict() != "starved" {
            return finished;
        }
        eprintln!("the machine was busy with other work; running it again");
    }
    invocation().finish()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal; a process that is gone already is fine.
pub(crate) fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Returns the living processes that were started in a run: those that carry its mark.
fn marked(scratch: &Path) -> Vec<(u32, String)> {
    let mark = format!("{MARK}={}", scratch.display());
    let pids = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            is_alive(*pid) && environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&command).replace('\0', " "))
        })
        .collect()
}
