//! `quadratic-work`: a list is searched from its start for each element of another.

use super::{Breadth, Documentation, Example, Rule, list_work};
use crate::line_work::ListWork;

pub(super) const RULE: Rule = Rule {
    id: "quadratic-work",
    summary: "a list is searched from its start for each element of another: the cost grows with the product of both",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A function of the application spends most of its time in `find`, `includes`, `indexOf` and the like within a loop.",
        why_it_hurts: "\
Twice the elements cost four times the time. A service that was tested with a small pool or short prompts stands still with
real ones.",
        how_recognised: "\
As `sort-or-scan-per-request`, on lines that search a list and stand in a loop (`for`, `while`, `map`, `filter`, `reduce`, `forEach`)
of the same function: at least 60 % of its line samples. It needs the recorded sources.",
        lookalikes: "\
A loop over a handful of elements whose inner list is long (`sort-or-scan-per-request` describes that as well: the remedy is the
same).",
        what_to_do: "\
Put the list that is searched into a `Set` or a `Map` before the loop.",
        example: Example {
            language: "js",
            before: "for (const tool of tools) {
  if (!names.includes(tool.name)) names.push(tool.name);
}",
            after: "const names = new Set();
for (const tool of tools) names.add(tool.name);",
        },
        thresholds: "\
Those of `sort-or-scan-per-request`.",
    },
    check: |facts| {
        let remedy = "put the list that is searched into a Set or a Map before the loop.";
        list_work::findings(facts, RULE.id, &[ListWork::NestedScan], "searches a list for each element of another", remedy)
    },
};
