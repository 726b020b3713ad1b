//! `sync-logging`: writing to the console or standard output holds the main thread.

use super::counted::{Cost, MIN_SHARE, bytes, counted, counters, number, of_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, millis, percent, place};
use slowpath_analysis::FunctionSum;
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Calls per request from which on it is part of serving one.
const MIN_PER_REQUEST: f64 = 0.2;

pub(super) const RULE: Rule = Rule {
    id: "sync-logging",
    summary: "writing logs holds the main thread",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`console.log` and its like, or `process.stdout.write`, are called while requests are served, often enough to count.",
        why_it_hurts: "\
Node writes to files, terminals and (on Linux) pipes synchronously: the event loop stands until the reader has taken the
bytes. A reader that is slow (a container's log driver, a pager) slows the service to its own pace. Formatting comes on top.",
        how_recognised: "\
The counters phase times each call of the console and each write to standard output and standard error, by the line that
made it. Fires from 5 % of busy time and one call in five requests on.",
        lookalikes: "\
`sync-fs` where a logger writes to a file of its own with `…Sync`. While slowpath's cpu recorder is on a console call costs
some µs more, so its time is taken from the counters phase.",
        what_to_do: "\
Log less on the way of a request: one line at its end. Use a logger that buffers and writes from a worker thread (pino with a
transport). Check levels before building the text.",
        example: Example {
            language: "js",
            before: "console.log('request', JSON.stringify(request.body));",
            after: "logger.debug({ id: request.id }, 'request'); // pino, buffered, level off in production",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell. A healthy service writes a line per request for 5–20 µs.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    // A console call contains its write: the longer of the two is the time of both.
    let mut by_function: BTreeMap<FunctionId, FunctionSum> = BTreeMap::new();
    let written = counters.by_function(|row| row.kind == "stdout");
    for sum in counters.by_function(|row| row.kind == "console").into_iter().chain(written.clone()) {
        match by_function.get_mut(&sum.function) {
            Some(known) if sum.sum.ms <= known.sum.ms => known.sum.n = known.sum.n.max(sum.sum.n),
            _ => {
                by_function.insert(sum.function, sum);
            }
        }
    }
    let mut findings = Vec::new();
    for sum in by_function.values() {
        let per_request = counters.per_request(sum.sum.n);
        let cost = Cost::of(facts, counters, sum);
        if per_request < MIN_PER_REQUEST || !cost.matters(facts, MIN_SHARE) {
            continue;
        }
        let function = facts.profile.functions.get(sum.function);
        let name = function_name(function);
        let each = sum.sum.ms / sum.sum.n.max(1.0);
        let text =
            format!("{} calls per request, {} each, at line {}", number(per_request), millis(each), sum.line);
        let mut evidence = vec![counted(text, per_request, "per request", sum.sum.n)];
        if let Some(out) = written.iter().find(|out| out.function == sum.function) {
            let text = format!("{} written per request", bytes(counters.per_request(out.sum.bytes)));
            evidence.push(counted(text, counters.per_request(out.sum.bytes), "bytes per request", out.sum.n));
        }
        let title = format!("{name} writes logs for {} of the busy time", percent(cost.share));
        let advice = format!(
            "In {name} at {}: write one line per request at most, through a logger that buffers.",
            place(function)
        );
        findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
    }
    findings
}
