//! `redis-chatter`: many Redis commands per request, one at a time.

use super::counted::{counted, counters, is_awaited_in, main_place, number, of_count, waiting_in_a_row};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Finding, PredictedGain, Severity};
use crate::gain::{self, Saving};
use crate::words::{function_name, place};
use slowpath_analysis::{WaitKind, WaitPlace};
use slowpath_profile::tables::FunctionId;

/// Commands per request from which on they are many: a session, a limit and a cached value are three.
const MIN_COMMANDS: f64 = 5.0;

/// Commands per write below which they are sent one at a time.
const MAX_DEPTH: f64 = 2.0;

pub(super) const RULE: Rule = Rule {
    id: "redis-chatter",
    summary: "many Redis commands per request, one at a time",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A request sends Redis many commands, each in a write of its own, mostly because each one is awaited before the next.",
        why_it_hurts: "\
Each command costs a round trip (0.1 to 1 ms within a data centre) and some 20 µs on both sides; twenty in sequence make 2 to 20 ms
that no fast Redis takes away.",
        how_recognised: "\
The counters phase reads commands off the sockets. Fires from 5 commands per request on, with fewer than two per write.",
        lookalikes: "\
Commands of many requests that share a connection are sent together when the client pipelines them by itself: more per write.",
        what_to_do: "\
`MGET`, `HMGET`, or a pipeline for what is needed together; a Lua script for read-modify-write; a short cache in the process
for what changes rarely.",
        example: Example {
            language: "js",
            before: "for (const id of ids) pool.push(JSON.parse(await redis.get(`account:${id}`)));",
            after: "const texts = await redis.mget(ids.map((id) => `account:${id}`));",
        },
        thresholds: "\
Five round trips in sequence are what one notices beside an upstream's answer; a pipeline has two and more commands per write.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let (commands, writes) = (counters.total("redis.command"), counters.total("redis.write"));
    let per_request = counters.per_request(commands.n);
    let depth = commands.n / writes.n.max(1.0);
    if per_request < MIN_COMMANDS || depth >= MAX_DEPTH {
        return Vec::new();
    }
    let most = counters.of_kind("redis.command").max_by(|a, b| a.sum.n.total_cmp(&b.sum.n));
    let caller = most.and_then(main_place);
    let function = caller.map(|id| facts.profile.functions.get(id));
    let by = function.map_or(String::new(), |f| format!("In {} at {}: ", function_name(f), place(f)));
    let name = most.map_or("", |row| row.key.as_str());
    let mut evidence = vec![counted(
        format!("{} Redis commands per request, {} per write", number(per_request), number(depth)),
        per_request,
        "per request",
        commands.n,
    )];
    if let Some(most) = most {
        let each = counters.per_request(most.sum.n);
        evidence.push(counted(format!("{} of them {name}", number(each)), each, "per request", most.sum.n));
    }
    let title =
        format!("{} Redis commands per request, one at a time, most of them {name}", number(per_request));
    let advice = format!("{by}ask for what is needed together in one command (`MGET`) or one pipeline.");
    let mut finding = of_count(facts, &RULE, Severity::Medium, caller, (title, evidence, advice));
    finding.predicted_gain = caller.and_then(|caller| in_one_command(facts, caller, per_request));
    finding.severity = Severity::of_gain(finding.predicted_gain, 1.0).max(Severity::Medium);
    vec![finding]
}

/// Predicts the gain of asking once instead of `n` times: all waits but one, and what sending the others costs below the
/// function that asks.
fn in_one_command(facts: Facts<'_>, caller: FunctionId, n: f64) -> Option<PredictedGain> {
    let is_redis = |place: &WaitPlace| matches!(place.kind, WaitKind::Redis | WaitKind::Net);
    let waiting = waiting_in_a_row(facts, n, |place| is_redis(place) && is_awaited_in(facts, caller, place));
    let charges = &facts.measurements.charges;
    let charged = charges.charged_unfolded.get(&caller).map_or(0, |time| time.0);
    let begun =
        charges.begun.iter().find(|(function, _)| *function == caller).map_or(0.0, |(_, share)| *share);
    let busy = (charged as f64 / charges.busy.0.max(1) as f64 + begun) * (1.0 - 1.0 / n.max(1.0));
    gain::of_saving(facts, Saving { busy, waiting })
}
