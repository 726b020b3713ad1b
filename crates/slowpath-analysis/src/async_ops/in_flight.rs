//! How many operations of each kind are under way over time, scaled from the followed requests to all.
//!
//! Where requests were followed all the time, operations are counted as they were seen. Where the hooks had pauses, each
//! window gives one value by Little's law, the rate of requests times their time in operations of a kind, which stands until
//! the next window.

use super::{Traced, WaitKind, WaitPlace};
use slowpath_profile::Nanos;
use std::collections::BTreeMap;

/// Points of a series; a page is not much wider.
const POINTS: u64 = 120;

/// A time without any followed request that is as long as this was a pause: the shortest one that the agent makes.
const PAUSE: Nanos = Nanos(30_000_000);

/// Fewer requests than this give no rate: a window that small counts to the one before.
const MIN_REQUESTS: usize = 5;

/// Mean number of operations of one kind under way, by step of time.
#[derive(Debug, Clone, PartialEq)]
pub struct InFlight {
    /// Their kind.
    pub kind: WaitKind,
    /// One value a step.
    pub mean: Vec<f64>,
}

/// Returns the beginning, the step, and a series for each kind.
pub(super) fn series(
    traced: &[Traced<'_>],
    places: &[WaitPlace],
    scale: f64,
    has_pauses: bool,
) -> (Nanos, Nanos, Vec<InFlight>) {
    let start = traced.iter().map(|traced| traced.request.start).min().unwrap_or_default();
    let end = traced.iter().map(|traced| traced.request.end).max().unwrap_or_default();
    let step = (end.since(start).0 / POINTS).max(1);
    let by_kind = if has_pauses {
        by_window(traced, places, start, step)
    } else {
        as_seen(traced, places, start, step)
    };
    let series = by_kind
        .into_iter()
        .map(|(kind, mean)| InFlight { kind, mean: mean.into_iter().map(|mean| mean * scale).collect() });
    (start, Nanos(step), series.collect())
}

fn as_seen(
    traced: &[Traced<'_>],
    places: &[WaitPlace],
    start: Nanos,
    step: u64,
) -> BTreeMap<WaitKind, Vec<f64>> {
    let mut busy: BTreeMap<WaitKind, Vec<u64>> = BTreeMap::new();
    for (kind, since, until) in traced.iter().flat_map(|traced| operations(traced, places)) {
        let row = busy.entry(kind).or_insert_with(|| vec![0; POINTS as usize + 1]);
        let (mut from, to) = (since.since(start).0, until.since(start).0);
        while from < to {
            let bin = from / step;
            let until = ((bin + 1) * step).min(to);
            row[(bin as usize).min(POINTS as usize)] += until - from;
            from = until;
        }
    }
    let mean =
        |row: Vec<u64>| row.into_iter().take(POINTS as usize).map(|ns| ns as f64 / step as f64).collect();
    busy.into_iter().map(|(kind, row)| (kind, mean(row))).collect()
}

/// Returns kind, begin and end of what a request waited for.
fn operations<'a>(
    traced: &'a Traced<'_>,
    places: &'a [WaitPlace],
) -> impl Iterator<Item = (WaitKind, Nanos, Nanos)> + 'a {
    let slices = traced.request.slices.iter().zip(&traced.places);
    slices.filter_map(|(slice, place)| Some((places[*place].kind, slice.since?, slice.start)))
}

fn by_window(
    traced: &[Traced<'_>],
    places: &[WaitPlace],
    start: Nanos,
    step: u64,
) -> BTreeMap<WaitKind, Vec<f64>> {
    let mut means: BTreeMap<WaitKind, Vec<f64>> = BTreeMap::new();
    for window in windows(traced) {
        let (first, last) = (window[0].request.start, window[window.len() - 1].request.start);
        // Between n starts lie n − 1 gaps.
        let gap = last.since(first).0 as f64 / (window.len() - 1).max(1) as f64;
        let length = (gap * window.len() as f64).max(1.0);
        let from = (first.since(start).0 / step).min(POINTS - 1) as usize;
        for row in means.values_mut() {
            row[from..].fill(0.0);
        }
        for (kind, since, until) in window.iter().flat_map(|traced| operations(traced, places)) {
            let row = means.entry(kind).or_insert_with(|| vec![0.0; POINTS as usize]);
            let mean = until.since(since).0 as f64 / length;
            row[from..].iter_mut().for_each(|point| *point += mean);
        }
    }
    means
}

/// Splits requests where for a while none of them was under way; in order of their starts.
fn windows<'a, 'b>(traced: &'a [Traced<'b>]) -> Vec<Vec<&'a Traced<'b>>> {
    let mut sorted: Vec<_> = traced.iter().collect();
    sorted.sort_by_key(|traced| (traced.request.start, traced.request.end));
    let mut windows: Vec<Vec<&Traced<'_>>> = Vec::new();
    let mut busy_until = Nanos(0);
    for traced in sorted {
        let after_pause = traced.request.start > busy_until + PAUSE;
        busy_until = busy_until.max(traced.request.end);
        match windows.last_mut() {
            Some(window) if !after_pause || window.len() < MIN_REQUESTS => window.push(traced),
            _ => windows.push(vec![traced]),
        }
    }
    windows
}
