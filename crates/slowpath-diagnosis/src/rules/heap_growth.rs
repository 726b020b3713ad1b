//! `heap-growth`: what stays alive after full collections grows as long as the service runs.

use super::counted::bytes;
use super::hot_code::is_below;
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, percent, place};
use slowpath_analysis::{Allocator, HeapGrowth, HeapMeasure};
use slowpath_profile::classify::Category;

/// Least growth between the two collections, bytes. Code, feedback and requests in flight make it vary by some 100 kB.
const MIN_GROWTH: f64 = 1e6;

/// Least growth a second: 100 kB fill a gigabyte in three hours.
const MIN_PER_SECOND: f64 = 100e3;

/// Part of the growth that the sampled survivors must explain, and that the lowest readings over the run must show: half, since both
/// are estimates.
const MIN_EXPLAINED: f64 = 0.5;

/// Least samples of survivors: at fewer, who allocated them is a guess.
const MIN_SAMPLES: u64 = 8;

/// Least samples of survivors that an inlined function has under its own name, from when it was not inlined yet.
const MIN_INLINED: u64 = 4;

/// Samples from which on the largest share is known to a fifth.
const MANY_SAMPLES: u64 = 100;

/// A heap that is full within this many seconds needs somebody today.
const SOON: f64 = 24.0 * 3600.0;

/// Functions listed.
const MAX_FUNCTIONS: usize = 3;

/// Part of what stayed from which on the application's function that made it is what to look at: parsers make request bodies for
/// others, who keep them.
const GOOD_PART: f64 = 0.3;

pub(super) const RULE: Rule = Rule {
    id: "heap-growth",
    summary: "what stays alive after full collections grows as long as the service runs",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
Objects of each request stay reachable for ever: in a map that is only added to, a list of listeners, a closure that is kept, a cache
without a bound.",
        why_it_hurts: "\
Full collections take longer the more is alive, and every request in flight waits for them; at the heap's limit V8 collects all the
time, and then the process ends with `heap out of memory`.",
        how_recognised: "\
In the heap phase, between two full collections, V8's sampling heap profiler keeps only the allocations that are still
alive at the end. Fires where the heap grew by 1 MB and 100 kB a second between them, the survivors explain half of that, and the lowest
readings of the last third of the run are above those of the first by half of what that rate gives. Names the functions that allocated
what stayed.",
        lookalikes: "\
A cache that has not reached its bound yet grows in the same way: let it run longer. A heap that grows only until the next
full collection is not growing.",
        what_to_do: "\
Find what keeps the objects that the named function makes: remove entries when their work is done, give the cache a bound or a time to
live, use a `WeakMap` for what belongs to another object.",
        example: Example {
            language: "js",
            before: "sessions.set(randomUUID(), session);          // and never deleted",
            after: "sessions.set(id, session);\nif (sessions.size > maxSessions) sessions.delete(sessions.keys().next().value);",
        },
        thresholds: "\
1 MB is several times what the heap of a healthy service was measured to vary by between two full collections; 100 kB a second fill a gigabyte in
three hours.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(heap) = &facts.measurements.heap else { return Vec::new() };
    let Some(growth) = heap.growth.filter(|growth| grows(heap, *growth)) else { return Vec::new() };
    let functions = &facts.profile.functions;
    let is_app = |row: &Allocator| functions.get(row.function).category == Category::App;
    let named = maker(&heap.survivors, is_app);
    let inlined = named.and_then(|named| inlined_into(facts, heap, named));
    let top = inlined.or(named);
    let is_own = top.is_some_and(is_app);
    let n_samples: u64 = heap.survivors.iter().map(|row| row.n_samples).sum();
    let full_in = (growth.limit as f64 - growth.after as f64).max(0.0) / growth.per_second();
    let rate = bytes(growth.per_second());
    let mut evidence = vec![heap_evidence(
        format!(
            "after full collections {} were in use, and {} {:.1} s later",
            bytes(growth.before as f64),
            bytes(growth.after as f64),
            growth.seconds
        ),
        growth.per_second(),
        "bytes per second",
        None,
    )];
    if let Some((first, last, seconds)) = growth.floors {
        let text = format!(
            "the lowest reading rose from {} to {} within {seconds:.0} s",
            bytes(first as f64),
            bytes(last as f64)
        );
        let mut row = heap_evidence(text, last as f64 - first as f64, "bytes", None);
        row.recorder = "heap_usage";
        evidence.push(row);
    }
    for row in heap.survivors.iter().take(MAX_FUNCTIONS) {
        let function = functions.get(row.function);
        let caller = row.caller.map(|id| functions.get(id)).map_or(String::new(), |caller| {
            format!(", called by {} at {}", function_name(caller), place(caller))
        });
        let text = format!(
            "{} of what stayed was allocated for {} at {}{caller}",
            percent(row.share),
            function_name(function),
            place(function)
        );
        evidence.push(heap_evidence(text, row.share, "share", Some(row.n_samples)));
    }
    if let (Some(inner), Some(outer)) = (inlined, named) {
        let (inner, outer) = (functions.get(inner.function), functions.get(outer.function));
        let text = format!(
            "{} runs below {}, which does less itself: V8 counts what it inlined as its caller's",
            function_name(inner),
            function_name(outer)
        );
        evidence.push(Evidence { text, value: None, unit: "", n_samples: None, recorder: "cpu" });
    }
    if growth.limit > 0 {
        let text = format!(
            "at this rate the limit of {} is reached in {}",
            bytes(growth.limit as f64),
            duration(full_in)
        );
        evidence.push(heap_evidence(text, full_in, "s", None));
    }
    let function = top.map(|row| functions.get(row.function));
    let whom =
        function.map_or("the functions named".into(), |f| format!("{} at {}", function_name(f), place(f)));
    vec![Finding {
        rule: RULE.id,
        title: format!("the heap grows by {rate} a second that no collection frees"),
        severity: if growth.limit > 0 && full_in <= SOON { Severity::High } else { Severity::Medium },
        confidence: if n_samples >= MANY_SAMPLES { Confidence::High } else { Confidence::Medium },
        confidence_why: format!(
            "{n_samples} sampled objects were still alive; a cache that fills up looks the same"
        ),
        share: named.map(|row| row.share),
        share_of: "bytes that stayed",
        // Less memory is no more requests, until it runs out.
        predicted_gain: None,
        location: function.map(|function| Location::of(function, Some(heap.pid))),
        evidence,
        advice: if is_own {
            let who_keeps = top.and_then(|row| row.caller).map_or(String::new(), |caller| {
                format!(" (look first at who calls it, {})", function_name(functions.get(caller)))
            });
            format!(
                "Find what keeps the objects that {whom} makes{who_keeps}: delete them when their work is done, or give what holds \
                 them a bound."
            )
        } else {
            format!(
                "{whom} makes them for the application: find the list, map, cache or listener there that keeps what requests bring, \
                 and give it a bound."
            )
        },
        function: top.map(|row| row.function),
        intervals: Vec::new(),
    }]
}

/// Returns the function with most survivors of those that run below `outer` and work more than it does: then they were inlined into it,
/// and what they allocate is counted there.
fn inlined_into<'a>(facts: Facts<'_>, heap: &'a HeapMeasure, outer: &Allocator) -> Option<&'a Allocator> {
    // Collections are charged by what V8 says who allocates: they cannot tell whether it says right.
    let worked = |id| facts.measurements.charges.worked_unfolded.get(&id).map_or(0, |time| time.0);
    heap.survivors.iter().find(|inner| {
        facts.profile.functions.get(inner.function).category == Category::App
            && inner.n_samples >= MIN_INLINED
            && worked(inner.function) > worked(outer.function)
            && is_below(facts, inner.function, outer.function)
    })
}

/// Returns who made what stayed: the application's function with most of it where that is a good part, else who made most.
fn maker(survivors: &[Allocator], is_app: impl Fn(&Allocator) -> bool) -> Option<&Allocator> {
    let own = survivors.iter().find(|row| is_app(row)).filter(|row| row.share >= GOOD_PART);
    own.or(survivors.first())
}

/// Whether it grew, by enough, by objects that were seen, and not in this window alone.
fn grows(heap: &HeapMeasure, growth: HeapGrowth) -> bool {
    let grown = growth.after as f64 - growth.before as f64;
    let survived: f64 = heap.survivors.iter().map(|row| row.bytes).sum();
    let n_samples: u64 = heap.survivors.iter().map(|row| row.n_samples).sum();
    let over_the_run = growth.floors.is_none_or(|(first, last, seconds)| {
        last as f64 - first as f64 >= MIN_EXPLAINED * growth.per_second() * seconds
    });
    grown >= MIN_GROWTH
        && growth.per_second() >= MIN_PER_SECOND
        && survived >= MIN_EXPLAINED * grown
        && n_samples >= MIN_SAMPLES
        && over_the_run
}

fn heap_evidence(text: String, value: f64, unit: &'static str, n_samples: Option<u64>) -> Evidence {
    Evidence { text, value: Some(value), unit, n_samples, recorder: "heap" }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::tables::FunctionId;

    #[test]
    fn the_application_is_named_where_it_made_a_good_part_of_what_stayed() {
        let row = |function, share| Allocator {
            function: FunctionId(function),
            bytes: share,
            share,
            n_samples: 9,
            caller: None,
        };
        let check = |shares: [f64; 2], expected: u32| {
            // Function 1 is the application's, function 0 a parser's.
            let rows = [row(0, shares[0]), row(1, shares[1])];
            let found = maker(&rows, |row| row.function == FunctionId(1)).expect("there is one");
            assert_eq!(found.function, FunctionId(expected), "{shares:?}");
        };
        check([0.6, 0.4], 1);
        check([0.8, 0.1], 0);
    }
}
