//! Drives a sweep, one step after the other, each a load of its own.

use super::drive::Limits;
use super::measured::{Ended, Measured};
use super::plan::TimedPlan;
use super::report::LoadReport;
use super::results::{ResultsHead, ResultsWriter};
use super::run::{Load, is_cut_short};
use super::sweep::{Step, Sweep, SweepPoint, rates_between};
use super::units;
use slowpath_load::{Arrival, Interval, Pacing, Stage};
use std::sync::{Arc, Mutex, PoisonError};

/// Runs the steps until the server does not keep up, and returns what they found.
pub(crate) fn run(
    load: &mut Load<'_>,
    plan: &TimedPlan,
    n_rates: u32,
    head: &ResultsHead,
) -> anyhow::Result<LoadReport> {
    let out = load.options.results.out.as_deref();
    let writer = out.map(|path| ResultsWriter::create(path, head)).transpose()?;
    let writer = writer.map(|writer| Arc::new(Mutex::new(writer)));
    let mut points: Vec<SweepPoint> = Vec::new();
    let mut sum: Option<Measured> = None;
    let mut rates: Vec<f64> = Vec::new();
    let mut steps = vec![Step::Saturation, Step::Synchronous];
    while let Some(step) = steps.pop() {
        let measured = load.drive(
            step_plan(plan, step),
            Limits { duration: plan.duration, bailout: None },
            &name(step),
            writer.clone(),
        )?;
        let is_cut_short = is_cut_short(&measured);
        let point = SweepPoint::of(step, &measured);
        let ends = point.is_over_saturated() || measured.nothing_succeeded();
        match &mut sum {
            Some(sum) => append(sum, measured),
            sum => *sum = Some(measured),
        }
        if is_cut_short {
            break;
        }
        points.push(point);
        if ends {
            break;
        }
        if step == Step::Saturation {
            rates = rates_between(points[0].achieved, points[1].achieved, n_rates);
            rates.reverse();
        }
        if steps.is_empty()
            && let Some(offered) = rates.pop()
        {
            steps.push(Step::Rate { offered });
        }
    }
    let Some(mut measured) = sum else { anyhow::bail!("a sweep has at least one step") };
    let sweep = Sweep::of(points);
    if let Some(writer) = writer.and_then(Arc::into_inner) {
        let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        writer.finish(&measured.whole, measured.ended, Some(&sweep))?;
    }
    // Time under way of different loads proves nothing together.
    measured.whole.in_flight_ns = 0;
    let mut report =
        LoadReport::new(load.settings.clone(), measured, head.shards.clone(), &load.options.results.fail_if);
    report.sweep = Some(sweep);
    Ok(report)
}

fn step_plan(plan: &TimedPlan, step: Step) -> TimedPlan {
    let mut timed = plan.clone();
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
