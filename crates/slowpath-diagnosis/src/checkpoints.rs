//! Answers a pack's checkpoints: cause, present but harmless, refuted, or not seen.
//!
//! A checkpoint is a cause when a finding lies in its functions, or when they take a quarter of the busy time
//! without one. Where its functions ran and neither is so, the suspicion is refuted if every rule that could confirm it had
//! its data, else the checkpoint is harmless as far as was measured.

use crate::finding::{Evidence, Finding, Severity};
use crate::packs::{Glob, Pack, PackCheckpoint};
use crate::words::{function_name, percent, place};
use crate::{Diagnosis, Facts};
use slowpath_analysis::{ScopeTime, time_in_scope};
use slowpath_profile::classify::Category;
use slowpath_profile::recording::{Project, RecorderState};
use slowpath_profile::tables::{Function, FunctionId};
use std::collections::BTreeSet;

/// Share of busy time from which on a checkpoint is a cause without a finding: many functions, each too small for one, that
/// together are a third of what could be gained at least. Below, a lean service has parts of this size.
const CAUSE_SHARE: f64 = 0.25;

/// Share of wall time that it needs besides: what a finding needs.
const CAUSE_SHARE_OF_WALL: f64 = 0.05;

/// Fewer busy samples than this refute nothing: a share of 2 % would rest on ten.
const MIN_SAMPLES: u64 = 500;

/// Functions listed as evidence.
const MAX_FUNCTIONS: usize = 4;

/// What was measured of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is why the service is slow, or part of it.
    Cause,
    /// Its code runs and takes little.
    Harmless,
    /// None of its code was seen running.
    NotSeen,
    /// Its code runs, and what was suspected of it was measured and is not so.
    Refuted,
}

impl Answer {
    /// Returns the word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Harmless => "harmless",
            Self::NotSeen => "not-seen",
            Self::Refuted => "refuted",
        }
    }
}

/// An answered checkpoint.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Of the pack.
    pub id: String,
    /// For people.
    pub title: String,
    /// What was suspected.
    pub suspicion: String,
    /// The answer.
    pub answer: Answer,
    /// Share of busy time in its functions, where any was seen.
    pub share: Option<f64>,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// What to do, where it is a cause; else how to see more.
    pub advice: String,
}

/// The functions of a checkpoint among those that ran.
struct Scope {
    whole: BTreeSet<FunctionId>,
    own: BTreeSet<FunctionId>,
    is_by_role: bool,
}

/// Answers every checkpoint of `pack`. `project` tells which named functions exist.
pub fn answer_checkpoints(
    facts: Facts<'_>,
    diagnosis: &Diagnosis,
    pack: &Pack,
    project: Option<&Project>,
) -> Vec<Checkpoint> {
    let answers = pack.checkpoints.iter().map(|checkpoint| answer(facts, diagnosis, checkpoint, project));
    answers.collect()
}

fn answer(
    facts: Facts<'_>,
    diagnosis: &Diagnosis,
    checkpoint: &PackCheckpoint,
    project: Option<&Project>,
) -> Checkpoint {
    let scope = scope_of(facts, checkpoint, project);
    let time = time_in_scope(facts.profile, &facts.measurements.serving, &scope.whole, &scope.own);
    let is_seen = time.n_samples > 0;
    let inside: Vec<&Finding> =
        diagnosis.findings.iter().filter(|finding| is_inside(facts, checkpoint, &scope, finding)).collect();
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let takes_much = time.share >= CAUSE_SHARE && time.share * utilisation >= CAUSE_SHARE_OF_WALL;
    let unmeasured = unmeasured_suspects(facts, checkpoint);
    let answer = match () {
        () if inside.iter().any(|finding| finding.severity > Severity::Info) || takes_much => Answer::Cause,
        () if !is_seen => Answer::NotSeen,
        () if unmeasured.is_empty() && time.n_busy_samples >= MIN_SAMPLES => Answer::Refuted,
        () => Answer::Harmless,
    };
    let shares = inside.iter().filter_map(|finding| finding.share).chain(is_seen.then_some(time.share));
    let share = shares.reduce(f64::max);
    let mut evidence: Vec<Evidence> = inside.iter().map(|finding| of_finding(finding)).collect();
    evidence.extend(time_evidence(facts, &scope, &time, share.is_some()));
    evidence.extend(missing_names(checkpoint, project, &scope));
    if answer != Answer::Cause && is_seen && !unmeasured.is_empty() {
        let rules: Vec<_> = unmeasured.iter().map(|rule| format!("`{rule}`")).collect();
        evidence.push(remark(format!("not measured in this run, so not excluded: {}", rules.join(", "))));
    }
    let advice = match answer {
        Answer::Cause => checkpoint.advice.clone(),
        Answer::NotSeen => format!("drive requests that use it; to count: {}", checkpoint.count),
        Answer::Harmless | Answer::Refuted => checkpoint.refuted_by.clone(),
    };
    Checkpoint {
        id: checkpoint.id.clone(),
        title: checkpoint.title.clone(),
        suspicion: checkpoint.suspicion.clone(),
        answer,
        share,
        evidence,
        advice,
    }
}

fn any_path(globs: &[Glob], path: &str) -> bool {
    globs.iter().any(|glob| glob.matches_path(path))
}

/// Whether a function that ran is one that the checkpoint names: `ConverterFactory.getConverter` is `getConverter`.
fn is_named(checkpoint: &PackCheckpoint, name: &str) -> bool {
    checkpoint.functions.iter().any(|named| bare(named) == bare(name))
}

fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn scope_of(facts: Facts<'_>, checkpoint: &PackCheckpoint, project: Option<&Project>) -> Scope {
    let app = || facts.profile.functions.iter().filter(|(_, function)| function.category == Category::App);
    let is_known_file = |file: &str| any_path(&checkpoint.files, file);
    let has_known_files = app().any(|(_, function)| is_known_file(&function.file))
        || project.is_some_and(|project| project.files.iter().any(|file| is_known_file(file)));
    let is_file =
        |file: &str| is_known_file(file) || !has_known_files && any_path(&checkpoint.similar_files, file);
    let is_similar =
        |name: &str| checkpoint.similar_functions.iter().any(|glob| glob.matches_name(bare(name)));
    // A pack for any gateway knows no files: what it goes by needs no saying.
    let is_by_role = !has_known_files && !checkpoint.files.is_empty();
    let mut scope = Scope { whole: BTreeSet::new(), own: BTreeSet::new(), is_by_role };
    for (id, function) in app() {
        let in_file = is_file(&function.file) || any_path(&checkpoint.similar_files, &function.file);
        if in_file && (is_named(checkpoint, &function.name) || is_similar(&function.name)) {
            scope.whole.insert(id);
        } else if is_file(&function.file) && !checkpoint.only_functions {
            scope.own.insert(id);
        }
    }
    scope
}

/// Whether a finding lies in the checkpoint: in its functions, or by a suspected rule in its files.
fn is_inside(facts: Facts<'_>, checkpoint: &PackCheckpoint, scope: &Scope, finding: &Finding) -> bool {
    if let Some(function) = finding.function
        && facts.profile.functions.get(function).category == Category::App
    {
        return scope.whole.contains(&function) || scope.own.contains(&function);
    }
    let is_suspected = checkpoint.suspects.iter().any(|rule| rule == finding.rule);
    let in_files =
        |file: &str| any_path(&checkpoint.files, file) || any_path(&checkpoint.similar_files, file);
    match &finding.location {
        Some(location) => is_suspected && in_files(&location.file),
        // Redis is one place, wherever it is called from.
        None => is_suspected && finding.rule.starts_with("redis-"),
    }
}

fn of_finding(finding: &Finding) -> Evidence {
    let share = finding.share;
    let first = finding.evidence.first();
    Evidence {
        text: format!("{} (`{}`)", finding.title, finding.rule),
        value: share,
        unit: "share",
        n_samples: first.and_then(|evidence| evidence.n_samples),
        recorder: first.map_or("cpu", |evidence| evidence.recorder),
    }
}

fn remark(text: String) -> Evidence {
    Evidence { text, value: None, unit: "", n_samples: None, recorder: "cpu" }
}

fn time_evidence(facts: Facts<'_>, scope: &Scope, time: &ScopeTime, has_share: bool) -> Vec<Evidence> {
    if time.n_busy_samples == 0 {
        return vec![remark("no CPU samples were taken".into())];
    }
    if time.n_samples == 0 {
        let text = format!("none of {} busy samples fell into its functions", time.n_busy_samples);
        let value = has_share.then_some(0.0);
        return vec![Evidence {
            text,
            value,
            unit: "share",
            n_samples: Some(time.n_busy_samples),
            recorder: "cpu",
        }];
    }
    let mut rows = vec![Evidence {
        text: format!(
            "{} of the busy time in its functions ({} to {}, 95 %)",
            percent(time.share),
            percent(time.share_interval.0),
            percent(time.share_interval.1)
        ),
        value: Some(time.share),
        unit: "share",
        n_samples: Some(time.n_samples),
        recorder: "cpu",
    }];
    let charges = &facts.measurements.charges;
    let busy = charges.busy.0.max(1) as f64;
    let mut inside: Vec<(f64, FunctionId, &Function)> = (scope.whole.iter().chain(&scope.own))
        .filter_map(|id| {
            let charged = charges.charged_unfolded.get(id)?;
            Some((charged.0 as f64 / busy, *id, facts.profile.functions.get(*id)))
        })
        .collect();
    inside.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    rows.extend(inside.iter().take(MAX_FUNCTIONS).map(|(share, _, function)| Evidence {
        text: format!("{} at {}: {}", function_name(function), place(function), percent(*share)),
        value: Some(*share),
        unit: "share",
        n_samples: None,
        recorder: "cpu",
    }));
    if scope.is_by_role {
        rows.push(remark(
            "found by what files and functions are called: the known files are not there".into(),
        ));
    }
    rows
}

/// Says which functions that the pack names exist nowhere in the project.
fn missing_names(checkpoint: &PackCheckpoint, project: Option<&Project>, scope: &Scope) -> Vec<Evidence> {
    let Some(project) = project.filter(|project| !project.files.is_empty()) else {
        return Vec::new();
    };
    let is_missing = |named: &&String| !project.definitions.iter().any(|found| found.name == bare(named));
    let missing: Vec<_> =
        checkpoint.functions.iter().filter(is_missing).map(|name| format!("`{name}`")).collect();
    let mut rows = Vec::new();
    if !missing.is_empty() {
        let where_looked = format!("{} scripts of the project", project.files.len());
        rows.push(remark(format!("{} does not exist in {where_looked}", missing.join(", "))));
    }
    let is_there = |glob: &Glob| project.files.iter().any(|file| glob.matches_path(file));
    if !checkpoint.files.is_empty() && !checkpoint.files.iter().any(is_there) && !scope.is_by_role {
        rows.push(remark("its known files are not in the project".into()));
    }
    rows
}

/// Returns the suspected rules whose recorder did not deliver.
fn unmeasured_suspects<'a>(facts: Facts<'_>, checkpoint: &'a PackCheckpoint) -> Vec<&'a str> {
    let suspects = checkpoint.suspects.iter().map(String::as_str);
    suspects.filter(|rule| !is_measured(facts, rule)).collect()
}

/// Recorders that rules need, other than cpu.
const RECORDER_OF_RULE: &[(&str, &[&str])] = &[
    (
        "counters",
        &[
            "json-churn",
            "deep-copy-per-request",
            "tiny-writes",
            "string-concat-growth",
            "sync-logging",
            "timer-storm",
            "connection-churn",
            "redis-chatter",
            "redis-large-values",
            "redis-blocking-command",
            "repeated-lookup",
            "retry-storm",
            "unbatched-exports",
        ],
    ),
    ("calls", &["expensive-construction-per-request", "regex-recompiled", "per-chunk-work-in-stream"]),
    ("deopts", &["deoptimisation-loop"]),
    (
        "async",
        &[
            "slow-upstream",
            "sequential-awaits",
            "delay-by-timer",
            "lock-held-across-io",
            "socket-pool-wait",
            "thread-pool-saturated",
        ],
    ),
    ("loop", &["event-loop-stall", "event-loop-starved-by-microtasks"]),
    ("gc", &["gc-pressure"]),
];

/// What has to happen at all before a rule can say that it is done well: kinds of counts, by the rules' beginnings.
const SUBJECT_OF_RULE: &[(&str, &str)] = &[
    ("redis-", "redis.command"),
    ("tiny-writes", "response.streamed"),
    ("per-chunk-work-in-stream", "response.streamed"),
];

/// Whether a rule exists, the recorder that it needs delivered, and the target did what it judges.
pub(crate) fn is_measured(facts: Facts<'_>, rule: &str) -> bool {
    let recorder =
        RECORDER_OF_RULE.iter().find(|(_, rules)| rules.contains(&rule)).map_or("cpu", |(name, _)| *name);
    let delivered = |row: &slowpath_analysis::RecorderMeasure| {
        row.name == recorder && row.state != RecorderState::Missing
    };
    let subject = SUBJECT_OF_RULE.iter().find(|(begins, _)| rule.starts_with(begins)).map(|(_, kind)| *kind);
    let counters = facts.measurements.counters.as_ref();
    let happened = subject.is_none_or(|kind| counters.is_some_and(|counters| counters.total(kind).n > 0.0));
    crate::rule(rule).is_some() && happened && facts.measurements.recorders.iter().any(delivered)
}
