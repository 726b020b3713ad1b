//! `event-loop-starved-by-microtasks`: promise jobs or ticks make one another, and the loop does not turn meanwhile.

use super::waits::at;
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Evidence, Finding, Severity};
use crate::words::{millis, percent};
use slowpath_analysis::{AsyncMeasure, JobTurns};

/// Shortest longest turn: what `event-loop-stall` calls a stall.
const MIN_LONGEST_MS: f64 = 50.0;

/// From here on it is a main cause: the 100 ms that people commonly ask of an API's p99.
const HIGH_MS: f64 = 100.0;

/// Least share of the observed time: what `event-loop-stall` calls much.
const MIN_SHARE: f64 = 0.05;

/// Fewer turns than this are incidents, such as a cache that is filled once.
const MIN_TURNS: u64 = 3;

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
more, no 64 of which take more than half of it. Fires when at least 3 such turns take 5 % of the time that hooks were on, and the longest 50 ms.",
        lookalikes: "\
One long synchronous function, also after an `await`, is one job: `event-loop-stall` names it. Many requests that are ready at once are a turn each.
Hooks make short jobs two to three times as long as they are without: read the share, not the milliseconds.",
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
50 ms and 5 % of the time: as of stalls. 3 turns: fewer are incidents. 256 jobs: with fewer each takes so long that it is the job that is slow.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = &facts.measurements.async_ops else { return Vec::new() };
    let counts = |turns: &&JobTurns| {
        turns.share >= MIN_SHARE
            && turns.n_turns >= MIN_TURNS
            && turns.longest.as_millis_f64() >= MIN_LONGEST_MS
    };
    measure.job_turns.iter().filter(counts).map(|turns| finding(facts, measure, turns)).collect()
}

fn finding(facts: Facts<'_>, measure: &AsyncMeasure, turns: &JobTurns) -> Finding {
    let phases = &facts.measurements.phases;
    let what = if 2 * turns.n_ticks > turns.n_jobs { "ticks" } else { "promise jobs" };
    let longest_ms = turns.longest.as_millis_f64();
    let place = &turns.place;
    let function =
        facts.profile.functions.iter().find(|(_, f)| f.name == place.function && f.file == place.file);
    let on_ms = measure.hooks.as_ref().map_or(0.0, |hooks| hooks.on_ms);
    Finding {
        rule: RULE.id,
        title: format!(
            "{what} of {} kept the event loop from turning {} times, up to {}",
            crate::words::named(&place.function),
            turns.n_turns,
            millis(longest_ms)
        ),
        severity: if longest_ms >= HIGH_MS { Severity::High } else { Severity::Medium },
        confidence: Confidence::High,
        confidence_why: "the jobs of these turns were counted".into(),
        share: Some(turns.share),
        share_of: "observed time",
        predicted_gain: None,
        location: Some(super::waits::location_of(place)),
        evidence: vec![Evidence {
            text: format!(
                "{} turns with {:.0} {what} each on average, {} in all: {} of the {} in which they were counted",
                turns.n_turns,
                turns.n_jobs as f64 / turns.n_turns as f64,
                millis(turns.total.as_millis_f64()),
                percent(turns.share),
                millis(on_ms)
            ),
            value: Some(turns.total.as_millis_f64()),
            unit: "ms",
            n_samples: Some(turns.n_turns),
            recorder: "async",
        }],
        advice: format!(
            "Let the loop turn in between: every few hundred items `await setImmediate()` of `timers/promises` in {}.",
            at(Some(place))
        ),
        function: function.map(|(id, _)| id),
        intervals: turns
            .turns
            .iter()
            .map(|(from, to)| (phases.since_start(*from), phases.since_start(*to)))
            .collect(),
    }
}
