//! `sync-fs`: a synchronous file call blocks the main thread.

use super::counted::counters;
use super::{Breadth, Documentation, Example, Rule, repeated_lookup, sync_call};

pub(super) const RULE: Rule = Rule {
    id: "sync-fs",
    summary: "a synchronous file call blocks the main thread",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A `fs.*Sync` call while requests are served.",
        why_it_hurts: "\
Nothing else runs until the disk has answered: one slow disk access delays every request in flight.",
        how_recognised: "\
CPU samples whose innermost run of Node's own frames holds a function named `…Sync` of `node:fs`, summed by the application
function that calls it. V8 samples on the wall clock, so time slept inside the call counts too. Fires from 5 % of busy
time and 3 % of wall time on, with at least 20 samples; loading modules is left out.",
        lookalikes: "\
A disk that is slow for other reasons: the call then only shows it. A file that is read once at start (the warm-up is left
out).",
        what_to_do: "\
Read or write once at start and keep the result, or use the `fs/promises` function of the same name.",
        example: Example {
            language: "js",
            before: "\
function quota() {
  return JSON.parse(fs.readFileSync('quota.json', 'utf8'));  // on every request
}",
            after: "\
let known = JSON.parse(fs.readFileSync('quota.json', 'utf8')); // once, at start
fs.watch('quota.json', async () => {
  known = JSON.parse(await fs.promises.readFile('quota.json', 'utf8'));
});
function quota() {
  return known;
}",
        },
        thresholds: "\
5 % of busy time is half of what a hot function needs: a call that blocks delays every other request as well. 3 % of wall
time: below it nobody waits for it noticeably. 20 samples: one slow call at start is not a finding.",
    },
    check: |facts| {
        let modules = &["node:fs", "node:internal/fs/"];
        let remedy = "read or write once at start and keep the result, or await the function of the same name from `fs/promises`.";
        let mut findings = sync_call::findings(facts, RULE.id, modules, remedy);
        // Standard output that is a file is written by `writeSync`: `sync-logging` speaks of that, with the time that the counters
        // phase measures, because CPU sampling makes console calls dearer.
        let logs: Vec<_> = counters(facts)
            .map_or_else(Vec::new, |counters| counters.by_function(|row| row.kind == "stdout"))
            .iter()
            .map(|sum| sum.function)
            .collect();
        findings.retain(|finding| {
            !finding.title.starts_with("writeSync()") || finding.function.is_none_or(|at| !logs.contains(&at))
        });
        for finding in &mut findings {
            let function = finding.function;
            finding.evidence.extend(function.into_iter().flat_map(|at| repeated_lookup::same_files_read_by(facts, at)));
        }
        findings
    },
};
