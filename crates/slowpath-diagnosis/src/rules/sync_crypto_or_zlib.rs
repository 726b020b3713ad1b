//! `sync-crypto-or-zlib`: synchronous cryptography or compression blocks the main thread.

use super::{Breadth, Documentation, Example, Rule, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-crypto-or-zlib",
    summary: "synchronous cryptography or compression blocks the main thread",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A synchronous `crypto` or `zlib` call while requests are served: `pbkdf2Sync`, `scryptSync`, `gzipSync` and the like.",
        why_it_hurts: "\
It computes on the main thread, which serves nobody meanwhile, though Node has a pool of threads for exactly this.",
        how_recognised: "\
CPU samples whose innermost run of Node's own frames holds a function named `…Sync` of `node:crypto` or `node:zlib`, summed by the application
function that calls it. V8 samples on the wall clock, so time slept inside the call counts too. Fires from 5 % of busy
time and 3 % of wall time on, with at least 20 samples; loading modules is left out.",
        lookalikes: "\
Many small hashes (`createHash`), which have no asynchronous form worth its cost: `cpu-hot-function` names their caller.",
        what_to_do: "\
Use the asynchronous function of the same name: it runs in the thread pool. Cache results that repeat; lower the cost only
where security allows.",
        example: Example {
            language: "js",
            before: "\
const key = crypto.pbkdf2Sync(token, salt, 1e5, 32, 'sha256');",
            after: "\
const key = await promisify(crypto.pbkdf2)(token, salt, 1e5, 32, 'sha256');",
        },
        thresholds: "\
5 % of busy time is half of what a hot function needs: a call that blocks delays every other request as well. 3 % of wall
time: below it nobody waits for it noticeably. 20 samples: one slow call at start is not a finding.",
    },
    check: |facts| {
        let modules = &["node:internal/crypto/", "node:crypto", "node:zlib", "node:internal/zlib"];
        let remedy = "await the asynchronous function of the same name, which runs in the thread pool, or keep results that repeat.";
        sync_call::findings(facts, RULE.id, modules, remedy)
    },
};
