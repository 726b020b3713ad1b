//! Turns measurements into findings and one verdict. Pure; one rule a file under `rules/`.

mod checklist;
mod checkpoints;
mod finding;
mod gain;
mod growth;
mod line_work;
mod merge;
mod native_verdict;
mod packs;
mod rules;
mod verdict;
mod words;

pub use checklist::{DEFAULT_P99_MS, Point, PointAnswer, answer_checklist};
pub use checkpoints::{Answer, Checkpoint, answer_checkpoints};
pub use finding::{Confidence, Evidence, Finding, Location, PredictedGain, Saving, Severity};
pub use growth::{Pace, expected_exponent};
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
    /// Factor on requests per second with the causes of all findings gone; `None` where fewer than two functions are named.
    pub gain_of_all: Option<f64>,
    /// Suspicions that the numbers refute.
    pub refuted: Vec<String>,
}

/// What most findings state a share of.
const BUSY_TIME: &str = "busy main-thread time";

/// The rule on a machine that has too little CPU for the service.
const CPU_STARVED: &str = "cpu-starved";

/// Runs every rule, lets one finding stand for each time and place, ranks by predicted gain and concludes.
pub fn diagnose(facts: Facts<'_>) -> Diagnosis {
    let found = RULES.iter().flat_map(|rule| (rule.check)(facts));
    let all = ranked(found.filter(|finding| weighs_at_this_load(facts, finding)).collect());
    let findings = wrongs_first(ranked(merge::merge(facts, all.clone())));
    let findings = causes_first(facts, service_first(facts, findings));
    let verdict = verdict::conclude(facts, &findings, &all);
    let gain_of_all = gain::of_all(facts, &findings);
    Diagnosis { verdict, findings, gain_of_all, refuted: verdict::refuted(facts) }
}

/// Share of wall time below which nothing that a thread does matters at the load it was measured at.
const LEAST_SHARE_OF_WALL: f64 = 0.03;

/// Whether a part of the busy time is a part of the time at all: a thread that idles may do with the rest what it likes.
fn weighs_at_this_load(facts: Facts<'_>, finding: &Finding) -> bool {
    let Some(split) = facts.measurements.split.as_ref().filter(|_| finding.share_of == BUSY_TIME) else {
        return true;
    };
    finding.share.is_none_or(|share| share * split.utilisation() >= LEAST_SHARE_OF_WALL)
}

/// Puts what the service does before what programs beside the measurement do to it: they will not be there in production, or
/// at the next try.
fn service_first(facts: Facts<'_>, findings: Vec<Finding>) -> Vec<Finding> {
    let is_worth_it = |finding: &Finding| {
        finding.predicted_gain.is_some_and(|gain| gain.throughput >= verdict::WORTHWHILE_GAIN)
    };
    let is_of_machine = |finding: &Finding| finding.rule == CPU_STARVED;
    let has_own = findings.iter().any(|finding| !is_of_machine(finding) && is_worth_it(finding));
    if !has_own || !rules::is_by_neighbours(facts) {
        return findings;
    }
    let (machine, service): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_of_machine);
    service.into_iter().chain(machine).collect()
}

/// Puts what says what is wrong before what only says where time goes, where both would bring as much as far as their samples tell:
/// of a function that does the service's work nobody can remove all.
fn wrongs_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    let gain =
        |finding: &Finding| finding.predicted_gain.filter(|gain| gain.throughput >= verdict::WORTHWHILE_GAIN);
    let is_of = |finding: &Finding, breadth| rule(finding.rule).is_some_and(|rule| rule.breadth == breadth);
    let brings_as_much = |wrong: &Finding, hot: &Finding| {
        let gains = gain(wrong).zip(gain(hot));
        gains.is_some_and(|(wrong, hot)| wrong.throughput >= hot.low) && wrong.severity == hot.severity
    };
    for at in 1..findings.len() {
        let mut to = at;
        while to > 0
            && is_of(&findings[at], Breadth::Specific)
            && is_of(&findings[to - 1], Breadth::General)
            && brings_as_much(&findings[at], &findings[to - 1])
        {
            to -= 1;
        }
        findings[to..=at].rotate_right(1);
    }
    findings
}

/// Rules on what a function leaves behind: what no collection frees, and what collections have to.
const LEFT_BEHIND: &[&str] = &["heap-growth", "gc-pressure"];

/// Puts what makes a function slow before what the same function leaves behind: who mends the one looks at the other. Of a full thread
/// whatever would make it faster comes before what stays in memory.
fn causes_first(facts: Facts<'_>, mut findings: Vec<Finding>) -> Vec<Finding> {
    let split = facts.measurements.split.as_ref();
    let is_full = split.is_some_and(|split| split.utilisation() >= gain::SATURATED);
    for rule in LEFT_BEHIND {
        let is_of_rule = |finding: &Finding| finding.rule == *rule && finding.function.is_some();
        let Some(left) = findings.iter().position(is_of_rule) else { continue };
        if let Some(cause) =
            findings.iter().rposition(|f| explains(f, &findings[left], is_full)).filter(|at| *at > left)
        {
            findings[left..=cause].rotate_left(1);
        }
    }
    findings
}

/// Whether a finding says what a function does wrong, where another says what it leaves behind. Garbage has many makers: only a rule
/// that says what is wrong explains it.
fn explains(finding: &Finding, left: &Finding, is_full: bool) -> bool {
    let is_worth_it = match left.rule {
        "gc-pressure" => {
            finding.severity > Severity::Info
                && rule(finding.rule).is_some_and(|rule| rule.breadth == Breadth::Specific)
        }
        _ => finding.predicted_gain.is_some_and(|gain| gain.throughput >= verdict::WORTHWHILE_GAIN),
    };
    let is_nearer = finding.function == left.function || (is_full && left.rule == "heap-growth");
    is_nearer && finding.rule != CPU_STARVED && !LEFT_BEHIND.contains(&finding.rule) && is_worth_it
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
