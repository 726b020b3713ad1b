//! What the rules on sorting and searching lists share: a hot function whose hot lines do it.

use super::counted::counters;
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::line_work::{LineWork, ListWork};
use crate::words::{function_name, percent, place};
use crate::{Facts, gain};
use slowpath_analysis::AppFunction;

/// Least share of busy time: see `cpu-hot-function`.
const MIN_SHARE: f64 = 0.10;

/// Least share of wall time: see `cpu-hot-function`.
const MIN_SHARE_OF_WALL: f64 = 0.05;

/// Least predicted gain: see `cpu-hot-function`.
const MIN_GAIN: f64 = 1.05;

/// Part of a function's line samples that must be on such lines: with less, something else in it is the cause.
const MIN_PART: f64 = 0.6;

/// Least line samples: at fewer, the part is uncertain by more than a tenth.
const MIN_SAMPLES: u64 = 50;

/// Returns the share of busy time that a function and its helpers spend in built-ins that the counters recorder times, other than
/// on lists.
fn counted_elsewhere(facts: Facts<'_>, hot: &AppFunction) -> f64 {
    let Some(counters) = counters(facts) else { return 0.0 };
    let functions: Vec<_> =
        [hot.function].into_iter().chain(hot.folded.iter().map(|folded| folded.function)).collect();
    let is_whole = |kind: &str| {
        matches!(kind, "json.parse" | "json.stringify" | "structured_clone" | "console" | "stdout")
    };
    let sums = counters.by_function(|row| is_whole(&row.kind));
    let ms: f64 = sums.iter().filter(|sum| functions.contains(&sum.function)).map(|sum| sum.sum.ms).sum();
    counters.share_of_busy(ms)
}

/// Returns findings on functions whose lines mostly do one of `kinds`, said by `what`.
pub(super) fn findings(
    facts: Facts<'_>,
    rule: &'static str,
    kinds: &[ListWork],
    what: &str,
    remedy: &str,
) -> Vec<Finding> {
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let mut findings = Vec::new();
    for hot in &facts.measurements.charges.functions {
        if hot.share < MIN_SHARE || hot.share * utilisation < MIN_SHARE_OF_WALL {
            continue;
        }
        let work = LineWork::of(facts, hot);
        let parts: Vec<_> = work.parts.iter().filter(|(kind, ..)| kinds.contains(kind)).collect();
        // A line may do both, `list.filter(…).map(JSON.parse)`: what was counted in built-ins is not the list's doing.
        let elsewhere = counted_elsewhere(facts, hot) / hot.share;
        let part = parts.iter().map(|(_, part, _)| part).sum::<f64>() - elsewhere;
        if part < MIN_PART || work.n_samples < MIN_SAMPLES {
            continue;
        }
        let Some((_, _, line)) = parts.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let function = facts.profile.functions.get(hot.function);
        let name = function_name(function);
        let predicted_gain = gain::of_removing(facts, hot.share, hot.share_interval);
        if predicted_gain.is_some_and(|gain| gain.throughput < MIN_GAIN) {
            continue;
        }
        let (confidence, confidence_why) = Confidence::of_share(hot.share, hot.share_interval, hot.n_samples);
        findings.push(Finding {
            rule,
            title: format!("{name} {what}, {} of the busy time", percent(hot.share)),
            severity: Severity::of_gain(predicted_gain, hot.share),
            // The text of a line is a good witness, but no proof.
            confidence: confidence.min(Confidence::Medium),
            confidence_why: format!("{confidence_why}; what the lines do is read from their text"),
            share: Some(hot.share),
            share_of: "busy main-thread time",
            predicted_gain,
            location: Some(Location::of(function, facts.process_running(hot.function))),
            evidence: vec![
                Evidence {
                    text: format!("{} of the busy time in {name}", percent(hot.share)),
                    value: Some(hot.share),
                    unit: "share",
                    n_samples: Some(hot.n_samples),
                    recorder: "cpu",
                },
                Evidence {
                    text: format!(
                        "{} of its line samples are on such lines, most on line {line}",
                        percent(part)
                    ),
                    value: Some(part),
                    unit: "share",
                    n_samples: Some(work.n_samples),
                    recorder: "cpu",
                },
            ],
            advice: format!("In {} (line {line}): {remedy}", place(function)),
            function: Some(hot.function),
            intervals: Vec::new(),
        });
    }
    findings
}
