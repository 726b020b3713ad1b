//! Stalls by who held the loop, and how many requests each of them caught.

use crate::event_loop::{LoopMeasure, Stall};
use slowpath_profile::recording::LoadInterval;
use slowpath_profile::tables::FunctionId;
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// All stalls that one function caused.
#[derive(Debug, Clone, PartialEq)]
pub struct StallGroup {
    /// The function; `None` for stalls that no CPU samples cover.
    pub culprit: Option<FunctionId>,
    /// How many.
    pub n_stalls: usize,
    /// Their length altogether.
    pub total: Nanos,
    /// The longest.
    pub longest: Nanos,
    /// The part of `total` that waiting for a CPU does not explain.
    pub own: Nanos,
    /// Requests that were under way in one of them, on average over the stalls; `None` without load. By Little's law from
    /// the rate and the latency of the load interval around it, never more than there are connections.
    pub requests_caught: Option<f64>,
}

impl StallGroup {
    /// Returns the groups, the one with the longest total first, what was not sampled last.
    pub(crate) fn of(event_loop: Option<&LoopMeasure>, recording: &Recording) -> Vec<Self> {
        let mut by_culprit: BTreeMap<Option<FunctionId>, Vec<&Stall>> = BTreeMap::new();
        for stall in event_loop.iter().flat_map(|event_loop| &event_loop.stalls) {
            by_culprit.entry(stall.culprit).or_default().push(stall);
        }
        let mut groups: Vec<_> =
            by_culprit.into_iter().map(|(culprit, stalls)| group(culprit, &stalls, recording)).collect();
        groups.sort_by_key(|group| (group.culprit.is_none(), std::cmp::Reverse(group.total), group.culprit));
        groups
    }
}

fn group(culprit: Option<FunctionId>, stalls: &[&Stall], recording: &Recording) -> StallGroup {
    let length = |stall: &&Stall| stall.end.since(stall.start);
    let caught: Vec<f64> = stalls.iter().filter_map(|stall| requests_caught(stall, recording)).collect();
    StallGroup {
        culprit,
        n_stalls: stalls.len(),
        total: Nanos(stalls.iter().map(|stall| length(stall).0).sum()),
        longest: stalls.iter().map(length).max().unwrap_or_default(),
        own: Nanos(stalls.iter().map(|stall| stall.own().0).sum()),
        requests_caught: (!caught.is_empty()).then(|| caught.iter().sum::<f64>() / caught.len() as f64),
    }
}

/// Returns how many requests a stall made wait: those under way when it began, and those sent while it went on.
fn requests_caught(stall: &Stall, recording: &Recording) -> Option<f64> {
    let connections = recording.manifest.load.as_ref()?.connections;
    let at = recording.load.partition_point(|interval| interval.end <= stall.start);
    let around: &LoadInterval = recording.load.get(at)?;
    let rate = around.n_requests as f64 / around.end.since(around.start).as_secs_f64().max(1e-9);
    let under_way_s = around.latency.mean() / 1e6 + stall.end.since(stall.start).as_secs_f64();
    Some((rate * under_way_s).min(f64::from(connections)))
}
