//! `sync-fs`: a synchronous file call blocks the main thread.

use super::{Rule, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-fs",
    summary: "a synchronous file call blocks the main thread",
    documentation: "\
## What it is
A `fs.*Sync` call while requests are served: nothing else runs until the disk has answered.

## How it is recognised
CPU samples whose innermost run of Node's own frames holds a function named `…Sync` of `node:fs`, summed by the
application function that calls it. V8 samples on the wall clock, so time slept inside the call counts too. Fires from
5 % of busy time on; loading modules is left out.

## What else looks like it
A disk or child that is slow for other reasons: the call then only shows it.

## What to do
Read or write once at start and keep the result, or use the `fs/promises` function of the same name.
",
    check: |facts| {
        let modules = &["node:fs", "node:internal/fs/"];
        let remedy = "read or write once at start and keep the result, or await the function of the same name from `fs/promises`.";
        sync_call::findings(facts, RULE.id, modules, remedy)
    },
};
