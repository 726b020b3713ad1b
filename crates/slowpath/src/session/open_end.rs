//! A session without an end of its own: records from the target's start until a person, the target or a limit ends it.

use super::{POLL, READY_POLL, Session};
use crate::exit_code::{ExitCode, explained};
use crate::readiness::Readiness;
use slowpath_profile::recording::{Ended, Event};
use std::time::{Duration, Instant};

impl Session<'_> {
    /// Records the one phase of the plan; returns why it ended.
    pub(super) fn record_until_it_ends(
        &mut self,
        limit: Option<Duration>,
    ) -> anyhow::Result<(Ended, String)> {
        let phase = self.plan.phases[0].name.clone();
        // Before any agent has connected: each is told at its hello, so that start-up is recorded too.
        self.switch_recorders(0, limit);
        self.log.push(Event::PhaseStarted { phase: phase.clone() });
        self.sample_now();
        let ended = self.watch_until_it_ends(&phase, limit);
        self.sample_now();
        self.log.push(Event::PhaseEnded { phase });
        let ended = ended?;
        if ended.0 == Ended::Complete && self.collector.processes().is_empty() {
            return Err(explained(
                ExitCode::Usage,
                "nothing was recorded: no Node process of the program had loaded slowpath's agent",
                "pass a command that starts a Node.js program; one that ends within some tens of milliseconds is too short",
            ));
        }
        Ok(ended)
    }

    fn watch_until_it_ends(
        &mut self,
        phase: &str,
        limit: Option<Duration>,
    ) -> anyhow::Result<(Ended, String)> {
        let mut readiness = Readiness::new(None, self.plan.ready_url.as_ref(), self.target.pid());
        let mut is_ready = false;
        let end = limit.map(|limit| Instant::now() + limit);
        loop {
            match self.watch()? {
                // What else ends it: a person's stop is no interruption here.
                Some((Ended::Interrupted, detail)) => return Ok((Ended::Complete, detail)),
                Some(ended) => return Ok(ended),
                None => {}
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok((Ended::Complete, String::new()));
            }
            if !is_ready && let Some(pid) = readiness.poll(&self.collector)? {
                is_ready = true;
                self.log.push(Event::Ready { pid });
                self.terminal.say(&format!(
                    "slowpath: the target is ready after {:.1} s (process {pid}); Ctrl-C ends the recording and writes the report",
                    self.started.elapsed().as_secs_f64()
                ));
            }
            self.redraw(|session| {
                let seconds = session.started.elapsed().as_secs_f64();
                session.add_vitals(vec![format!("{phase} · {seconds:.0} s · Ctrl-C ends it")])
            });
            std::thread::sleep(if is_ready { POLL } else { READY_POLL });
        }
    }
}
