//! What the rules on hot code share: hot lines with their text, and calls of functions per request.

use super::counted::{Cost, number};
use crate::Facts;
use crate::finding::Evidence;
use crate::words::{function_name, percent};
use slowpath_analysis::AppFunction;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::FunctionId;

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
