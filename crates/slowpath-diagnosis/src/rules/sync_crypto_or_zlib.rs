//! `sync-crypto-or-zlib`: synchronous cryptography or compression blocks the main thread.

use super::{Rule, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-crypto-or-zlib",
    summary: "synchronous cryptography or compression blocks the main thread",
    documentation: "\
## What it is
A synchronous `crypto` or `zlib` call while requests are served: `pbkdf2Sync`, `scryptSync`, `gzipSync` and the like.

## How it is recognised
CPU samples whose innermost run of Node's own frames holds a function named `…Sync` of `node:crypto` or `node:zlib`, summed by the
application function that calls it. V8 samples on the wall clock, so time slept inside the call counts too. Fires from
5 % of busy time on; loading modules is left out.

## What else looks like it
A disk or child that is slow for other reasons: the call then only shows it.

## What to do
Use the asynchronous function of the same name: it runs in the thread pool. Cache results that repeat; lower the cost only where security allows.
",
    check: |facts| {
        let modules = &["node:internal/crypto/", "node:crypto", "node:zlib", "node:internal/zlib"];
        let remedy = "await the asynchronous function of the same name, which runs in the thread pool, or keep results that repeat.";
        sync_call::findings(facts, RULE.id, modules, remedy)
    },
};
