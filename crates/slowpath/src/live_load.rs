//! Keeps the load generator's intervals: appends each to the recording and remembers the last for the terminal.

use slowpath_capture::SessionWriter;
use slowpath_load::Interval;
use slowpath_profile::recording::{JsonLines, Layout};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// What the terminal shows of the load.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoadReading {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) n_errors: u64,
}

/// Sums of the phase under way, and the last second.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveLoad {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last: LoadReading,
    phase: Option<Interval>,
    n_errors: u64,
}

impl LiveLoad {
    /// Returns the callback that the load generator is given.
    pub(crate) fn sink(
        &self,
        layout: &Layout,
        session: &SessionWriter,
    ) -> io::Result<impl FnMut(Interval) + Send + 'static> {
        let mut lines = JsonLines::append_to(&layout.load_log())?;
        let (state, session) = (Arc::clone(&self.state), session.clone());
        Ok(move |interval: Interval| {
            if let Err(error) = lines.push(&interval) {
                session.note_write_failure("the load log", &error);
            }
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.n_errors += interval.errors.values().sum::<u64>();
            state.last = reading(&interval);
            match &mut state.phase {
                Some(phase) if phase.label == interval.label => phase.merge(&interval),
                phase => *phase = Some(interval),
            }
        })
    }

    /// Returns the last second, with the errors of the whole run.
    pub(crate) fn last(&self) -> LoadReading {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        LoadReading { n_errors: state.n_errors, ..state.last }
    }

    /// Returns what is known of the phase that is under way or has just ended.
    pub(crate) fn phase(&self, name: &str) -> Option<LoadReading> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.phase.as_ref().filter(|phase| phase.label == name).map(reading)
    }
}

fn reading(interval: &Interval) -> LoadReading {
    let seconds = (interval.end_ns.saturating_sub(interval.start_ns)) as f64 / 1e9;
    LoadReading {
        requests_per_second: if seconds > 0.0 { interval.n_requests as f64 / seconds } else { 0.0 },
        p50_ms: interval.latency.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: interval.latency.value_at_quantile(0.99) as f64 / 1e3,
        n_errors: interval.errors.values().sum(),
    }
}
