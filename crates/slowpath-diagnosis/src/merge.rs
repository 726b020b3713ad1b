//! Lets one finding stand where several speak of the same time in the same place: the one that says what is wrong.

use crate::finding::{Evidence, Finding, PredictedGain};
use crate::{Breadth, Facts, rule};
use slowpath_profile::tables::FunctionId;

/// Part of a general finding's share that a specific one, or a narrower one, must explain before it gives way: the larger
/// half. With less, most of it is something else.
const EXPLAINED: f64 = 0.5;

/// Pieces of evidence that are carried over from a finding that gives way.
const MAX_EVIDENCE: usize = 3;

/// Rules whose cost is not charged to the function that they name: pieces of an answer are sent when the caller is done.
const DEFERRED: &[&str] = &["tiny-writes"];

/// Pairs of specific rules that see the same calls: the first gives way to the second.
const SAME_CALLS: &[(&str, &str)] = &[
    ("sync-fs", "sync-logging"),
    ("tiny-writes", "per-chunk-work-in-stream"),
    ("wasm-hot", "expensive-construction-per-request"),
];

/// The stronger of them may have this part of the weaker one's share, or more.
const MUCH: f64 = 0.7;

/// Pairs of specific rules of which the second says why there is what the first sees, whatever their shares.
const SAYS_WHY: &[(&str, &str)] = &[
    ("sequential-awaits", "redis-chatter"),
    ("sequential-awaits", "retry-storm"),
    ("json-churn", "repeated-lookup"),
];

/// Pairs of specific rules of which the second says why there is what the first sees, if it would bring as much: of many awaits in a row
/// one that can go leaves the row.
const BRINGS_AS_MUCH: &[(&str, &str)] = &[("sequential-awaits", "repeated-lookup")];

/// Pairs of general rules of which the first sees a part of what the second does, and more besides: functions are charged with the
/// collections that they bring about, and others are too.
const PART_OF: &[(&str, &str)] = &[("gc-pressure", "cpu-hot-function")];

/// Whether the time that a specific finding speaks of is time of a function.
type Covers<'a> = &'a dyn Fn(&Finding, FunctionId) -> bool;

/// Drops findings whose place and time others explain better, and keeps their numbers as evidence. `findings` are sorted,
/// most important first.
pub(crate) fn merge(facts: Facts<'_>, findings: Vec<Finding>) -> Vec<Finding> {
    merge_with(findings, &|specific, function| {
        specific.function.is_some_and(|at| {
            is_within(facts, at, function)
                || (DEFERRED.contains(&specific.rule) && is_caller(facts, function, at))
        })
    })
}

fn merge_with(findings: Vec<Finding>, covers: Covers<'_>) -> Vec<Finding> {
    let leads: Vec<bool> =
        findings.iter().map(|finding| is_specific(finding) || is_the_narrower(finding, &findings)).collect();
    let doubled: Vec<bool> = findings.iter().map(|finding| is_doubled(finding, &findings)).collect();
    // What others give way to comes first, whatever its rank.
    let order = |(leads, doubled): (bool, bool)| match (leads, doubled) {
        (true, false) => 0,
        (true, true) => 1,
        (false, _) => 2,
    };
    let mut ordered: Vec<(u8, Finding)> = leads.into_iter().zip(doubled).map(order).zip(findings).collect();
    ordered.sort_by_key(|(order, _)| *order);
    let mut kept: Vec<Finding> = Vec::new();
    for (_, finding) in ordered {
        match gives_way_to(&finding, &kept, covers) {
            Some(index) => carry_over(finding, &mut kept[index]),
            None => kept.push(finding),
        }
    }
    kept
}

/// Keeps what a finding that gives way says as evidence of the one that stands.
fn carry_over(finding: Finding, survivor: &mut Finding) {
    survivor.evidence.push(Evidence {
        text: format!("also seen as `{}`: {}", finding.rule, finding.title),
        value: finding.share,
        unit: "share",
        n_samples: None,
        recorder: "cpu",
    });
    let known: Vec<String> = survivor.evidence.iter().map(|known| known.text.clone()).collect();
    let carried = finding.evidence.into_iter().take(MAX_EVIDENCE);
    survivor.evidence.extend(carried.filter(|row| !known.contains(&row.text)));
    survivor.severity = survivor.severity.max(finding.severity);
    // Not to allocate is not to do what allocates: the work goes with its collections.
    if PART_OF.contains(&(survivor.rule, finding.rule))
        && let Some((mine, whole)) = survivor.predicted_gain.zip(finding.predicted_gain)
        && whole.throughput > mine.throughput
    {
        survivor.predicted_gain = Some(PredictedGain { low: mine.low.min(whole.low), ..whole });
    }
}

fn is_specific(finding: &Finding) -> bool {
    rule(finding.rule).is_none_or(|rule| rule.breadth == Breadth::Specific)
}

/// Whether a general finding explains the larger part of a wider one of the same place: collections, of a hot function.
fn is_the_narrower(finding: &Finding, all: &[Finding]) -> bool {
    let share = finding.share.unwrap_or(0.0);
    all.iter().any(|other| {
        let wider = other.share.unwrap_or(0.0);
        let is_of_same = place(other).is_some() && place(other) == place(finding);
        let is_narrower = share < wider || PART_OF.contains(&(finding.rule, other.rule));
        is_of_same && other.share_of == finding.share_of && is_narrower && share >= wider * EXPLAINED
    })
}

/// Whether another specific rule sees the calls of this finding, and says more of them.
fn is_doubled(finding: &Finding, all: &[Finding]) -> bool {
    all.iter().any(|other| is_stronger(other, finding))
}

fn is_stronger(finding: &Finding, other: &Finding) -> bool {
    let pair = (other.rule, finding.rule);
    let is_as_much = finding.share >= other.share.map(|share| share * MUCH);
    let gain = |finding: &Finding| finding.predicted_gain.map_or(1.0, |gain| gain.throughput - 1.0);
    let is_pair = SAYS_WHY.contains(&pair)
        || (SAME_CALLS.contains(&pair) && is_as_much)
        || (BRINGS_AS_MUCH.contains(&pair) && gain(finding) >= gain(other) * MUCH);
    is_pair && place(finding).is_some() && place(finding) == place(other)
}

/// Returns the finding of `kept` that stands in the place of `finding`.
fn gives_way_to(finding: &Finding, kept: &[Finding], covers: Covers<'_>) -> Option<usize> {
    let function = place(finding)?;
    let largest = |which: &dyn Fn(&Finding) -> bool| {
        let found = kept.iter().enumerate().filter(|(_, other)| which(other));
        found.max_by(|a, b| a.1.share.unwrap_or(0.0).total_cmp(&b.1.share.unwrap_or(0.0)))
    };
    if is_specific(finding) {
        // Two specific rules say two things of one place: both stand, unless it is the same rule or the same calls twice.
        let is_same = |other: &Finding| {
            (other.rule == finding.rule && place(other) == Some(function)) || is_stronger(other, finding)
        };
        return kept.iter().position(is_same);
    }
    // Two specific findings may share time: the largest counts, not the sum.
    let specific =
        largest(&|other| is_specific(other) && other.share_of == finding.share_of && covers(other, function));
    let needed = finding.share.unwrap_or(0.0) * EXPLAINED;
    if let Some((index, _)) = specific.filter(|(_, other)| other.share.unwrap_or(0.0) >= needed) {
        return Some(index);
    }
    // Two general rules see the same time from two sides.
    largest(&|other| !is_specific(other) && place(other) == Some(function)).map(|(index, _)| index)
}

fn place(finding: &Finding) -> Option<FunctionId> {
    finding.function.filter(|_| finding.location.is_some())
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
    inner == outer || folded.is_some_and(|folded| folded.iter().any(|folded| folded.function == inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Confidence, Location, Saving, Severity};

    fn finding(rule: &'static str, function: u32, share: f64) -> Finding {
        let location = Location {
            function: "f".into(),
            file: "a.js".into(),
            line: Some(1),
            column: None,
            package: None,
            process: None,
        };
        Finding {
            rule,
            title: rule.into(),
            severity: Severity::Medium,
            confidence: Confidence::High,
            confidence_why: String::new(),
            share: Some(share),
            share_of: "busy main-thread time",
            predicted_gain: None,
            location: Some(location),
            evidence: Vec::new(),
            advice: String::new(),
            function: Some(FunctionId(function)),
            intervals: Vec::new(),
        }
    }

    #[track_caller]
    fn check(findings: &[(&'static str, u32, f64)], expected: &[&str]) -> Vec<Finding> {
        let findings = findings.iter().map(|(rule, at, share)| finding(rule, *at, *share)).collect();
        // Function 9 is folded into function 1.
        let merged = merge_with(findings, &|specific, function| {
            let at = specific.function.expect("they have a place");
            at == function || (at, function) == (FunctionId(9), FunctionId(1))
        });
        assert_eq!(merged.iter().map(|finding| finding.rule).collect::<Vec<_>>(), expected);
        merged
    }

    #[test]
    fn a_specific_finding_stands_in_the_place_of_a_general_one() {
        let merged = check(&[("cpu-hot-function", 1, 0.5), ("sync-fs", 1, 0.4)], &["sync-fs"]);
        assert!(merged[0].evidence[0].text.contains("also seen as `cpu-hot-function`"));
    }

    #[test]
    fn a_general_finding_stays_beside_a_specific_one_that_explains_little_of_it() {
        check(&[("cpu-hot-function", 1, 0.5), ("sync-fs", 1, 0.1)], &["sync-fs", "cpu-hot-function"]);
    }

    #[test]
    fn two_general_findings_of_one_place_are_one() {
        check(&[("cpu-hot-function", 1, 0.5), ("gc-pressure", 1, 0.2)], &["cpu-hot-function"]);
        check(&[("cpu-hot-function", 1, 0.5), ("gc-pressure", 1, 0.4)], &["gc-pressure"]);
        check(&[("cpu-hot-function", 1, 0.3), ("gc-pressure", 1, 0.7)], &["gc-pressure"]);
    }

    #[test]
    fn the_work_that_allocates_goes_with_its_collections() {
        let with_gain = |rule, share, throughput, low| Finding {
            predicted_gain: Some(PredictedGain {
                throughput,
                low,
                high: 2.0 * throughput,
                saving: Saving::default(),
            }),
            ..finding(rule, 1, share)
        };
        let merged_gain = |rule| {
            let findings = vec![with_gain("cpu-hot-function", 0.8, 5.0, 4.0), with_gain(rule, 0.5, 2.0, 1.3)];
            let merged = merge_with(findings, &|_, _| true);
            assert_eq!(merged.len(), 1);
            let gain = merged[0].predicted_gain.unwrap();
            (gain.throughput, gain.low, gain.high)
        };
        assert_eq!(merged_gain("gc-pressure"), (5.0, 1.3, 10.0));
        assert_eq!(
            merged_gain("json-churn"),
            (2.0, 1.3, 4.0),
            "another rule knows which part of the work can go"
        );
    }

    #[test]
    fn findings_of_different_places_all_stand() {
        check(
            &[("cpu-hot-function", 1, 0.5), ("cpu-hot-function", 2, 0.3)],
            &["cpu-hot-function", "cpu-hot-function"],
        );
    }

    #[test]
    fn what_is_folded_into_a_function_explains_it_too() {
        check(&[("cpu-hot-function", 1, 0.5), ("json-churn", 9, 0.3)], &["json-churn"]);
        check(&[("cpu-hot-function", 9, 0.5), ("json-churn", 1, 0.3)], &["json-churn", "cpu-hot-function"]);
    }

    #[test]
    fn two_specific_findings_of_a_place_stand_unless_they_see_the_same_calls() {
        check(&[("json-churn", 1, 0.5), ("sync-logging", 1, 0.3)], &["json-churn", "sync-logging"]);
        let merged = check(&[("sync-fs", 1, 0.4), ("sync-logging", 1, 0.4)], &["sync-logging"]);
        assert!(merged[0].evidence[0].text.contains("also seen as `sync-fs`"));
        check(&[("sync-fs", 1, 0.5), ("sync-logging", 1, 0.3)], &["sync-fs", "sync-logging"]);
        check(&[("sync-fs", 2, 0.3), ("sync-logging", 1, 0.4)], &["sync-fs", "sync-logging"]);
        check(&[("sequential-awaits", 1, 0.8), ("redis-chatter", 1, 0.1)], &["redis-chatter"]);
    }
}
