//! `redis-blocking-command`: a command that goes through all keys holds Redis up while requests are served.

use super::counted::{counted, counters, main_place, number, of_count};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Finding, Severity};
use crate::words::{function_name, place};

/// Commands whose cost grows with everything that Redis holds (its documentation says O(N) of the database).
const SLOW_COMMANDS: &[&str] = &["KEYS", "FLUSHALL", "FLUSHDB", "SORT", "SAVE", "DEBUG"];

/// Commands per request from which on they are part of serving one.
const MIN_PER_REQUEST: f64 = 0.01;

pub(super) const RULE: Rule = Rule {
    id: "redis-blocking-command",
    summary: "a command that goes through all keys holds Redis up",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`KEYS` or another command whose cost grows with all that Redis holds is sent while requests are served.",
        why_it_hurts: "\
Redis works on one command at a time: `KEYS` over a million keys stops every client for some hundred ms.",
        how_recognised: "\
The counters phase reads the names of commands off the sockets. Fires from one such command in a hundred requests on.",
        lookalikes: "\
`SCAN` goes through all keys too, but in steps that let others in between.",
        what_to_do: "\
Keep a set of the keys that belong together (`SADD`, `SMEMBERS`), or walk them with `SCAN` outside of requests.",
        example: Example {
            language: "js",
            before: "const keys = await redis.keys('account:*');",
            after: "const keys = await redis.smembers('accounts');",
        },
        thresholds: "\
The commands are those that Redis documents as O(N) of the whole database.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let slow = counters.of_kind("redis.command").filter(|row| SLOW_COMMANDS.contains(&row.key.as_str()));
    slow.filter(|row| counters.per_request(row.sum.n) >= MIN_PER_REQUEST)
        .map(|row| {
            let per_request = counters.per_request(row.sum.n);
            let caller = main_place(row);
            let function = caller.map(|id| facts.profile.functions.get(id));
            let name = function.map_or("the service".to_owned(), function_name);
            let by = function.map_or(String::new(), |f| format!("In {name} at {}: ", place(f)));
            let text = format!("{} {} per request", number(per_request), row.key);
            let evidence = vec![counted(text, per_request, "per request", row.sum.n)];
            let title =
                format!("{name} sends Redis {}, which goes through everything that it holds", row.key);
            let advice = format!("{by}keep a set of the keys that belong together, and ask for that.");
            of_count(facts, &RULE, Severity::High, caller, (title, evidence, advice))
        })
        .collect()
}
