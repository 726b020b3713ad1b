//! Turns measurements into findings and one verdict. Pure; one rule a file under `rules/`.

mod checklist;
mod checkpoints;
mod finding;
mod gain;
mod line_work;
mod merge;
mod native_verdict;
mod packs;
mod rules;
mod verdict;
mod words;

pub use checklist::{DEFAULT_P99_MS, Point, PointAnswer, answer_checklist};
pub use checkpoints::{Answer, Checkpoint, answer_checkpoints};
pub use finding::{Confidence, Evidence, Finding, Location, PredictedGain, Severity};
pub use packs::{BUILT_IN, Choice, Glob, PACK_FORMAT, Pack, PackError, Scenario, applies};
pub use rules::{Breadth, Documentation, Example, RULES, Rule, rule, rules_docs};
pub use verdict::{Verdict, VerdictClass};

use slowpath_analysis::Measurements;
use slowpath_profile::tables::{FunctionId, Profile};

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The numbers.
    pub measurements: &'a Measurements,
    /// The tables that function ids point into.
    pub profile: &'a Profile,
}

impl Facts<'_> {
    /// Returns the process in which `function` ran for longest.
    fn process_running(self, function: FunctionId) -> Option<u32> {
        slowpath_analysis::process_running(self.profile, &self.measurements.serving, function)
    }
}

/// The outcome of a diagnosis.
#[derive(Debug)]
pub struct Diagnosis {
    /// The one sentence.
    pub verdict: Verdict,
    /// Most important first.
    pub findings: Vec<Finding>,
    /// Suspicions that the numbers refute.
    pub refuted: Vec<String>,
}

/// Runs every rule, lets one finding stand for each time and place, ranks by predicted gain and concludes.
pub fn diagnose(facts: Facts<'_>) -> Diagnosis {
    let all: Vec<Finding> = ranked(RULES.iter().flat_map(|rule| (rule.check)(facts)).collect());
    let findings = ranked(merge::merge(facts, all.clone()));
    let verdict = verdict::conclude(facts, &findings, &all);
    Diagnosis { verdict, findings, refuted: verdict::refuted(facts) }
}

fn ranked(mut findings: Vec<Finding>) -> Vec<Finding> {
    let gain = |finding: &Finding| finding.predicted_gain.as_ref().map_or(1.0, |gain| gain.throughput);
    findings.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then(gain(b).total_cmp(&gain(a)))
            .then(b.share.unwrap_or(0.0).total_cmp(&a.share.unwrap_or(0.0)))
            .then(a.title.cmp(&b.title))
    });
    findings
}
