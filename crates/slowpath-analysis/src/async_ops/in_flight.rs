//! How many operations of each kind are under way over time, scaled from the followed requests to all.

use super::{Traced, WaitKind, WaitPlace};
use slowpath_profile::Nanos;
use std::collections::BTreeMap;

/// Points of a series; a page is not much wider.
const POINTS: u64 = 120;

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
) -> (Nanos, Nanos, Vec<InFlight>) {
    let start = traced.iter().map(|traced| traced.request.start).min().unwrap_or_default();
    let end = traced.iter().map(|traced| traced.request.end).max().unwrap_or_default();
    let step = (end.since(start).0 / POINTS).max(1);
    let mut busy: BTreeMap<WaitKind, Vec<u64>> = BTreeMap::new();
    for traced in traced {
        for (slice, place) in traced.request.slices.iter().zip(&traced.places) {
            let Some(since) = slice.since else { continue };
            let row = busy.entry(places[*place].kind).or_insert_with(|| vec![0; POINTS as usize + 1]);
            let (mut from, to) = (since.since(start).0, slice.start.since(start).0);
            while from < to {
                let bin = from / step;
                let until = ((bin + 1) * step).min(to);
                row[(bin as usize).min(POINTS as usize)] += until - from;
                from = until;
            }
        }
    }
    let series = busy.into_iter().map(|(kind, row)| InFlight {
        kind,
        mean: row.into_iter().take(POINTS as usize).map(|ns| ns as f64 * scale / step as f64).collect(),
    });
    (start, Nanos(step), series.collect())
}
