//! `gc-pressure`: collecting garbage takes a large part of the busy time.

use super::counted::bytes;
use super::hot_code::is_below;
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, millis, percent, place};
use crate::{Facts, gain};
use slowpath_analysis::SplitClass;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;

/// Least share of busy time. A service that allocates moderately spends 1–5 % collecting; twice that is worth a look.
const MIN_SHARE: f64 = 0.10;

/// Part of all that is allocated from which on a function is who to look at: it allocates more than all others with the next together.
const MIN_ALLOCATED: f64 = 1.0 / 3.0;

/// The same where nobody stands out who allocates: a gateway on `fetch` and a framework was measured at 11 %, all of it theirs.
const MIN_SHARE_OF_NOBODY: f64 = 0.15;

/// A function whose collections are less than half of what it costs computes more than it collects.
const LARGER_PART: f64 = 0.5;

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
10 % of busy time on, from 15 % where nobody is to blame: no function allocates most, or who does computes more than it collects
(`cpu-hot-function` then says more). Who allocates is what V8's sampling heap profiler says in the heap phase; without that phase, what ran right before
the collections.",
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
Services that allocate moderately spend 1–5 % of their busy time collecting; twice that is worth a look, three times where no function
of the application stands out. From 25 % on it is
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
    let ran_before = allocates.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, gc)| *gc > share / 3.0);
    let sampled = facts.measurements.heap.as_ref().is_some_and(|heap| !heap.allocators.is_empty());
    // Where allocations were sampled, they say who it is, or that it is nobody.
    let top = if sampled {
        let named = allocator(facts).map(|(id, part)| (id, part * share));
        // V8 names the function that others are inlined into: samples tell which of them it is.
        match (named, ran_before) {
            (Some((outer, _)), Some((inner, _))) if is_below(facts, inner, outer) => ran_before,
            _ => named,
        }
    } else {
        ran_before
    };
    // What a function brings about in collections is part of what it costs: where its own work is the larger part, that says more.
    let blamed = top.filter(|(id, collections)| *collections >= charged_to(facts, *id) * LARGER_PART);
    if blamed.is_none() && share < MIN_SHARE_OF_NOBODY {
        return Vec::new();
    }
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
    evidence.extend(allocation(facts));
    if let (Some((id, charged)), false) = (ran_before, sampled) {
        let function = facts.profile.functions.get(id);
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
    let predicted_gain = gain::of_removing(facts, share, (share / 2.0, share));
    let brings_nothing = Severity::of_gain(predicted_gain, 0.0) == Severity::Info;
    vec![Finding {
        rule: RULE.id,
        title: format!("garbage collection takes {} of the busy time", percent(share)),
        severity: match blamed {
            // Nobody to go to, and nothing to be had.
            None if brings_nothing => Severity::Info,
            _ if share >= HIGH_SHARE => Severity::High,
            _ => Severity::Medium,
        },
        confidence: if split.n_samples > 0 { Confidence::High } else { Confidence::Medium },
        confidence_why: "V8 reports every collection".into(),
        share: Some(share),
        share_of: "busy main-thread time",
        predicted_gain,
        location: function
            .filter(|_| blamed.is_some())
            .map(|function| Location::of(function, facts.measurements.gc.as_ref().map(|_| split.pid))),
        evidence,
        advice: format!(
            "Allocate less in {whom}: avoid copies, reuse buffers, stream instead of building large values."
        ),
        function: blamed.map(|(id, _)| id),
        intervals: Vec::new(),
    }]
}

/// Returns the share of busy time that is charged to a function, collections included.
fn charged_to(facts: Facts<'_>, id: FunctionId) -> f64 {
    let functions = &facts.measurements.charges.functions;
    functions.iter().find(|function| function.function == id).map_or(0.0, |function| function.share)
}

/// Returns the application function that allocates most, and its part of all that is allocated, where the heap phase tells.
fn allocator(facts: Facts<'_>) -> Option<(FunctionId, f64)> {
    let heap = facts.measurements.heap.as_ref()?;
    let is_app = |function| facts.profile.functions.get(function).category == Category::App;
    let top = heap.allocators.iter().find(|row| is_app(row.function))?;
    (top.share >= MIN_ALLOCATED).then_some((top.function, top.share))
}

/// Returns what the heap phase says of the rate, and of who allocates.
fn allocation(facts: Facts<'_>) -> Vec<Evidence> {
    let Some(heap) = &facts.measurements.heap else { return Vec::new() };
    let row = |text, value, unit, n_samples| Evidence {
        text,
        value: Some(value),
        unit,
        n_samples,
        recorder: "heap",
    };
    let mut rows = Vec::new();
    if let Some(rate) = heap.allocated_per_second {
        rows.push(row(format!("{} are allocated a second", bytes(rate)), rate, "bytes per second", None));
    }
    if let Some((id, share)) = allocator(facts) {
        let function = facts.profile.functions.get(id);
        let text = format!("{} of it by {} at {}", percent(share), function_name(function), place(function));
        let n_samples = heap.allocators.iter().find(|row| row.function == id).map(|row| row.n_samples);
        rows.push(row(text, share, "share", n_samples));
    }
    rows
}
