//! Everything that is said of a load at its end, whichever way: tables, JSON, thresholds, exit code.

use super::measured::{Ended, Measured};
use super::results::Shards;
use super::self_check::SelfCheck;
use super::settings::Settings;
use super::sweep::Sweep;
use super::threshold::{Threshold, Verdict};
use super::units;
use crate::exit_code::{ExitCode, explained};

/// From this share of due requests without an answer on, the p99.9 that is shown without being asked for may be another's.
const MAX_UNANSWERED: f64 = 0.001;

/// A measured load and what is to be said of it.
#[derive(Debug)]
pub(crate) struct LoadReport {
    pub(crate) settings: Settings,
    pub(crate) measured: Measured,
    pub(crate) check: SelfCheck,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) shards: Shards,
    pub(crate) sweep: Option<Sweep>,
    pub(crate) warm_up: Option<Measured>,
    /// What a reader must know besides, such as parts that are missing.
    pub(crate) notes: Vec<String>,
}

impl LoadReport {
    pub(crate) fn new(
        settings: Settings,
        measured: Measured,
        shards: Shards,
        thresholds: &[Threshold],
    ) -> Self {
        Self {
            check: SelfCheck::of(&measured),
            verdicts: thresholds.iter().map(|threshold| threshold.judge(&measured)).collect(),
            settings,
            measured,
            shards,
            sweep: None,
            warm_up: None,
            notes: Vec::new(),
        }
    }

    /// Returns what stands in the way of believing the numbers.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.notes.clone();
        let check = &self.check;
        if check.was_bottleneck() {
            warnings.push(format!(
            "the load generator was the bottleneck: its busiest thread used {} of a CPU, so the server may be faster \
             than this; give it more threads with `-w`, or more CPUs",
            units::share(check.cpu_share, 1.0)
        ));
        }
        warnings.extend(self.unanswered());
        if let Some(little) = check.little.filter(|little| !little.is_kept()) {
            warnings.push(format!(
            "the numbers disagree by {}: {:.1} requests were under way on average, but rate times mean latency is {:.1} \
             (Little's law); the generator was held up, or the load is too short",
            units::share(little.difference(), 1.0),
            little.under_way,
            little.rate_times_latency
        ));
        }
        warnings
    }

    /// Says that latencies are missing which would be among the longest.
    fn unanswered(&self) -> Option<String> {
        let whole = &self.measured.whole;
        let n = (whole.n_unfinished + whole.n_dropped) as f64;
        let due = self.measured.n_due() as f64;
        let is_told =
            self.settings.is_open() && self.measured.ended == Ended::Complete && n > MAX_UNANSWERED * due;
        let drain_s = self.settings.drain_s?;
        let when = if drain_s > 0.0 { format!("{} after", units::seconds(drain_s)) } else { "at".to_owned() };
        is_told.then(|| {
            format!(
                "{} of the requests that were due had no answer {when} the end of the schedule, and no latency \
                 here has them, though theirs are the longest; `--drain` sets how long answers are awaited",
                units::share(n, due)
            )
        })
    }

    /// Returns how the program ends: nothing succeeded, a threshold was crossed, or done.
    pub(crate) fn exit_code(&self) -> anyhow::Result<ExitCode> {
        if self.measured.nothing_succeeded() {
            let url = self.settings.urls.first().map_or("the target", String::as_str);
            let samples = self.measured.whole.error_samples.join("; ");
            let problem = if samples.is_empty() {
                let seconds = units::seconds(self.measured.wall_s());
                format!("{url} answered no request within {seconds}")
            } else {
                format!("no request to {url} succeeded: {samples}")
            };
            let hint = "check that the server runs, and the URL, the headers and the body";
            return Err(explained(ExitCode::TargetFailed, problem, hint));
        }
        let is_crossed = self.verdicts.iter().any(|verdict| verdict.is_crossed);
        Ok(if is_crossed { ExitCode::ThresholdCrossed } else { ExitCode::Done })
    }
}
