//! `deep-copy-per-request`: a value is copied as a whole for each request.

use super::counted::{Cost, MIN_SHARE, bytes, counted, counters, number, of_cost, with_collections};
use super::hot_code::calls_per_request;
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};
use slowpath_analysis::{AppFunction, CounterMeasure, FunctionSum};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;
use std::collections::{BTreeMap, BTreeSet};

/// Copies per request from which on it is part of serving one, and not of a timer or of start-up.
const MIN_PER_REQUEST: f64 = 0.5;

/// Packages that do nothing but copy or merge deeply.
const COPYING_PACKAGES: &[&str] = &[
    "lodash.clonedeep",
    "lodash.merge",
    "rfdc",
    "klona",
    "deepmerge",
    "clone",
    "clone-deep",
    "fast-copy",
    "deep-extend",
    "merge-deep",
    "deepcopy",
    "fast-clone",
    "just-clone",
    "@fastify/deepmerge",
    "ts-deepmerge",
    "nanoclone",
];

/// Functions of packages that do other things too, which copy or merge deeply: the names that lodash, underscore's kin, ramda, rambda,
/// remeda, es-toolkit and radash give them.
const COPYING_FUNCTIONS: &[&str] = &[
    "baseClone",
    "cloneDeep",
    "cloneDeepWith",
    "clonedeep",
    "deepClone",
    "deepCopy",
    "deepcopy",
    "deepMerge",
    "defaultsDeep",
    "mergeDeep",
    "mergeDeepLeft",
    "mergeDeepRight",
    "mergeDeepWith",
];

pub(super) const RULE: Rule = Rule {
    id: "deep-copy-per-request",
    summary: "a value is copied as a whole for each request",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A deep copy is made while a request is served: `JSON.parse(JSON.stringify(x))`, `structuredClone(x)`, or a library such as
lodash, rfdc, klona, deepmerge.",
        why_it_hurts: "\
The cost grows with the whole value and not with the part that changes, and the copies become garbage at once.",
        how_recognised: "\
The counters phase sees a text being parsed right after it was serialised, and calls of `structuredClone`, by the line that
made them; time in packages that only copy, and in functions of others that do (lodash's `cloneDeep`), is taken from the CPU
samples. Fires from 5 % of busy time and half a copy per
request on.",
        lookalikes: "\
A copy that protects shared state from being changed is needed, but rarely of the whole. A value that came as text (a body)
and is parsed once is no copy.",
        what_to_do: "\
Do not copy what is only read: freeze it at start. Copy the one level that changes (`{ ...x, field }`). Where callers change
it at will, copy when they write, not when they read.",
        example: Example {
            language: "js",
            before: "const config = JSON.parse(JSON.stringify(defaults));\nconfig.model = request.model;",
            after: "const config = { ...defaults, model: request.model };",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell; below half a copy per request it is not the requests that copy.",
    },
    check,
};

/// Returns the functions that a finding of this rule names.
pub(super) fn copying_functions(facts: Facts<'_>, counters: &CounterMeasure) -> BTreeSet<FunctionId> {
    let copies = copies(counters);
    copies.iter().filter(|(sum, _)| is_cause(facts, counters, sum)).map(|(sum, _)| sum.function).collect()
}

fn is_cause(facts: Facts<'_>, counters: &CounterMeasure, sum: &FunctionSum) -> bool {
    counters.per_request(sum.sum.n) >= MIN_PER_REQUEST
        && Cost::of(facts, counters, sum).matters(facts, MIN_SHARE)
}

/// Returns the copies of each function with the time of both halves, and how they are made.
fn copies(counters: &CounterMeasure) -> Vec<(FunctionSum, &'static str)> {
    let texts: BTreeMap<_, _> = counters
        .by_function(|row| row.kind == "json.stringify")
        .into_iter()
        .map(|sum| (sum.function, sum))
        .collect();
    let through_json = counters.by_function(|row| row.kind == "json.copy").into_iter().map(|mut sum| {
        // Each copy is one text that was written before; texts of other purposes are not counted in.
        if let Some(text) = texts.get(&sum.function) {
            sum.sum.ms += text.sum.ms * (sum.sum.n / text.sum.n.max(1.0)).min(1.0);
        }
        (sum, "JSON.parse(JSON.stringify(…))")
    });
    let clones = counters.by_function(|row| row.kind == "structured_clone").into_iter();
    through_json.chain(clones.map(|sum| (sum, "structuredClone(…)"))).collect()
}

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(counters) = counters(facts) {
        for (sum, how) in copies(counters).iter().filter(|(sum, _)| is_cause(facts, counters, sum)) {
            let per_request = counters.per_request(sum.sum.n);
            let size = if sum.sum.bytes > 0.0 {
                format!(" of {} each", bytes(sum.sum.bytes / sum.sum.n.max(1.0)))
            } else {
                String::new()
            };
            let text =
                format!("{} copies{size} per request by {how} at line {}", number(per_request), sum.line);
            let evidence = vec![counted(text, per_request, "per request", sum.sum.n)];
            let cost = Cost::of(facts, counters, sum);
            let function = facts.profile.functions.get(sum.function);
            let name = function_name(function);
            let title = format!(
                "{name} copies a whole value for each request: {} of the busy time",
                percent(cost.share)
            );
            let advice = format!(
                "In {name} at {}: share what is only read, and copy no more than the part that changes.",
                place(function)
            );
            findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
        }
    }
    findings.extend(by_libraries(facts));
    findings
}

/// Copies by packages that only copy, and by functions of other packages that do, from CPU samples.
fn by_libraries(facts: Facts<'_>) -> Vec<Finding> {
    let functions = &facts.measurements.charges.functions;
    let copying = functions.iter().filter_map(|function| {
        let in_package = function.spent_in.iter().find_map(|(label, share)| {
            let package = label.strip_prefix("package ")?;
            let share = with_collections(facts, function.function, *share);
            COPYING_PACKAGES.contains(&package).then(|| (package.to_owned(), share))
        });
        let (with, share) = in_package.or_else(|| copying_call(facts, function))?;
        Some((function, with, share))
    });
    let relative = |share: f64, n: u64| 2.0 / (share * n as f64).max(1.0).sqrt();
    copying
        .filter_map(|(function, with, share)| {
            let n = facts.measurements.charges.n_busy_samples;
            let spread = relative(share, n);
            let interval = ((share * (1.0 - spread)).max(0.0), (share * (1.0 + spread)).min(1.0));
            let n_sampled = (share * n as f64) as u64;
            let cost = Cost { function: function.function, share, interval, n_sampled };
            if !cost.matters(facts, MIN_SHARE) {
                return None;
            }
            let row = facts.profile.functions.get(function.function);
            let name = function_name(row);
            let title =
                format!("{name} copies whole values with {with}: {} of the busy time", percent(share));
            let mut evidence =
                counted(format!("{} of the busy time in {with}", percent(share)), share, "share", 0.0);
            (evidence.recorder, evidence.n_samples) = ("cpu", Some(n_sampled));
            let advice = format!(
                "In {name} at {}: share what is only read, and copy no more than the part that changes.",
                place(row)
            );
            Some(of_cost(facts, &RULE, cost, title, vec![evidence], advice))
        })
        .collect()
}

/// Returns the copying functions of packages that a function calls for requests, as `cloneDeep() of lodash`, and their share of busy time,
/// collections included.
fn copying_call(facts: Facts<'_>, function: &AppFunction) -> Option<(String, f64)> {
    let called = function.called.iter().filter(|(called, _)| {
        let row = facts.profile.functions.get(*called);
        row.category == Category::Dependency
            && COPYING_FUNCTIONS.contains(&row.name.as_str())
            && calls_per_request(facts, *called).is_none_or(|often| often >= MIN_PER_REQUEST)
    });
    let called: Vec<_> = called.collect();
    let most = facts.profile.functions.get(called.first()?.0);
    let of = most.package.as_ref().map_or(String::new(), |package| format!(" of {package}"));
    Some((format!("{}{of}", function_name(most)), called.iter().map(|(_, share)| share).sum()))
}
