//! `thread-pool-saturated`: file, crypto, compression and name look-ups queue for libuv's few threads.

use super::waits::{Said, Waits, at, confidence, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Evidence, Finding, Severity};
use crate::words::{millis, percent};
use crate::{Facts, gain};
use slowpath_analysis::{AsyncMeasure, PoolUse, WaitKind};

/// Least share of a request's time in tasks of the pool.
const MIN_SHARE: f64 = 0.2;

/// Share of the time with more tasks than threads from which on the pool is what limits.
const MIN_FULL: f64 = 0.5;

/// Share of a task's time that it is queued from which on more threads would help noticeably.
const MIN_QUEUED: f64 = 0.3;

/// Least time queued, ms: below it nobody notices.
const MIN_QUEUED_MS: f64 = 1.0;

/// CPU that the pool's threads want, as a part of one CPU each, from which on they have no time to spare.
const MIN_WANTED: f64 = 0.75;

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
waits 30 % of its time and 1 ms or more for a thread, and such tasks take 20 % of the time of requests. A stream of `zlib` is one operation
to the async recorder however many tasks it is: there the pool is full when its threads want three quarters of a CPU each, by `/proc`, and
more requests wait for compression than there are threads.",
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
    let streams = compressing(facts, measure);
    let uses = [(&measure.pool, "async"), (&streams, "proc")];
    let Some((pool, recorder)) = uses.into_iter().find(|(pool, _)| is_full(pool)) else { return Vec::new() };
    if waits.share < MIN_SHARE {
        return Vec::new();
    }
    let queued = queued_part(pool);
    let (confidence, confidence_why) = confidence(measure.n_followed);
    // Tasks that compute need a CPU each: more threads than CPUs make none of them end sooner.
    let computing = Waits::of(measure, |place| matches!(place.kind, WaitKind::Crypto | WaitKind::Zlib));
    let computes = 2.0 * computing.share >= waits.share && pool.size >= facts.measurements.machine.n_cpus;
    let whom = at(waits.place());
    let advice = if computes {
        format!(
            "Most of it is computed for {whom}, by as many threads as there are CPUs and more: do less of it (a lower level or quality, less data), or keep results that repeat."
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
            recorder,
        }],
        advice,
    };
    vec![waits.finding(facts, measure, said)]
}

fn queued_part(pool: &PoolUse) -> f64 {
    if pool.mean_ms > 0.0 { pool.queued_ms / pool.mean_ms } else { 0.0 }
}

fn is_full(pool: &PoolUse) -> bool {
    pool.full_share >= MIN_FULL && queued_part(pool) >= MIN_QUEUED && pool.queued_ms >= MIN_QUEUED_MS
}

/// Returns how streams that compress use the pool: by what requests wait for them (Little's law), and by what its threads want of
/// the CPUs, running or ready to. It is full all the time or not known to be.
fn compressing(facts: Facts<'_>, measure: &AsyncMeasure) -> PoolUse {
    let size = f64::from(measure.pool.size);
    let zlib = Waits::of_kind(measure, WaitKind::Zlib);
    let in_flight = facts
        .measurements
        .load
        .as_ref()
        .map_or(0.0, |load| load.own.requests_per_second * load.own.latency.mean / 1e3);
    let mean_tasks = zlib.share * in_flight;
    let queued = if mean_tasks > size { 1.0 - size / mean_tasks } else { 0.0 };
    PoolUse {
        n_tasks: measure.n_followed,
        mean_tasks,
        full_share: f64::from(u8::from(wanted(facts) >= size * MIN_WANTED)),
        mean_ms: zlib.mean_ms,
        queued_ms: zlib.mean_ms * queued,
        ..measure.pool
    }
}

/// Returns how many CPUs the threads of the busiest process that run no JavaScript use or are ready to use.
fn wanted(facts: Facts<'_>) -> f64 {
    let Some(split) = &facts.measurements.split else { return 0.0 };
    let process = facts.measurements.processes.iter().filter(|process| process.pid == split.pid);
    let helpers = process.flat_map(|process| &process.threads).filter(|thread| thread.thread.is_none());
    helpers.map(|thread| thread.cpu_share.unwrap_or(0.0) + thread.run_queue_share.unwrap_or(0.0)).sum()
}
