//! Diagnoses a drawing and compares; what must hold of every diagnosis is asserted here.

use crate::drawing::Drawing;
use slowpath_analysis::Measurements;
use slowpath_diagnosis::{Diagnosis, Facts, Finding, diagnose};
use slowpath_profile::tables::Profile;

/// What came out, for questions of a single test.
#[derive(Debug)]
pub(crate) struct Diagnosed {
    pub(crate) measurements: Measurements,
    pub(crate) diagnosis: Diagnosis,
}

impl Diagnosed {
    pub(crate) fn sentence(&self) -> &str {
        &self.diagnosis.verdict.sentence
    }

    pub(crate) fn refutes(&self, suspicion: &str) -> bool {
        self.diagnosis.refuted.iter().any(|sentence| sentence.starts_with(suspicion))
    }

    /// Returns the first finding.
    pub(crate) fn first(&self) -> &Finding {
        &self.diagnosis.findings[0]
    }
}

/// Diagnoses and compares the class of the verdict and all findings, most important first. A finding is written as
/// `rule function file:line`, or as its rule alone where it names no place.
#[track_caller]
pub(crate) fn check(drawing: &Drawing, class: &str, findings: &[&str]) -> Diagnosed {
    let diagnosed = diagnosed(drawing);
    let diagnosis = &diagnosed.diagnosis;
    let found: Vec<_> = diagnosis.findings.iter().map(in_short).collect();
    assert_eq!((diagnosis.verdict.class.as_str(), found), (class, owned(findings)), "{diagnosis:#?}");
    diagnosed
}

/// As [`check`], of the first finding alone.
#[track_caller]
pub(crate) fn check_first(drawing: &Drawing, class: &str, finding: &str) -> Diagnosed {
    let diagnosed = diagnosed(drawing);
    let diagnosis = &diagnosed.diagnosis;
    let first = diagnosis.findings.first().map(in_short);
    let found = (diagnosis.verdict.class.as_str(), first.as_deref());
    assert_eq!(found, (class, Some(finding)), "{diagnosis:#?}");
    diagnosed
}

/// Diagnoses without a comparison.
#[track_caller]
pub(crate) fn diagnosed(drawing: &Drawing) -> Diagnosed {
    let recording = drawing.recording();
    let profile = Profile::from_recording(&recording);
    let measurements = Measurements::of(&recording, &profile);
    let diagnosis = diagnose(Facts { measurements: &measurements, profile: &profile });
    assert_parts_add_up(&measurements);
    diagnosis.findings.iter().for_each(assert_numbers_make_sense);
    Diagnosed { measurements, diagnosis }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn in_short(finding: &Finding) -> String {
    match &finding.location {
        Some(place) => {
            let line = place.line.map_or(String::new(), |line| format!(":{line}"));
            format!("{} {} {}{line}", finding.rule, place.function, place.file)
        }
        None => finding.rule.to_owned(),
    }
}

#[track_caller]
fn assert_parts_add_up(measurements: &Measurements) {
    if let Some(split) = &measurements.split {
        let sum: f64 = split.shares.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "the split adds up to {sum}: {:?}", split.shares);
        assert!(split.shares.iter().all(|share| (0.0..=1.0).contains(share)), "{:?}", split.shares);
    }
    let charges = &measurements.charges;
    if charges.busy.0 > 0 {
        let charged: f64 = charges.functions.iter().map(|function| function.share).sum();
        let unowned: f64 = charges.unowned.iter().map(|unowned| unowned.share).sum();
        assert!((charged + unowned - 1.0).abs() < 1e-9, "{charged} charged + {unowned} unowned");
    }
}

#[track_caller]
fn assert_numbers_make_sense(finding: &Finding) {
    assert!(finding.share.is_none_or(|share| (0.0..=1.0).contains(&share)), "{finding:#?}");
    assert!(
        finding.evidence.iter().all(|evidence| evidence.value.is_none_or(f64::is_finite)),
        "{finding:#?}"
    );
    if let Some(gain) = finding.predicted_gain {
        let in_order = 1.0 <= gain.low && gain.low <= gain.throughput && gain.throughput <= gain.high;
        assert!(in_order && gain.high.is_finite(), "the interval is not around the estimate: {finding:#?}");
    }
}
