//! The line on the terminal that tells how the session and the target are.

use super::Session;
use slowpath_capture::SystemSampler;
use std::time::{Duration, Instant};

/// How often the status line is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

impl Session<'_> {
    pub(super) fn redraw(&mut self, status: impl FnOnce(&Self) -> String) {
        if self.terminal.is_live() && self.last_redraw.elapsed() >= REDRAW {
            self.last_redraw = Instant::now();
            let status = status(self);
            self.terminal.set_status(status);
        }
    }

    pub(super) fn status(&self, phase: &str, elapsed: f64, planned: f64) -> String {
        let mut parts = vec![format!("{phase} · {elapsed:.0}/{planned:.0} s")];
        if self.load.is_some() {
            let load = self.live_load.last();
            parts.push(format!("{:.0} req/s · p99 {:.1} ms", load.requests_per_second, load.p99_ms));
            if load.n_errors > 0 {
                parts.push(format!("{} errors", load.n_errors));
            }
        }
        self.add_vitals(parts)
    }

    /// Joins the parts of a status line, and how the target is.
    pub(super) fn add_vitals(&self, mut parts: Vec<String>) -> String {
        if let Some(delay) = self.collector.live().loop_delay_p99_ms {
            parts.push(format!("loop {delay:.1} ms"));
        }
        if let Some((cores, rss)) = self.sampler.as_ref().and_then(SystemSampler::live) {
            parts.push(format!("CPU {cores:.2} cores · {:.0} MB", rss as f64 / 1e6));
        }
        parts.join(" · ")
    }
}
