//! What the rules on hot code share: hot lines with their text, and calls of functions per request.

use super::counted::{Cost, counters, number};
use crate::Facts;
use crate::finding::Evidence;
use crate::words::{function_name, percent, place};
use slowpath_analysis::{AppFunction, CounterMeasure};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;

/// Calls a piece that still count as one: a first and a last event come on top.
const ONCE: f64 = 1.3;

/// Share of the requests that are streamed from which on pieces are what counts.
const MOSTLY_STREAMED: f64 = 0.5;

/// A line of an application function, with the samples that fell on it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HotLine<'a> {
    pub(super) line: u32,
    pub(super) text: &'a str,
    /// Share of busy time: the line's part of all that is charged to the function.
    pub(super) share: f64,
}

/// Returns the lines of a function whose text the report has, hottest first.
pub(super) fn hot_lines<'a>(facts: Facts<'a>, function: FunctionId) -> Vec<HotLine<'a>> {
    let profile = facts.profile;
    // Line samples are of the function's own code; collections and native code below it are shared out like them.
    let charges = &facts.measurements.charges;
    let charged = charges.charged_unfolded.get(&function).map_or(0, |time| time.0);
    let charged = charged as f64 / charges.busy.0.max(1) as f64;
    let all: u64 =
        profile.line_ticks.iter().filter(|((id, _), _)| *id == function).map(|(_, ticks)| ticks).sum();
    let file = &profile.functions.get(function).file;
    let of_function = profile.line_ticks.iter().filter(|((id, _), _)| *id == function);
    let mut lines: Vec<HotLine<'a>> = of_function
        .filter_map(|((_, line), ticks)| {
            let excerpt = profile.excerpts.iter().find(|excerpt| {
                excerpt.file == *file
                    && (excerpt.first_line..excerpt.first_line + excerpt.lines.len() as u32).contains(line)
            })?;
            let text = excerpt.lines[(line - excerpt.first_line) as usize].trim();
            Some(HotLine { line: *line, text, share: charged * *ticks as f64 / all.max(1) as f64 })
        })
        .collect();
    lines.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.line.cmp(&b.line)));
    lines
}

/// Most functions named as what a function calls.
const MAX_CALLED: usize = 3;

/// Says what a function calls outside of the application, as far as it takes `least` of the busy time, and how often.
pub(super) fn calls_below(facts: Facts<'_>, hot: &AppFunction, least: f64) -> Vec<Evidence> {
    let large = hot.called.iter().filter(|(_, share)| *share >= least).take(MAX_CALLED);
    let rows = large.filter_map(|(called, share)| {
        let function = facts.profile.functions.get(*called);
        // Natives and Node's functions are told of by what they do.
        if !matches!(function.category, Category::Dependency | Category::Wasm) {
            return None;
        }
        let of = function.package.as_ref().map_or(String::new(), |package| format!(" of {package}"));
        let often = calls_per_request(facts, *called).filter(|n| *n > 0.0);
        let often = often.map_or(String::new(), |n| format!(", called {} times per request", number(n)));
        Some(Evidence {
            text: format!("{} in {}{of}{often}", percent(*share), function_name(function)),
            value: Some(*share),
            unit: "share",
            n_samples: None,
            recorder: "cpu",
        })
    });
    rows.collect()
}

/// Says who of the application calls a function, as far as a caller has `least` of its time.
pub(super) fn callers_of(facts: Facts<'_>, hot: &AppFunction, least: f64) -> Vec<Evidence> {
    let rows = hot.callers.iter().filter(|(_, share)| *share >= least).map(|(caller, share)| {
        let caller = facts.profile.functions.get(*caller);
        let (name, place) = (function_name(caller), place(caller));
        Evidence {
            text: format!("called by {name} at {place} ({} of its time)", percent(*share)),
            value: Some(*share),
            unit: "share",
            n_samples: None,
            recorder: "cpu",
        }
    });
    rows.collect()
}

/// Whether `inner` was mostly sampled below `outer`.
pub(super) fn is_below(facts: Facts<'_>, inner: FunctionId, outer: FunctionId) -> bool {
    let stacks = &facts.profile.stacks;
    let of_inner = stacks.function.iter().zip(&stacks.parent).filter(|(function, _)| **function == inner);
    let (mut all, mut below) = (0_usize, 0);
    for (_, parent) in of_inner {
        let callers = std::iter::successors(*parent, |at| stacks.parent[at.0 as usize]);
        all += 1;
        below += usize::from(callers.into_iter().any(|at| stacks.function[at.0 as usize] == outer));
    }
    inner != outer && 2 * below > all
}

/// Returns how often a function is called per request.
pub(super) fn calls_per_request(facts: Facts<'_>, function: FunctionId) -> Option<f64> {
    facts.measurements.calls.as_ref()?.per_request(function)
}

/// That a function is called for each request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PerRequest {
    /// So often.
    Times(f64),
    /// How often is not known: V8 counts the awaits of async functions as calls.
    Often,
}

impl PerRequest {
    /// Tells whether a function is called `least` to `most` times per request; where its awaits count, at least often enough.
    pub(super) fn of(facts: Facts<'_>, function: FunctionId, (least, most): (f64, f64)) -> Option<Self> {
        if let Some(n) = calls_per_request(facts, function) {
            return (least..=most).contains(&n).then_some(Self::Times(n));
        }
        let bound = facts.measurements.calls.as_ref()?.per_request_at_most(function)?;
        (bound >= least).then_some(Self::Often)
    }

    /// Says it, where it is known.
    pub(super) fn evidence(self) -> Option<Evidence> {
        let Self::Times(n) = self else { return None };
        Some(Evidence {
            text: format!("called {} times per request", number(n)),
            value: Some(n),
            unit: "per request",
            n_samples: None,
            recorder: "calls",
        })
    }
}

/// Returns how many pieces an answer is written in: 1 where it is written at once.
pub(super) fn pieces_per_answer(counters: &CounterMeasure) -> f64 {
    let streamed = counters.per_request(counters.total("response.streamed").n);
    if streamed < MOSTLY_STREAMED {
        1.0
    } else {
        counters.per_request(counters.total("response.write").n).max(1.0)
    }
}

/// Part of the time of a package that sends requests which counts as avoidable: as of any package of which all of its time, and no
/// single call, is spoken of (`cpu-hot-dependency`).
const AVOIDABLE_OF_CLIENTS: f64 = 0.5;

/// Returns the part of a function's share that it could do without as far as is known: less Node's HTTP and socket code below it, less
/// half of the packages that send its requests, and less turning what comes or goes into objects or text once, which any service does.
pub(super) fn avoidable_share(facts: Facts<'_>, hot: &AppFunction) -> f64 {
    let clients = hot.in_clients.0 as f64 * (1.0 - AVOIDABLE_OF_CLIENTS);
    let exchange = (hot.in_exchange.0 as f64 + clients) / hot.charged.0.max(1) as f64;
    let once = counters(facts).map_or(0.0, |counters| json_once(counters, hot));
    (hot.share * (1.0 - exchange) - once).max(0.0)
}

/// Returns the share of busy time that a function and its helpers spend in JSON that they parse or write once a piece.
fn json_once(counters: &CounterMeasure, hot: &AppFunction) -> f64 {
    let is_own = |id: FunctionId| id == hot.function || hot.folded.iter().any(|folded| folded.function == id);
    let pieces = pieces_per_answer(counters);
    let of_kind = |kind: &str| {
        let sums = counters.by_function(|row| row.kind == kind);
        let own: Vec<_> = sums.iter().filter(|sum| is_own(sum.function)).collect();
        let n: f64 = own.iter().map(|sum| sum.sum.n).sum();
        let ms: f64 = own.iter().map(|sum| sum.sum.ms).sum();
        if counters.per_request(n) <= ONCE * pieces { counters.share_of_busy(ms) } else { 0.0 }
    };
    of_kind("json.parse") + of_kind("json.stringify")
}

/// Returns the busy main-thread time of a request over all serving threads, ms.
pub(super) fn busy_ms_per_request(facts: Facts<'_>) -> Option<f64> {
    let load = facts.measurements.load.as_ref()?;
    let split = facts.measurements.split.as_ref()?;
    let cpu = load.phases.iter().find(|phase| phase.phase == "cpu").unwrap_or(&load.own);
    let threads = facts.measurements.serving.len().max(1) as f64;
    (cpu.requests_per_second > 0.0).then(|| split.utilisation() * threads * 1e3 / cpu.requests_per_second)
}

/// Returns the cost of a part of what CPU samples charge a function with.
pub(super) fn sampled_cost(facts: Facts<'_>, function: FunctionId, share: f64) -> Cost {
    let n_sampled = (share * facts.measurements.charges.n_busy_samples as f64) as u64;
    // Two standard errors of a count.
    let relative = 2.0 / (n_sampled.max(1) as f64).sqrt();
    let interval = ((share * (1.0 - relative)).max(0.0), (share * (1.0 + relative)).min(1.0));
    Cost { function, share, interval, n_sampled }
}

/// Returns the application functions that took at least `share` of the busy time.
pub(super) fn hot_functions(facts: Facts<'_>, share: f64) -> impl Iterator<Item = &AppFunction> {
    facts.measurements.charges.functions.iter().take_while(move |function| function.share >= share)
}
