//! Keeps one finding where two speak of the same time in the same place: the one that says what is wrong.

use crate::finding::Finding;
use crate::{Breadth, Facts, rule};
use slowpath_profile::tables::FunctionId;

/// A general finding gives way to specific ones that explain at least this part of it; with less, most of it is something else.
const EXPLAINED: f64 = 0.5;

/// Rules whose cost is not charged to the function that they name: pieces of an answer are sent when the caller is done.
const DEFERRED: &[&str] = &["tiny-writes"];

/// Pairs of specific rules that see the same calls: the first gives way to the second.
const SAME_CALLS: &[(&str, &str)] =
    &[("sync-fs", "sync-logging"), ("tiny-writes", "per-chunk-work-in-stream")];

/// Removes general findings that specific ones explain.
pub(crate) fn settle(facts: Facts<'_>, findings: Vec<Finding>) -> Vec<Finding> {
    let is_specific =
        |finding: &Finding| rule(finding.rule).is_some_and(|rule| rule.breadth == Breadth::Specific);
    let explained = |general: &Finding| {
        let (Some(function), Some(share)) = (general.function, general.share) else { return false };
        let explaining = findings.iter().filter(|finding| {
            is_specific(finding)
                && finding.function.is_some_and(|at| {
                    is_within(facts, at, function)
                        || (DEFERRED.contains(&finding.rule) && is_caller(facts, function, at))
                })
        });
        // Two specific findings may share time: the largest counts, not the sum.
        let most = explaining.filter_map(|finding| finding.share).fold(0.0, f64::max);
        most >= EXPLAINED * share
    };
    let is_doubled = |finding: &Finding| {
        SAME_CALLS.iter().filter(|(weaker, _)| *weaker == finding.rule).any(|(_, stronger)| {
            findings.iter().any(|other| {
                other.rule == *stronger && other.function == finding.function && other.share >= finding.share
            })
        })
    };
    let gives_way =
        |finding: &Finding| is_doubled(finding) || (finding.rule == "cpu-hot-function" && explained(finding));
    let kept: Vec<bool> = findings.iter().map(|finding| !gives_way(finding)).collect();
    findings.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(finding, _)| finding).collect()
}

/// Whether `outer` makes most of the calls of `inner`.
fn is_caller(facts: Facts<'_>, outer: FunctionId, inner: FunctionId) -> bool {
    let functions = &facts.measurements.charges.functions;
    let callers =
        functions.iter().find(|function| function.function == inner).map(|function| &function.callers);
    callers.is_some_and(|callers| callers.iter().any(|(id, share)| *id == outer && *share >= EXPLAINED))
}

/// Whether `inner` is `outer`, or is folded into it.
fn is_within(facts: Facts<'_>, inner: FunctionId, outer: FunctionId) -> bool {
    let functions = &facts.measurements.charges.functions;
    let folded =
        functions.iter().find(|function| function.function == outer).map(|function| &function.folded);
    inner == outer || folded.is_some_and(|folded| folded.iter().any(|(id, _)| *id == inner))
}
