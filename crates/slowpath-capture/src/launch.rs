//! Starts the target with the agent injected, and follows it as a shell follows a job.
//!
//! The target gets its own process group, our working directory, standard input and environment (plus the agent's).
//! Its output goes straight to files of the recording: it then neither waits for us nor suffers when we are killed.

use crate::{RunDir, SessionWriter};
use rustix::process::{Pid, Signal, WaitOptions};
use slowpath_profile::recording::{Event, Layout, signal_name};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct LaunchPlan {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables to set besides the inherited ones.
    pub env: Vec<(String, String)>,
    /// More options for its Node.js processes; only with an agent.
    pub node_options: String,
    /// Working directory; ours, when not given.
    pub cwd: Option<PathBuf>,
}

/// Why the target could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No program given.
    #[error("no command to run")]
    NoCommand,
    /// The program does not exist.
    #[error("command not found: `{program}`")]
    NotFound {
        /// As given.
        program: String,
    },
    /// The program cannot be executed.
    #[error("cannot execute `{program}`")]
    NotExecutable {
        /// As given.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Output files, handlers: something of our own.
    #[error("cannot prepare the start of the target: {what}")]
    Prepare {
        /// What failed.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// The started target.
#[derive(Debug)]
pub struct Launched {
    /// Process id, which is also its process group.
    pub pid: u32,
    ended: Option<ChildChange>,
    has_terminal: bool,
    run_dir: Option<PathBuf>,
    session: SessionWriter,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildChange {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// Nobody knows how: it was no child of ours, and noted nothing.
    Gone,
}

/// Starts the target. From here on its orphans become our children, so that none is lost.
///
/// Without a `run_dir` there is no agent in it.
pub fn launch(
    plan: &LaunchPlan,
    run_dir: Option<&RunDir>,
    layout: &Layout,
    session: &SessionWriter,
) -> Result<Launched, LaunchError> {
    let (program, args) = plan.command.split_first().ok_or(LaunchError::NoCommand)?;
    let prepare = |what: &str| {
        let what = what.to_owned();
        move |source| LaunchError::Prepare { what, source }
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(io::Error::from)
        .map_err(prepare("adopting its orphans"))?;
    let log = |path: PathBuf| -> io::Result<File> { OpenOptions::new().append(true).create(true).open(path) };
    let stdout = log(layout.stdout_log()).map_err(prepare("stdout.log"))?;
    let stderr = log(layout.stderr_log()).map_err(prepare("stderr.log"))?;
    let mut command = Command::new(program);
    command
        .args(args)
        .envs(plan.env.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .stdin(Stdio::inherit())
        .stdout(stdout)
        .stderr(stderr);
    if let Some(run_dir) = run_dir {
        let own = std::env::var("NODE_OPTIONS").ok();
        command
            .env("NODE_OPTIONS", node_options(own.as_deref(), &plan.node_options, &run_dir.agent()))
            .env("SLOWPATH_SOCKET", run_dir.socket());
    }
    if let Some(cwd) = &plan.cwd {
        command.current_dir(cwd);
    }
    let child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LaunchError::NotFound { program: program.clone() },
        _ => LaunchError::NotExecutable { program: program.clone(), source },
    })?;
    session.push(Event::Launched { pid: child.id() });
    // `Child` is dropped on purpose: `Launched::poll` reaps it together with adopted orphans.
    Ok(Launched {
        pid: child.id(),
        ended: None,
        has_terminal: false,
        run_dir: run_dir.map(|run_dir| run_dir.path().to_owned()),
        session: session.clone(),
    })
}

/// Adds the agent to the user's own `NODE_OPTIONS`; the agent comes first, so that it sees the program from the start.
fn node_options(own: Option<&str>, more: &str, agent: &Path) -> String {
    let path = agent.to_string_lossy();
    let quoted = path.replace('\\', "\\\\").replace('"', "\\\"");
    let ours = format!("--require \"{quoted}\"");
    let parts = [ours.as_str(), more, own.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" ")
}

impl Launched {
    /// Reaps what has ended, and answers how the target's first process ended once it has. Never blocks.
    ///
    /// A target that stops because it reads the terminal from the background is brought to the foreground, as a
    /// shell does on `fg`.
    pub fn poll(&mut self, stopping: bool) -> Option<ChildChange> {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        while let Ok(Some((pid, status))) = rustix::process::wait(options) {
            let pid = pid.as_raw_nonzero().get() as u32;
            if let Some(signal) = status.stopping_signal() {
                if pid == self.pid && (signal == Signal::TTIN.as_raw() || signal == Signal::TTOU.as_raw()) {
                    self.bring_to_foreground();
                }
                continue;
            }
            let change = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ChildChange::Exited(code),
                (_, Some(signal)) => ChildChange::Killed(signal),
                _ => continue,
            };
            let (code, signal) = match change {
                ChildChange::Exited(code) => (Some(code), None),
                ChildChange::Killed(signal) => (None, Some(signal)),
                ChildChange::Gone => (None, None),
            };
            self.session.push(Event::ProcessEnded { pid, code, signal, stopping });
            if pid == self.pid {
                self.ended = Some(change);
            }
        }
        self.ended
    }

    /// Returns the processes of the tree: the target, its descendants, and orphans of it that we adopted.
    pub fn tree(&self) -> BTreeSet<u32> {
        let mut tree = crate::proc_fs::tree_of(self.pid, std::process::id());
        tree.remove(&std::process::id());
        tree
    }

    /// Whether any process of the tree is alive.
    pub fn is_alive(&self) -> bool {
        !self.tree().is_empty()
    }

    /// Whether it was given the terminal: Ctrl-C then reaches it and not us.
    pub fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    fn bring_to_foreground(&mut self) {
        let stdin = io::stdin();
        let Some(group) = Pid::from_raw(self.pid as i32) else {
            return;
        };
        if stdin.is_terminal() && rustix::termios::tcsetpgrp(&stdin, group).is_ok() {
            self.has_terminal = true;
            let _ = rustix::process::kill_process_group(group, Signal::CONT);
        }
    }

    /// Returns the exit code that a Node process of the tree noted as it ended.
    pub fn noted_exit_code(&self, pid: u32) -> Option<i32> {
        crate::run_dir::exit_code_in(self.run_dir.as_deref()?, pid)
    }
}

impl std::fmt::Display for ChildChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit code {code}"),
            Self::Killed(signal) => write!(f, "was killed by {}", signal_name(*signal)),
            Self::Gone => write!(f, "ended without running its exit handlers (killed or crashed)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_node_options_are_kept() {
        let agent = Path::new("/tmp/a b/x.cjs");
        assert_eq!(node_options(None, "", agent), r#"--require "/tmp/a b/x.cjs""#);
        let both = node_options(Some("--max-old-space-size=64"), "", agent);
        assert_eq!(both, r#"--require "/tmp/a b/x.cjs" --max-old-space-size=64"#);
        let all = node_options(Some("--no-deprecation"), "--perf-basic-prof", agent);
        assert_eq!(all, r#"--require "/tmp/a b/x.cjs" --perf-basic-prof --no-deprecation"#);
    }
}
