//! `event-loop-stall`: the loop was held for long at a time though the thread was not busy all along.

use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::gain::SATURATED;
use crate::words::{function_name, millis, percent, place};
use slowpath_analysis::Stall;
use slowpath_profile::Nanos;
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Shortest stall that a person would call one: requests that it catches wait at least this long.
const MIN_STALL: Nanos = Nanos(50_000_000);

/// Fewer stalls than this are incidents: a pause of the machine, a first compilation. Unless they take a good part of
/// the time.
const MIN_STALLS: usize = 3;

/// Share of the time from which on even a single stall counts.
const MUCH_TIME: f64 = 0.05;

/// A stall in which the thread was seen running for less than this share was the machine's doing, not the target's.
const MIN_SAMPLED: f64 = 0.3;

/// Stalls below this share of the time in all are incidents, not a cause.
const MIN_SHARE: f64 = 0.01;

pub(super) const RULE: Rule = Rule {
    id: "event-loop-stall",
    summary: "the event loop was held for long at a time while the thread was not busy all along",
    breadth: Breadth::General,
    documentation: Documentation {
        what: "\
One stretch of synchronous work holds the event loop for tens of milliseconds or more.",
        why_it_hurts: "\
Every request that arrives meanwhile, however cheap, waits for its end: p99 is high though the CPU is not.",
        how_recognised: "\
A timer that is due each 10 ms comes late. Intervals of 50 ms and more are joined with the CPU samples taken in them,
which names the function that held the loop longest. The rule leaves saturated threads alone: there the loop is late
because there is more work than time, which `cpu-hot-function` explains.",
        lookalikes: "\
A process that was not given a CPU (`cpu-starved`), or was stopped by a debugger.",
        what_to_do: "\
Cut the work into pieces (`setImmediate` between them), move it to a worker thread, or do it less often.",
        example: Example {
            language: "js",
            before: "\
setInterval(() => accounts.forEach(check), 5000);",
            after: "\
setInterval(async () => {
  for (const account of accounts) {
    check(account);
    await new Promise(setImmediate);      // let requests in between
  }
}, 5000);",
        },
        thresholds: "\
50 ms: requests that it catches wait at least this long, and half of a p99 target of 100 ms is gone. Fewer than 3 stalls
are incidents (a pause of the machine, a first compilation) unless they take 5 % of the time; below 1 % in all they
are no cause. A stall in which the thread was seen running for less than 30 % was the machine's doing; so was one without samples when the thread waited
for a CPU for half of its length.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(event_loop) = &facts.measurements.event_loop else {
        return Vec::new();
    };
    let saturated = facts.measurements.split.as_ref().is_some_and(|split| split.utilisation() >= SATURATED);
    // What samples say of most of the stalls that they cover goes for those that they do not cover.
    let sampled: Vec<f64> = event_loop.stalls.iter().filter_map(|stall| stall.sampled_share).collect();
    let n_own = sampled.iter().filter(|share| **share >= MIN_SAMPLED).count();
    let mostly_own = 2 * n_own >= sampled.len();
    let own_doing = |stall: &Stall| match (stall.sampled_share, stall.waited_for_cpu) {
        (Some(share), _) => share >= MIN_SAMPLED,
        (None, Some(_)) => mostly_own && 2 * stall.own().0 >= stall.end.since(stall.start).0,
        (None, None) => mostly_own,
    };
    let counts = |stall: &&Stall| {
        stall.end.since(stall.start) >= MIN_STALL && (stall.never_ended || (!saturated && own_doing(stall)))
    };
    let mut by_culprit: BTreeMap<Option<FunctionId>, Vec<&Stall>> = BTreeMap::new();
    // Stalls outside the cpu phase have no samples; they most likely have the culprit of those that do.
    let stalls: Vec<&Stall> = event_loop.stalls.iter().filter(counts).collect();
    let known: std::collections::BTreeSet<_> = stalls.iter().filter_map(|stall| stall.culprit).collect();
    let only = if known.len() == 1 { known.first().copied() } else { None };
    for stall in stalls {
        by_culprit.entry(stall.culprit.or(only)).or_default().push(stall);
    }
    let findings = by_culprit.into_iter().filter_map(|(culprit, stalls)| finding(facts, culprit, &stalls));
    findings.collect()
}

fn finding(facts: Facts<'_>, culprit: Option<FunctionId>, stalls: &[&Stall]) -> Option<Finding> {
    let phases = &facts.measurements.phases;
    let measured: f64 = phases.measured().map(slowpath_analysis::Phase::seconds).sum();
    let length = |stall: &&Stall| stall.end.since(stall.start).as_secs_f64();
    let total: f64 = stalls.iter().map(length).sum();
    let longest = stalls.iter().map(length).fold(0.0, f64::max);
    let share = (total / measured).min(1.0);
    let never_ended = stalls.iter().any(|stall| stall.never_ended);
    let few = stalls.len() < MIN_STALLS && share < MUCH_TIME && !never_ended;
    if share < MIN_SHARE || few {
        return None;
    }
    let function = culprit.map(|id| facts.profile.functions.get(id));
    let by = function.map_or("code that was not sampled".into(), function_name);
    let title = if never_ended {
        format!("the event loop hangs in {by} since {:.1} s", phases.since_start(stalls[0].start))
    } else {
        format!("{by} held the event loop {} times, up to {}", stalls.len(), millis(longest * 1e3))
    };
    Some(Finding {
        rule: RULE.id,
        title,
        severity: if never_ended || longest >= 0.1 { Severity::High } else { Severity::Medium },
        confidence: if function.is_some() { Confidence::High } else { Confidence::Medium },
        confidence_why: match function {
            Some(_) => "the stalls were seen, and CPU samples taken in them".into(),
            None => "the stalls were seen, but no CPU samples were taken in them".into(),
        },
        share: Some(share),
        share_of: "measured time",
        predicted_gain: None,
        location: function.map(|function| Location::of(function, stalls.first().map(|stall| stall.pid))),
        evidence: vec![Evidence {
            text: format!(
                "{} stalls of {} or more, {} in all ({} of the measured time), longest {}",
                stalls.len(),
                millis(MIN_STALL.as_millis_f64()),
                millis(total * 1e3),
                percent(share),
                millis(longest * 1e3)
            ),
            value: Some(total * 1e3),
            unit: "ms",
            n_samples: Some(stalls.len() as u64),
            recorder: "loop",
        }],
        advice: match function {
            Some(function) => format!(
                "Cut the work of {by} in {} into pieces, move it to a worker thread, or do it less often.",
                place(function)
            ),
            None => {
                "Give the cpu phase more time (`--only cpu`), so that samples fall into the stalls.".into()
            }
        },
        function: culprit,
        intervals: stalls.iter().map(|s| (phases.since_start(s.start), phases.since_start(s.end))).collect(),
    })
}
