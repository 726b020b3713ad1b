//! `json-churn`: parsing and serialising JSON takes a large part of the busy time.

use super::counted::{Cost, MIN_SHARE, bytes, counted, counters, number, of_cost};
use super::hot_code::pieces_per_answer;
use super::{Breadth, Documentation, Example, Rule, deep_copy_per_request};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};

/// Least share where nothing shows that the work is avoidable: a service that only passes JSON on spends up to a fifth in it.
const MIN_SHARE_ONCE: f64 = 0.25;

/// Calls per request and function from which on one value is likely handled several times.
const MANY_CALLS: f64 = 3.0;

/// Share of serialisations that gave the same text again, from which on keeping the text is the remedy.
const MOSTLY_AGAIN: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    id: "json-churn",
    summary: "parsing and serialising JSON takes a large part of the busy time",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`JSON.parse` and `JSON.stringify` are called more often, or on more, than a request needs: the same value is serialised
again, or turned to text and back between layers.",
        why_it_hurts: "\
Both run on the main thread, at some 50 to 300 MB/s, and leave garbage of the size of the text and more. Nothing else runs
meanwhile.",
        how_recognised: "\
The counters phase wraps both functions: calls, characters, time, and the line of the application that called. Fires from
5 % of busy time on where a function serialises the same object to the same text again, or makes three calls and more per
request (of streams: per piece); else from 25 % on. CPU samples bound the share from above.",
        lookalikes: "\
A large request or answer that has to be parsed or written once: below a quarter of the busy time that is not called churn.
A copy through JSON: `deep-copy-per-request` says so.",
        what_to_do: "\
Serialise a value that does not change once, and keep the text. Pass objects between layers, not texts. Parse once, at the
edge. Read one field of a large text with a streaming parser, or let the client send less.",
        example: Example {
            language: "js",
            before: "res.end(JSON.stringify(catalogue));           // the same text for each request",
            after: "const text = JSON.stringify(catalogue);       // once, and again when it changes\nres.end(text);",
        },
        thresholds: "\
5 % is what a load test can just tell. A gateway that only passes JSON on was measured at 5–20 %, so a single pass counts
from a quarter on.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let copied = deep_copy_per_request::copying_functions(facts, counters);
    let again = counters.by_function(|row| row.kind == "json.stringify.again");
    let texts = counters.by_function(|row| row.kind == "json.stringify");
    let functions = counters.by_function(|row| matches!(row.kind.as_str(), "json.parse" | "json.stringify"));
    let mut findings = Vec::new();
    for sum in functions.iter().filter(|sum| !copied.contains(&sum.function)) {
        let of = |sums: &[slowpath_analysis::FunctionSum]| {
            sums.iter().find(|other| other.function == sum.function).map_or(0.0, |other| other.sum.n)
        };
        let repeated = of(&again) / of(&texts).max(1.0);
        let per_request = counters.per_request(sum.sum.n);
        // Each piece of a stream is parsed and written once.
        let is_avoidable =
            repeated >= MOSTLY_AGAIN || per_request >= MANY_CALLS * pieces_per_answer(counters);
        let cost = Cost::of(facts, counters, sum);
        if !cost.matters(facts, if is_avoidable { MIN_SHARE } else { MIN_SHARE_ONCE }) {
            continue;
        }
        let function = facts.profile.functions.get(sum.function);
        let size = bytes(counters.per_request(sum.sum.bytes));
        let mut evidence = vec![counted(
            format!(
                "{} JSON calls and {size} of text per request, at line {}",
                number(per_request),
                sum.line
            ),
            per_request,
            "per request",
            sum.sum.n,
        )];
        let mut remedy = "parse once at the edge, pass objects on, and serialise once";
        if repeated >= MOSTLY_AGAIN {
            let text = format!(
                "{} of what it serialises is an object that gave the same text before",
                percent(repeated)
            );
            evidence.push(counted(text, repeated, "share", of(&texts)));
            remedy = "serialise what does not change once, and keep the text";
        }
        let title =
            format!("{} spends {} of the busy time on JSON", function_name(function), percent(cost.share));
        let advice = format!("In {} at {}: {remedy}.", function_name(function), place(function));
        findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
    }
    findings
}
