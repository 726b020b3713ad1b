//! `sync-wait`: the main thread sleeps in a call into native code.

use super::{Breadth, Documentation, Example, Rule, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-wait",
    summary: "the main thread waits in `Atomics.wait` or in native code",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
The main thread sleeps inside a call while requests are served: in `Atomics.wait`, as synchronous calls to worker threads do
(synckit, sync-threads), or in an addon that waits for a disk, a lock or a socket.",
        why_it_hurts: "\
Nothing else runs until it is woken: the work has been moved to another thread, and every request in flight waits for it all the same.",
        how_recognised: "\
CPU samples show a thread in native code, or in a function that calls `Atomics.wait`, while the kernel (`schedstat`, twice a second)
says that it was neither on a CPU nor ready for one. Fires from 5 % of busy time and 3 % of wall time on, with at least 20 samples.",
        lookalikes: "\
`sync-fs` and `sync-child-process`, which name Node's own calls. Worker threads that wait for jobs in `Atomics.wait`: they hold up
nothing, and count as idle.",
        what_to_do: "\
Await the other thread: `Atomics.waitAsync`, or a message. Use the addon's asynchronous call, or call it in a worker thread.",
        example: Example {
            language: "js",
            before: "\
worker.postMessage(text);
Atomics.wait(shared, 0, 0);          // the loop stands until the worker has answered",
            after: "\
worker.postMessage(text);
const [answer] = await once(worker, 'message');",
        },
        thresholds: "\
5 % of busy time is half of what a hot function needs: a call that blocks delays every other request as well. 3 % of wall
time: below it nobody waits for it noticeably. 20 samples: one slow call at start is not a finding.",
    },
    check: |facts| {
        let remedy = "await what the call waits for instead: a message of the worker thread, or the asynchronous form of the call.";
        // A native function is the outermost call only where the thread slept in it.
        sync_call::findings_of(facts, RULE.id, |call| call.file.is_empty(), remedy)
    },
};
