//! `slow-upstream`: requests spend most of their time waiting for another service.

use super::waits::{MIN_WAIT_MS, Said, Waits, at, confidence, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Finding, Severity};
use crate::words::{millis, percent};
use slowpath_analysis::AsyncMeasure;
use std::collections::BTreeSet;

/// Share of a request's time from which on a service is what rules its latency: half.
const MIN_SHARE: f64 = 0.5;

/// A mean wait from which on it is slow rather than just where the time goes: half of the 100 ms that people commonly ask
/// of an API's p99.
const SLOW_MS: f64 = 10.0 * MIN_WAIT_MS;

pub(super) const RULE: Rule = Rule {
    id: "slow-upstream",
    summary: "requests spend most of their time waiting for another service",
    breadth: Breadth::General,
    documentation: Documentation {
        what: "\
Requests ask another service (HTTP, Redis, a database) and wait for its answer for most of their time.",
        why_it_hurts: "\
The latency is the upstream's. More CPU, more processes and faster code of one's own change nothing.",
        how_recognised: "\
The async phase follows requests and finds on each one's critical path what it waited for. Fires when waits for one host
take half of the time of requests or more, and 50 ms or more an answer, while the main thread is not saturated.",
        lookalikes: "\
A stream takes as long as the other side writes it: where most answers are streamed, this is no more than worth
knowing. Waiting for a free socket (`socket-pool-wait`) and new connections are counted apart; so is the time that an answer was there but
the event loop was busy with others.",
        what_to_do: "\
Ask less often (cache, batch), ask side by side instead of one after the other, ask for less, answer with what is there
(stream), set a timeout, or speed that service up.",
        example: Example {
            language: "js",
            before: "\
const rates = await fetch(ratesUrl).then((r) => r.json());      // for each request",
            after: "\
const rates = await cached('rates', 5000, () => fetch(ratesUrl).then((r) => r.json()));",
        },
        thresholds: "\
Half of the time: then nothing else can bring more than this. 50 ms: half of the 100 ms p99 that people commonly ask of an API. At
least 10 followed requests.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = measured(facts) else { return Vec::new() };
    let places = measure.all.rows.iter().filter_map(|row| row.place.as_ref());
    // A stream takes as long as the other side writes it.
    let is_streamed = facts.measurements.counters.as_ref().is_some_and(|counters| {
        2.0 * counters.total("response.streamed").n >= counters.n_requests as f64 && counters.n_requests > 0
    });
    let remotes: BTreeSet<&String> =
        places.filter(|place| place.kind.is_upstream()).filter_map(|place| place.remote.as_ref()).collect();
    let findings = remotes.into_iter().filter_map(|remote| {
        let waits = Waits::of(measure, |place| place.kind.is_upstream() && place.remote.as_ref() == Some(remote));
        if waits.share < MIN_SHARE || waits.mean_ms / n_in_series(measure, remote).max(1.0) < SLOW_MS {
            return None;
        }
        let (confidence, confidence_why) = confidence(measure.n_followed);
        let said = Said {
            rule: RULE.id,
            title: format!("requests wait for {remote} for {} of their time", percent(waits.share)),
            severity: if is_streamed { Severity::Info } else { Severity::Medium },
            confidence,
            confidence_why,
            // What a faster upstream would bring depends on how much faster: no number is right.
            predicted_gain: None,
            evidence: Vec::new(),
            advice: format!(
                "Look at {}, which awaits it. Without that wait a request would take {} instead of {}: ask {remote} less \
                 often or for less, or make it faster.",
                at(waits.place()),
                millis(measure.all.mean.as_millis_f64() - waits.mean_ms),
                millis(measure.all.mean.as_millis_f64())
            ),
        };
        Some(waits.finding(facts, measure, said))
    });
    findings.collect()
}

/// Returns how many questions a request asks `remote` one after the other: many quick answers in series are no slow
/// upstream.
fn n_in_series(measure: &AsyncMeasure, remote: &str) -> f64 {
    let sites = measure.sites.iter().filter(|site| site.place.remote.as_deref() == Some(remote));
    let n: f64 = sites.map(|site| site.mean_in_series * site.n_requests as f64).sum();
    n / measure.n_followed.max(1) as f64
}
