//! `wasm-hot`: one application function spends a large part of the busy time in WebAssembly.

use super::hot_code::{callers_of, calls_below};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, percent, place};
use crate::{Facts, gain};

/// Least share of busy time: see `cpu-hot-function`.
const MIN_SHARE: f64 = 0.10;

/// Least share of wall time: see `cpu-hot-function`.
const MIN_SHARE_OF_WALL: f64 = 0.05;

/// Least samples: see `cpu-hot-function`.
const MIN_SAMPLES: u64 = 30;

/// How `spent_in` names it.
const LABEL: &str = "WebAssembly";

pub(super) const RULE: Rule = Rule {
    id: "wasm-hot",
    summary: "an application function spends a large part of the busy time in WebAssembly",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
One function of the application, directly or through a package, calls WebAssembly that takes a large part of the busy time: a
tokenizer, a parser, an image codec, cryptography.",
        why_it_hurts: "\
It runs on the main thread like any other code, and no request advances meanwhile. Profilers that show leaves show numbers for names
(`wasm-function[870]`) and not who asked for it.",
        how_recognised: "\
Samples whose innermost frame is WebAssembly are charged to the nearest application function on the stack. Fires where they are
10 % of busy time and 5 % of wall time, with at least 30 samples.",
        lookalikes: "\
A module that is compiled or instantiated again for every request: `expensive-construction-per-request`.",
        what_to_do: "\
Call it less: keep results, count what is new instead of everything so far, pass larger pieces. Or move it to a worker thread.",
        example: Example {
            language: "js",
            before: "onChunk((chunk) => { total = encoder.encode(textSoFar + chunk).length; });",
            after: "onChunk((chunk) => { total += encoder.encode(chunk).length; });",
        },
        thresholds: "\
Those of `cpu-hot-function`.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let charges = &facts.measurements.charges;
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let mut findings = Vec::new();
    for hot in &charges.functions {
        let Some((_, share)) = hot.spent_in.iter().find(|(label, _)| label == LABEL) else { continue };
        let part = share / hot.share.max(f64::MIN_POSITIVE);
        let n_samples = (hot.n_samples as f64 * part) as u64;
        if *share < MIN_SHARE || share * utilisation < MIN_SHARE_OF_WALL || n_samples < MIN_SAMPLES {
            continue;
        }
        let interval = (hot.share_interval.0 * part, hot.share_interval.1 * part);
        let function = facts.profile.functions.get(hot.function);
        let name = function_name(function);
        let predicted_gain = gain::of_removing(facts, *share, interval);
        let (confidence, confidence_why) = Confidence::of_share(*share, interval, n_samples);
        let mut evidence = vec![Evidence {
            text: format!(
                "{} of the busy time in WebAssembly that {name} at {} calls",
                percent(*share),
                place(function)
            ),
            value: Some(*share),
            unit: "share",
            n_samples: Some(n_samples),
            recorder: "cpu",
        }];
        evidence.extend(calls_below(facts, hot, MIN_SHARE));
        evidence.extend(callers_of(facts, hot, MIN_SHARE));
        findings.push(Finding {
            rule: RULE.id,
            title: format!("{name} spends {} of the busy time in WebAssembly", percent(*share)),
            severity: Severity::of_gain(predicted_gain, *share),
            confidence,
            confidence_why,
            share: Some(*share),
            share_of: "busy main-thread time",
            predicted_gain,
            location: Some(Location::of(function, facts.process_running(hot.function))),
            evidence,
            advice: format!(
                "Call it less from {name} in {}: keep results, process only what is new, or move it to a worker thread.",
                place(function)
            ),
            function: Some(hot.function),
            intervals: Vec::new(),
        });
    }
    findings
}
