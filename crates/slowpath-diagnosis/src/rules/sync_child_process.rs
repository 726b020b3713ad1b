//! `sync-child-process`: a synchronous child process blocks the main thread.

use super::{Breadth, Documentation, Example, Rule, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-child-process",
    summary: "a synchronous child process blocks the main thread",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
An `execSync`, `execFileSync` or `spawnSync` while requests are served.",
        why_it_hurts: "\
The loop stands until the child has ended: milliseconds for the smallest program, in which no request advances.",
        how_recognised: "\
CPU samples whose innermost run of Node's own frames holds a function named `…Sync` of `node:child_process`, summed by the application
function that calls it. V8 samples on the wall clock, so time slept inside the call counts too. Fires from 5 % of busy
time and 3 % of wall time on, with at least 20 samples; loading modules is left out.",
        lookalikes: "\
A child that is slow for other reasons: the call then only shows it.",
        what_to_do: "\
Use `execFile` or `spawn` without `Sync`, keep the result, or replace the child by a library call.",
        example: Example {
            language: "js",
            before: "\
const revision = execSync('git rev-parse HEAD').toString();  // on every request",
            after: "\
const revision = execSync('git rev-parse HEAD').toString();  // once, when the module loads",
        },
        thresholds: "\
5 % of busy time is half of what a hot function needs: a call that blocks delays every other request as well. 3 % of wall
time: below it nobody waits for it noticeably. 20 samples: one slow call at start is not a finding.",
    },
    check: |facts| {
        let modules = &["node:child_process", "node:internal/child_process"];
        let remedy = "use the function without `Sync`, keep its result, or replace the child process by a library call.";
        sync_call::findings(facts, RULE.id, modules, remedy)
    },
};
