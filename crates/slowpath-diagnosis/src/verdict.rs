//! The one sentence: CPU-bound, blocked, event-loop delay, waiting, or well.
//!
//! The class is read off the split of the main thread's wall time and the event loop's delay, in this order: data
//! enough? starved? saturated (then by what)? stalls? waiting? a heap that grows? Everything else is healthy.

use crate::finding::{Finding, Location, Severity};
use crate::gain::SATURATED;
use crate::growth::Pace;
use crate::words::{LONG_LINE, millis, named, percent};
use crate::{BUSY_TIME, CPU_STARVED, Facts};
use slowpath_analysis::{
    Cost, CostGrowth, Input, InputMeasure, Measurements, NativeMeasure, Outcome, RowKind, Split, SplitClass,
};

/// p99 below this is what people commonly ask of an API, ms.
const GOOD_P99_MS: f64 = 100.0;

/// Fewer successful requests than this say nothing about percentiles.
const MIN_REQUESTS: u64 = 50;

/// Fewer busy samples than this say nothing about shares.
const MIN_BUSY_SAMPLES: u64 = 100;

/// A saturated thread is "GC" or "blocked" when that class has at least this share of its busy time: more than a third
/// is more than any function that would be named instead usually has.
const DOMINANT: f64 = 0.35;

/// Run-queue wait from which on the machine, not the service, is the finding.
const STARVED: f64 = 0.30;

/// Loop delay at p99 from which on it explains a slow p99 by itself, ms.
const LOOP_DELAY_MS: f64 = 50.0;

/// A slow request meets a stall or two: when even the longest is a smaller part of p99 than this, something else is slow.
const EXPLAINING: f64 = 0.2;

/// Share of time stalled from which on the event loop is the finding.
const STALLED: f64 = 0.05;

/// Rules on waits that the service itself can do without.
const WAIT_RULES: &[&str] = &[
    "lock-held-across-io",
    "socket-pool-wait",
    "thread-pool-saturated",
    "sequential-awaits",
    "repeated-lookup",
    "delay-by-timer",
];

/// Rules on asking others that make requests wait: the verdict where much would be gained.
const ASKING_RULES: &[&str] =
    &["redis-chatter", "redis-large-values", "redis-blocking-command", "connection-churn", "retry-storm"];

/// Share of the time of requests from which on a single wait is worth naming in the verdict: more than all of half the others.
const NAMED_WAIT: f64 = 0.3;

/// A predicted gain below this is not worth a verdict.
pub(crate) const WORTHWHILE_GAIN: f64 = 1.10;

/// Share of the busy time of a full thread from which on a cause is named whatever it would bring.
const STANDS_OUT: f64 = 0.2;

/// What kind of slow it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictClass {
    /// The main thread computes all the time.
    Cpu,
    /// The main thread collects garbage.
    Gc,
    /// The main thread sits in synchronous calls.
    Blocked,
    /// The event loop is held now and then.
    LoopDelay,
    /// The time is spent outside the process.
    Waiting,
    /// Memory grows.
    Memory,
    /// The machine gives too little CPU.
    Starved,
    /// Nothing wrong at this load.
    Healthy,
    /// Too little was measured to say.
    NotEnoughData,
}

impl VerdictClass {
    /// Returns the key of `report.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gc => "gc",
            Self::Blocked => "blocked",
            Self::LoopDelay => "loop-delay",
            Self::Waiting => "waiting",
            Self::Memory => "memory",
            Self::Starved => "starved",
            Self::Healthy => "healthy",
            Self::NotEnoughData => "not-enough-data",
        }
    }
}

/// The conclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Kind.
    pub class: VerdictClass,
    /// The sentence.
    pub sentence: String,
    /// What else to know in a line, or empty.
    pub detail: String,
}

pub(crate) fn verdict(
    class: VerdictClass,
    sentence: impl Into<String>,
    detail: impl Into<String>,
) -> Verdict {
    Verdict { class, sentence: sentence.into(), detail: detail.into() }
}

/// Concludes from the findings that stand, and from `all` that there were before those of one place were merged.
pub(crate) fn conclude(facts: Facts<'_>, findings: &[Finding], all: &[Finding]) -> Verdict {
    let measurements = facts.measurements;
    if let Some(hang) = all.iter().find(|f| f.rule == "event-loop-stall" && f.title.contains("hangs in")) {
        let place =
            hang.location.as_ref().map_or(String::new(), |location| format!(" ({})", place_of(location)));
        return verdict(
            VerdictClass::Cpu,
            format!("CPU-bound: {}{place} and never turned again", hang.title),
            "A synchronous loop holds the main thread: no request is answered while it runs.",
        );
    }
    if let Some(native) = native_alone(measurements) {
        return crate::native_verdict::conclude(native, facts.profile);
    }
    if let Some(verdict) = too_little(facts, findings) {
        return verdict;
    }
    let Some(split) = &measurements.split else {
        return verdict(VerdictClass::NotEnoughData, "Not enough data: no main thread was measured", "");
    };
    let numbers = numbers(facts);
    if split.share(SplitClass::RunQueue) >= STARVED && is_starvation_the_main_cause(findings) {
        let share = percent(split.share(SplitClass::RunQueue));
        let sentence =
            format!("Starved: the main thread was ready to run but had no CPU {share} of the time");
        return verdict(VerdictClass::Starved, sentence, numbers);
    }
    if split.utilisation() >= SATURATED {
        return saturated(facts, split, findings, all, numbers);
    }
    if let Some(verdict) = delayed(facts, split, all, &numbers) {
        return verdict;
    }
    let idle = percent(split.share(SplitClass::Idle));
    let waiting = findings.iter().find(|f| {
        (WAIT_RULES.contains(&f.rule) && f.severity >= Severity::Medium)
            || (ASKING_RULES.contains(&f.rule) && f.severity >= Severity::High && is_worthwhile(f))
    });
    if let Some(finding) = waiting {
        let sentence =
            format!("Waiting: the main thread is idle {idle} of the time, yet {}", sentence_of(finding));
        return verdict(VerdictClass::Waiting, sentence, format!("{numbers}. {}", where_time_goes(facts)));
    }
    if let Some(finding) = findings.iter().find(|finding| finding.rule == "heap-growth") {
        let sentence = format!("Memory: requests are answered well enough, but {}", sentence_of(finding));
        return verdict(VerdictClass::Memory, sentence, numbers);
    }
    match &measurements.load {
        Some(load) if load.own.latency.p99 >= GOOD_P99_MS && followed(facts).is_some() => verdict(
            VerdictClass::Waiting,
            format!(
                "Waiting: half of all requests take over {}, and {}; the main thread is idle {idle} of the time",
                millis(load.own.latency.p50),
                followed(facts).unwrap_or_default(),
            ),
            format!("{numbers}. {}", where_time_goes(facts)),
        ),
        Some(load) if load.own.latency.p99 >= GOOD_P99_MS => verdict(
            VerdictClass::Waiting,
            format!(
                "Waiting: the main thread is idle {idle} of the time, yet half of all requests take over {}; the time is \
                 spent outside this process",
                millis(load.own.latency.p50)
            ),
            format!("{numbers}. Look upstream: other services, databases, connection pools, locks."),
        ),
        Some(load) => verdict(
            VerdictClass::Healthy,
            format!(
                "Healthy at this load: p99 is {} and the main thread is idle {idle} of the time{}",
                millis(load.own.latency.p99),
                to_improve(findings)
            ),
            numbers,
        ),
        None => verdict(
            VerdictClass::Healthy,
            format!("Nothing wrong in what was seen: the main thread is idle {idle} of the time"),
            "No load was driven: pass --url to measure latency.",
        ),
    }
}

/// Says what requests wait for most, where they were followed and waiting takes most of their time.
fn followed(facts: Facts<'_>) -> Option<String> {
    let measure = facts.measurements.async_ops.as_ref()?;
    let row = measure.all.rows.iter().find(|row| row.place.is_some())?;
    let share = row.mean.as_secs_f64() / measure.all.mean.as_secs_f64();
    let place = row.place.as_ref().filter(|_| share >= NAMED_WAIT)?;
    Some(format!("{} of that is: {}", percent(share), place.name()))
}

/// Returns where the time of requests goes, in shares that add up.
fn where_time_goes(facts: Facts<'_>) -> String {
    let Some(measure) = &facts.measurements.async_ops else { return String::new() };
    let all = &measure.all;
    let part = |kind: fn(RowKind) -> bool| percent(all.share(|row| kind(row.kind)));
    format!(
        "Of the time of {} followed requests: waiting {}, running {}, queued behind others {}, sending {}",
        measure.n_followed,
        part(|kind| matches!(kind, RowKind::Waiting(_))),
        part(|kind| kind == RowKind::Running),
        part(|kind| kind == RowKind::Queued),
        part(|kind| kind == RowKind::Sending)
    )
}

/// Returns what native stacks say where nothing else was recorded of the process.
fn native_alone(measurements: &Measurements) -> Option<&NativeMeasure> {
    let alone =
        measurements.serving.is_empty() && measurements.event_loop.is_none() && measurements.load.is_none();
    measurements.native.as_ref().filter(|_| alone)
}

/// Whether more CPU would bring more than removing any other cause. `findings` are ranked.
fn is_starvation_the_main_cause(findings: &[Finding]) -> bool {
    let gain = |finding: &Finding| finding.predicted_gain.map_or(1.0, |gain| gain.throughput);
    let starved = findings.iter().filter(|finding| finding.rule == CPU_STARVED).map(gain).fold(1.0, f64::max);
    let other = findings.iter().filter(|finding| finding.rule != CPU_STARVED).map(gain).fold(1.0, f64::max);
    let comes_last = findings.len() > 1 && findings.last().is_some_and(|last| last.rule == CPU_STARVED);
    starved >= WORTHWHILE_GAIN && starved >= other && !(comes_last && other >= WORTHWHILE_GAIN)
}

/// Answers where too little was measured, or the target answered nothing but errors.
fn too_little(facts: Facts<'_>, findings: &[Finding]) -> Option<Verdict> {
    let measurements = facts.measurements;
    let class = VerdictClass::NotEnoughData;
    let phases = &measurements.phases;
    if phases.outcome == Outcome::NeverReady {
        return Some(verdict(class, "Not enough data: the target never listened", phases.detail.clone()));
    }
    if let Some(load) = &measurements.load {
        if load.n_requests == 0 && load.n_errors() > 0 {
            let kinds: Vec<_> = load.errors.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            let detail = load.error_samples.first().cloned().unwrap_or_default();
            let sentence = format!(
                "The target answered only errors ({}): nothing can be said of its speed",
                kinds.join(", ")
            );
            return Some(verdict(class, sentence, detail));
        }
        if load.own.n_requests < MIN_REQUESTS && !few_requests_are_the_symptom(facts, findings) {
            let sentence = format!(
                "Not enough data: {} requests were answered in the measured phases, {MIN_REQUESTS} are needed",
                load.own.n_requests
            );
            return Some(verdict(class, sentence, died(facts).unwrap_or("Let it run longer (-d).".into())));
        }
    }
    let n_busy = measurements.charges.n_busy_samples;
    let no_samples = measurements.split.as_ref().is_none_or(|split| split.n_samples == 0);
    let idle = measurements.split.as_ref().is_some_and(|split| split.utilisation() < SATURATED);
    if no_samples && measurements.event_loop.is_none() {
        let detail = died(facts).unwrap_or("No recorder delivered anything of the main thread.".into());
        return Some(verdict(
            class,
            "Not enough data: no CPU samples and no event-loop records arrived",
            detail,
        ));
    }
    if n_busy < MIN_BUSY_SAMPLES && !idle {
        let sentence = format!("Not enough data: {n_busy} busy CPU samples, {MIN_BUSY_SAMPLES} are needed");
        return Some(verdict(class, sentence, died(facts).unwrap_or("Let it run longer (-d).".into())));
    }
    None
}

/// Whether so few are answered because each takes so long, and it is known why: a full thread's samples tell as much of ten
/// requests as of ten thousand, and so do waits that were followed.
fn few_requests_are_the_symptom(facts: Facts<'_>, findings: &[Finding]) -> bool {
    let measurements = facts.measurements;
    let is_running = measurements.phases.outcome != Outcome::TargetDied;
    let was_asked = measurements.load.as_ref().is_some_and(|load| load.n_requests > 0);
    let is_full = measurements.split.as_ref().is_some_and(|split| split.utilisation() >= SATURATED);
    let sampled = measurements.charges.n_busy_samples >= MIN_BUSY_SAMPLES;
    let is_cause = |finding: &Finding| {
        finding.location.is_some()
            && finding.severity == Severity::High
            && (is_full && sampled || WAIT_RULES.contains(&finding.rule))
    };
    is_running && was_asked && findings.iter().any(is_cause)
}

fn died(facts: Facts<'_>) -> Option<String> {
    let phases = &facts.measurements.phases;
    (phases.outcome == Outcome::TargetDied).then(|| phases.detail.clone())
}

fn saturated(
    facts: Facts<'_>,
    split: &Split,
    findings: &[Finding],
    all: &[Finding],
    numbers: String,
) -> Verdict {
    let busy = percent(split.utilisation());
    let top = |rules: &[&str]| all.iter().find(|finding| rules.contains(&finding.rule));
    let gc = split.share_of_busy(SplitClass::Gc);
    if gc >= DOMINANT {
        let whom = top(&["gc-pressure"]).and_then(|finding| finding.location.as_ref());
        let whom = whom.map_or(String::new(), |w| {
            format!(", most of it caused by {} at {}", named(&w.function), place_of(w))
        });
        let sentence =
            format!("GC-bound: one core is full, and {} of it is garbage collection{whom}", percent(gc));
        return verdict(VerdictClass::Gc, sentence, numbers);
    }
    let sync = split.share_of_busy(SplitClass::SyncCall);
    if sync >= DOMINANT {
        let finding =
            top(&["sync-logging", "sync-fs", "sync-crypto-or-zlib", "sync-child-process", "sync-wait"]);
        let what = finding.map_or("synchronous calls block it".into(), sentence_of);
        let sentence = format!(
            "Blocked: the main thread is busy {busy} of the time, and {} of that it is blocked: {what}",
            percent(sync)
        );
        return verdict(VerdictClass::Blocked, sentence, numbers);
    }
    let is_worth_it =
        |finding: &Finding| finding.predicted_gain.is_some_and(|gain| gain.throughput >= WORTHWHILE_GAIN);
    let stands_out = |finding: &Finding| {
        finding.share_of == BUSY_TIME && finding.share.is_some_and(|share| share >= STANDS_OUT)
    };
    let has_place = || findings.iter().filter(|finding| finding.location.is_some());
    // What fills the thread is named, though another limit may be close behind it.
    let cpu =
        has_place().find(|finding| is_worth_it(finding)).or_else(|| has_place().find(|f| stands_out(f)));
    if let Some(finding) = cpu {
        let sentence = format!("CPU-bound: one core is full ({busy} busy), and {}", sentence_of(finding));
        return verdict(VerdictClass::Cpu, sentence, numbers);
    }
    let largest = facts.measurements.charges.functions.first().map_or(String::new(), |function| {
        let row = facts.profile.functions.get(function.function);
        format!(
            "; the largest application function, {}, takes {}",
            crate::words::function_name(row),
            percent(function.share)
        )
    });
    match &facts.measurements.load {
        Some(load) if load.own.latency.p99 < GOOD_P99_MS => verdict(
            VerdictClass::Healthy,
            format!(
                "Healthy: {:.0} requests/s fill one core with p99 {}, and no application function stands out",
                load.own.requests_per_second,
                millis(load.own.latency.p99)
            ),
            format!("{numbers}{largest}"),
        ),
        _ => match top(&["cpu-hot-dependency"]).filter(|package| is_worth_it(package)) {
            Some(package) => verdict(
                VerdictClass::Cpu,
                format!("CPU-bound: one core is full ({busy} busy), and {}", package.title),
                format!("{numbers}{largest}"),
            ),
            None => verdict(
                VerdictClass::Cpu,
                format!("CPU-bound: one core is full ({busy} busy), but no function stands out"),
                format!("{numbers}{largest}. More processes (cluster) would help more than any one change."),
            ),
        },
    }
}

/// Answers where the loop is held now and then though the thread is not busy all along.
fn delayed(facts: Facts<'_>, split: &Split, findings: &[Finding], numbers: &str) -> Option<Verdict> {
    let event_loop = facts.measurements.event_loop.as_ref()?;
    let (_, p99, max) = event_loop.delay_ms;
    if event_loop.stalled_share < STALLED && p99 < LOOP_DELAY_MS {
        return None;
    }
    if facts.measurements.load.as_ref().is_some_and(|load| max < EXPLAINING * load.own.latency.p99) {
        return None;
    }
    let blocking = findings.iter().find(|finding| finding.rule.starts_with("sync-"));
    if let Some(finding) = blocking.filter(|_| split.share_of_busy(SplitClass::SyncCall) >= DOMINANT) {
        let sentence = format!(
            "Blocked: the main thread is idle {} of the time, but {}, up to {} at a time",
            percent(split.share(SplitClass::Idle)),
            sentence_of(finding),
            millis(max)
        );
        return Some(verdict(VerdictClass::Blocked, sentence, numbers.to_owned()));
    }
    let of_rule = |rule| findings.iter().find(|finding| finding.rule == rule);
    let stall = of_rule("event-loop-starved-by-microtasks").or_else(|| of_rule("event-loop-stall"));
    let who = stall.map_or(String::new(), |finding| format!(": {}", sentence_of(finding)));
    let sentence = format!(
        "Event-loop delay: the loop was late by {} at p99 and {} at most though the main thread is idle {} of the time{who}",
        millis(p99),
        millis(max),
        percent(split.share(SplitClass::Idle)),
    );
    Some(verdict(VerdictClass::LoopDelay, sentence, numbers.to_owned()))
}

fn is_worthwhile(finding: &Finding) -> bool {
    finding.predicted_gain.is_some_and(|gain| gain.throughput >= WORTHWHILE_GAIN)
}

/// Says what could still be better in a service that does well.
fn to_improve(findings: &[Finding]) -> String {
    let is_worth_it =
        |finding: &&Finding| finding.rule != CPU_STARVED && finding.severity >= Severity::Medium;
    let first = findings.iter().find(is_worth_it);
    first.map_or(String::new(), |finding| format!("; yet {}", sentence_of(finding)))
}

fn sentence_of(finding: &Finding) -> String {
    let place =
        finding.location.as_ref().map_or(String::new(), |location| format!(" ({})", place_of(location)));
    format!("{}{place}", finding.title)
}

fn place_of(location: &Location) -> String {
    match (location.line, location.column.filter(|column| *column > LONG_LINE)) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", location.file),
        (Some(line), None) => format!("{}:{line}", location.file),
        (None, _) => location.file.clone(),
    }
}

/// The load in a line.
fn numbers(facts: Facts<'_>) -> String {
    let Some(load) = &facts.measurements.load else {
        return String::new();
    };
    let own = &load.own;
    if own.n_requests < MIN_REQUESTS {
        return format!("Only {} requests were answered in all phases", load.n_requests);
    }
    let mut text = format!(
        "{:.0} requests/s, p50 {}, p99 {}",
        own.requests_per_second,
        millis(own.latency.p50),
        millis(own.latency.p99)
    );
    if let Some(cpu) = own.cpu_ms_per_request {
        text.push_str(&format!(", {} CPU per request", millis(cpu)));
    }
    text
}

/// Says that what requests cost is in step with an input, where that is known of all processes and no function stands against it.
fn in_step(measure: &InputMeasure) -> Option<String> {
    let whole = measure.cost(Cost::Cpu).or(measure.cost(Cost::Busy))?;
    let is_faster = |row: &CostGrowth| Pace::of(measure.input, row) == Pace::Faster;
    let growth = whole.growth.filter(|_| Pace::of(measure.input, whole) == Pace::InStep)?;
    let what = match measure.input {
        Input::Connections => "cost that grows with the connections",
        Input::BodyBytes => "cost that grows faster than the body",
    };
    let is_clean = !measure.costs.iter().any(|row| matches!(row.cost, Cost::Function(_)) && is_faster(row));
    is_clean.then(|| format!("{what} (CPU per request: exponent {})", growth.words()))
}

/// Suspicions that the numbers refute: the usual suspects, each with its share.
pub(crate) fn refuted(facts: Facts<'_>) -> Vec<String> {
    let mut refuted = Vec::new();
    let Some(split) = &facts.measurements.split else {
        return refuted;
    };
    if split.n_samples == 0 {
        return refuted;
    }
    let gc = split.share_of_busy(SplitClass::Gc);
    if gc < 0.10 {
        refuted.push(format!("garbage collection ({} of busy time)", percent(gc)));
    }
    let sync = split.share_of_busy(SplitClass::SyncCall);
    if sync < 0.05 {
        refuted.push(format!("synchronous calls ({} of busy time)", percent(sync)));
    }
    if let Some(event_loop) = facts.measurements.event_loop.as_ref().filter(|l| l.delay_ms.1 < LOOP_DELAY_MS)
    {
        refuted.push(format!("event-loop delay (p99 {})", millis(event_loop.delay_ms.1)));
    }
    let wait = split.share(SplitClass::RunQueue);
    // Not every worker's kernel thread is known: without its counters nothing is refuted.
    if split.recorders.contains(&"proc") && wait < 0.10 {
        refuted.push(format!("waiting for a CPU ({} of the time)", percent(wait)));
    }
    refuted.extend(facts.measurements.scale.iter().flat_map(|scale| &scale.inputs).filter_map(in_step));
    refuted
}
