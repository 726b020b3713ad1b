//! `string-concat-growth`: a buffer is copied whole each time something is added to it.

use super::counted::{Cost, MIN_SHARE, bytes, counted, counters, number, of_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};

/// Additions per request from which on the copying grows with the square of what is gathered.
const MIN_PER_REQUEST: f64 = 4.0;

pub(super) const RULE: Rule = Rule {
    id: "string-concat-growth",
    summary: "a buffer is copied whole each time something is added to it",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`all = Buffer.concat([all, chunk])` stands in the loop that receives a body or a stream: each piece copies everything before it.",
        why_it_hurts: "\
The bytes copied grow with the square of the size: 1 MB in pieces of 16 kB copies 32 MB, and each copy is garbage at once.",
        how_recognised: "\
The counters phase sees `Buffer.concat` whose first part is the last result. Fires from 5 % of busy time and four such calls per request
on. Strings are not seen: V8 joins `text += chunk` lazily, and what it costs shows where the text is first read (`cpu-hot-function`).",
        lookalikes: "\
One `Buffer.concat(chunks)` at the end is right.",
        what_to_do: "\
Gather the pieces in an array and join them once, at the end. Look for a line's end in the new piece only, not in all the text.",
        example: Example {
            language: "js",
            before: "let body = Buffer.alloc(0);\nrequest.on('data', (chunk) => { body = Buffer.concat([body, chunk]); });",
            after: "const chunks = [];\nrequest.on('data', (chunk) => chunks.push(chunk)).on('end', () => done(Buffer.concat(chunks)));",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell; four pieces copy twice what is needed.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for sum in counters.by_function(|row| row.kind == "buffer.concat.growth") {
        let per_request = counters.per_request(sum.sum.n);
        let cost = Cost::of(facts, counters, &sum);
        if per_request < MIN_PER_REQUEST || !cost.matters(facts, MIN_SHARE) {
            continue;
        }
        let function = facts.profile.functions.get(sum.function);
        let name = function_name(function);
        let copied = bytes(counters.per_request(sum.sum.bytes));
        let text =
            format!("{} additions copy {copied} per request, at line {}", number(per_request), sum.line);
        let evidence = vec![counted(text, per_request, "per request", sum.sum.n)];
        let title = format!(
            "{name} copies a growing buffer for each piece: {} of the busy time",
            percent(cost.share)
        );
        let advice = format!("In {name} at {}: gather the pieces and join them once.", place(function));
        findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
    }
    findings
}
