//! `unbatched-exports`: records leave one by one, each in a request of its own that nobody waits for.

use super::counted::{MIN_SHARE, counted, counters, is_same_host, number, sender};
use super::senders::{self, PackageSender};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, percent, place};
use crate::{BUSY_TIME, Facts, gain};
use slowpath_analysis::{CounterMeasure, PlaceRow, SendingTime, WaitKind};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Requests to a host per request that arrives, from which on each one sends its own. Just below one: those at the ends of the phase count half.
const MIN_PER_REQUEST: f64 = 0.9;

/// Part of the answers that requests go on with, up to which nobody waits for them: requests go on with nearly all that they wait for,
/// but for what comes before something slower; and with none of what they do not, but for what comes as their own answer leaves.
const NOT_AWAITED: f64 = 0.25;

/// Share of a request's time in waits whose other end is not known, from which on one of them may be for this host.
const UNKNOWN_WAITS: f64 = 0.05;

/// Fewer requests followed from head to last byte than this do not say what requests wait for.
const MIN_FOLLOWED: u64 = 10;

/// Part of the cost that goes with batches: those of ten records and more leave a tenth of the requests at most.
const BATCHED: f64 = 0.9;

/// Relative uncertainty of the share: whose request Node's client alone works for is told by counts.
const UNCERTAIN: f64 = 0.25;

/// Least factor on throughput, what a load test can just tell.
const MIN_GAIN: f64 = 1.05;

/// Samples from which on the cost is sure enough.
const MANY_SAMPLES: u64 = 100;

pub(super) const RULE: Rule = Rule {
    id: "unbatched-exports",
    summary: "records leave one by one, each in a request of its own that nobody waits for",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
For each request the service sends others beside it and does not wait for their answers: a span to a collector, a line to an audit
or log service, a metric, a usage record. Each goes by itself.",
        why_it_hurts: "\
Nobody waits, but the main thread works: a request that is sent costs it 0.1 to 0.3 ms, whatever is in it, besides a socket, its
buffers and a promise. Several for each request that arrives can take more of a core than answering does.",
        how_recognised: "\
The counters phase counts requests by host, and look-ups (GET, HEAD and questions of who somebody is), which are left out. Fires from 0.9 to one host
per request that arrives, where followed requests go on with no more than a quarter of that host's answers, and where sending takes 5 % of the busy time and 1.05× is predicted. The cost is that of CPU samples in Node's client
below the function that sends, in the package that sends, and in Node's client alone, divided by the counts. Nine tenths of it are taken to go
with batches.",
        lookalikes: "\
With what the answer needs a request goes on. An answer that is awaited beside a slower one, as with `Promise.all`, looks the same:
then it is the request's own work, and cannot be batched. Checks by timers do not come with requests: see `timer-storm`.",
        what_to_do: "\
Collect records and send them together, a few hundred at once or every second, with a bound on how many wait, and send the rest when the process ends. \
OpenTelemetry: `BatchSpanProcessor` instead of `SimpleSpanProcessor`; loggers: the transport's `batch` option.",
        example: Example {
            language: "js",
            before: "\
const audit = (record) => {
  post('/audit', [record]).catch(() => {}); // a request each
};",
            after: "\
const waiting = [];
const audit = (record) => {
  if (waiting.length < 10_000) waiting.push(record);
};
setInterval(() => {
  if (waiting.length > 0) post('/audit', waiting.splice(0)).catch(() => {});
}, 1000).unref();",
        },
        thresholds: "\
0.9 is one for each request, less those that the ends of the phase cut. 5 % and 1.05× are what a load test can just tell. A quarter: of two
answers that are awaited together one in two is the later one.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let mut sent: BTreeMap<&str, f64> = BTreeMap::new();
    for row in counters.of_kind("http.request") {
        *sent.entry(&row.key).or_default() += row.sum.n;
    }
    let exports = sent.into_iter().map(|(host, n)| (host, (n - questions_to(counters, host)).max(0.0)));
    let beside = exports.filter(|(host, n)| {
        counters.per_request(*n) >= MIN_PER_REQUEST && is_work(counters, *n) && nobody_waits(facts, host)
    });
    beside.filter_map(|(host, n)| finding(facts, counters, host, n)).collect()
}

/// Returns how often a host is asked for something that could be kept.
fn questions_to(counters: &CounterMeasure, host: &str) -> f64 {
    let is_to_host = |key: &str| {
        let target = key.split(' ').nth(1).unwrap_or_default();
        is_same_host(target.split(['/', '?']).next().unwrap_or_default(), host)
    };
    counters.of_kind("lookup.http").filter(|row| is_to_host(&row.key)).map(|row| row.sum.n).sum()
}

/// Whether so many requests can have been other than questions.
fn is_work(counters: &CounterMeasure, n: f64) -> bool {
    let mut other = counters.of_kind("lookup.other").filter(|row| row.key == "http.work");
    other.next().is_some_and(|row| row.sum.n >= n * 0.5)
}

/// Whether requests were seen not to wait for a host.
fn nobody_waits(facts: Facts<'_>, host: &str) -> bool {
    let followed = facts.measurements.async_ops.as_ref();
    let Some(followed) = followed.filter(|followed| followed.n_followed >= MIN_FOLLOWED) else {
        return false;
    };
    let of_host = followed
        .sites
        .iter()
        .filter(|site| site.place.remote.as_deref().is_some_and(|remote| is_same_host(remote, host)));
    let (mut n, mut n_on_path) = (0, 0);
    for site in of_host {
        n += site.n;
        n_on_path += site.n_on_path;
    }
    if n > 0 {
        return n_on_path as f64 <= n as f64 * NOT_AWAITED;
    }
    // Answers that come when their request has ended are not seen: then no wait may be one for them.
    let unknown = followed.all.share(|row| {
        let is_service =
            |kind: WaitKind| kind.is_upstream() || matches!(kind, WaitKind::Connect | WaitKind::Other);
        row.place.as_ref().is_some_and(|place| place.remote.is_none() && is_service(place.kind))
    });
    unknown <= UNKNOWN_WAITS
}

/// Who sends, and what that costs.
struct Exporter<'a> {
    function: FunctionId,
    package: Option<PackageSender<'a>>,
    cost: SendingTime,
}

fn exporter<'a>(facts: Facts<'a>, counters: &CounterMeasure, host: &str, n: f64) -> Option<Exporter<'a>> {
    let places = senders::places_sending(counters, host);
    if places.iter().any(|place| is_by_timer(facts, counters, place)) {
        return None;
    }
    let part = senders::part_of_all(counters, n);
    let by_application = |place: &&PlaceRow| {
        let function = place.site.as_ref().map(|site| facts.profile.functions.get(site.function));
        function.is_some_and(|function| function.category == Category::App)
    };
    let of = |places: &mut dyn Iterator<Item = &PlaceRow>| places.map(|place| place.sum.n).sum::<f64>();
    let own = of(&mut places.iter().copied().filter(by_application));
    if own * 2.0 >= of(&mut places.iter().copied()) && own > 0.0 {
        let at = places.iter().copied().filter(by_application).max_by(|a, b| a.sum.n.total_cmp(&b.sum.n))?;
        let sends = at.site.as_ref()?.function;
        let cost = senders::cost_of_function(facts, counters, sends, part);
        return Some(Exporter {
            function: sender(facts, counters, host).unwrap_or(sends),
            package: None,
            cost,
        });
    }
    let package = PackageSender::of(facts, counters, host, places.into_iter())?;
    let cost = senders::cost_of_telling(facts, &package, part);
    Some(Exporter { function: package.function, package: Some(package), cost })
}

/// Whether a place is run by an interval: what it sends does not come with requests.
fn is_by_timer(facts: Facts<'_>, counters: &CounterMeasure, place: &PlaceRow) -> bool {
    let Some(site) = &place.site else { return false };
    let makes_intervals = |function: FunctionId| {
        let made = counters.of_kind("timer.interval").flat_map(|row| &row.places);
        made.filter_map(|made| made.site.as_ref()).any(|made| made.function == function)
    };
    let is_timer = |id: FunctionId| {
        facts.profile.functions.get(id).name.starts_with("(callback of setInterval(") || makes_intervals(id)
    };
    std::iter::once(site.function).chain(site.callers.iter().copied()).any(is_timer)
}

fn finding(facts: Facts<'_>, counters: &CounterMeasure, host: &str, n: f64) -> Option<Finding> {
    let exporter = exporter(facts, counters, host, n)?;
    let share = exporter.cost.share;
    let removed = share * BATCHED;
    let interval = (removed * (1.0 - UNCERTAIN), (removed * (1.0 + UNCERTAIN)).min(1.0));
    let predicted_gain = gain::of_removing(facts, removed, interval);
    if share < MIN_SHARE || predicted_gain.is_none_or(|gain| gain.throughput < MIN_GAIN) {
        return None;
    }
    let per_request = counters.per_request(n);
    let function = facts.profile.functions.get(exporter.function);
    let (who, at) = match &exporter.package {
        Some(package) => (format!("package {}", package.package), package.place(facts)),
        None => (function_name(function), format!("{} at {}", function_name(function), place(function))),
    };
    let (confidence, confidence_why) = match exporter.cost.n_samples {
        MANY_SAMPLES.. => {
            (Confidence::Medium, "answers that are awaited beside slower ones look the same".to_owned())
        }
        n => (Confidence::Low, format!("only {n} samples are of sending")),
    };
    Some(Finding {
        rule: RULE.id,
        title: format!(
            "{who} sends {} requests to {host} for each one that arrives, and nobody waits for them",
            number(per_request)
        ),
        severity: Severity::of_gain(predicted_gain, share),
        confidence,
        confidence_why,
        share: Some(share),
        share_of: BUSY_TIME,
        predicted_gain,
        location: Some(Location::of(function, facts.process_running(exporter.function))),
        evidence: evidence(facts, counters, host, n, &exporter),
        advice: format!(
            "In {at}: collect what is sent there and send it together, some hundreds at once or every second, instead of one by one."
        ),
        function: Some(exporter.function),
        intervals: Vec::new(),
    })
}

fn evidence(
    facts: Facts<'_>,
    counters: &CounterMeasure,
    host: &str,
    n: f64,
    exporter: &Exporter<'_>,
) -> Vec<Evidence> {
    let per_request = counters.per_request(n);
    let text = format!("{} requests to {host} per request that arrives", number(per_request));
    let mut evidence = vec![counted(text, per_request, "per request", n)];
    let cost = exporter.cost;
    evidence.push(Evidence {
        text: format!(
            "{} of the busy time goes into sending them and reading what is answered",
            percent(cost.share)
        ),
        value: Some(cost.share),
        unit: "share",
        n_samples: Some(cost.n_samples),
        recorder: "cpu",
    });
    if cost.divided > 0.0 {
        let text = format!(
            "of that, {} in Node's client alone, divided by the numbers of requests",
            percent(cost.divided)
        );
        let (value, n_samples) = (Some(cost.divided), None);
        evidence.push(Evidence { text, value, unit: "share", n_samples, recorder: "cpu" });
    }
    if let Some(followed) = &facts.measurements.async_ops {
        let text = "requests do not go on with its answers".to_owned();
        let n_samples = Some(followed.n_followed);
        evidence.push(Evidence { text, value: None, unit: "", n_samples, recorder: "async" });
    }
    if let Some(package) = &exporter.package {
        evidence.push(package.evidence(facts, n));
    }
    evidence
}
