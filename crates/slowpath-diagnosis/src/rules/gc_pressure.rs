//! `gc-pressure`: collecting garbage takes a large part of the busy time.

use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, millis, percent, place};
use crate::{Facts, gain};
use slowpath_analysis::SplitClass;

/// Least share of busy time. A service that allocates moderately spends 1–5 % collecting; twice that is worth a look.
const MIN_SHARE: f64 = 0.10;

/// Share from which on collection is a main cause.
const HIGH_SHARE: f64 = 0.25;

pub(super) const RULE: Rule = Rule {
    id: "gc-pressure",
    summary: "garbage collection takes a large part of the busy time",
    breadth: Breadth::General,
    documentation: Documentation {
        what: "\
The target allocates so much, or keeps so much alive, that collecting takes a large part of its main thread's time.",
        why_it_hurts: "\
The main thread stands while it collects: throughput is lost to it, and a long collection delays every request in flight.",
        how_recognised: "\
The share of busy samples in the collector (the cpu phase), and every pause that V8 reports (the gc recorder). Fires from
10 % of busy time on.",
        lookalikes: "\
A heap near its limit (`--max-old-space-size`): the same pauses, but mark-sweep-compact dominates.",
        what_to_do: "\
Allocate less in the functions that the collections are charged to: reuse buffers, avoid copies of large objects and
intermediate arrays, stream instead of building strings. A larger young generation (`--max-semi-space-size`) makes
scavenges rarer.",
        example: Example {
            language: "js",
            before: "\
const view = accounts.map((a) => ({ ...a })).filter((a) => a.enabled); // copies all, keeps few",
            after: "\
const view = accounts.filter((a) => a.enabled);                        // copies nothing",
        },
        thresholds: "\
Services that allocate moderately spend 1–5 % of their busy time collecting; twice that is worth a look. From 25 % on it is
a main cause.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(split) = &facts.measurements.split else {
        return Vec::new();
    };
    let share = split.share_of_busy(SplitClass::Gc);
    if share < MIN_SHARE || split.utilisation() < MIN_SHARE {
        return Vec::new();
    }
    let charges = &facts.measurements.charges;
    let allocates = charges.functions.iter().filter_map(|function| {
        let (_, share) = function.spent_in.iter().find(|(label, _)| label == "garbage collection")?;
        Some((function.function, *share))
    });
    let top = allocates.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, gc)| *gc > share / 3.0);
    let mut evidence = vec![Evidence {
        text: format!("{} of the busy time is garbage collection", percent(share)),
        value: Some(share),
        unit: "share",
        n_samples: Some(split.n_samples as u64),
        recorder: "cpu",
    }];
    if let Some(gc) = &facts.measurements.gc {
        evidence.extend(gc.kinds.iter().map(|(kind, n, total, longest)| Evidence {
            text: format!(
                "{n} {kind} collections, {} in all, longest {}",
                millis(total.as_millis_f64()),
                millis(longest.as_millis_f64())
            ),
            value: Some(total.as_millis_f64()),
            unit: "ms",
            n_samples: Some(*n),
            recorder: "gc",
        }));
    }
    let function = top.map(|(id, _)| facts.profile.functions.get(id));
    if let (Some(function), Some((_, charged))) = (function, top) {
        evidence.push(Evidence {
            text: format!(
                "{} of it runs right after {} at {}",
                percent(charged / share),
                function_name(function),
                place(function)
            ),
            value: Some(charged / share),
            unit: "share",
            n_samples: None,
            recorder: "cpu",
        });
    }
    let whom = function
        .map_or("the functions that allocate".into(), |f| format!("{} in {}", function_name(f), place(f)));
    vec![Finding {
        rule: RULE.id,
        title: format!("garbage collection takes {} of the busy time", percent(share)),
        severity: if share >= HIGH_SHARE { Severity::High } else { Severity::Medium },
        confidence: if split.n_samples > 0 { Confidence::High } else { Confidence::Medium },
        confidence_why: "V8 reports every collection".into(),
        share: Some(share),
        share_of: "busy main-thread time",
        predicted_gain: gain::of_removing(facts, share, (share / 2.0, share)),
        location: function
            .map(|function| Location::of(function, facts.measurements.gc.as_ref().map(|_| split.pid))),
        evidence,
        advice: format!(
            "Allocate less in {whom}: avoid copies, reuse buffers, stream instead of building large values."
        ),
        function: top.map(|(id, _)| id),
        intervals: Vec::new(),
    }]
}
