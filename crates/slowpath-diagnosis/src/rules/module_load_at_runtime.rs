//! `module-load-at-runtime`: modules are looked up, read or compiled while requests are served.

use super::counted::{MIN_SHARE, counted, of_cost};
use super::hot_code::sampled_cost;
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};
use slowpath_analysis::{LOADING, SplitClass};

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
CPU samples in Node's module loader or in the compiler, charged to the application function that caused them. Fires from 5 %
of busy time on in the cpu phase, which begins after the warm-up.",
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

fn check(facts: Facts<'_>) -> Vec<Finding> {
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
            let row = facts.profile.functions.get(function);
            let name = function_name(row);
            let mut evidence = counted(
                format!("{} of the busy time loads or compiles code below {name}", percent(share)),
                share,
                "share",
                cost.n_sampled as f64,
            );
            evidence.recorder = "cpu";
            let title = format!("{name} loads modules while serving: {} of the busy time", percent(share));
            let advice = format!("In {name} at {}: load at start, and keep what was loaded.", place(row));
            Some(of_cost(facts, &RULE, cost, title, vec![evidence], advice))
        })
        .collect()
}
