//! The end of a session: load and target are stopped, the last records awaited, the logs closed.

use super::{AGENT_PATIENCE, Session, SessionOutcome};
use crate::exit_code::{ExitCode, explained};
use slowpath_capture::{ChildChange, OutputFollower, Target, redact_text, stop};
use slowpath_profile::recording::{Ended, Event};
use std::time::Duration;

/// How long agents may take to hand in their last records once the target has ended.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Output lines quoted when a target dies.
const LAST_LINES: usize = 8;

impl Session<'_> {
    /// Stops load and target, waits for the last records, closes the logs. Always runs.
    pub(super) fn finish(
        mut self,
        result: anyhow::Result<(Ended, String)>,
    ) -> anyhow::Result<SessionOutcome> {
        let (ended, detail) = match &result {
            Ok((ended, detail)) => (*ended, detail.clone()),
            Err(error) => (Ended::Interrupted, format!("{error:#}")),
        };
        self.log.push(Event::Stopping { ended, detail: detail.clone() });
        if let Some(sampler) = &self.sampler {
            sampler.set_stopping();
        }
        self.native.end(&self.log);
        if ended != Ended::TargetDied {
            // The last pieces are asked for while the target still lives.
            self.collector.set_recorders(&[], None, AGENT_PATIENCE);
        }
        if let Some(load) = self.load.take() {
            load.stop();
        }
        if self.plan.keeps_sources && !self.stop_requests.abort() {
            // After the load: the target may be held up now.
            self.collector.record_sources(AGENT_PATIENCE);
        }
        let grace = self.plan.grace;
        let hurry = || self.stop_requests.abort();
        let log = &self.log;
        let (stdout, stderr, terminal) = (&mut self.stdout, &mut self.stderr, &mut *self.terminal);
        match &mut self.target {
            Target::Launched(target) => {
                terminal.set_status("stopping the target".into());
                let mut between = || {
                    let _ = stdout.drain(|bytes| terminal.pass_stdout(bytes));
                    let _ = stderr.drain(|bytes| terminal.pass_stderr(bytes));
                };
                stop(target, log, grace, &hurry, &mut between);
            }
            Target::Attached { .. } => self.collector.dismiss(),
        }
        self.collector.wait_closed(DRAIN_PATIENCE);
        if let Some(sampler) = self.sampler.take() {
            sampler.finish();
        }
        self.pass_output();
        let hurry = self.stop_requests.abort();
        if self.native.has_addresses() && !hurry {
            self.terminal.set_status("naming native functions".into());
        }
        let (native, cwd) = (self.native, self.plan.target.cwd.as_deref());
        native.conclude(&self.plan.layout, &self.log, &self.run_dir, cwd, hurry);
        self.terminal.end_status();
        self.log.push(Event::Finished);
        result?;
        if let Some(failure) = self.log.write_failure() {
            return Err(explained(
                ExitCode::Failed,
                format!("the recording is not whole: {failure}"),
                "free some space, or pass another directory with `--out DIR`",
            ));
        }
        Ok(SessionOutcome { ended, detail, aborted: self.stop_requests.abort() })
    }

    /// Says how the target died.
    pub(super) fn death(&self, change: ChildChange) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let mut sentence = format!("the target {change} after {seconds:.1} s");
        for process in self.collector.processes() {
            if process.pid != self.target.pid() && self.target.noted_exit_code(process.pid).is_none() {
                let pid = process.pid;
                sentence.push_str(&format!(
                    "; its Node process {pid} ended without running its exit handlers (killed or crashed)"
                ));
            }
        }
        format!("{sentence}{}", self.quoted_output())
    }

    /// Returns the target's last lines, redacted.
    pub(super) fn quoted_output(&self) -> String {
        let layout = &self.plan.layout;
        let mut lines = OutputFollower::last_lines(&layout.stderr_log(), LAST_LINES);
        if lines.is_empty() {
            lines = OutputFollower::last_lines(&layout.stdout_log(), LAST_LINES);
        }
        if lines.is_empty() {
            return String::new();
        }
        let lines: Vec<_> = lines.iter().map(|line| format!("\n  | {}", redact_text(line))).collect();
        format!("; its last output:{}", lines.concat())
    }
}
