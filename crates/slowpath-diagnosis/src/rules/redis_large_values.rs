//! `redis-large-values`: values of 64 KiB and more go to or from Redis while requests are served.

use super::counted::{Cost, bytes, counted, counters, is_awaited_in, main_place, number, of_count};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Finding, PredictedGain, Severity};
use crate::gain::{self, Saving};
use crate::words::{function_name, place};
use slowpath_analysis::{CounterMeasure, WaitKind};
use slowpath_profile::Nanos;
use slowpath_profile::tables::FunctionId;

/// Large values per request from which on they are part of serving one.
const MIN_PER_REQUEST: f64 = 0.05;

pub(super) const RULE: Rule = Rule {
    id: "redis-large-values",
    summary: "large values go to or from Redis while requests are served",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A request reads or writes a value of 64 KiB and more in Redis: a whole pool of accounts, a whole conversation, a cache of
everything under one key.",
        why_it_hurts: "\
Redis has one thread for all clients, and a value is parsed and serialised as a whole on the main thread of this service, for a change of one field.",
        how_recognised: "\
The counters phase reads the size of what is sent off the sockets, and of the answer where one command was under way alone. Fires from one large
value in twenty requests on.",
        lookalikes: "\
An import or a backup that runs now and then: less than that.",
        what_to_do: "\
One hash field or key per item; read the ones needed (`HMGET`), write the one changed (`HSET`). Keep what all requests read in
the process, and be told of changes.",
        example: Example {
            language: "js",
            before: "const pool = JSON.parse(await redis.get('pool')); pool[id].uses += 1; await redis.set('pool', JSON.stringify(pool));",
            after: "await redis.hincrby(`account:${id}`, 'uses', 1);",
        },
        thresholds: "\
64 KiB take 0.5 ms at 1 Gbit/s, as long as the round trip itself.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for (kind, direction) in [("redis.large_reply", "reads"), ("redis.large_value", "writes")] {
        for row in counters.of_kind(kind) {
            let per_request = counters.per_request(row.sum.n);
            if per_request < MIN_PER_REQUEST {
                continue;
            }
            let commands = counters.of_kind("redis.command").find(|command| command.key == row.key);
            let caller = main_place(row).or_else(|| commands.and_then(main_place));
            let function = caller.map(|id| facts.profile.functions.get(id));
            let each = bytes(row.sum.bytes / row.sum.n.max(1.0));
            let name = function.map_or("the service".to_owned(), function_name);
            let by = function.map_or(String::new(), |f| format!("In {name} at {}: ", place(f)));
            let text = format!(
                "{} {} of {each} per request, the largest {}",
                number(per_request),
                row.key,
                bytes(row.max_bytes)
            );
            let evidence = vec![counted(text, per_request, "per request", row.sum.n)];
            let title = format!("{name} {direction} values of {each} in Redis with {}", row.key);
            let advice = format!(
                "{by}keep items under keys or fields of their own, and move only those that are needed."
            );
            let mut finding = of_count(facts, &RULE, Severity::Medium, caller, (title, evidence, advice));
            let busy = caller.map_or(0.0, |caller| busy_with_values(facts, counters, caller));
            if busy > 0.0 {
                (finding.share, finding.share_of) = (Some(busy), "busy main-thread time");
            }
            finding.predicted_gain = caller.and_then(|caller| without_values(facts, caller, busy));
            finding.severity = Severity::of_gain(finding.predicted_gain, 1.0).max(Severity::Medium);
            findings.push(finding);
        }
    }
    findings
}

/// Returns the share of the busy time in which a function moves values: turns them to text and back, hands them to the client of Redis,
/// copies them, and collects what that leaves. That is all that is charged to it but its own code.
fn busy_with_values(facts: Facts<'_>, counters: &CounterMeasure, caller: FunctionId) -> f64 {
    let json = counters.by_function(|row| matches!(row.kind.as_str(), "json.parse" | "json.stringify"));
    let json = json
        .iter()
        .find(|sum| sum.function == caller)
        .map_or(0.0, |sum| Cost::of(facts, counters, sum).share);
    let charges = &facts.measurements.charges;
    let Some(hot) = charges.functions.iter().find(|function| function.function == caller) else {
        return json;
    };
    let part = |time: Nanos| time.0 as f64 / charges.busy.0.max(1) as f64;
    // JSON has no frame of its own: it is among the function's own code.
    let own_code = (part(hot.own_code) - json).max(0.0);
    // Where the function asks others as well, or answers, sockets are theirs too.
    let followed = facts.measurements.async_ops.as_ref();
    let asks_others = followed.is_none_or(|followed| {
        followed.all.rows.iter().filter_map(|row| row.place.as_ref()).any(|place| {
            !matches!(place.kind, WaitKind::Redis | WaitKind::Net) && is_awaited_in(facts, caller, place)
        })
    });
    let elsewhere = if asks_others { part(hot.in_exchange) } else { 0.0 };
    (part(hot.charged) - own_code - elsewhere).max(json)
}

/// Predicts the gain of not moving whole values: what waiting for Redis takes in that function, and what it is `busy` with them.
fn without_values(facts: Facts<'_>, caller: FunctionId, busy: f64) -> Option<PredictedGain> {
    let Some(followed) = &facts.measurements.async_ops else {
        return (busy > 0.0).then(|| gain::of_removing(facts, busy, (busy / 2.0, busy)))?;
    };
    let waiting = followed.all.share(|row| {
        row.place.as_ref().is_some_and(|place| {
            matches!(place.kind, WaitKind::Redis | WaitKind::Net) && is_awaited_in(facts, caller, place)
        })
    });
    gain::of_saving(facts, Saving { busy, waiting })
}
