//! `sync-child-process`: a synchronous child process blocks the main thread.

use super::{Rule, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-child-process",
    summary: "a synchronous child process blocks the main thread",
    documentation: "\
## What it is
A `execSync`, `execFileSync` or `spawnSync` while requests are served: the loop stands until the child has ended.

## How it is recognised
CPU samples whose innermost run of Node's own frames holds a function named `…Sync` of `node:child_process`, summed by the
application function that calls it. V8 samples on the wall clock, so time slept inside the call counts too. Fires from
5 % of busy time on; loading modules is left out.

## What else looks like it
A disk or child that is slow for other reasons: the call then only shows it.

## What to do
Use `execFile` or `spawn` without `Sync`, keep the result, or replace the child by a library call.
",
    check: |facts| {
        let modules = &["node:child_process", "node:internal/child_process"];
        let remedy = "use the function without `Sync`, keep its result, or replace the child process by a library call.";
        sync_call::findings(facts, RULE.id, modules, remedy)
    },
};
