//! `retry-storm`: requests that fail are sent again at once, and make the load on a struggling host larger.

use super::counted::{counted, counters, number, of_count, sender};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Finding, Severity};
use crate::words::{function_name, percent, place};

/// Requests to one host per request that arrives, from which on some are sent again.
const MIN_PER_REQUEST: f64 = 1.5;

/// Share of answers that are errors from which on it is they that are repeated.
const MIN_ERRORS: f64 = 0.2;

/// Least errors.
const MIN_FAILED: f64 = 20.0;

pub(super) const RULE: Rule = Rule {
    id: "retry-storm",
    summary: "requests that fail are sent again while the other side is overloaded",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
An upstream answers 429 or 5xx, and the service sends the same request again, to the same host, before it answers its own client.",
        why_it_hurts: "\
Each try holds a connection, memory and the client, and adds to the load that made the upstream fail. With three tries at two
layers one request becomes nine.",
        how_recognised: "\
The counters phase counts requests and errors by host. Fires where a fifth of the answers are 429 or 5xx, and the service sends 1.5
requests to that host per request that arrives.",
        lookalikes: "\
A service that asks the same host several things per request, some of which fail and are not repeated: the counts cannot tell the two
apart. Requests by `fetch` are counted, their status is not.",
        what_to_do: "\
Wait before a new try, longer each time and by chance (`Retry-After` where it is given); a budget of tries for all requests together
(a tenth); a circuit breaker that stops asking for a while.",
        example: Example {
            language: "js",
            before: "for (let n = 0; n < 5; n++) { const answer = await ask(); if (answer.ok) return answer; }",
            after: "for (let n = 0; n < 2; n++) {\n  const answer = await ask();\n  if (answer.ok || !budget.take()) return answer;\n  await delay(2 ** n * 200 * Math.random());\n}",
        },
        thresholds: "\
A retry budget of a tenth is the usual advice (Google SRE book, chapter 21): half as many again as arrive is five times that.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for failed in counters.of_kind("http.error").filter(|row| row.sum.n >= MIN_FAILED) {
        let Some(sent) = counters.of_kind("http.request").find(|row| row.key == failed.key) else { continue };
        let per_request = counters.per_request(sent.sum.n);
        let share = failed.sum.n / sent.sum.n.max(1.0);
        if per_request < MIN_PER_REQUEST || share < MIN_ERRORS {
            continue;
        }
        let sender = sender(facts, counters, &failed.key);
        let function = sender.map(|id| facts.profile.functions.get(id));
        let by = function.map_or(String::new(), |f| format!("In {} at {}: ", function_name(f), place(f)));
        let host = &failed.key;
        let evidence = vec![
            counted(
                format!("{} requests to {host} per request that arrives", number(per_request)),
                per_request,
                "per request",
                sent.sum.n,
            ),
            counted(
                format!("{} of them answered with 429 or 5xx", percent(share.min(1.0))),
                share,
                "share",
                failed.sum.n,
            ),
        ];
        let title = format!(
            "{} requests to {host} per request, {} of them failed: they are sent again",
            number(per_request),
            percent(share.min(1.0))
        );
        let advice =
            format!("{by}wait longer before each new try, and give all requests together a budget of tries.");
        findings.push(of_count(facts, &RULE, Severity::High, sender, (title, evidence, advice)));
    }
    findings
}
