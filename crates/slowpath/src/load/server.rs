//! The server that `--on-port` starts: without an agent, its output passed on, stopped as `slowpath run` stops a target.

use super::targets::are_bare_paths;
use crate::exit_code::{ExitCode, explained};
use crate::signals::StopRequests;
use anyhow::Context as _;
use slowpath_capture::{
    LaunchPlan, Launched, Listeners, OutputFollower, PortOwner, SessionWriter, launch, redact_text, stop,
};
use slowpath_load::Url;
use slowpath_profile::recording::Layout;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take until it listens, as in `slowpath run`.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long it may take to end after SIGINT, as in `slowpath run`.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked at until it listens.
const POLL: Duration = Duration::from_millis(20);

/// Output lines quoted when it dies.
const LAST_LINES: usize = 8;

/// A started server; dropping it stops it.
pub(crate) struct Server {
    launched: Launched,
    session: SessionWriter,
    layout: Layout,
    stdout: OutputFollower,
    stderr: OutputFollower,
    stop_requests: StopRequests,
    is_stopped: bool,
    /// Holds the files of its output.
    _scratch: TempDir,
}

impl Server {
    /// Starts the command and waits until it listens on the port of the URLs. Returns that port.
    pub(crate) fn start(
        command: &[String],
        urls: &[String],
        stop_requests: &StopRequests,
    ) -> anyhow::Result<(Self, u16)> {
        let wanted = wanted_port(urls)?;
        if let Some(port) = wanted
            && let owner @ PortOwner::Stranger { .. } = Listeners::stranger_on(port)
        {
            return Err(crate::readiness::stranger(port, &owner));
        }
        // What a server prints is its owner's affair.
        let private = Permissions::from_mode(0o700);
        let scratch = tempfile::Builder::new()
            .prefix("slowpath-load-")
            .permissions(private)
            .tempdir()
            .context("cannot create a directory for the server's output")?;
        let layout = Layout::new(scratch.path());
        let session = SessionWriter::open(&layout).context("cannot write a log")?;
        let plan = LaunchPlan { command: command.to_vec(), ..LaunchPlan::default() };
        let launched =
            launch(&plan, None, &layout, &session).map_err(|error| crate::session::explain_launch(&error))?;
        let mut server = Self {
            stdout: OutputFollower::new(&layout.stdout_log()),
            stderr: OutputFollower::new(&layout.stderr_log()),
            launched,
            session,
            layout,
            stop_requests: stop_requests.clone(),
            is_stopped: false,
            _scratch: scratch,
        };
        let port = server.wait_until_listening(wanted)?;
        Ok((server, port))
    }

    fn wait_until_listening(&mut self, wanted: Option<u16>) -> anyhow::Result<u16> {
        let listeners = Listeners { root: self.launched.pid };
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            self.pass_output();
            self.check_alive()?;
            match wanted {
                Some(port) => match listeners.owner_of(port) {
                    PortOwner::Target { .. } => return Ok(port),
                    owner @ PortOwner::Stranger { .. } => {
                        return Err(crate::readiness::stranger(port, &owner));
                    }
                    PortOwner::Nobody => {}
                },
                None => {
                    if let Some((_, port)) = listeners.any_port() {
                        return Ok(port);
                    }
                }
            }
            if self.stop_requests.stop() {
                return Err(explained(
                    ExitCode::Aborted,
                    "ended before the server listened",
                    "nothing was sent",
                ));
            }
            if Instant::now() >= deadline {
                let seconds = READY_TIMEOUT.as_secs();
                let port = wanted.map_or("any port".to_owned(), |port| format!("port {port}"));
                return Err(explained(
                    ExitCode::TargetFailed,
                    format!("the server did not listen on {port} within {seconds} s{}", self.quoted_output()),
                    "check the port of the URL",
                ));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Fails if the server has ended.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.launched.poll(false) {
            Some(change) if !self.launched.is_alive() => {
                self.pass_output();
                Err(explained(
                    ExitCode::TargetFailed,
                    format!("the server {change}{}", self.quoted_output()),
                    "start it by hand to see why",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Passes its output to standard error: standard output is for results.
    pub(crate) fn pass_output(&mut self) {
        // A closed terminal must not end the load.
        let _ = self.stdout.drain(|bytes| std::io::stderr().write_all(bytes));
        let _ = self.stderr.drain(|bytes| std::io::stderr().write_all(bytes));
    }

    fn quoted_output(&self) -> String {
        let mut lines = OutputFollower::last_lines(&self.layout.stderr_log(), LAST_LINES);
        if lines.is_empty() {
            lines = OutputFollower::last_lines(&self.layout.stdout_log(), LAST_LINES);
        }
        let lines = lines.iter().map(|line| format!("\n  | {}", redact_text(line)));
        let quoted: String = lines.collect();
        if quoted.is_empty() { quoted } else { format!("; its last output:{quoted}") }
    }

    /// Stops it and everything below it.
    pub(crate) fn stop(&mut self) {
        if !std::mem::replace(&mut self.is_stopped, true) {
            let hurry = || self.stop_requests.abort();
            stop(&mut self.launched, &self.session, GRACE, &hurry, &mut || {});
            self.pass_output();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the port that must be listened on; `None` if any will do.
fn wanted_port(urls: &[String]) -> anyhow::Result<Option<u16>> {
    if are_bare_paths(urls) {
        return Ok(None);
    }
    let whole = super::targets::whole_urls(urls, Some(0))?;
    let hosted = whole.iter().zip(urls).find(|(_, url)| !url.starts_with('/')).map(|(whole, _)| whole);
    let url = hosted.map(|url| Url::parse(url)).transpose();
    Ok(url.map_err(|error| crate::request_plan::load_error(&error))?.map(|url| url.port))
}
