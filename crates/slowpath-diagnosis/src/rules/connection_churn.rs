//! `connection-churn`: connections are opened for single requests instead of being kept.

use super::counted::{counted, counters, is_same_host, main_place, number, of_count, sender};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Finding, PredictedGain, Severity};
use crate::gain::{self, Saving};
use crate::words::{function_name, percent, place};
use slowpath_analysis::{CounterMeasure, WaitKind};

/// Connections per request to the same host from which on they are not kept: with keep-alive it is a hundredth and less.
const MIN_PER_SENT: f64 = 0.3;

/// Connections per request that arrives from which on it is part of serving one.
const MIN_PER_REQUEST: f64 = 0.2;

/// Least connections: a pool that fills up at the beginning opens some dozens.
const MIN_CONNECTIONS: f64 = 50.0;

pub(super) const RULE: Rule = Rule {
    id: "connection-churn",
    summary: "connections are opened for single requests instead of being kept",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
The service opens a connection for each request, or for many, that it sends to the same host: keep-alive is off, the pool of
free sockets is too small, a client is made per request, or the other side closes.",
        why_it_hurts: "\
Each connection costs a round trip, with TLS two more and some milliseconds of computing, a name look-up on a thread of the
pool, and file descriptors that stay in TIME_WAIT.",
        how_recognised: "\
The counters phase counts connections, TLS handshakes and requests by host, and who closed: fires from 0.3 connections per
request sent to the host, 0.2 per request that arrives, and 50 connections on.",
        lookalikes: "\
A pool that is filled at the beginning: few connections per request. Connections to many hosts, once each, are no churn of one.",
        what_to_do: "\
One client or `http.Agent` with `keepAlive: true` for the whole process, `maxFreeSockets` no smaller than the requests in
flight; read every answer to its end. Where the server closes, raise its keep-alive timeout.",
        example: Example {
            language: "js",
            before: "http.get(url, { agent: new http.Agent() }, onAnswer); // a connection each time",
            after: "const agent = new http.Agent({ keepAlive: true }); // one, at start\nhttp.get(url, { agent }, onAnswer);",
        },
        thresholds: "\
With keep-alive a connection carries hundreds of requests. 0.3 leaves room for pools that grow during the phase.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for row in counters.of_kind("net.connect") {
        let host = row.key.as_str();
        let sent = n_of(counters, "http.request", host);
        let per_request = counters.per_request(row.sum.n);
        if row.sum.n < MIN_CONNECTIONS
            || row.sum.n < MIN_PER_SENT * sent
            || per_request < MIN_PER_REQUEST
            || is_redis(counters) && sent == 0.0
        {
            continue;
        }
        // The place that sent the request: the connection itself is often made later.
        let sender = sender(facts, counters, host).or(main_place(row));
        let n_tls = n_of(counters, "tls.connect", host);
        let mut evidence = vec![counted(
            format!("{} connections to {host} per request that arrives", number(per_request)),
            per_request,
            "per request",
            row.sum.n,
        )];
        if sent > 0.0 {
            let text =
                format!("{} of {sent:.0} requests to it opened one", percent((row.sum.n / sent).min(1.0)));
            evidence.push(counted(text, row.sum.n / sent, "share", sent));
        }
        if n_tls > 0.0 {
            evidence.push(counted(
                format!("{n_tls:.0} of them with a TLS handshake"),
                n_tls,
                "handshakes",
                n_tls,
            ));
        }
        let (cause, remedy) = cause(counters, host);
        evidence.extend(cause);
        let function = sender.map(|id| facts.profile.functions.get(id));
        let by = function.map_or(String::new(), |f| format!("In {} at {}: ", function_name(f), place(f)));
        let title = format!("a connection to {host} is opened {} times per request", number(per_request));
        let severity = if n_tls > 0.0 { Severity::High } else { Severity::Medium };
        let mut finding =
            of_count(facts, &RULE, severity, sender, (title, evidence, format!("{by}{remedy}.")));
        let part = (row.sum.n / counters.total("net.connect").n.max(1.0)).min(1.0);
        finding.predicted_gain = without_connecting(facts, host, part);
        finding.severity = Severity::of_gain(finding.predicted_gain, 1.0).max(severity);
        findings.push(finding);
    }
    findings
}

/// Predicts the gain of keeping connections: no waits for new ones to this host, and its `part` of what making and closing
/// connections costs the thread.
fn without_connecting(facts: Facts<'_>, host: &str, part: f64) -> Option<PredictedGain> {
    let waiting = facts.measurements.async_ops.as_ref().map_or(0.0, |followed| {
        followed.all.share(|row| {
            row.place.as_ref().is_some_and(|place| {
                matches!(place.kind, WaitKind::Connect | WaitKind::Dns)
                    && place.remote.as_ref().is_none_or(|remote| is_same_host(remote, host))
            })
        })
    });
    let busy = facts.measurements.charges.connecting * part;
    gain::of_saving(facts, Saving { busy, waiting })
}

/// Returns why connections are not kept, as far as it was counted, and what to do about it.
fn cause(counters: &CounterMeasure, host: &str) -> (Option<crate::finding::Evidence>, &'static str) {
    let n = |kind: &str| n_of(counters, kind, host);
    let (by_us, by_server, no_slot) =
        (n("http.closed_by_us"), n("http.closed_by_server"), n("http.no_free_slot"));
    let evidence = |text: String, n: f64| Some(counted(text, n, "connections", n));
    let largest = by_us.max(by_server).max(no_slot);
    if largest == 0.0 {
        return (
            None,
            "use one client with kept connections for the whole process, and read answers to their end",
        );
    }
    if no_slot >= largest {
        let text = format!("at least {no_slot:.0} were closed because the pool of free sockets was full");
        return (evidence(text, no_slot), "raise `maxFreeSockets` of the agent to the requests in flight");
    }
    if by_server >= largest {
        let text = format!("{by_server:.0} answers said `Connection: close`");
        return (
            evidence(text, by_server),
            "let the server keep connections, or find what asks it to close them",
        );
    }
    let text = format!("{by_us:.0} requests were sent without keep-alive");
    (evidence(text, by_us), "use one `http.Agent` with `keepAlive: true` for the whole process")
}

fn n_of(counters: &CounterMeasure, kind: &str, host: &str) -> f64 {
    counters.of_kind(kind).filter(|row| is_same_host(&row.key, host)).map(|row| row.sum.n).sum()
}

/// Whether the service talks to a Redis: its connections are counted there.
fn is_redis(counters: &CounterMeasure) -> bool {
    counters.total("redis.command").n > 0.0
}
