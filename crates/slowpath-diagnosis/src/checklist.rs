//! The ten points that people go through before they call a Node.js service tuned, each answered from the measurement, or
//! with what would answer it.

use crate::checkpoints::is_measured;
use crate::finding::{Evidence, Finding, Severity};
use crate::words::{millis, percent};
use crate::{Diagnosis, Facts};
use slowpath_analysis::SplitClass;

/// What people commonly ask of an API at p99, where a pack promises nothing else, ms.
pub const DEFAULT_P99_MS: f64 = 100.0;

/// Fewer successful requests than this say nothing about p99: it would rest on one of them.
const MIN_REQUESTS_FOR_P99: u64 = 100;

/// Share of busy time in collections from which on the point fails; as for `gc-pressure`.
const GC_SHARE: f64 = 0.10;

/// Loop delay at p99 from which on the loop counts as blocked, ms; as for the verdict.
const LOOP_DELAY_MS: f64 = 50.0;

/// An answer to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointAnswer {
    /// It is so.
    Pass,
    /// It is not so.
    Fail,
    /// Nothing measured says.
    NotMeasured,
}

impl PointAnswer {
    /// Returns the word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotMeasured => "not-measured",
        }
    }
}

/// An answered point.
#[derive(Debug, Clone)]
pub struct Point {
    /// Stable id.
    pub id: &'static str,
    /// For people.
    pub title: String,
    /// The answer.
    pub answer: PointAnswer,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// How to measure it, or to look closer.
    pub how: String,
}

/// Answers all points; `p99_ms` is what the service promises.
pub fn answer_checklist(facts: Facts<'_>, diagnosis: &Diagnosis, p99_ms: Option<f64>) -> Vec<Point> {
    let by_rules =
        |id, title: &str, rules: &[&str], how: &str| by_rules(facts, diagnosis, id, title, rules, how);
    vec![
        hot_functions(facts, diagnosis),
        p99(facts, p99_ms.unwrap_or(DEFAULT_P99_MS)),
        by_rules(
            "deep-copies",
            "Protocol conversion makes no unnecessary deep copies",
            &["deep-copy-per-request"],
            "copies are counted in the counters phase: `slowpath run`, with a request that is converted",
        ),
        by_rules(
            "redis-pipelines",
            "Redis commands go in pipelines",
            &["redis-chatter", "redis-large-values", "redis-blocking-command"],
            "commands are counted in the counters phase, for a service that is configured to use Redis",
        ),
        by_rules(
            "regular-expressions",
            "Regular expressions are compiled once and kept",
            &["regex-recompiled", "regex-backtracking"],
            "compilations are counted in the counters phase of `slowpath run`",
        ),
        by_rules(
            "stream-batching",
            "Streamed answers are handled in batches, not letter by letter",
            &["per-chunk-work-in-stream", "tiny-writes"],
            "writes are counted in the counters phase; drive requests with \"stream\": true",
        ),
        event_loop(facts, diagnosis),
        collections(facts),
        point(
            "flame-graph-difference",
            "Flame graphs before and after the change were compared",
            PointAnswer::NotMeasured,
            Vec::new(),
            "this is one recording: record again after the change, with the same load, and compare CPU per request and the \
             functions' shares in the two reports",
        ),
        production(facts),
    ]
}

fn point(
    id: &'static str,
    title: impl Into<String>,
    answer: PointAnswer,
    evidence: Vec<Evidence>,
    how: impl Into<String>,
) -> Point {
    Point { id, title: title.into(), answer, evidence, how: how.into() }
}

fn number(
    text: String,
    value: f64,
    unit: &'static str,
    n_samples: Option<u64>,
    recorder: &'static str,
) -> Evidence {
    Evidence { text, value: Some(value), unit, n_samples, recorder }
}

fn of_finding(finding: &Finding) -> Evidence {
    let first = finding.evidence.first();
    let place = finding.location.as_ref().map_or(String::new(), |location| {
        let line = location.line.map_or(String::new(), |line| format!(":{line}"));
        format!(" ({}{line})", location.file)
    });
    Evidence {
        text: format!("{}{place}: `{}`", finding.title, finding.rule),
        value: finding.share,
        unit: "share",
        n_samples: first.and_then(|evidence| evidence.n_samples),
        recorder: first.map_or("cpu", |evidence| evidence.recorder),
    }
}

fn counts(finding: &Finding) -> bool {
    finding.severity > Severity::Info
}

/// A point that fails where one of `rules` has a finding, and passes where one of them was measured.
fn by_rules(
    facts: Facts<'_>,
    diagnosis: &Diagnosis,
    id: &'static str,
    title: &str,
    rules: &[&str],
    how: &str,
) -> Point {
    let against = diagnosis.findings.iter().filter(|finding| rules.contains(&finding.rule));
    let against: Vec<Evidence> = against.map(of_finding).collect();
    if !against.is_empty() {
        return point(id, title, PointAnswer::Fail, against, how);
    }
    let measured: Vec<_> = rules.iter().filter(|rule| is_measured(facts, rule)).collect();
    if measured.is_empty() {
        return point(id, title, PointAnswer::NotMeasured, Vec::new(), how);
    }
    let evidence = measured.iter().map(|rule| Evidence {
        text: format!("`{rule}` found nothing"),
        value: None,
        unit: "",
        n_samples: None,
        recorder: "counters",
    });
    point(id, title, PointAnswer::Pass, evidence.collect(), how)
}

fn hot_functions(facts: Facts<'_>, diagnosis: &Diagnosis) -> Point {
    let (id, title) = ("hot-functions", "The hot functions are known, and none stands out");
    let how = "`slowpath run --only cpu` gives all of the load's time to CPU sampling";
    let charges = &facts.measurements.charges;
    if charges.n_busy_samples == 0 {
        return point(id, title, PointAnswer::NotMeasured, Vec::new(), how);
    }
    let hot = diagnosis
        .findings
        .iter()
        .filter(|finding| counts(finding))
        .filter(|finding| finding.function.is_some());
    let hot: Vec<Evidence> = hot.map(of_finding).collect();
    if !hot.is_empty() {
        return point(id, title, PointAnswer::Fail, hot, how);
    }
    let largest = charges.functions.iter().take(3).map(|function| {
        let row = facts.profile.functions.get(function.function);
        let (name, place) = (crate::words::function_name(row), crate::words::place(row));
        let text = format!("{name} at {place}: {} of the busy time", percent(function.share));
        number(text, function.share, "share", Some(function.n_samples), "cpu")
    });
    point(id, title, PointAnswer::Pass, largest.collect(), how)
}

fn p99(facts: Facts<'_>, limit: f64) -> Point {
    let title = format!("p99 is below {}", millis(limit));
    let how = "`slowpath run --url URL -c CONNECTIONS -d 60`, at the load that the service has to bear";
    let Some(load) =
        facts.measurements.load.as_ref().filter(|load| load.own.n_requests >= MIN_REQUESTS_FOR_P99)
    else {
        return point("p99", title, PointAnswer::NotMeasured, Vec::new(), how);
    };
    let own = &load.own;
    let answer = if own.latency.p99 < limit { PointAnswer::Pass } else { PointAnswer::Fail };
    let text = format!("p99 is {} at {:.0} requests/s", millis(own.latency.p99), own.requests_per_second);
    point("p99", title, answer, vec![number(text, own.latency.p99, "ms", Some(own.n_requests), "load")], how)
}

fn event_loop(facts: Facts<'_>, diagnosis: &Diagnosis) -> Point {
    let (id, title) = ("event-loop", "Nothing blocks the event loop");
    let how = "the event loop is measured in every phase of `slowpath run`";
    let Some(event_loop) = &facts.measurements.event_loop else {
        return point(id, title, PointAnswer::NotMeasured, Vec::new(), how);
    };
    let (_, p99, longest) = event_loop.delay_ms;
    let blocks =
        |finding: &&Finding| finding.rule.starts_with("event-loop-") || finding.rule.starts_with("sync-");
    let mut evidence: Vec<Evidence> =
        diagnosis.findings.iter().filter(|finding| counts(finding)).filter(blocks).map(of_finding).collect();
    let answer =
        if evidence.is_empty() && p99 < LOOP_DELAY_MS { PointAnswer::Pass } else { PointAnswer::Fail };
    let text = format!("loop delay at p99 {}, at most {}", millis(p99), millis(longest));
    evidence.push(number(text, p99, "ms", Some(event_loop.n_ticks), "loop"));
    point(id, title, answer, evidence, how)
}

fn collections(facts: Facts<'_>) -> Point {
    let (id, title) = ("garbage-collection", "Garbage collection takes little");
    let how = "collections are recorded in every phase of `slowpath run`";
    let Some(gc) = &facts.measurements.gc else {
        return point(id, title, PointAnswer::NotMeasured, Vec::new(), how);
    };
    let split = facts.measurements.split.as_ref();
    let of_busy = split.filter(|split| split.n_samples > 0).map(|split| split.share_of_busy(SplitClass::Gc));
    let utilisation = split.map_or(1.0, slowpath_analysis::Split::utilisation).max(f64::MIN_POSITIVE);
    let share = of_busy.unwrap_or((gc.share / utilisation).min(1.0));
    let answer = if share < GC_SHARE { PointAnswer::Pass } else { PointAnswer::Fail };
    let mut evidence = vec![number(
        format!("{} of the busy time is garbage collection", percent(share)),
        share,
        "share",
        split.map(|split| split.n_samples as u64).filter(|n| *n > 0),
        "gc",
    )];
    evidence.extend(gc.kinds.iter().map(|(kind, n, total, longest)| {
        let (total, longest) = (total.as_millis_f64(), longest.as_millis_f64());
        let text = format!("{n} {kind} collections, {} in all, longest {}", millis(total), millis(longest));
        number(text, total, "ms", Some(*n), "gc")
    }));
    point(id, title, answer, evidence, how)
}

fn production(facts: Facts<'_>) -> Point {
    let (id, title) = ("production", "The effect was confirmed in production");
    let how = "run the service there under `slowpath run` without --url: no load is driven, and whatever traffic there is \
               is recorded";
    let evidence = facts.measurements.load.as_ref().map(|load| {
        let text = "this run drove its own load, so it says nothing of production traffic".to_owned();
        number(text, load.own.requests_per_second, "requests/s", Some(load.own.n_requests), "load")
    });
    point(id, title, PointAnswer::NotMeasured, evidence.into_iter().collect(), how)
}
