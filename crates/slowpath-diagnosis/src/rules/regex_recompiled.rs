//! `regex-recompiled`: a regular expression is built from its source again and again.

use super::counted::{MIN_SHARE, counted, of_cost};
use super::hot_code::{PerRequest, hot_functions, hot_lines, sampled_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};

/// Calls of the function per request from which on the expression is built while requests are served.
const MIN_PER_REQUEST: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    id: "regex-recompiled",
    summary: "a regular expression is built from its source again and again",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`new RegExp(source)` stands on the way of a request, often in a loop, with a source that is the same each time or one of a few.",
        why_it_hurts: "\
V8 parses the source each time and compiles it when it is first used: 1 to 100 µs each, in place of some ns for an expression
that is kept. V8's own cache of sources is small and is emptied by collections.",
        how_recognised: "\
CPU samples by line, and the text of the line: a line that calls `RegExp(` and has 5 % of the busy time, in a function that is
called at least once in two requests (V8's call counts). The constructor itself is not wrapped: that would change the target.",
        lookalikes: "\
An expression that takes long to run is named in the profile as `RegExp: source`: `regex-backtracking`. A source that
really differs each time cannot be kept.",
        what_to_do: "\
Build expressions at start, or keep them in a `Map` by source. For a list of words one expression with alternatives, or a `Set`.",
        example: Example {
            language: "js",
            before: "words.filter((word) => new RegExp(`\\\\b${word}\\\\b`, 'i').test(text));",
            after: "const expressions = words.map((word) => new RegExp(`\\\\b${word}\\\\b`, 'i')); // once, at start",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for function in hot_functions(facts, MIN_SHARE) {
        for owner in
            [function.function].into_iter().chain(function.folded.iter().map(|folded| folded.function))
        {
            let lines = hot_lines(facts, owner);
            let building: Vec<_> = lines.iter().filter(|line| line.text.contains("RegExp(")).collect();
            let share: f64 = building.iter().map(|line| line.share).sum();
            let per_request = PerRequest::of(facts, owner, (MIN_PER_REQUEST, f64::INFINITY));
            let cost = sampled_cost(facts, owner, share);
            let (Some(line), Some(per_request)) = (building.first(), per_request) else { continue };
            if !cost.matters(facts, MIN_SHARE) {
                continue;
            }
            let row = facts.profile.functions.get(owner);
            let name = function_name(row);
            let mut sampled = counted(
                format!(
                    "line {} builds a regular expression and has {} of the busy time",
                    line.line,
                    percent(share)
                ),
                share,
                "share",
                cost.n_sampled as f64,
            );
            sampled.recorder = "cpu";
            let title = format!(
                "{name} builds a regular expression again and again: {} of the busy time",
                percent(share)
            );
            let advice =
                format!("In {name} at {}, line {}: build it once and keep it.", place(row), line.line);
            findings.push(of_cost(
                facts,
                &RULE,
                cost,
                title,
                std::iter::once(sampled).chain(per_request.evidence()).collect(),
                advice,
            ));
        }
    }
    findings
}
