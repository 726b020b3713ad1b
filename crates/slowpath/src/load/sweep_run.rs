//! Drives a sweep, one step after the other, each a load of its own.

use super::measured::{Ended, Measured};
use super::plan::TimedPlan;
use super::run::Load;
use super::sweep::{Step, Sweep, SweepPoint, rates_between};
use super::units;
use slowpath_load::{Arrival, Interval, Pacing, Stage};
use std::time::Duration;

/// Shorter ones would be cuts that are further off than they are long.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the steps until the server does not keep up, and returns everything that they did and what they found.
pub(crate) fn run(load: &mut Load<'_>, plan: &TimedPlan, n_rates: u32) -> anyhow::Result<(Measured, Sweep)> {
    let limits = plan.limits();
    let mut points: Vec<SweepPoint> = Vec::new();
    let mut drive = |step: Step| load.drive(step_plan(plan, step), limits, &name(step));

    let mut sum = drive(Step::Synchronous)?;
    points.push(SweepPoint::of(Step::Synchronous, plan.duration, &sum));
    let mut goes_on = goes_on_after(&sum);
    if goes_on {
        let measured = drive(Step::Saturation)?;
        goes_on = goes_on_after(&measured);
        points.push(SweepPoint::of(Step::Saturation, plan.duration, &measured));
        append(&mut sum, measured);
    }
    if goes_on {
        for offered in rates_between(points[0].achieved, points[1].achieved, n_rates) {
            let step = Step::Rate { offered };
            let measured = drive(step)?;
            // A step that was cut short says nothing of its rate.
            let is_whole = measured.ended == Ended::Complete;
            let point = SweepPoint::of(step, plan.duration, &measured);
            let goes_on = is_whole && !point.is_over_saturated();
            append(&mut sum, measured);
            if is_whole {
                points.push(point);
            }
            if !goes_on {
                break;
            }
        }
    }
    // Time under way of different loads proves nothing together.
    sum.whole.in_flight_ns = 0;
    Ok((sum, Sweep::of(points)))
}

fn goes_on_after(measured: &Measured) -> bool {
    measured.ended == Ended::Complete && measured.whole.n_requests > 0
}

fn step_plan(plan: &TimedPlan, step: Step) -> TimedPlan {
    let mut timed = plan.clone();
    // So that a short step, too, has a second half.
    timed.plan.interval = plan
        .duration
        .map_or(timed.plan.interval, |duration| (duration / 4).clamp(SHORTEST_INTERVAL, timed.plan.interval));
    match step {
        Step::Synchronous => {
            timed.plan.connections = 1;
            timed.plan.pipelining = 1;
            timed.plan.threads = 1;
        }
        Step::Saturation => {}
        Step::Rate { offered } => {
            let stage = Stage { from: offered, to: offered, length: plan.duration };
            timed.plan.pacing = Pacing::Open { stages: vec![stage], arrival: Arrival::Constant };
        }
    }
    timed
}

fn name(step: Step) -> String {
    match step {
        Step::Synchronous => "1 connection: ".to_owned(),
        Step::Saturation => "saturation: ".to_owned(),
        Step::Rate { offered } => format!("{} requests/s: ", units::rate(offered)),
    }
}

fn append(sum: &mut Measured, next: Measured) {
    // One histogram of latencies cannot hold both kinds.
    let next_whole = Interval { uncorrected: None, ..next.whole };
    sum.whole.merge(&next_whole);
    sum.seconds.extend(next.seconds);
    if sum.ended == Ended::Complete {
        sum.ended = next.ended;
    }
}
