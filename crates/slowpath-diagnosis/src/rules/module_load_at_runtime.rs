//! `module-load-at-runtime`: modules are looked up, read or compiled while requests are served.

use super::counted::{Cost, MIN_SHARE, counted, of_cost};
use super::hot_code::sampled_cost;
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};
use slowpath_analysis::{LOADING, SplitClass};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

pub(super) const RULE: Rule = Rule {
    id: "module-load-at-runtime",
    summary: "modules are looked up, read or compiled while requests are served",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`require()` or `import()` stands in a function that serves requests, or code is made from text (`new Function`, `vm`,
a template engine without a cache).",
        why_it_hurts: "\
A cached `require` still resolves its name: some µs to some 100 µs with many folders. One that is not cached reads files
synchronously and compiles on the main thread.",
        how_recognised: "\
CPU samples in Node's module loader or in the compiler, charged to the application function that caused them. What `import()` does in later
turns counts for the function that calls it most. Fires from 5 % of busy time on in the cpu phase, which begins after the warm-up.",
        lookalikes: "\
V8 compiles functions lazily when they are first called: that is over after the warm-up.",
        what_to_do: "\
Move `require` to the top of the file; keep what `import()` gave; turn on the template engine's cache.",
        example: Example {
            language: "js",
            before: "function handle(request) { const { convert } = require(`./converters/${request.kind}`); … }",
            after: "const converters = { openai: require('./converters/openai'), claude: require('./converters/claude') };",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell; a warm service spends none.",
    },
    check,
};

/// Where Node's loader of ES modules lies.
const ESM_LOADER: &str = "node:internal/modules/esm/";

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = required(facts);
    if findings.is_empty() {
        findings.extend(imported(facts));
    }
    findings
}

/// Finds what `import()` costs. It goes on in later turns of the loop, without the function that called it on the stack: that
/// is told by the stacks on which it begins.
fn imported(facts: Facts<'_>) -> Option<Finding> {
    let profile = facts.profile;
    let stacks = &profile.stacks;
    // Whether a stack is in the loader, and the nearest application function around that; callers lie before what they call.
    let mut is_loading: Vec<bool> = Vec::with_capacity(stacks.len());
    let mut caller: Vec<Option<FunctionId>> = Vec::with_capacity(stacks.len());
    for (function, parent) in stacks.function.iter().zip(&stacks.parent) {
        let parent = parent.map(|parent| parent.0 as usize);
        let row = profile.functions.get(*function);
        let is_app = row.category == Category::App;
        is_loading
            .push(!is_app && (row.file.starts_with(ESM_LOADER) || parent.is_some_and(|at| is_loading[at])));
        caller.push(if is_app { Some(*function) } else { parent.and_then(|at| caller[at]) });
    }
    let mut total = 0;
    let mut by_caller: BTreeMap<FunctionId, u64> = BTreeMap::new();
    for samples in facts.measurements.serving.iter().map(|thread| &profile.threads[thread.index]) {
        for (duration, stack) in samples.duration.iter().zip(&samples.stack) {
            let stack = stack.0 as usize;
            if is_loading[stack] {
                total += duration.0;
                if let Some(function) = caller[stack] {
                    *by_caller.entry(function).or_default() += duration.0;
                }
            }
        }
    }
    let share = total as f64 / facts.measurements.charges.busy.0.max(1) as f64;
    let (function, _) = by_caller.into_iter().max_by_key(|(_, time)| *time)?;
    let cost = sampled_cost(facts, function, share);
    cost.matters(facts, MIN_SHARE).then(|| finding(facts, cost))
}

fn required(facts: Facts<'_>) -> Vec<Finding> {
    let compile =
        facts.measurements.split.as_ref().map_or(0.0, |split| split.share_of_busy(SplitClass::Compile));
    if compile < MIN_SHARE {
        return Vec::new();
    }
    let functions = &facts.measurements.charges.functions;
    let loading = functions.iter().filter_map(|function| {
        let (_, share) = function.spent_in.iter().find(|(label, _)| label == LOADING)?;
        Some((function.function, *share))
    });
    loading
        .filter_map(|(function, share)| {
            let cost = sampled_cost(facts, function, share);
            if !cost.matters(facts, MIN_SHARE) {
                return None;
            }
            Some(finding(facts, cost))
        })
        .collect()
}

fn finding(facts: Facts<'_>, cost: Cost) -> Finding {
    let row = facts.profile.functions.get(cost.function);
    let (name, share) = (function_name(row), percent(cost.share));
    let mut evidence = counted(
        format!("{share} of the busy time loads or compiles code for {name}"),
        cost.share,
        "share",
        cost.n_sampled as f64,
    );
    evidence.recorder = "cpu";
    let title = format!("{name} loads modules while serving: {share} of the busy time");
    let advice = format!("In {name} at {}: load at start, and keep what was loaded.", place(row));
    of_cost(facts, &RULE, cost, title, vec![evidence], advice)
}
