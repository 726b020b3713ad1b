//! `sort-or-scan-per-request`: a list is sorted or searched from its start while requests are served.

use super::{Breadth, Documentation, Example, Rule, list_work};
use crate::line_work::ListWork;

pub(super) const RULE: Rule = Rule {
    id: "sort-or-scan-per-request",
    summary: "a list is sorted, or searched from its start, again and again while requests are served",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A function of the application spends most of its time in `sort`, `find`, `includes`, `filter` and the like, on a list that
hardly changes between requests.",
        why_it_hurts: "\
The cost of every request grows with the length of the list (for a sort, faster), though one element is wanted. It is small in a
test with ten accounts and rules the service with a thousand.",
        how_recognised: "\
V8's profile has no frames for these built-ins: their time stands on the line that calls them. A function with at least 10 % of
busy time and 5 % of wall time is read at its hot lines; the rule fires where at least 60 % of its line samples (50 or more) are
on lines that sort or search, comparators and predicates included. It needs the recorded sources.",
        lookalikes: "\
A search within a loop, whose cost is quadratic (`quadratic-work`). A predicate that is slow itself: then its own lines have the time,
and `cpu-hot-function` names it.",
        what_to_do: "\
Keep the list in order, or an index of it (`Map`, `Set`), and change that when the list changes. Of a whole order only the first is
wanted? One pass finds it. Work out what the comparator needs once for each element, not once for each comparison.",
        example: Example {
            language: "js",
            before: "accounts.sort((a, b) => new Date(a.lastUsed) - new Date(b.lastUsed));
const account = accounts[0];",
            after: "let account = accounts[0];
for (const other of accounts) if (other.lastUsed < account.lastUsed) account = other;",
        },
        thresholds: "\
10 % and 5 % are those of `cpu-hot-function`. 60 % of the line samples: with less, something else in the function is the cause.
50 line samples: at fewer, that part is uncertain by more than a tenth.",
    },
    check: |facts| {
        let kinds = &[ListWork::Sort, ListWork::Scan];
        let remedy = "keep the list in order or an index of it (Map, Set), and change that when the list changes; to take one element, one pass is enough.";
        list_work::findings(facts, RULE.id, kinds, "sorts or searches a list", remedy)
    },
};
