//! The sweep: how latency grows with the rate. Plans the steps, names the knee; drives nothing.
//!
//! As GuideLLM has it: one connection that waits for each answer, then as much as the server bears, then rates between the
//! two. It stops at the first rate that the server does not keep up with.

use super::measured::{Measured, n_failed};
use serde::{Deserialize, Serialize};
use slowpath_load::Interval;
use std::time::Duration;

/// A rate is kept up with if at least this share of it is achieved: below, requests queue without end, and latency says
/// only how long the step was.
const KEEPS_UP: f64 = 0.95;

/// From here on the one connection is close enough to saturation that the rates begin below it.
const NEAR_SATURATION: f64 = 0.8;

/// Intervals are cut at most this far from where they should be; on a busy machine, some milliseconds.
const CUT_JITTER_S: f64 = 0.05;

/// How many requests a second one step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Step {
    /// One connection, one request at a time.
    Synchronous,
    /// All connections, as fast as answers come.
    Saturation,
    /// A schedule of this rate.
    Rate { offered: f64 },
}

/// What one step measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SweepPoint {
    #[serde(flatten)]
    pub(crate) step: Step,
    /// Successful requests per second.
    pub(crate) achieved: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) mean_us: f64,
    pub(crate) n_failed: u64,
    /// Whether the server kept up with the rate.
    pub(crate) keeps_up: bool,
    /// The whole step.
    pub(crate) totals: Interval,
}

/// A whole sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// In the order of the steps.
    pub(crate) points: Vec<SweepPoint>,
    /// Index of the knee in `points`; `None` without a rate that the server kept up with.
    pub(crate) knee: Option<usize>,
}

impl SweepPoint {
    /// Sums up a step that took `duration`.
    pub(crate) fn of(step: Step, duration: Option<Duration>, measured: &Measured) -> Self {
        let latency = &measured.whole.latency;
        let (achieved, keeps_up) = match step {
            Step::Rate { offered } => {
                let achieved = settled_rate(measured, duration);
                (achieved, achieved >= KEEPS_UP * offered)
            }
            Step::Synchronous | Step::Saturation => {
                (measured.requests_per_second(), measured.whole.n_requests > 0)
            }
        };
        Self {
            step,
            achieved: thousandths(achieved),
            p50_us: latency.value_at_quantile(0.5),
            p99_us: latency.value_at_quantile(0.99),
            mean_us: thousandths(latency.mean()),
            n_failed: n_failed(&measured.whole),
            keeps_up,
            totals: measured.whole.clone(),
        }
    }

    /// Whether a faster step makes no sense.
    pub(crate) fn is_over_saturated(&self) -> bool {
        matches!(self.step, Step::Rate { .. }) && !self.keeps_up
    }
}

/// Returns how many requests per second succeeded in the second half of a schedule of this length: at its beginning the first
/// answers are still to come, and after its end nothing is sent. A server that keeps up answers then as many as it is sent, however
/// long each takes; one that does not, as many as it can.
fn settled_rate(measured: &Measured, schedule: Option<Duration>) -> f64 {
    let schedule_s = schedule.map_or(f64::INFINITY, |length| length.as_secs_f64());
    let begin_ns = measured.whole.start_ns;
    let since_begin_s = |ns: u64| ns.saturating_sub(begin_ns) as f64 / 1e9;
    let settled = measured.seconds.iter().filter(|second| {
        let start_s = since_begin_s(second.start_ns);
        start_s >= schedule_s / 2.0 - CUT_JITTER_S && start_s + second.length_s <= schedule_s + CUT_JITTER_S
    });
    let (n_requests, length_s) =
        settled.fold((0, 0.0), |(n, length_s), second| (n + second.n_requests, length_s + second.length_s));
    if length_s > 0.0 { n_requests as f64 / length_s } else { measured.requests_per_second() }
}

/// Such numbers survive JSON exactly.
fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// Returns `n` rates at equal distances up to the saturation: from that of one connection, or from zero where one
/// connection nearly saturates the server.
pub(crate) fn rates_between(synchronous: f64, saturation: f64, n: u32) -> Vec<f64> {
    let low = if synchronous < NEAR_SATURATION * saturation { synchronous } else { 0.0 };
    (1..=n).map(|k| low + (saturation - low) * f64::from(k) / f64::from(n)).collect()
}

impl Sweep {
    pub(crate) fn of(points: Vec<SweepPoint>) -> Self {
        let knee = knee_of(&points);
        Self { points, knee }
    }

    pub(crate) fn knee_point(&self) -> Option<&SweepPoint> {
        self.knee.and_then(|knee| self.points.get(knee))
    }

    /// The fastest scheduled rate that the server kept up with.
    pub(crate) fn highest_kept(&self) -> Option<&SweepPoint> {
        let kept =
            self.points.iter().filter(|point| matches!(point.step, Step::Rate { .. }) && point.keeps_up);
        kept.max_by(|a, b| a.achieved.total_cmp(&b.achieved))
    }
}

/// Returns the rate with the greatest power: throughput over mean latency (Kleinrock, "Power and deterministic rules of
/// thumb for probabilistic problems in computer communications", ICC 1979). Below it, more load costs less latency than it
/// gives throughput; above it, more. It needs no tuned constant, and the mean is steadier than a high percentile.
fn knee_of(points: &[SweepPoint]) -> Option<usize> {
    let power = |point: &SweepPoint| point.achieved / point.mean_us.max(1.0);
    let candidates = points.iter().enumerate().filter(|(_, point)| {
        matches!(point.step, Step::Rate { .. }) && point.keeps_up && point.achieved > 0.0
    });
    candidates.max_by(|(_, a), (_, b)| power(a).total_cmp(&power(b))).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::measured::{Ended, Second};
    use super::*;
    use jiff::Timestamp;

    /// A second in which `achieved` requests took `mean_us` each.
    fn point(step: Step, achieved: u64, mean_us: u64) -> SweepPoint {
        let mut whole = Interval::empty(0, 1_000_000_000);
        whole.latency.record_n(mean_us, achieved).unwrap();
        whole.n_requests = achieved;
        let measured =
            Measured { whole, seconds: Vec::new(), started: Timestamp::UNIX_EPOCH, ended: Ended::Complete };
        SweepPoint::of(step, None, &measured)
    }

    fn rate(offered: u32, achieved: u64, mean_us: u64) -> SweepPoint {
        point(Step::Rate { offered: f64::from(offered) }, achieved, mean_us)
    }

    #[test]
    fn rates_lie_between_one_connection_and_saturation() {
        assert_eq!(rates_between(100.0, 1000.0, 3), [400.0, 700.0, 1000.0]);
        assert_eq!(rates_between(900.0, 1000.0, 4), [250.0, 500.0, 750.0, 1000.0]);
    }

    #[test]
    fn the_knee_of_a_queue_is_where_theory_has_it() {
        // A single server with exponential service of 1 ms: mean latency 1 / (1 - load) ms; its power peaks at half load.
        let points = (1..10).map(|k| rate(k * 100, u64::from(k) * 100, 10_000 / u64::from(10 - k)));
        let sweep = Sweep::of(points.collect());
        assert_eq!(sweep.knee_point().unwrap().step, Step::Rate { offered: 500.0 });
        assert_eq!(sweep.highest_kept().unwrap().step, Step::Rate { offered: 900.0 });
    }

    #[test]
    fn a_flat_curve_bends_at_its_last_kept_rate() {
        let sweep = Sweep::of(vec![
            point(Step::Synchronous, 90, 1000),
            point(Step::Saturation, 1000, 50_000),
            rate(400, 400, 1000),
            rate(700, 700, 1050),
            rate(1000, 900, 90_000),
        ]);
        assert_eq!(sweep.knee, Some(3));
        assert!(sweep.points[4].is_over_saturated() && !sweep.points[1].is_over_saturated());
    }

    /// A step of 10 s at 100 requests/s whose answers begin `first_s` into it and then come at `answered` per second.
    fn slow(first_s: u64, answered: u64) -> SweepPoint {
        let begin = 7_000_000_000;
        let mut whole = Interval::empty(begin, begin + 11_000_000_000);
        let seconds = (0..11).map(|k| {
            let start = begin + k * 1_000_000_000;
            let mut interval = Interval::empty(start, start + 1_000_000_000);
            interval.n_requests = if k < first_s { 0 } else { answered };
            interval.latency.record_n(first_s * 1_000_000, interval.n_requests).unwrap();
            whole.merge(&interval);
            Second::of(&interval)
        });
        let seconds = seconds.collect();
        let measured = Measured { whole, seconds, started: Timestamp::UNIX_EPOCH, ended: Ended::Complete };
        SweepPoint::of(Step::Rate { offered: 100.0 }, Some(Duration::from_secs(10)), &measured)
    }

    #[test]
    fn answers_that_take_half_a_step_are_no_sign_of_saturation() {
        let patient = slow(5, 100);
        assert!(patient.keeps_up && patient.achieved.total_cmp(&100.0).is_eq(), "{patient:?}");
        assert!(slow(5, 94).is_over_saturated());
    }

    #[test]
    fn without_a_kept_rate_there_is_no_knee() {
        assert_eq!(Sweep::of(vec![point(Step::Synchronous, 0, 1), rate(100, 10, 5)]).knee, None);
    }
}
