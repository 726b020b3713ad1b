//! `lock-held-across-io`: requests wait for one another, one at a time.

use super::waits::{MIN_WAIT_MS, Said, Waits, at, confidence, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Evidence, Finding, Severity};
use crate::words::{millis, percent};
use crate::{Facts, gain};
use slowpath_analysis::WaitKind;

/// Least share of a request's time.
const MIN_SHARE: f64 = 0.2;

/// Share from which on it is a main cause.
const HIGH_SHARE: f64 = 0.4;

/// Fewer requests than this that let others go on are an accident: one that warmed a cache for all.
const MIN_WAKERS: u64 = 10;

pub(super) const RULE: Rule = Rule {
    id: "lock-held-across-io",
    summary: "requests wait for one another: a lock, a queue or a pool lets only so many go on at once",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A mutex, a chain of promises, a queue with limited concurrency or a pool is held while its holder waits for I/O. The other
requests wait until the holder has finished.",
        why_it_hurts: "\
However many requests come, they pass one at a time (or as many as the limit allows) at the speed of the I/O inside; the CPU idles.",
        how_recognised: "\
What a request awaited was resolved by the code of another request that was still under way, and this wait is on its critical path. Fires when such waits take
20 % of the time of requests and 5 ms or more, and at least 10 different requests let others go on.",
        lookalikes: "\
Requests that share one promise on purpose (a cache that loads once, a data loader) wait for the one that came first; then few
requests let others go on. A pool of database connections that is too small looks the same as a lock and is one.",
        what_to_do: "\
Do the I/O before taking the lock or after giving it back; lock per key instead of for all; raise the limit of the queue or pool.",
        example: Example {
            language: "js",
            before: "\
await mutex.runExclusive(async () => {
  const token = await refresh(account);         // every request waits for this one
  tokens.set(account, token);
});",
            after: "\
const token = await refreshOnce(account);       // one refresh an account, nobody else waits
tokens.set(account, token);",
        },
        thresholds: "\
20 % of the time of requests: twice the least that any finding is made of, because some waiting for one another is
normal. 40 %: more than any other single wait can then have by far. 10 requests that let others go on: fewer are caches being filled.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = measured(facts) else { return Vec::new() };
    let waits = Waits::of_kind(measure, WaitKind::Lock);
    let n_wakers: u64 = measure
        .sites
        .iter()
        .filter(|site| site.place.kind == WaitKind::Lock)
        .map(|site| site.n_wakers)
        .max()
        .unwrap_or(0);
    if waits.share < MIN_SHARE || waits.mean_ms < MIN_WAIT_MS || n_wakers < MIN_WAKERS {
        return Vec::new();
    }
    let (confidence, confidence_why) = confidence(measure.n_followed);
    let package = waits.place().and_then(|place| place.package.clone());
    let what = package.map_or("a lock".to_owned(), |package| format!("{package} (a lock, queue or pool)"));
    let said = Said {
        rule: RULE.id,
        title: format!("requests wait for one another at {what} for {} of their time", percent(waits.share)),
        severity: if waits.share >= HIGH_SHARE { Severity::High } else { Severity::Medium },
        confidence,
        confidence_why,
        predicted_gain: gain::of_waiting_less(facts, waits.share),
        evidence: vec![Evidence {
            text: format!("{n_wakers} different requests let the followed ones go on"),
            value: Some(n_wakers as f64),
            unit: "requests",
            n_samples: Some(measure.n_followed),
            recorder: "async",
        }],
        advice: format!(
            "Look at {}: each request waits {} there for other requests to finish. Take I/O out of what is locked, lock per key, or \
             raise the limit.",
            at(waits.place()),
            millis(waits.mean_ms)
        ),
    };
    vec![waits.finding(facts, measure, said)]
}
