//! `deoptimisation-loop`: V8 optimises a hot function again and again, because its code does not last.

use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, percent, place};
use slowpath_profile::deopts::Deopts;

/// Least times in the window. A function that is hot and at rest is optimised once more or twice when its input changes;
/// by the fifth time V8 has not come to rest.
const MIN_TIMES: u64 = 5;

/// Least part of the window between the first and the last time: a burst is warming up.
const MIN_SPREAD: f64 = 0.5;

/// Least share of busy time of the function: of a cold one it does not matter how V8 runs it.
const MIN_SHARE: f64 = 0.05;

/// Least share of wall time: see `cpu-hot-function`.
const MIN_SHARE_OF_WALL: f64 = 0.03;

/// Share of busy time from which on the function is worth a look before others.
const LARGE_SHARE: f64 = 0.2;

/// Reasons quoted.
const MAX_CAUSES: usize = 3;

pub(super) const RULE: Rule = Rule {
    id: "deoptimisation-loop",
    summary: "V8 optimises a hot function again and again, because its code does not last",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
V8 compiles a hot function for what it has seen so far: shapes of objects, kinds of numbers, prototypes and globals that do not change.
Where that stops being so, it throws the code away, runs the function unoptimised and compiles it anew, and here it never comes
to rest.",
        why_it_hurts: "\
Between two optimisations the function runs several times slower, each costs the thread some tenths of a millisecond besides, and the
threads that compile need CPU too.",
        how_recognised: "\
The deopts phase (`--deopts`) has V8 tell what it optimises and what it throws away. Fires where a function with 5 % of the busy time (and
3 % of wall time) was optimised, or thrown away while it ran, five times in one process and thread, over at least half of the
phase.",
        lookalikes: "\
A service that is still warming up: its functions are optimised in turn, each once or twice. Code that is made anew for each request
(`new Function`, `eval`, a module loaded again) is another function each time, without a name that could be told from others: it is
counted as unplaced and shows as compiling.",
        what_to_do: "\
Look for what changes under the function: properties added to or deleted from prototypes, globals set and deleted for each request,
objects that are built with their properties in varying order, a number that is now and then text or missing. Keep per-request state
in an argument or in `AsyncLocalStorage`, build objects in one place, and leave prototypes alone after start. Where V8 tells
the line and the reason, the finding has them.",
        example: Example {
            language: "js",
            before: "\
globalThis.tenant = tenantOf(request);    // every function that reads `tenant` loses its code
answer(request);
delete globalThis.tenant;",
            after: "\
answer(request, tenantOf(request));",
        },
        thresholds: "\
Five times: a function that has come to rest is optimised once more or twice when its input changes. Half of the phase: a burst is
warming up. 5 % of busy time: what removing it could bring is below what a load test can tell. No gain is predicted: how fast the
function would be with code that lasts is not measured.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(deopts) = &facts.measurements.deopts else { return Vec::new() };
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let mut findings: Vec<Finding> = Vec::new();
    for row in &deopts.functions {
        let is_over_time = row.last_ms - row.first_ms >= MIN_SPREAD * deopts.window_ms;
        let share = share_of(facts, row);
        let matters = share >= MIN_SHARE && share * utilisation >= MIN_SHARE_OF_WALL;
        let is_known = findings.iter().any(|finding| finding.function == Some(row.function));
        if times(row) >= MIN_TIMES && is_over_time && matters && !is_known {
            findings.push(finding(facts, row, share));
        }
    }
    findings
}

/// How often its code was lost: what is optimised again was lost before, whether or not V8 told of it.
fn times(row: &Deopts) -> u64 {
    (row.n_optimised + row.n_aborted).max(row.n_thrown_away())
}

/// Returns the share of busy time that a function ran itself, or was charged with.
fn share_of(facts: Facts<'_>, row: &Deopts) -> f64 {
    let measurements = facts.measurements;
    let charged = measurements.charges.charged_unfolded.get(&row.function).map_or(0, |time| time.0);
    let own = measurements.function_times().iter().find(|times| times.function == row.function);
    let own = own.map_or(0, |times| times.self_time.0);
    charged.max(own) as f64 / measurements.charges.busy.0.max(1) as f64
}

fn finding(facts: Facts<'_>, row: &Deopts, share: f64) -> Finding {
    let function = facts.profile.functions.get(row.function);
    let name = function_name(function);
    let window_s = facts.measurements.deopts.as_ref().map_or(0.0, |deopts| deopts.window_ms / 1e3);
    let (n, at) = (times(row), place(function));
    let told = |text: String, value: f64, unit| Evidence {
        text,
        value: Some(value),
        unit,
        n_samples: None,
        recorder: "deopts",
    };
    let mut evidence = vec![told(
        format!(
            "V8 optimised it {} times in {window_s:.1} s, and gave up {} times",
            row.n_optimised, row.n_aborted
        ),
        row.n_optimised as f64,
        "times",
    )];
    evidence.extend(row.causes.iter().take(MAX_CAUSES).map(|cause| {
        let line = cause.place.map_or(String::new(), |(id, line)| {
            format!(" at {}:{line}", facts.profile.functions.get(id).file)
        });
        told(
            format!("thrown away {} times while it ran: {}{line}", cause.n, cause.reason),
            cause.n as f64,
            "times",
        )
    }));
    if row.n_thrown_away() == 0 {
        let text = "never thrown away while it ran: what its code relied on was changed between its calls";
        evidence.push(told(text.into(), 0.0, "times"));
    }
    evidence.push(told(
        format!("optimising it held the thread for {:.1} ms; the rest went on beside", row.held_ms),
        row.held_ms,
        "ms",
    ));
    evidence.push(Evidence {
        text: format!("{} of the busy time is charged to {name}", percent(share)),
        value: Some(share),
        unit: "share",
        n_samples: None,
        recorder: "cpu",
    });
    Finding {
        rule: RULE.id,
        title: format!("V8 optimises {name} again and again: {n} times in {window_s:.1} s"),
        severity: if share >= LARGE_SHARE { Severity::Medium } else { Severity::Low },
        confidence: Confidence::Medium,
        confidence_why: format!(
            "V8 counted {n} times; how fast {name} would be with code that lasts is not measured"
        ),
        // The function's time is not the loop's: a finding on that time must not give way to this one.
        share: None,
        share_of: "",
        predicted_gain: None,
        location: Some(Location::of(function, facts.process_running(row.function))),
        evidence,
        advice: format!(
            "Find what changes under {name} at {at} from request to request: prototypes, globals, shapes of objects, kinds of numbers."
        ),
        function: Some(row.function),
        intervals: Vec::new(),
    }
}
