//! Lets one finding stand where several speak of the same time in the same place.

use crate::finding::{Evidence, Finding};
use crate::{Breadth, rule};
use slowpath_profile::tables::FunctionId;

/// Part of a general finding's share that specific ones must explain before it gives way: the larger half, with room for
/// the error of both.
const EXPLAINED: f64 = 0.6;

/// Pieces of evidence that are carried over from a finding that gives way.
const MAX_EVIDENCE: usize = 3;

/// Drops findings whose place and time others explain better, and keeps their numbers as evidence. `findings` are sorted,
/// most important first, and stay so.
pub(crate) fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    let leads: Vec<bool> =
        findings.iter().map(|finding| is_specific(finding) || is_the_narrower(finding, &findings)).collect();
    let (mut specific, mut general) = (Vec::new(), Vec::new());
    for (finding, leads) in findings.into_iter().zip(leads) {
        if leads { specific.push(finding) } else { general.push(finding) }
    }
    // Specific ones first, whatever their rank: they are what general ones give way to.
    for finding in specific.into_iter().chain(general) {
        match gives_way_to(&finding, &kept) {
            Some(index) => {
                let heading = format!("also seen as `{}`: {}", finding.rule, finding.title);
                let carried = finding.evidence.into_iter().take(MAX_EVIDENCE);
                let survivor = &mut kept[index];
                survivor.evidence.push(Evidence {
                    text: heading,
                    value: finding.share,
                    unit: "share",
                    n_samples: None,
                    recorder: "cpu",
                });
                let known: Vec<String> = survivor.evidence.iter().map(|known| known.text.clone()).collect();
                survivor.evidence.extend(carried.filter(|row| !known.contains(&row.text)));
                survivor.severity = survivor.severity.max(finding.severity);
            }
            None => kept.push(finding),
        }
    }
    kept
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
        is_of_same && other.share_of == finding.share_of && share < wider && share >= wider * EXPLAINED
    })
}

/// Returns the finding of `kept` that stands in the place of `finding`.
fn gives_way_to(finding: &Finding, kept: &[Finding]) -> Option<usize> {
    let function = place(finding)?;
    let share = finding.share.unwrap_or(0.0);
    let same_place = || kept.iter().enumerate().filter(|(_, other)| place(other) == Some(function));
    if is_specific(finding) {
        // Two specific rules say two things of one place: both stand, unless it is the same rule twice.
        return same_place().find(|(_, other)| other.rule == finding.rule).map(|(index, _)| index);
    }
    let explained: f64 = same_place()
        .filter(|(_, other)| is_specific(other) && other.share_of == finding.share_of)
        .filter_map(|(_, other)| other.share)
        .sum();
    let largest = same_place().max_by(|a, b| a.1.share.unwrap_or(0.0).total_cmp(&b.1.share.unwrap_or(0.0)));
    let (index, other) = largest?;
    let is_explained = explained >= share * EXPLAINED;
    // Two general rules see the same time from two sides.
    let is_general = !is_specific(other);
    (is_explained || is_general).then_some(index)
}

fn place(finding: &Finding) -> Option<FunctionId> {
    finding.function.filter(|_| finding.location.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Confidence, Location, Severity};

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
        let merged = merge(findings.iter().map(|(rule, at, share)| finding(rule, *at, *share)).collect());
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
    }

    #[test]
    fn findings_of_different_places_all_stand() {
        check(
            &[("cpu-hot-function", 1, 0.5), ("cpu-hot-function", 2, 0.3)],
            &["cpu-hot-function", "cpu-hot-function"],
        );
    }
}
