//! Runs one load to its end: starts the generator, watches for the end, keeps what it measures.

use super::live::LiveView;
use super::measured::{Ended, Measured, Second, n_failed};
use super::results::SharedResults;
use crate::request_plan::load_error;
use crate::signals::StopRequests;
use jiff::Timestamp;
use slowpath_load::{Interval, LoadHandle, LoadPlan, Pacing};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the end is looked for.
const POLL: Duration = Duration::from_millis(5);

/// When a load ends, besides by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// After this long.
    pub(crate) duration: Option<Duration>,
    /// An open load goes on for so long after that, until the last answer.
    pub(crate) drain: Duration,
    /// When this many requests have failed; looked at once a second.
    pub(crate) bailout: Option<u64>,
}

/// What a load has done so far; its generator adds to it once a second.
#[derive(Debug, Default)]
pub(crate) struct SoFar {
    pub(crate) seconds: Vec<Second>,
    /// All intervals added up.
    pub(crate) whole: Option<Interval>,
    /// The last interval.
    pub(crate) last: Option<Interval>,
}

/// A load under way.
pub(crate) struct Running {
    handle: LoadHandle,
    so_far: Arc<Mutex<SoFar>>,
    started: Timestamp,
    begin: Instant,
    /// Whether requests start on a schedule.
    is_open: bool,
}

/// Starts a load; what it measures also goes to `results`.
pub(crate) fn start(plan: LoadPlan, results: SharedResults) -> anyhow::Result<Running> {
    let so_far = Arc::new(Mutex::new(SoFar::default()));
    let is_open = plan.pacing != Pacing::Closed;
    let collect = Arc::clone(&so_far);
    let on_interval = move |interval: Interval| {
        results.push(&interval);
        let mut so_far = lock(&collect);
        so_far.seconds.push(Second::of(&interval));
        match &mut so_far.whole {
            Some(whole) => whole.merge(&interval),
            whole => *whole = Some(interval.clone()),
        }
        so_far.last = Some(interval);
    };
    let started = Timestamp::now();
    let begin = Instant::now();
    let handle = slowpath_load::start(plan, on_interval).map_err(|error| load_error(&error))?;
    Ok(Running { handle, so_far, started, begin, is_open })
}

impl Running {
    /// Drives it to its end and returns what it did. `goes_on` is asked every few milliseconds whether the server that was
    /// started for it still runs.
    pub(crate) fn finish(
        self,
        limits: Limits,
        stop: &StopRequests,
        live: &mut LiveView,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Measured {
        let ended = self.watch(limits, stop, live, goes_on);
        let totals = self.handle.stop();
        let seconds = std::mem::take(&mut lock(&self.so_far).seconds);
        Measured { whole: totals.whole, seconds, started: self.started, ended }
    }

    fn watch(
        &self,
        limits: Limits,
        stop: &StopRequests,
        live: &mut LiveView,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Ended {
        let drain = if self.is_open { limits.drain } else { Duration::ZERO };
        let end = limits.duration.map(|duration| self.begin + duration + drain);
        loop {
            let pause = end.map_or(POLL, |end| POLL.min(end.saturating_duration_since(Instant::now())));
            if self.handle.wait(pause) {
                return Ended::Complete;
            }
            if stop.stop() {
                return Ended::Interrupted;
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ended::Complete;
            }
            {
                let so_far = lock(&self.so_far);
                let failed = so_far.whole.as_ref().map_or(0, n_failed);
                if limits.bailout.is_some_and(|limit| failed >= limit) {
                    return Ended::Bailout;
                }
                live.draw(&so_far, self.begin.elapsed());
            }
            if !goes_on() {
                return Ended::ServerDied;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
