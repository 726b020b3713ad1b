//! What the rules on counted calls share: joins counts with CPU samples, and words a finding.

use super::Rule;
use super::hot_code::busy_ms_per_request;
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::{Facts, gain};
use slowpath_analysis::{CounterMeasure, CounterRow, FunctionSum, WaitPlace};
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Least share of busy time of work that could go: removing less brings at most 1.05×, below what a load test can tell.
pub(super) const MIN_SHARE: f64 = 0.05;

/// Least share of wall time: on a thread that idles nobody waits for it.
const MIN_SHARE_OF_WALL: f64 = 0.03;

/// Least requests in the counters phase: with fewer, those that were cut by its ends weigh too much for "per request".
pub(super) const MIN_REQUESTS: u64 = 6;

/// Calls whose place was read, from which on a place's numbers are sure to a tenth; and to a fifth.
const MANY_SAMPLED: u64 = 400;
const SOME_SAMPLED: u64 = 100;

/// Samples with a line from which on a function's lines are told apart.
const MIN_LINE_SAMPLES: u64 = 30;

/// Least relative uncertainty of a share: wrappers time calls with collections and interruptions in them.
const UNCERTAIN: f64 = 0.15;

/// Returns the counts, where there were requests enough to speak of.
pub(super) fn counters(facts: Facts<'_>) -> Option<&CounterMeasure> {
    facts.measurements.counters.as_ref().filter(|counters| counters.n_requests >= MIN_REQUESTS)
}

/// Work of one application function that could go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) function: FunctionId,
    pub(super) share: f64,
    pub(super) interval: (f64, f64),
    pub(super) n_sampled: u64,
}

impl Cost {
    /// Joins the time that was counted in a function's calls with what CPU samples say of that function: never more than
    /// they charge it with, and with the collections that its work causes, in proportion.
    ///
    /// Wrappers make requests dearer, so of those the counted time is too small a share. The samples of the lines that the calls are on
    /// tell better, but may be of something else on these lines: they count up to what the calls would be of undisturbed requests.
    pub(super) fn of(facts: Facts<'_>, counters: &CounterMeasure, sum: &FunctionSum) -> Self {
        let counted = counters.share_of_busy(sum.sum.ms);
        let undisturbed = share_of_undisturbed(facts, counters, sum).unwrap_or(counted);
        let counted = counted.max(share_of_lines(facts, sum).unwrap_or(0.0).min(undisturbed));
        let charges = &facts.measurements.charges;
        let share = if charges.busy.0 == 0 {
            counted
        } else {
            let charged = charges.charged_unfolded.get(&sum.function).map_or(0, |time| time.0);
            let charged = charged as f64 / charges.busy.0 as f64;
            let gc = collections_charged_to(facts, sum.function);
            let own = (charged - gc).max(f64::MIN_POSITIVE);
            (counted + gc * (counted / own).min(1.0)).min(charged)
        };
        let relative = (2.0 / (sum.n_sampled.max(1) as f64).sqrt()).max(UNCERTAIN);
        let interval = ((share * (1.0 - relative)).max(0.0), (share * (1.0 + relative)).min(1.0));
        Self { function: sum.function, share, interval, n_sampled: sum.n_sampled }
    }

    /// Whether it is worth a finding: a share of busy time, and somebody waits for it.
    pub(super) fn matters(&self, facts: Facts<'_>, least: f64) -> bool {
        let split = facts.measurements.split.as_ref();
        let utilisation = split.map_or(0.0, slowpath_analysis::Split::utilisation);
        self.share >= least && self.share * utilisation >= MIN_SHARE_OF_WALL
    }

    fn confidence(&self) -> (Confidence, String) {
        let confidence = match self.n_sampled {
            MANY_SAMPLED.. => Confidence::High,
            SOME_SAMPLED.. => Confidence::Medium,
            _ => Confidence::Low,
        };
        let (low, high) = (self.interval.0 * 100.0, self.interval.1 * 100.0);
        (
            confidence,
            format!("the place of {} calls was read; its share is {low:.0} to {high:.0} %", self.n_sampled),
        )
    }
}

/// Returns the share of busy time of the collections that a function, with what is folded into it, brings about.
fn collections_charged_to(facts: Facts<'_>, function: FunctionId) -> f64 {
    let folded = facts.measurements.charges.functions.iter().find(|hot| hot.function == function);
    let spent_in = folded.map_or(&[][..], |hot| &hot.spent_in);
    spent_in.iter().find(|(label, _)| label == "garbage collection").map_or(0.0, |(_, gc)| *gc)
}

/// Adds to a share of busy time that samples show in a function's work the collections that it brings about: all of the function's,
/// where the work is all that it does, else in proportion.
pub(super) fn with_collections(facts: Facts<'_>, function: FunctionId, share: f64) -> f64 {
    let charges = &facts.measurements.charges;
    let gc = collections_charged_to(facts, function);
    let whole = charges.functions.iter().find(|hot| hot.function == function).map_or(0.0, |hot| hot.share);
    let part = share / (whole - gc).max(f64::MIN_POSITIVE);
    (share + gc * part.min(1.0)).min(1.0)
}

/// Returns the share of busy time that the lines of calls have by the function's own samples; `None` where too few have a line.
fn share_of_lines(facts: Facts<'_>, sum: &FunctionSum) -> Option<f64> {
    let charges = &facts.measurements.charges;
    let hot = charges.functions.iter().find(|function| function.function == sum.function)?;
    let is_in = |id: FunctionId| id == hot.function || hot.folded.iter().any(|folded| folded.function == id);
    let ticks = facts.profile.line_ticks.iter().filter(|((id, _), _)| is_in(*id));
    let (mut all, mut of_calls) = (0, 0);
    for ((id, line), n) in ticks {
        all += n;
        if *id == sum.function && sum.lines.contains(line) {
            of_calls += n;
        }
    }
    let own = hot.own_code.0 as f64 / charges.busy.0.max(1) as f64;
    (all >= MIN_LINE_SAMPLES).then(|| own * of_calls as f64 / all as f64)
}

/// Returns the share that the time of a request's calls is of what the thread does for a request while nothing is wrapped.
fn share_of_undisturbed(facts: Facts<'_>, counters: &CounterMeasure, sum: &FunctionSum) -> Option<f64> {
    let busy_ms = busy_ms_per_request(facts)?;
    (busy_ms > 0.0).then(|| (counters.per_request(sum.sum.ms) / busy_ms).min(1.0))
}

/// Words a finding on a cost.
pub(super) fn of_cost(
    facts: Facts<'_>,
    rule: &Rule,
    cost: Cost,
    title: String,
    evidence: Vec<Evidence>,
    advice: String,
) -> Finding {
    let function = facts.profile.functions.get(cost.function);
    let predicted_gain = gain::of_removing(facts, cost.share, cost.interval);
    let (confidence, confidence_why) = cost.confidence();
    Finding {
        rule: rule.id,
        title,
        severity: Severity::of_gain(predicted_gain, cost.share),
        confidence,
        confidence_why,
        share: Some(cost.share),
        share_of: "busy main-thread time",
        predicted_gain,
        location: Some(Location::of(function, facts.process_running(cost.function))),
        evidence,
        advice,
        function: Some(cost.function),
        intervals: Vec::new(),
    }
}

/// Returns the share of a request's time that it waits at places that count, less what one wait of `n` in a row takes.
pub(super) fn waiting_in_a_row(facts: Facts<'_>, n: f64, counts: impl Fn(&WaitPlace) -> bool) -> f64 {
    let Some(followed) = &facts.measurements.async_ops else { return 0.0 };
    let waits = followed.all.share(|row| row.place.as_ref().is_some_and(&counts));
    waits * (1.0 - 1.0 / n.max(1.0))
}

/// Whether a wait is awaited in a function.
pub(super) fn is_awaited_in(facts: Facts<'_>, function: FunctionId, place: &WaitPlace) -> bool {
    let function = facts.profile.functions.get(function);
    place.function == function.name && place.file == function.file
}

/// Words a finding on waiting, whose gain the counts cannot tell.
pub(super) fn of_count(
    facts: Facts<'_>,
    rule: &Rule,
    severity: Severity,
    function: Option<FunctionId>,
    (title, evidence, advice): (String, Vec<Evidence>, String),
) -> Finding {
    let location =
        function.map(|id| Location::of(facts.profile.functions.get(id), facts.process_running(id)));
    Finding {
        rule: rule.id,
        title,
        severity,
        confidence: Confidence::Medium,
        confidence_why: "the calls are exact; what they cost a request is not measured here".into(),
        share: None,
        share_of: "",
        predicted_gain: None,
        location,
        evidence,
        advice,
        function,
        intervals: Vec::new(),
    }
}

/// One number of the counters recorder.
pub(super) fn counted(text: String, value: f64, unit: &'static str, n: f64) -> Evidence {
    Evidence { text, value: Some(value), unit, n_samples: Some(n.max(0.0) as u64), recorder: "counters" }
}

/// Returns the function that most calls of a row are made from.
pub(super) fn main_place(row: &CounterRow) -> Option<FunctionId> {
    let mut sums: BTreeMap<FunctionId, f64> = BTreeMap::new();
    for place in &row.places {
        if let Some(site) = &place.site {
            *sums.entry(site.function).or_default() += place.sum.n;
        }
    }
    sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(function, _)| function)
}

/// Returns the place that sends requests to a host. Node tells of a request when its socket is there, by when who asked is often gone;
/// its agent is asked for a socket at once.
pub(super) fn sender(facts: Facts<'_>, counters: &CounterMeasure, host: &str) -> Option<FunctionId> {
    let of = |kind: &'static str| {
        let of_host = move |row: &&CounterRow| row.key == host || row.key.split(' ').next() == Some(host);
        counters.of_kind(kind).filter(of_host).find_map(main_place)
    };
    let place = of("http.request").or_else(|| of("http.agent"))?;
    let is_nameless = facts.profile.functions.get(place).is_nameless();
    Some(if is_nameless { around(facts, place, host) } else { place })
}

/// Whether two keys name the same host: one may have the port, or leave out the usual one.
pub(super) fn is_same_host(a: &str, b: &str) -> bool {
    let host = |key: &str| key.rsplit_once(':').map_or(key.to_owned(), |(host, _)| host.to_owned());
    a == b
        || ((!a.contains(':')
            || !b.contains(':')
            || a.ends_with(":80")
            || a.ends_with(":443")
            || b.ends_with(":80")
            || b.ends_with(":443"))
            && host(a) == host(b))
}

/// Returns the function that a closure which asks a host, such as that of a promise, is known by: the one around it that followed
/// requests await the host's answers in, else what its time was folded into.
fn around(facts: Facts<'_>, closure: FunctionId, host: &str) -> FunctionId {
    let functions = &facts.profile.functions;
    let file = &functions.get(closure).file;
    let sites = facts.measurements.async_ops.iter().flat_map(|followed| &followed.sites);
    let asks = |place: &WaitPlace| {
        place.is_app
            && place.file == *file
            && place.remote.as_deref() == Some(host)
            && !place.function.starts_with('(')
    };
    let asking = sites.filter(|site| asks(&site.place)).max_by_key(|site| site.n);
    let awaiting = asking.and_then(|site| {
        let of_name = functions.iter().filter(|(_, function)| {
            function.name == site.place.function && function.file == *file && function.line <= site.place.line
        });
        of_name.max_by_key(|(_, function)| function.line).map(|(id, _)| id)
    });
    let folded = || {
        let charged = facts.measurements.charges.functions.iter();
        charged.into_iter().find(|outer| outer.folded.iter().any(|inner| inner.function == closure))
    };
    awaiting.or_else(|| folded().map(|outer| outer.function)).unwrap_or(closure)
}

/// Returns bytes as `10 kB` or `1.2 MB`.
pub(super) fn bytes(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes >= 1e3 => format!("{:.0} kB", bytes / 1e3),
        bytes => format!("{bytes:.0} B"),
    }
}

/// Returns a number as people write it: two digits, or whole.
pub(super) fn number(n: f64) -> String {
    if n >= 9.95 { format!("{n:.0}") } else { format!("{n:.1}") }
}
