//! `quadratic-work`: the cost of a request grows faster than what it brings.

use super::{Breadth, Documentation, Example, Rule, grown, list_work};
use crate::line_work::ListWork;

pub(super) const RULE: Rule = Rule {
    id: "quadratic-work",
    summary: "the cost of a request grows faster than what it brings: a list is searched for each element of another, or each request \
              goes through all that are under way",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A function of the application goes through a list for each element of another (`find`, `includes`, `indexOf` within a loop, text that
is read again from its start for each piece), or for each request through all that are under way.",
        why_it_hurts: "\
Twice the elements cost four times the time. A service that was tested with a small pool or short prompts stands still with
real ones.",
        how_recognised: "\
Measured, with `slowpath run --scale`: the load is driven with an eighth of the connections as well and, where the request gives bodies
of several sizes, with small and large ones. Busy time per request of each function over the input, on logarithmic scales, has a slope:
the exponent, with its 95 % interval. The rule fires where the interval lies above 1.3 for the size of the body, above 0.3 for the
number of connections, and the function has 5 % of the busy time.

Read, without `--scale`: as `sort-or-scan-per-request`, on lines that search a list and stand in a loop (`for`, `while`, `map`,
`filter`, `reduce`, `forEach`) of the same function: at least 60 % of its line samples. It needs the recorded sources.",
        lookalikes: "\
A loop over a handful of elements whose inner list is long (`sort-or-scan-per-request` describes that as well: the remedy is the
same). A sort, whose exponent is below 1.3 from some dozen elements on. With `--bodies`, where different requests are compared: large ones
may ask for other things than small ones.",
        what_to_do: "\
Put the list that is searched into a `Set` or a `Map` before the loop. Keep what is under way in a `Map` by what it is looked up with; let
those who wait be called, instead of each asking again and again.",
        example: Example {
            language: "js",
            before: "for (const tool of tools) {
  if (!names.includes(tool.name)) names.push(tool.name);
}",
            after: "const names = new Set();
for (const tool of tools) names.add(tool.name);",
        },
        thresholds: "\
1.3 for bodies: linear work has 1, a sort of 25 to 200 elements 1.24, work that grows with the square 2, and 1.4 where twice as much linear
work hides it at the small body. 0.3 for connections: a factor of 1.9 over eight times as many, more than collections and caches bring; a
scan of all that is under way has 1. 5 %: half of what `cpu-hot-function` asks for, since it grows. Of lines that are read, those of
`sort-or-scan-per-request`.",
    },
    check: |facts| {
        let remedy = "put the list that is searched into a Set or a Map before the loop.";
        let what = "searches a list for each element of another";
        let mut read = list_work::findings(facts, RULE.id, &[ListWork::NestedScan], what, remedy);
        let measured = grown::findings(facts, RULE.id);
        // What was measured stands for what was read in the same function.
        read.retain(|read| measured.iter().all(|measured| measured.function != read.function));
        for read in &mut read {
            read.evidence.extend(read.function.into_iter().flat_map(|function| grown::evidence_of(facts, function)));
        }
        measured.into_iter().chain(read).collect()
    },
};
