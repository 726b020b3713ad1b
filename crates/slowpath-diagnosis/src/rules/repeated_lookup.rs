//! `repeated-lookup`: the same resource or file is asked for again for every request.

use super::counted::{Cost, bytes, counted, counters, is_same_host, number};
use super::senders::{self, PackageSender};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::gain::{self, Saving};
use crate::words::{function_name, millis, percent, place};
use crate::{BUSY_TIME, Facts};
use slowpath_analysis::{CounterMeasure, CounterRow, PlaceRow, WaitKind, WaitPlace};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Times per request from which on the same is asked for "again for every request": every other one, at least.
const MIN_PER_REQUEST: f64 = 0.5;

/// Share of the answers that differ from the one before, up to which it counts as the same answer.
const MOSTLY_OTHER: f64 = 0.5;

/// Share of what a function looks up from which on it is always the same; below, what it asks for depends on the request.
const MOSTLY_SAME: f64 = 0.5;

/// Share of what goes through a function from which on all its time is that of the look-up.
const ALWAYS: f64 = 0.9;

/// Texts parsed a look-up that still count as one each: those at the ends of the phase come on top.
const ONCE: f64 = 1.3;

/// Relative uncertainty of the share of busy time: which part of what a function began is the look-up's is not sampled.
const UNCERTAIN: f64 = 0.2;

/// Least factor on throughput, what a load test can just tell; and without one the least share of anybody's time.
const MIN_GAIN: f64 = 1.05;
const MIN_SHARE: f64 = 0.05;

pub(super) const RULE: Rule = Rule {
    id: "repeated-lookup",
    summary: "the same resource or file is asked for again for every request",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
For each request the service asks another service for the same thing (a list of models, a configuration, who a token belongs to), or
reads and parses the same file, though the answer could be kept.",
        why_it_hurts: "\
Each request waits for it, and pays for a second request or read: a round trip, some 0.1 to 0.3 ms of the main thread, sockets,
places in the thread pool, and load on whoever is asked.",
        how_recognised: "\
The counters phase counts questions by method, host and path (values of a query left out), and opened files by path, each with the
functions that call. GET and HEAD count, and POSTs that ask who somebody is (`/token`, `/introspect`, `/userinfo`); any other POST,
such as a question to a model, is work and does not. Where packages alone are on the stack, it is the application function that followed requests
await the answer in, else the package that the project loads, with its function and the line that loads it. Fires from one look-up in two requests on, where most of what that function looks up is the same, no more than
half of the answers differ (by status and ETag or length) from the ones before, and keeping the answer is predicted to bring 1.05×: from the
waits at that place on the critical path of followed requests, and from the CPU time of the function outside of its own code; of a package, from
the waits for that host, and from the time in the packages that ask and in Node's client.",
        lookalikes: "\
What a proxy passes on: paths and files that the client itself named are left out, so are parts of a path with a number that the client's URL has. The load may ask for one
thing only: what differs from client to client looks the same then. An answer that must not be old (a balance, a lock).
Synchronous reads: `sync-fs` speaks of them, and says if it is always the same file.",
        what_to_do: "\
Keep the answer for as long as it may be old; some seconds are enough at any load worth measuring. Keep the promise, not the value, so that requests that come
meanwhile share one question. Read a file at start and again when it changes. Where a package asks, such as one that checks tokens, it most
often has a cache that is off.",
        example: Example {
            language: "js",
            before: "\
const models = await (await fetch(`${base}/v1/models`)).json();   // for each request",
            after: "\
let kept = { until: 0, models: undefined };
function listModels() {
  if (Date.now() > kept.until) {
    const models = fetch(`${base}/v1/models`).then((answer) => answer.json());
    kept = { until: Date.now() + 30_000, models };
    models.catch(() => (kept.until = 0));
  }
  return kept.models;
}",
        },
        thresholds: "\
Half a look-up per request: one that is kept is asked for some times a second at most. 1.05× is what a load test can just tell.",
    },
    check,
};

/// What one function looks up again and again.
#[derive(Debug)]
struct Lookups<'a> {
    /// `http` or `file`.
    kind: &'static str,
    /// The function that calls Node or the client.
    inner: FunctionId,
    /// The one to look at: that, or the next that calls it and does nothing else by it.
    at: FunctionId,
    rows: Vec<&'a CounterRow>,
    /// Look-ups of them by `inner`.
    n: f64,
    /// Their share of all that `inner` looks up.
    share: f64,
    /// Their part of all requests that `inner` sends, or files that it opens.
    part: f64,
    /// The package that asks, where no application function is on the stack then.
    by_package: Option<ByPackage<'a>>,
}

/// A package that asks by itself.
#[derive(Debug)]
struct ByPackage<'a> {
    sender: PackageSender<'a>,
    /// Who is asked.
    host: &'a str,
    /// Their part of all requests of the service.
    part_of_all: f64,
}

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let all = ["http", "file"].into_iter().flat_map(|kind| repeated(facts, counters, kind));
    let all = all.map(|lookups| with_package(facts, counters, lookups));
    all.filter_map(|lookups| finding(facts, counters, &lookups)).collect()
}

/// Returns what is looked up for nearly every request, by the function that asks.
fn repeated<'a>(facts: Facts<'_>, counters: &'a CounterMeasure, kind: &'static str) -> Vec<Lookups<'a>> {
    let mut by_function: BTreeMap<FunctionId, Vec<&CounterRow>> = BTreeMap::new();
    for row in of_kind(counters, kind) {
        if counters.per_request(row.sum.n) < MIN_PER_REQUEST || is_other_each_time(counters, row) {
            continue;
        }
        if let Some(inner) = asker(row) {
            by_function.entry(inner).or_default().push(row);
        }
    }
    let lookups = by_function.into_iter().filter_map(|(inner, rows)| {
        let part = |function: FunctionId, others: &[&str]| {
            let n = sum_below(rows.iter().copied(), function);
            n / (n + others.iter().map(|other| others_below(counters, other, function)).sum::<f64>()).max(1.0)
        };
        let share = part(inner, &[kind]);
        let any: &[&str] = if kind == "http" { &["http", "http.work"] } else { &[kind] };
        let named = |id: &FunctionId| !facts.profile.functions.get(*id).is_nameless();
        let chain = chain_of(&rows, inner);
        let only = chain.iter().copied().find(|id| named(id) && part(*id, any) >= ALWAYS);
        let at = only.or_else(|| chain.iter().copied().find(|id| named(id))).unwrap_or(inner);
        let n = sum_below(rows.iter().copied(), inner);
        let part = part(inner, any);
        (share >= MOSTLY_SAME).then_some(Lookups { kind, inner, at, rows, n, share, part, by_package: None })
    });
    lookups.collect()
}

/// Finds who asks where packages alone are on the stack: the application function that awaits it, else the package.
fn with_package<'a>(facts: Facts<'a>, counters: &'a CounterMeasure, mut lookups: Lookups<'a>) -> Lookups<'a> {
    let is_package = facts.profile.functions.get(lookups.inner).category == Category::Dependency;
    let host = lookups.rows.first().map(|row| host_asked(&row.key)).filter(|_| lookups.kind == "http");
    let Some(host) = host.filter(|_| is_package) else { return lookups };
    let places = lookups.rows.iter().flat_map(|row| &row.places);
    let asking = places.filter(|place| is_below(place, lookups.inner));
    let Some(sender) = PackageSender::of(facts, counters, host, asking) else { return lookups };
    let awaiting =
        senders::awaited_by(facts, host).and_then(|place| senders::function_awaiting(facts, place));
    lookups.at = awaiting.unwrap_or(sender.function);
    let part_of_all = senders::part_of_all(counters, lookups.n);
    lookups.by_package = Some(ByPackage { sender, host, part_of_all });
    lookups
}

/// Returns the host in a key such as `GET host:port/path?name=…`.
fn host_asked(key: &str) -> &str {
    let target = key.split(' ').nth(1).unwrap_or_default();
    target.split(['/', '?']).next().unwrap_or_default()
}

fn of_kind<'a>(counters: &'a CounterMeasure, kind: &str) -> impl Iterator<Item = &'a CounterRow> {
    let kind = format!("lookup.{kind}");
    counters.rows.iter().filter(move |row| row.kind == kind)
}

/// Returns the files that a function reads synchronously for nearly every request, and how often.
pub(super) fn same_files_read_by(facts: Facts<'_>, function: FunctionId) -> Vec<Evidence> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let rows = of_kind(counters, "file.sync").filter(|row| asker(row) == Some(function));
    let rows = rows.filter(|row| counters.per_request(row.sum.n) >= MIN_PER_REQUEST);
    rows.map(|row| how_often(counters, row, "always the same file: ")).collect()
}

/// Returns the application function that asks for it most often; none where the module loader does.
fn asker(row: &CounterRow) -> Option<FunctionId> {
    let mut sums: BTreeMap<FunctionId, f64> = BTreeMap::new();
    for place in &row.places {
        if let Some(site) = place.site.as_ref().filter(|site| !site.loads) {
            *sums.entry(site.function).or_default() += place.sum.n;
        }
    }
    sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(function, _)| function)
}

/// Returns who calls `inner` most often when it looks these up, `inner` first.
fn chain_of(rows: &[&CounterRow], inner: FunctionId) -> Vec<FunctionId> {
    let places = rows.iter().flat_map(|row| &row.places);
    let sites = places.filter_map(|place| Some((place.site.as_ref()?, place.sum.n)));
    let most = sites.filter(|(site, _)| site.function == inner).max_by(|a, b| a.1.total_cmp(&b.1));
    let callers = most.map_or(&[][..], |(site, _)| &site.callers);
    std::iter::once(inner).chain(callers.iter().copied()).collect()
}

fn is_below(place: &PlaceRow, function: FunctionId) -> bool {
    place.site.as_ref().is_some_and(|site| site.function == function || site.callers.contains(&function))
}

fn sum_below<'a>(rows: impl Iterator<Item = &'a CounterRow>, function: FunctionId) -> f64 {
    rows.flat_map(|row| &row.places).filter(|place| is_below(place, function)).map(|place| place.sum.n).sum()
}

/// Returns how much else of a kind is looked up, or sent, below a function.
fn others_below(counters: &CounterMeasure, kind: &str, function: FunctionId) -> f64 {
    sum_below(counters.of_kind("lookup.other").filter(|row| row.key == kind), function)
}

fn total_of(counters: &CounterMeasure, kind: &str, target: &str) -> slowpath_analysis::CounterSum {
    counters.of_kind(kind).find(|row| row.key == target).map(|row| row.sum).unwrap_or_default()
}

/// Whether most answers differ from the ones before, as far as that was seen.
fn is_other_each_time(counters: &CounterMeasure, row: &CounterRow) -> bool {
    let answers = total_of(counters, "lookup.answer", &row.key).n;
    let seen = answers - total_of(counters, "lookup.unknown", &row.key).n;
    seen > 0.0 && total_of(counters, "lookup.changed", &row.key).n / seen > MOSTLY_OTHER
}

fn finding(facts: Facts<'_>, counters: &CounterMeasure, lookups: &Lookups<'_>) -> Option<Finding> {
    let (waiting, waiting_ms) = waiting(facts, counters, lookups);
    let busy = busy(facts, counters, lookups);
    let interval = (busy * (1.0 - UNCERTAIN), busy * (1.0 + UNCERTAIN));
    let predicted_gain =
        gain::of_saving(facts, Saving { busy, waiting }).or_else(|| gain::of_removing(facts, busy, interval));
    let is_worth_it = match predicted_gain {
        Some(gain) => gain.throughput >= MIN_GAIN,
        None => busy >= MIN_SHARE || waiting >= MIN_SHARE,
    };
    if !is_worth_it {
        return None;
    }
    let share_of = if waiting > busy { "time of requests" } else { BUSY_TIME };
    let share = waiting.max(busy);
    let function = facts.profile.functions.get(lookups.at);
    let (confidence, confidence_why) = confidence(counters, lookups);
    let names: Vec<&str> = lookups.rows.iter().map(|row| row.key.as_str()).collect();
    let what = match names.as_slice() {
        [one] => (*one).to_owned(),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
        [] => return None,
    };
    // Who loads a package says how it asks.
    let package = lookups.by_package.as_ref().filter(|_| function.category == Category::Dependency);
    let at = package.map_or_else(
        || format!("{} at {}", function_name(function), place(function)),
        |by_package| by_package.sender.place(facts),
    );
    let keep = match package {
        Some(_) => {
            "let it keep the answer (most such packages have a cache to switch on), or keep what it returns"
        }
        None => {
            "keep the answer for as long as it may be old, and let requests that come meanwhile share one question"
        }
    };
    let (title, advice) = if lookups.kind == "http" {
        (
            match package {
                Some(by_package) => {
                    format!(
                        "{what} is asked for again for every request, by package {}",
                        by_package.sender.package
                    )
                }
                None => format!("{what} is asked for again for every request"),
            },
            format!("In {at}: {keep}."),
        )
    } else {
        (
            format!("{what} is read again for every request"),
            format!("In {at}: read it once and keep what was made of it, until the file changes."),
        )
    };
    Some(Finding {
        rule: RULE.id,
        title,
        severity: Severity::of_gain(predicted_gain, share),
        confidence,
        confidence_why,
        share: Some(share),
        share_of,
        predicted_gain,
        location: Some(Location::of(function, facts.process_running(lookups.at))),
        evidence: evidence(facts, counters, lookups, (waiting, waiting_ms), busy),
        advice,
        // Time is charged to the one that calls.
        function: Some(lookups.inner),
        intervals: Vec::new(),
    })
}

/// Returns the share of a request's time that it waits for the look-ups, and how long, ms.
fn waiting(facts: Facts<'_>, counters: &CounterMeasure, lookups: &Lookups<'_>) -> (f64, f64) {
    let Some(followed) = &facts.measurements.async_ops else { return (0.0, 0.0) };
    let mean_ms = followed.all.mean.as_millis_f64();
    if let Some(by_package) = &lookups.by_package {
        let is_asked = |place: &WaitPlace| {
            let remote = place.remote.as_deref();
            is_answer(place.kind) && remote.is_some_and(|remote| is_same_host(remote, by_package.host))
        };
        let share = followed.all.share(|row| row.place.as_ref().is_some_and(is_asked));
        let all_of_them = answered_ms(counters, lookups) / mean_ms.max(f64::MIN_POSITIVE);
        let share = if lookups.part >= ALWAYS { share } else { share.min(all_of_them) };
        return (share, share * mean_ms);
    }
    let inner = facts.profile.functions.get(lookups.inner);
    let places = lookups.rows.iter().flat_map(|row| &row.places);
    let lines: Vec<u32> = places.filter_map(|place| place.site.as_ref()).map(|site| site.line).collect();
    let is_kind = |place: &WaitPlace| match lookups.kind {
        "http" => is_answer(place.kind),
        _ => place.kind == WaitKind::Fs,
    };
    let is_here = |place: &WaitPlace| {
        is_kind(place)
            && place.file == inner.file
            && (place.function == inner.name || lines.contains(&place.line))
    };
    let here = followed.all.share(|row| row.place.as_ref().is_some_and(is_here));
    let share = if lookups.part >= ALWAYS {
        here
    } else if lookups.kind == "http" {
        // Others wait at that place too, for longer or shorter: how long these take was measured.
        here.min(answered_ms(counters, lookups) / mean_ms.max(f64::MIN_POSITIVE))
    } else {
        here * lookups.part
    };
    (share, share * mean_ms)
}

fn is_answer(kind: WaitKind) -> bool {
    matches!(kind, WaitKind::Http | WaitKind::Net | WaitKind::Connect | WaitKind::SocketPool)
}

/// Returns how long the answers of a request's look-ups take, ms.
fn answered_ms(counters: &CounterMeasure, lookups: &Lookups<'_>) -> f64 {
    let answers = lookups.rows.iter().map(|row| total_of(counters, "lookup.answer", &row.key).ms);
    counters.per_request(answers.sum())
}

/// Returns the share of the busy time that the look-ups take: of the function that asks, what is not its own code, what it began
/// that ran later, and turning what came into objects.
fn busy(facts: Facts<'_>, counters: &CounterMeasure, lookups: &Lookups<'_>) -> f64 {
    if let Some(by_package) = &lookups.by_package {
        return senders::cost_of_asking(facts, &by_package.sender, by_package.part_of_all).share;
    }
    let charges = &facts.measurements.charges;
    let share = |time: u64| time as f64 / charges.busy.0.max(1) as f64;
    let id = lookups.inner;
    let charged = share(charges.charged_unfolded.get(&id).map_or(0, |time| time.0));
    let known = charges.functions.iter().find(|function| function.function == id);
    let own = known.map_or(0.0, |function| share(function.own_code.0)).min(charged);
    // Asking by HTTP is an exchange; a function that reads a file and has one writes the answer, too.
    let exchange = match lookups.kind {
        "http" => 0.0,
        _ => known.map_or(0.0, |function| share(function.in_exchange.0)),
    };
    // V8 counts its own JSON as code of who calls it.
    let other = if lookups.kind == "file" && exchange == 0.0 && lookups.part >= ALWAYS {
        0.0
    } else {
        (own - parsed(facts, counters, lookups)).max(0.0)
    };
    let begun = charges.begun.iter().find(|(function, _)| *function == id).map_or(0.0, |(_, share)| *share);
    ((charged - other - exchange).max(0.0) + begun) * lookups.part
}

/// Returns the share of the busy time in which the function parses as JSON what it looked up, if it parses nothing else.
fn parsed(facts: Facts<'_>, counters: &CounterMeasure, lookups: &Lookups<'_>) -> f64 {
    let parses = counters.by_function(|row| row.kind == "json.parse");
    let own = parses.iter().find(|sum| sum.function == lookups.inner && sum.sum.n <= lookups.n * ONCE);
    own.map_or(0.0, |sum| Cost::of(facts, counters, sum).share)
}

fn confidence(counters: &CounterMeasure, lookups: &Lookups<'_>) -> (Confidence, String) {
    let sum = |kind: &str| lookups.rows.iter().map(|row| total_of(counters, kind, &row.key).n).sum::<f64>();
    let seen = sum("lookup.answer") - sum("lookup.unknown");
    if lookups.kind == "http" && seen <= 0.0 {
        return (
            Confidence::Low,
            "whether the answers are equal was not seen: they have neither ETag nor length".into(),
        );
    }
    (Confidence::Medium, "what the load always asks for looks the same for all clients here".into())
}

fn how_often(counters: &CounterMeasure, row: &CounterRow, before: &str) -> Evidence {
    let per_request = counters.per_request(row.sum.n);
    let text = format!("{before}{}, {} times per request", row.key, number(per_request));
    counted(text, per_request, "per request", row.sum.n)
}

/// Most look-ups told of one by one.
const MAX_ROWS: usize = 3;

fn evidence(
    facts: Facts<'_>,
    counters: &CounterMeasure,
    lookups: &Lookups<'_>,
    (waiting, waiting_ms): (f64, f64),
    busy: f64,
) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for row in lookups.rows.iter().take(MAX_ROWS) {
        evidence.push(how_often(counters, row, ""));
        let answers = total_of(counters, "lookup.answer", &row.key);
        let seen = answers.n - total_of(counters, "lookup.unknown", &row.key).n;
        if seen > 0.0 {
            let same = 1.0 - total_of(counters, "lookup.changed", &row.key).n / seen;
            let size = bytes(answers.bytes / seen);
            let took = millis(answers.ms / answers.n.max(1.0));
            let text =
                format!("{} of its answers are as the one before; {size}, after {took}", percent(same));
            evidence.push(counted(text, same, "share", seen));
        }
        let written = total_of(counters, "lookup.written", &row.key).n;
        if written > 0.0 {
            let text = format!("it is written {} times meanwhile, by the service itself", number(written));
            evidence.push(counted(text, written, "times", written));
        }
    }
    let text = format!("{} of what is looked up there", percent(lookups.share));
    evidence.push(counted(text, lookups.share, "share", lookups.n));
    if let Some(by_package) = &lookups.by_package {
        evidence.push(by_package.sender.evidence(facts, lookups.n));
    }
    if waiting > 0.0 {
        evidence.push(Evidence {
            text: format!("requests wait {} for it, {} of their time", millis(waiting_ms), percent(waiting)),
            value: Some(waiting_ms),
            unit: "ms per request",
            n_samples: None,
            recorder: "async",
        });
    }
    if busy > 0.0 {
        evidence.push(Evidence {
            text: format!("{} of the busy time goes into asking, and into what it brings", percent(busy)),
            value: Some(busy),
            unit: "share",
            n_samples: None,
            recorder: "cpu",
        });
    }
    evidence
}
