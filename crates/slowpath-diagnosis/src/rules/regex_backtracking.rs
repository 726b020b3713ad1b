//! `regex-backtracking`: one regular expression takes long to run.

use super::counted::{MIN_SHARE, counted, of_cost};
use super::hot_code::{busy_ms_per_request, calls_per_request, hot_functions, sampled_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, millis, percent, place};

/// How V8's profile names the machine code of an expression.
const PREFIX: &str = "RegExp: ";

/// Time per call of the function that runs it, from which on an expression backtracks: matching goes through 100 kB in less.
const LONG_MS: f64 = 1.0;

/// The same where the source has a repetition in a repetition, which is how backtracking grows exponentially.
const LONG_MS_NESTED: f64 = 0.1;

/// Share of busy time that a well-behaved expression may have before it is worth naming.
const MIN_SHARE_OF_ONE: f64 = 0.10;

pub(super) const RULE: Rule = Rule {
    id: "regex-backtracking",
    summary: "one regular expression takes long to run",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A regular expression tries very many ways to match one text: nested repetition (`(a+)+`), alternatives that overlap, `.*` several
times over.",
        why_it_hurts: "\
The time grows with the square of the text's length, or doubles with each character, and holds the main thread. Who sends the text decides
how long (ReDoS).",
        how_recognised: "\
V8 samples an expression's machine code as `RegExp: source`. Fires where one has 10 % of the busy time, and takes 1 ms per call
of the function that runs it (V8's call counts; per request without them), or 0.1 ms where its source repeats a repetition.",
        lookalikes: "\
A simple expression on a very large text, or in a loop: less than a millisecond a call, and `cpu-hot-function` shows it.
Building expressions: `regex-recompiled`.",
        what_to_do: "\
Rewrite the expression so that each character can match in one way only: `[^\"]*` in place of `.*`, no repetition of a
repetition. Limit the text's length first. Or use a linear engine (re2).",
        example: Example {
            language: "js",
            before: "/^(\\w+\\s?)*$/.test(title)",
            after: "/^\\w+(?:\\s\\w+)*\\s?$/.test(title)",
        },
        thresholds: "\
V8 matches some 100 MB/s where it need not go back: a millisecond is 100 kB.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(busy_ms) = busy_ms_per_request(facts) else { return findings };
    for function in hot_functions(facts, MIN_SHARE) {
        let expressions = function.spent_in.iter().filter(|(label, _)| label.starts_with(PREFIX));
        for (label, share) in expressions.filter(|(_, share)| *share >= MIN_SHARE_OF_ONE) {
            let source = &label[PREFIX.len()..];
            let calls = calls_per_request(facts, function.function);
            let per_call = share * busy_ms / calls.unwrap_or(1.0).max(f64::MIN_POSITIVE);
            let nested = repeats_a_repetition(source);
            let cost = sampled_cost(facts, function.function, *share);
            if per_call < if nested { LONG_MS_NESTED } else { LONG_MS } || !cost.matters(facts, MIN_SHARE) {
                continue;
            }
            let row = facts.profile.functions.get(function.function);
            let name = function_name(row);
            let of = if calls.is_some() { "call" } else { "request" };
            let mut evidence = counted(
                format!("`{source}` runs for {} per {of} of {name}", millis(per_call)),
                per_call,
                "ms",
                cost.n_sampled as f64,
            );
            evidence.recorder = "cpu";
            let mut evidence = vec![evidence];
            if nested {
                let mut shape = counted("its source repeats a repetition".into(), 1.0, "count", 0.0);
                (shape.recorder, shape.n_samples) = ("cpu", None);
                evidence.push(shape);
            }
            let title = format!("a regular expression in {name} takes {} of the busy time", percent(*share));
            let advice = format!(
                "In {name} at {}: rewrite `{source}` so that each character can match in one way only, or limit the text.",
                place(row)
            );
            findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
        }
    }
    findings
}

/// Whether a group that ends in a repetition, or holds one without a fixed end, is repeated itself.
fn repeats_a_repetition(source: &str) -> bool {
    let mut open: Vec<bool> = Vec::new();
    let mut is_escaped = false;
    let mut in_class = false;
    let characters: Vec<char> = source.chars().collect();
    for (at, c) in characters.iter().enumerate() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match c {
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' => open.push(false),
            ')' => {
                let repeats_inside = open.pop().unwrap_or(false);
                let is_repeated = matches!(characters.get(at + 1), Some('+' | '*' | '{'));
                if repeats_inside && is_repeated {
                    return true;
                }
                if let Some(outer) = open.last_mut() {
                    *outer |= repeats_inside;
                }
            }
            '+' | '*' => {
                if let Some(inside) = open.last_mut() {
                    *inside = true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::repeats_a_repetition;

    #[test]
    fn tells_a_repetition_of_a_repetition_from_others() {
        for source in ["(a+)+$", r"^(\w+\s?)*$", "((ab)*c)+", "(x|y+)*"] {
            assert!(repeats_a_repetition(source), "{source}");
        }
        for source in ["a+b*", "(ab)+", r"(\(\+)+", "([a+*])+", "(a+)b", "(a{2})+"] {
            assert!(!repeats_a_repetition(source), "{source}");
        }
    }
}
