//! Keeps the load generator's intervals: appends each to the recording and remembers the last for the terminal.

use slowpath_capture::SessionWriter;
use slowpath_load::Interval;
use slowpath_profile::recording::{JsonLines, Layout};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A window in which requests are followed, or work is counted per request, is this many times the median latency, if that
/// is not too long.
const LATENCIES_IN_A_WINDOW: f64 = 2.5;
/// And sees so many requests, if that is not too long.
const REQUESTS_IN_A_WINDOW: f64 = 30.0;
const LONGEST_WINDOW: Duration = Duration::from_secs(5);

/// What the terminal shows of the load.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoadReading {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) n_errors: u64,
}

impl LoadReading {
    /// Returns how long work must be counted at this load to be told per request.
    pub(crate) fn window_per_request(&self) -> Duration {
        let latencies = self.p50_ms / 1e3 * LATENCIES_IN_A_WINDOW;
        let requests = REQUESTS_IN_A_WINDOW / self.requests_per_second.max(0.1);
        // A loop that is held for long hears late that it is to count.
        let needed = latencies.max(requests).max(self.p99_ms / 1e3);
        LONGEST_WINDOW.min(Duration::from_secs_f64(needed))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_requests_are_counted_for_longer_but_not_for_ever() {
        let check = |requests_per_second, p50_ms, p99_ms, expected: f64| {
            let load = LoadReading { requests_per_second, p50_ms, p99_ms, n_errors: 0 };
            let window = load.window_per_request().as_secs_f64();
            assert!((window - expected).abs() < 1e-9, "{load:?}: {window} s");
        };
        check(1000.0, 10.0, 30.0, 0.03);
        check(100.0, 800.0, 900.0, 2.0);
        check(100.0, 10.0, 3000.0, 3.0);
        check(10.0, 10.0, 20.0, 3.0);
        check(0.0, 30_000.0, 60_000.0, 5.0);
    }
}
