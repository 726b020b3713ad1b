//! `event-loop-starved-by-microtasks`: promise jobs or ticks make one another, and the loop does not turn meanwhile.

use super::waits::{at, location_of};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Evidence, Finding, Severity};
use crate::words::{millis, named, percent};
use slowpath_analysis::{JobTurns, Stall};
use slowpath_profile::Nanos;

/// Shortest stall that counts, as of `event-loop-stall`.
const MIN_STALL: Nanos = Nanos(50_000_000);

/// Fewer stalls than this are incidents, such as a cache that is filled once.
const MIN_STALLS: usize = 3;

/// Turns of promise jobs that must have been seen: hooks are on for a part of the time only.
const MIN_TURNS: u64 = 2;

/// Least share of the measured time: what `event-loop-stall` needs.
const MIN_SHARE: f64 = 0.01;

/// The stalls are these turns if such turns come at least half as often as stalls, and take at least half as long.
const ACCOUNTED: f64 = 0.5;

/// From here on it is a main cause: the 100 ms that people commonly ask of an API's p99.
const HIGH_MS: f64 = 100.0;

pub(super) const RULE: Rule = Rule {
    id: "event-loop-starved-by-microtasks",
    summary: "promise jobs or ticks run one after the other for long, and the event loop cannot turn",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A loop that awaits what is there already, a recursion over promises, or `process.nextTick` that schedules itself: hundreds or thousands of short
callbacks in a row. Node runs all of them, those that they add included, before it looks at timers and sockets again.",
        why_it_hurts: "\
`await` looks as if others could run in between, but timers, answers of upstreams and all other requests wait until the last of
these jobs is done. No single function takes long, so a profile shows nothing unusual.",
        how_recognised: "\
While the async recorder's hooks are on they count promise jobs and ticks of each turn of the loop. A turn counts that lasts 20 ms or more with 256 jobs or
more, no 64 of which take more than half of it. Fires when the loop recorder sees at least 3 stalls of 50 ms or more in phases without hooks, 1 % of their time, and
such turns come at least half as often, twice at least, and take at least half as long.",
        lookalikes: "\
One long synchronous function, also after an `await`, is one job: `event-loop-stall` names it. Many requests that are ready at once are a turn each.
Hooks make such turns several times as long, so their length is taken from phases without hooks.",
        what_to_do: "\
Let the loop turn now and then: `await setImmediate()` (of `timers/promises`) every few hundred items; await only where something is awaited;
use `setImmediate` in place of `process.nextTick` in recursions; hand large work to a worker thread.",
        example: Example {
            language: "js",
            before: "\
for (const row of rows) total += await scoreOf(row);       // scoreOf mostly answers from a cache",
            after: "\
import { setImmediate } from 'node:timers/promises';
for (const [n, row] of rows.entries()) {
  total += await scoreOf(row);
  if (n % 500 === 499) await setImmediate();               // others have their turn
}",
        },
        thresholds: "\
50 ms, 3 stalls and 1 % of the time: as of `event-loop-stall`. 256 jobs: with fewer each takes so long that it is the job that is slow. Half as often and as
long: otherwise the stalls are somebody else's.",
    },
    check,
};

/// What the loop recorder saw where hooks were off, of which promise jobs are the cause.
struct Stalled {
    n: usize,
    total_s: f64,
    longest_ms: f64,
    measured_s: f64,
    intervals: Vec<(f64, f64)>,
}

impl Stalled {
    fn of(facts: Facts<'_>) -> Option<Self> {
        let event_loop = facts.measurements.event_loop.as_ref()?;
        let phases = &facts.measurements.phases;
        let undisturbed: Vec<_> = phases.measured().filter(|phase| !phase.is_instrumented()).collect();
        let counts = |stall: &&Stall| {
            stall.own() >= MIN_STALL && undisturbed.iter().any(|phase| phase.contains(stall.start))
        };
        let stalls: Vec<&Stall> = event_loop.stalls.iter().filter(counts).collect();
        let length = |stall: &&&Stall| stall.own().as_secs_f64();
        let measured_s = undisturbed.iter().map(|phase| phase.seconds()).sum();
        Some(Self {
            n: stalls.len(),
            total_s: stalls.iter().map(|stall| length(&stall)).sum(),
            longest_ms: 1e3 * stalls.iter().map(|stall| length(&stall)).fold(0.0, f64::max),
            measured_s,
            intervals: stalls
                .iter()
                .map(|s| (phases.since_start(s.start), phases.since_start(s.end)))
                .collect(),
        })
    }

    /// Whether these turns, seen in so many ms, are what stalled the loop.
    fn is_by(&self, turns: &JobTurns, on_ms: f64) -> bool {
        let turns_a_second = turns.n_turns as f64 / (on_ms / 1e3).max(1e-3);
        let stalls_a_second = self.n as f64 / self.measured_s.max(1e-3);
        turns_a_second >= ACCOUNTED * stalls_a_second
            && turns.longest.as_millis_f64() >= ACCOUNTED * self.longest_ms
    }
}

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = &facts.measurements.async_ops else { return Vec::new() };
    let Some(stalled) = Stalled::of(facts) else { return Vec::new() };
    let on_ms = measure.hooks.as_ref().map_or(0.0, |hooks| hooks.on_ms);
    let share = stalled.total_s / stalled.measured_s.max(1e-3);
    // One loop: where several places make such turns, the one with most time in them is named.
    let turns = measure.job_turns.first();
    let turns = turns.filter(|turns| turns.n_turns >= MIN_TURNS && stalled.is_by(turns, on_ms));
    match turns {
        Some(turns) if stalled.n >= MIN_STALLS && share >= MIN_SHARE => vec![finding(facts, turns, &stalled)],
        _ => Vec::new(),
    }
}

fn finding(facts: Facts<'_>, turns: &JobTurns, stalled: &Stalled) -> Finding {
    let what = if 2 * turns.n_ticks > turns.n_jobs { "ticks" } else { "promise jobs" };
    let place = &turns.place;
    let function =
        facts.profile.functions.iter().find(|(_, f)| f.name == place.function && f.file == place.file);
    let share = (stalled.total_s / stalled.measured_s).min(1.0);
    Finding {
        rule: RULE.id,
        title: format!(
            "{what} of {} kept the event loop from turning {} times, up to {}",
            named(&place.function),
            stalled.n,
            millis(stalled.longest_ms)
        ),
        severity: if stalled.longest_ms >= HIGH_MS { Severity::High } else { Severity::Medium },
        confidence: Confidence::High,
        confidence_why: "the jobs of such turns were counted".into(),
        share: Some(share),
        share_of: "measured time",
        predicted_gain: None,
        location: Some(location_of(place)),
        evidence: vec![
            Evidence {
                text: format!(
                    "{} stalls of {} or more without hooks, {} in all ({} of the measured time), longest {}",
                    stalled.n,
                    millis(MIN_STALL.as_millis_f64()),
                    millis(stalled.total_s * 1e3),
                    percent(share),
                    millis(stalled.longest_ms)
                ),
                value: Some(stalled.total_s * 1e3),
                unit: "ms",
                n_samples: Some(stalled.n as u64),
                recorder: "loop",
            },
            Evidence {
                text: format!(
                    "{} turns with {:.0} {what} each on average while hooks counted them",
                    turns.n_turns,
                    turns.n_jobs as f64 / turns.n_turns as f64
                ),
                value: Some(turns.n_jobs as f64 / turns.n_turns as f64),
                unit: "jobs per turn",
                n_samples: Some(turns.n_turns),
                recorder: "async",
            },
        ],
        advice: format!(
            "Let the loop turn in between: every few hundred items `await setImmediate()` of `timers/promises` in {}.",
            at(Some(place))
        ),
        function: function.map(|(id, _)| id),
        intervals: stalled.intervals.clone(),
    }
}
