//! `cpu-hot-function`: one application function, with what it calls, takes a large part of the busy time.

use super::counted::{counters, number};
use super::hot_code::{
    PerRequest, avoidable_share, callers_of, calls_below, calls_per_request, pieces_per_answer,
};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{factor, function_name, millis, percent, place};
use crate::{Facts, gain};
use slowpath_analysis::{AppFunction, Folded};
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// Least share of busy time that makes a finding: removing less brings at most 1.1×, within the noise of a load test.
const MIN_SHARE: f64 = 0.10;

/// The same of a function that is called for each piece of a stream: passing pieces on was measured at up to 13 %.
const MIN_SHARE_OF_PASSING_ON: f64 = 0.15;

/// Pieces of an answer from which on it is a stream of many.
const MANY_PIECES: f64 = 20.0;

/// Least share of wall time: a function that is hot in a thread that idles is not why the service is slow.
const MIN_SHARE_OF_WALL: f64 = 0.05;

/// Least predicted gain: less than 5 % is below what a load test can tell.
const MIN_GAIN: f64 = 1.05;

/// Least predicted gain where the thread is not saturated: there the gain rests on the latency, which varies more.
const MIN_GAIN_UNSATURATED: f64 = 1.10;

/// Least samples: at fewer, the share is uncertain by more than a third.
const MIN_SAMPLES: u64 = 30;

/// Least part of the function's time in one place (its own code, a helper, a package, a built-in) below which nothing in it is
/// hot: a handler has all that a request needs below it. Only asked of shares below [`ALWAYS_SHARE`].
const MIN_CONCENTRATED: f64 = 0.5;

/// Share of busy time from which on even many small parts are worth a look: lean handlers were measured at up to 15 %.
const ALWAYS_SHARE: f64 = 0.20;

/// Share of busy time from which on a function is told of though requests wait for others: more than a third of what will fill a
/// thread that is in use for [`NEARLY_FULL`] of the time or more.
const FIRST_LIMIT: f64 = 0.35;

/// At half of its time in use, twice the load fills a thread.
const NEARLY_FULL: f64 = 0.5;

/// A function that spends this much of its time in synchronous calls is left to the rules on those calls.
const MOSTLY_SYNC_CALLS: f64 = 0.6;

/// Parts of a function's time below this share of busy time are not worth a line.
const MIN_PART: f64 = 0.02;

/// Lines quoted.
const MAX_LINES: usize = 3;

/// Part of a function's time in one helper from which on that is the place to look at: the larger half, by more than samples vary.
const MOSTLY_IN_HELPER: f64 = 0.6;

/// Part of a function's time in one package from which on the title names that.
const MOSTLY_BELOW: f64 = 0.7;

pub(super) const RULE: Rule = Rule {
    id: "cpu-hot-function",
    summary: "one application function takes a large part of the busy main-thread time",
    breadth: Breadth::General,
    documentation: Documentation {
        what: "\
One function of the application, together with the native code, dependencies and collections it causes, takes a large
part of the time that the main thread is busy.",
        why_it_hurts: "\
On a full thread, requests queue behind it: throughput is bounded by its cost, and every millisecond of it is latency for all
who wait.",
        how_recognised: "\
Every CPU sample is charged to the nearest application function on its stack, whatever leaf it ended in; closures and
small helpers are folded into the function that calls them. Time below it in Node's own HTTP and socket code is not counted, nor
half of that in packages that send its requests (axios, got), nor JSON that it parses or writes once per request or piece of a stream: answering costs that in any service. Fires from 10 % of busy time and 5 % of wall time on, with at
least 30 samples, where the predicted gain is at least 1.05× (1.1× on a thread that is not full), or where it is 35 % of the busy time
of a thread that is in use for half of the time and more: that fills it at twice the load.",
        lookalikes: "\
A function that only waits (it is not on a CPU: not sampled). A synchronous call (`sync-fs` and its neighbours say so).
A profile of start-up code (the cpu phase begins after the warm-up). A short function that V8 inlined into the one that is
named, in a recording without sources: V8's samples then name the caller, with a line that lies outside of it.",
        what_to_do: "\
Look at the hot lines. Do the work once instead of per request (cache, build at start), do less of it, or move it to a
worker thread.",
        example: Example {
            language: "js",
            before: "\
app.post('/chat', (req, res) => {
  const rules = buildRules(config);       // the same result for every request
  res.end(apply(rules, req.body));
});",
            after: "\
const rules = buildRules(config);         // once, at start
app.post('/chat', (req, res) => res.end(apply(rules, req.body)));",
        },
        thresholds: "\
10 % of busy time: removing less brings at most 1.1×, which a load test can hardly tell from noise. 5 % of wall time: a
function that is hot in a thread that idles is not why the service is slow. 30 samples: at fewer the share is uncertain by
more than a third. Of a function that is called for each piece of a stream 15 %:
passing pieces on was measured at up to 13 %. Below 20 %, half of it must be in one place (its own code, a helper, a package, a built-in): many small parts
below the handler of a lean service add up to 15 %. 35 % of a thread that is half in use: more than a third of what fills it at twice
the load.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let charges = &facts.measurements.charges;
    let hot = charges.functions.iter().filter(|function| is_hot(facts, function));
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let least = if utilisation >= gain::SATURATED { MIN_GAIN } else { MIN_GAIN_UNSATURATED };
    let in_use = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::own_utilisation);
    let is_worth_it = |finding: &Finding| {
        let share = finding.share.unwrap_or(0.0);
        let is_first_limit = share >= FIRST_LIMIT && in_use >= NEARLY_FULL;
        is_first_limit || finding.predicted_gain.is_none_or(|gain| gain.throughput >= least)
    };
    hot.map(|function| finding(facts, function)).filter(is_worth_it).collect()
}

fn is_hot(facts: Facts<'_>, function: &AppFunction) -> bool {
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let in_sync_calls = function.in_sync_calls.0 as f64 / function.charged.0.max(1) as f64;
    let share = function.share * removable(facts, function) + begun(facts, function);
    let least = if passes_on(facts, function) { MIN_SHARE_OF_PASSING_ON } else { MIN_SHARE };
    share >= least
        && share * utilisation >= MIN_SHARE_OF_WALL
        && function.n_samples >= MIN_SAMPLES
        && in_sync_calls < MOSTLY_SYNC_CALLS
        && (share >= ALWAYS_SHARE || concentrated(facts, function) >= MIN_CONCENTRATED * share)
}

/// Whether a function is called, or goes on, for each piece of streamed answers.
fn passes_on(facts: Facts<'_>, function: &AppFunction) -> bool {
    let pieces = counters(facts).map_or(1.0, pieces_per_answer);
    // A generator is called once and goes on for each piece: V8 counts that as calls.
    pieces >= MANY_PIECES && PerRequest::of(facts, function.function, (0.9 * pieces, f64::INFINITY)).is_some()
}

/// Returns the share of busy time of the largest of the function's own code, its helpers and what it calls, Node's own and
/// packages that send requests left out: they are mostly what answering costs.
fn concentrated(facts: Facts<'_>, function: &AppFunction) -> f64 {
    let own = function.own_code.0 as f64 / facts.measurements.charges.busy.0.max(1) as f64;
    let helpers = function.folded.iter().map(without_exchange);
    let clients = &facts.measurements.charges.client_packages;
    let is_client = |label: &str| label.strip_prefix("package ").is_some_and(|name| clients.contains(name));
    let answers =
        |label: &str| label == "native: socket" || label.ends_with(" of node core") || is_client(label);
    let called = function.spent_in.iter().filter(|(label, _)| !answers(label)).map(|(_, share)| *share);
    helpers.chain(called).chain([begun(facts, function)]).fold(own, f64::max)
}

/// Returns the part of a function's time that is not in Node's HTTP and socket code, nor in JSON that is parsed or written once: a lean
/// service has most of its time there, below whatever function answers.
fn removable(facts: Facts<'_>, function: &AppFunction) -> f64 {
    avoidable_share(facts, function) / function.share.max(f64::MIN_POSITIVE)
}

/// Returns the share of busy time that a function began and awaits the end of, without being on the stack.
fn begun(facts: Facts<'_>, function: &AppFunction) -> f64 {
    function.begun.0 as f64 / facts.measurements.charges.busy.0.max(1) as f64
}

fn finding(facts: Facts<'_>, hot: &AppFunction) -> Finding {
    let function = facts.profile.functions.get(hot.function);
    let name = function_name(function);
    let removable = removable(facts, hot);
    let begun = begun(facts, hot);
    let share = hot.share * removable + begun;
    let interval = (hot.share_interval.0 * removable, hot.share_interval.1 * removable + begun);
    let predicted_gain = gain::of_removing(facts, share, interval);
    let (confidence, confidence_why) = Confidence::of_share(share, interval, hot.n_samples);
    let severity = Severity::of_gain(predicted_gain, share);
    let helper = helper_with_most(facts, hot, share);
    let mostly = match helper {
        Some(helper) => {
            format!(", most of it in its helper {}", function_name(facts.profile.functions.get(helper)))
        }
        None => mostly_in(facts, hot),
    };
    let at = helper.unwrap_or(hot.function);
    let looked_at = facts.profile.functions.get(at);
    let mut advice = format!("Look at {} in {}", function_name(looked_at), place(looked_at));
    // A helper that all call does what its caller asks for.
    if let Some((caller, _)) =
        hot.callers.first().filter(|(_, share)| helper.is_none() && *share >= MOSTLY_IN_HELPER)
    {
        let caller = facts.profile.functions.get(*caller);
        advice.push_str(&format!(", which {} in {} calls", function_name(caller), place(caller)));
    }
    if let Some((label, share)) = hot.spent_in.first().filter(|(_, share)| *share > hot.share / 3.0) {
        advice.push_str(&format!("; {} of the busy time below it is {label}", percent(*share)));
    }
    advice.push_str(if passes_on(facts, hot) {
        ". It runs for each piece of an answer: look at what the piece adds only, not at all that came before, and do once per \
         answer what can be"
    } else {
        ". Do the work once instead of for each request, do less of it, or move it to a worker thread"
    });
    match predicted_gain {
        Some(gain) if gain.throughput < MIN_GAIN => {
            advice.push_str(
                "; at this load requests wait for others, so throughput would hardly rise: it is what fills the thread at more.",
            );
        }
        Some(gain) => {
            let factor = factor(gain.throughput);
            advice.push_str(&match facts.measurements.load {
                Some(_) => format!("; without it the service would do about {factor} the requests."),
                None => format!("; without it the program would be about {factor} as fast."),
            });
        }
        None => advice.push('.'),
    }
    Finding {
        rule: RULE.id,
        title: format!("{name} takes {} of the busy time{mostly}", percent(share)),
        severity,
        confidence,
        confidence_why,
        share: Some(share),
        share_of: "busy main-thread time",
        predicted_gain,
        location: Some(Location::of(facts.profile.functions.get(at), facts.process_running(at))),
        evidence: evidence(facts, hot),
        advice,
        function: Some(hot.function),
        intervals: Vec::new(),
    }
}

/// Returns the helper that is most of what takes `share` of busy time in a function: small by itself, it is what a person has to look
/// at.
fn helper_with_most(facts: Facts<'_>, hot: &AppFunction, share: f64) -> Option<FunctionId> {
    let all_of = |helper: &Folded| without_exchange(helper) + helper.begun;
    let most = hot.folded.iter().max_by(|a, b| all_of(a).total_cmp(&all_of(b)))?;
    let is_named = !facts.profile.functions.get(most.function).is_nameless();
    (is_named && all_of(most) >= share * MOSTLY_IN_HELPER).then_some(most.function)
}

/// Returns the share of busy time of a helper, less Node's HTTP and socket code below it.
fn without_exchange(helper: &Folded) -> f64 {
    helper.share - helper.in_exchange
}

/// Names the package that a function spends most of its time in.
fn mostly_in(facts: Facts<'_>, hot: &AppFunction) -> String {
    let mut packages: BTreeMap<&str, f64> = BTreeMap::new();
    for (called, share) in &hot.called {
        if let Some(package) = &facts.profile.functions.get(*called).package {
            *packages.entry(package).or_default() += share;
        }
    }
    let largest = packages.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let most = largest.filter(|(_, share)| *share >= hot.share * MOSTLY_BELOW);
    most.map_or(String::new(), |(package, _)| format!(", most of it in {package}"))
}

fn evidence(facts: Facts<'_>, hot: &AppFunction) -> Vec<Evidence> {
    let cpu = |text: String, value: f64, unit, n_samples| Evidence {
        text,
        value: Some(value),
        unit,
        n_samples,
        recorder: "cpu",
    };
    let functions = &facts.profile.functions;
    let mut rows = vec![cpu(
        format!(
            "{} of {} busy time charged to it",
            millis(hot.charged.as_millis_f64()),
            millis(facts.measurements.charges.busy.as_millis_f64())
        ),
        hot.charged.as_millis_f64(),
        "ms",
        Some(hot.n_samples),
    )];
    if let Some(load) = &facts.measurements.load
        && let Some(cpu_ms) = load.own.cpu_ms_per_request
    {
        rows.push(Evidence {
            text: format!(
                "about {} of the {} of CPU that a request costs",
                millis(cpu_ms * hot.share),
                millis(cpu_ms)
            ),
            value: Some(cpu_ms * hot.share),
            unit: "ms per request",
            n_samples: Some(load.own.n_requests),
            recorder: "proc",
        });
    }
    let own = hot.own_code.0 as f64 / facts.measurements.charges.busy.0.max(1) as f64;
    if own >= MIN_PART {
        rows.push(cpu(format!("{} of the busy time is its own code", percent(own)), own, "share", None));
    }
    for (label, share) in hot.spent_in.iter().filter(|(_, share)| *share >= MIN_PART) {
        rows.push(cpu(format!("{} below it in {label}", percent(*share)), *share, "share", None));
    }
    rows.extend(calls_below(facts, hot, MIN_PART));
    if let Some(n) = calls_per_request(facts, hot.function).filter(|n| *n > 0.0) {
        rows.push(Evidence {
            text: format!("it is called {} times per request", number(n)),
            value: Some(n),
            unit: "per request",
            n_samples: None,
            recorder: "calls",
        });
    }
    let begun = begun(facts, hot);
    if begun >= MIN_PART {
        let text = format!(
            "{} more in Node's code for files, compression, cryptography and children that it began and awaits, without it on the stack",
            percent(begun)
        );
        rows.push(cpu(text, begun, "share", None));
    }
    let in_exchange = hot.share * (1.0 - removable(facts, hot));
    if in_exchange >= MIN_PART {
        let text = format!(
            "{} more below it in Node's HTTP and sockets, in half of what packages take that send its requests, and in JSON once per request or piece, which answering costs in any service; not counted here",
            percent(in_exchange)
        );
        rows.push(cpu(text, in_exchange, "share", None));
    }
    for folded in hot.folded.iter().filter(|folded| without_exchange(folded) >= MIN_PART) {
        let (helper, share) = (functions.get(folded.function), without_exchange(folded));
        let text = format!("{} in its helper {} at {}", percent(share), function_name(helper), place(helper));
        rows.push(cpu(text, share, "share", None));
    }
    rows.extend(callers_of(facts, hot, MIN_SHARE));
    rows.extend(hot_lines(facts, hot.function).into_iter().map(|(line, share)| {
        let name_of_line = if line < facts.profile.functions.get(hot.function).line {
            // V8 names the function that a short one was inlined into, but gives the line of the short one.
            format!("line {line}, which lies before it: a short function that it calls, and that V8 inlined,")
        } else {
            format!("line {line}")
        };
        cpu(format!("{name_of_line} has {} of its own samples", percent(share)), share, "share", None)
    }));
    rows
}

/// Returns the lines with most samples, with their share of the function's line samples.
fn hot_lines(facts: Facts<'_>, function: FunctionId) -> Vec<(u32, f64)> {
    let of_function = facts.profile.line_ticks.iter().filter(|((f, _), _)| *f == function);
    let mut lines: Vec<(u32, u64)> = of_function.map(|((_, line), ticks)| (*line, *ticks)).collect();
    let total: u64 = lines.iter().map(|(_, ticks)| ticks).sum();
    lines.sort_by_key(|(line, ticks)| (std::cmp::Reverse(*ticks), *line));
    lines.truncate(MAX_LINES);
    let shares = lines.into_iter().map(|(line, ticks)| (line, ticks as f64 / total.max(1) as f64));
    shares.filter(|(_, share)| *share >= MIN_SHARE).collect()
}
