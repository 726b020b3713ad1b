//! `delay-by-timer`: requests wait for a timer that the service's own code set.

use super::waits::{MIN_WAIT_MS, Said, Waits, at, confidence, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Finding, Severity};
use crate::words::{millis, percent};
use crate::{Facts, gain};
use slowpath_analysis::WaitKind;

/// Share of a request's time from which on a timer is what to look at: twice the least that any finding is made of.
const MIN_SHARE: f64 = 0.2;

/// From here on nothing else can take as much.
const HIGH_SHARE: f64 = 0.5;

/// Part of the requests that a timer delays from which on it is how the service works; fewer are what went wrong and is tried again.
const MIN_PART: f64 = 0.3;

pub(super) const RULE: Rule = Rule {
    id: "delay-by-timer",
    summary: "requests wait for a timer that the service itself set",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
On its way to an answer a request waits for `setTimeout`: a pause between retries, a poll that looks again every so often, a
rate limiter, a debounce, a pause that makes a stream look smooth.",
        why_it_hurts: "\
The time is spent whatever machine it runs on and however little there is to do, and it holds the client's connection meanwhile.",
        how_recognised: "\
The async phase follows requests and finds on each one's critical path what it waited for. Fires when timers take 20 % of the
time of requests or more, and 5 ms or more of each, while the main thread is not saturated.",
        lookalikes: "\
A timeout that only guards another wait is not on the critical path and does not count. A timer that fires late because
the loop was held up: the time past its due moment is queueing. A limit that must be kept (an upstream's quota) is a
decision, and the pause its price.",
        what_to_do: "\
Wait for the event itself instead of looking for it again; retry at once at first and back off later; write pieces as they come.",
        example: Example {
            language: "js",
            before: "\
while (!job.done) await sleep(100);            // 50 ms too late on average",
            after: "\
await once(job, 'done');",
        },
        thresholds: "\
20 % of the time of requests: twice the least that any finding is made of. 50 %: then nothing else can take as much. 5 ms: below,
nobody complains. At least 10 followed requests. Where fewer than 30 % of the requests wait for one timer it is told, and nothing is asked for: they went wrong and are
tried again.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = measured(facts) else { return Vec::new() };
    let waits = Waits::of_kind(measure, WaitKind::Timer);
    if waits.share < MIN_SHARE || waits.mean_ms < MIN_WAIT_MS {
        return Vec::new();
    }
    let (confidence, confidence_why) = confidence(measure.n_followed);
    let timers = measure.sites.iter().filter(|site| site.place.kind == WaitKind::Timer);
    let part =
        timers.map(|site| site.n_requests).max().unwrap_or(0) as f64 / measure.n_followed.max(1) as f64;
    let time = percent(waits.share);
    let said = Said {
        rule: RULE.id,
        title: if part < MIN_PART {
            format!("{} of the requests wait for timers, for {time} of the time of all", percent(part))
        } else {
            format!("requests wait for timers for {time} of their time")
        },
        severity: match waits.share {
            _ if part < MIN_PART => Severity::Info,
            HIGH_SHARE.. => Severity::High,
            _ => Severity::Medium,
        },
        confidence,
        confidence_why,
        predicted_gain: gain::of_waiting_less(facts, waits.share),
        evidence: Vec::new(),
        advice: format!(
            "Look at {}, which awaits a timer: without it a request would take {} instead of {}.",
            at(waits.place()),
            millis(measure.all.mean.as_millis_f64() - waits.mean_ms),
            millis(measure.all.mean.as_millis_f64())
        ),
    };
    vec![waits.finding(facts, measure, said)]
}
