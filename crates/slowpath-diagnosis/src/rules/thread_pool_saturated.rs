//! `thread-pool-saturated`: file, crypto, compression and name look-ups queue for libuv's few threads.

use super::waits::{Said, Waits, at, confidence, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Evidence, Finding, Severity};
use crate::words::{millis, percent};
use crate::{Facts, gain};
use slowpath_analysis::WaitKind;

/// Least share of a request's time in tasks of the pool.
const MIN_SHARE: f64 = 0.2;

/// Share of the time with more tasks than threads from which on the pool is what limits.
const MIN_FULL: f64 = 0.5;

/// Share of a task's time that it is queued from which on more threads would help noticeably.
const MIN_QUEUED: f64 = 0.3;

/// Least time queued, ms: below it nobody notices.
const MIN_QUEUED_MS: f64 = 1.0;

pub(super) const RULE: Rule = Rule {
    id: "thread-pool-saturated",
    summary: "file, crypto, compression and name look-up tasks queue for libuv's thread pool",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
Asynchronous file operations, crypto (`pbkdf2`, `scrypt`, `randomBytes`), zlib and `dns.lookup` run in libuv's thread pool, which has four threads. When more tasks come
than these can do, they queue.",
        why_it_hurts: "\
A quick file read waits behind slow hashes: unrelated requests slow one another down while the main thread idles.",
        how_recognised: "\
The async recorder counts tasks under way at every moment. Fires when there are more tasks than threads for half of the time, a task
waits 30 % of its time and 1 ms or more for a thread, and such tasks take 20 % of the time of requests.",
        lookalikes: "\
A slow disk keeps threads busy in the same way. With a saturated main thread, finished tasks wait for their callbacks: then this rule does not speak.",
        what_to_do: "\
Raise `UV_THREADPOOL_SIZE` (before the process starts) to about the number of cores for crypto and higher for file systems; keep results that repeat; move heavy
crypto into worker threads of its own.",
        example: Example {
            language: "sh",
            before: "node server.js                          # four threads",
            after: "UV_THREADPOOL_SIZE=16 node server.js",
        },
        thresholds: "\
Half of the time full: below it the queue is mostly empty. 30 % queued: less than that, and even an unlimited pool would not make a task half as fast
again. At least 10 followed requests.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = measured(facts) else { return Vec::new() };
    let waits = Waits::of(measure, |place| place.kind.is_pool_task());
    let pool = &measure.pool;
    let queued = if pool.mean_ms > 0.0 { pool.queued_ms / pool.mean_ms } else { 0.0 };
    let is_full = pool.full_share >= MIN_FULL && queued >= MIN_QUEUED && pool.queued_ms >= MIN_QUEUED_MS;
    if waits.share < MIN_SHARE || !is_full {
        return Vec::new();
    }
    let (confidence, confidence_why) = confidence(measure.n_followed);
    // Tasks that compute need a CPU each: more threads than CPUs make none of them end sooner.
    let computing = Waits::of(measure, |place| matches!(place.kind, WaitKind::Crypto | WaitKind::Zlib));
    let computes = 2.0 * computing.share >= waits.share && pool.size >= facts.measurements.machine.n_cpus;
    let whom = at(waits.place());
    let advice = if computes {
        format!(
            "Most of it is computed for {whom}, by as many threads as there are CPUs and more: do less of it, or keep results that repeat."
        )
    } else {
        format!(
            "Most of it is awaited by {whom}. Raise UV_THREADPOOL_SIZE, or do less of it: it is {} now.",
            pool.size
        )
    };
    let said = Said {
        rule: RULE.id,
        title: format!(
            "tasks wait {} for one of the {} threads of libuv's pool, {} of their time",
            millis(pool.queued_ms),
            pool.size,
            percent(queued)
        ),
        severity: Severity::High,
        confidence,
        confidence_why,
        predicted_gain: gain::of_waiting_less(
            facts,
            if computes { waits.share } else { waits.share * queued },
        ),
        evidence: vec![Evidence {
            text: format!(
                "{:.1} tasks under way on average, more than {} for {} of the time; a task takes {}",
                pool.mean_tasks,
                pool.size,
                percent(pool.full_share),
                millis(pool.mean_ms)
            ),
            value: Some(pool.mean_tasks),
            unit: "tasks",
            n_samples: Some(pool.n_tasks),
            recorder: "async",
        }],
        advice,
    };
    vec![waits.finding(facts, measure, said)]
}
