//! `socket-pool-wait`: outgoing requests wait for a free socket of an HTTP agent.

use super::waits::{Said, Waits, at, confidence, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Finding, Severity};
use crate::words::{millis, percent};
use crate::{Facts, gain};
use slowpath_analysis::WaitKind;

/// Least share of a request's time: what `event-loop-stall` and others need too.
const MIN_SHARE: f64 = 0.1;

/// Share from which on it is a main cause.
const HIGH_SHARE: f64 = 0.3;

/// Least mean wait, ms: below it nobody notices.
const MIN_MS: f64 = 1.0;

pub(super) const RULE: Rule = Rule {
    id: "socket-pool-wait",
    summary: "outgoing requests wait for a free socket of an HTTP agent or pool",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
An `http.Agent` with `maxSockets`, or a pool of undici (`fetch` with a dispatcher) with `connections`, lets only so many requests to one host go at
once; the others wait in its queue.",
        why_it_hurts: "\
A request waits for others' answers before its own question is even sent, though the upstream may be idle.",
        how_recognised: "\
On the critical path of followed requests, the time from creating an outgoing request to the moment that the agent gave it a
socket, or undici wrote it to one. Fires from 10 % of the time of requests and 1 ms on.",
        lookalikes: "\
A slow upstream keeps sockets busy for longer, so that more requests queue: the wait for its answers is counted apart
(`slow-upstream`); so is the time in which a new connection is made.",
        what_to_do: "\
Raise `maxSockets` (`connections` of undici) to the number of requests that the upstream can take at once, or remove the limit; use one agent for all requests.",
        example: Example {
            language: "js",
            before: "\
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });",
            after: "\
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });",
        },
        thresholds: "\
10 % of the time of requests is the least that any finding is made of; from 30 % on it is a main cause. At least 10 followed
requests.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = measured(facts) else { return Vec::new() };
    let waits = Waits::of_kind(measure, WaitKind::SocketPool);
    if waits.share < MIN_SHARE || waits.mean_ms < MIN_MS {
        return Vec::new();
    }
    let (confidence, confidence_why) = confidence(measure.n_followed);
    let said = Said {
        rule: RULE.id,
        title: format!("requests wait for a free socket for {} of their time", percent(waits.share)),
        severity: if waits.share >= HIGH_SHARE { Severity::High } else { Severity::Medium },
        confidence,
        confidence_why,
        predicted_gain: gain::of_waiting_less(facts, waits.share),
        evidence: Vec::new(),
        advice: format!(
            "Raise `maxSockets` of the agent (`connections` of the undici pool) that {} uses: each request waits {} for others' answers before its own question \
             is sent.",
            at(waits.place()),
            millis(waits.mean_ms)
        ),
    };
    vec![waits.finding(facts, measure, said)]
}
