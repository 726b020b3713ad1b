//! Where the time of requests goes: of typical and of slow ones, and what slow ones have that typical ones lack.

use super::critical_path::Part;
use super::{Traced, WaitPlace};
use slowpath_profile::Nanos;
use std::collections::BTreeMap;

/// Routes shown; the rest is in the sum of all.
const MAX_ROUTES: usize = 20;

/// Typical requests are those around the median: between these quantiles of duration.
const TYPICAL: (f64, f64) = (0.4, 0.6);

/// Slow requests are the slowest share of them, but at least so many: a mean of fewer says nothing.
const SLOW: (f64, usize) = (0.01, 5);

/// What a row of a composition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// The requests' own code ran.
    Running,
    /// They were ready, but other callbacks ran.
    Queued,
    /// The answer was written.
    Sending,
    /// They waited for a place of the table of sites, by its index there before sorting.
    Waiting(usize),
}

/// Mean time that requests of a composition spend on one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What.
    pub kind: RowKind,
    /// What is waited for, for [`RowKind::Waiting`].
    pub place: Option<WaitPlace>,
    /// Of all requests.
    pub mean: Nanos,
    /// Of typical ones.
    pub typical: Nanos,
    /// Of slow ones.
    pub slow: Nanos,
}

/// Some requests out of a composition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub n: usize,
    /// Their mean duration.
    pub duration: Nanos,
}

/// Where the time of the requests of one route goes. In each group the rows add up to the duration.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    /// Method and path, or `all`.
    pub route: String,
    /// Requests.
    pub n: usize,
    /// Mean duration.
    pub mean: Nanos,
    /// Those around the median.
    pub typical: Group,
    /// The slowest.
    pub slow: Group,
    /// Largest mean first.
    pub rows: Vec<Row>,
}

impl Composition {
    pub(super) fn of(route: &str, traced: &[&Traced<'_>], places: &[WaitPlace]) -> Self {
        debug_assert!(!traced.is_empty());
        let mut sorted = traced.to_vec();
        sorted.sort_by_key(|traced| (traced.duration(), traced.request.start));
        let n = sorted.len();
        let at = |quantile: f64| ((n as f64 * quantile) as usize).min(n - 1);
        let typical = &sorted[at(TYPICAL.0)..=at(TYPICAL.1)];
        let n_slow = ((n as f64 * SLOW.0).ceil() as usize).max(SLOW.1).min(n);
        let slow = &sorted[n - n_slow..];
        let mut sums: BTreeMap<RowKind, [u64; 3]> = BTreeMap::new();
        for (group, requests) in [&sorted[..], typical, slow].into_iter().enumerate() {
            for traced in requests {
                for (part, length) in &traced.parts {
                    sums.entry(row_kind(*part, traced)).or_default()[group] += length.0;
                }
            }
        }
        let mean_of = |sum: u64, n: usize| Nanos(sum / n.max(1) as u64);
        let duration = |requests: &[&Traced<'_>]| {
            mean_of(requests.iter().map(|traced| traced.duration().0).sum(), requests.len())
        };
        let mut rows: Vec<Row> = sums
            .into_iter()
            .map(|(kind, [all, of_typical, of_slow])| Row {
                kind,
                place: match kind {
                    RowKind::Waiting(place) => Some(places[place].clone()),
                    _ => None,
                },
                mean: mean_of(all, n),
                typical: mean_of(of_typical, typical.len()),
                slow: mean_of(of_slow, slow.len()),
            })
            .collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.mean), row.kind));
        Self {
            route: route.to_owned(),
            n,
            mean: duration(&sorted),
            typical: Group { n: typical.len(), duration: duration(typical) },
            slow: Group { n: slow.len(), duration: duration(slow) },
            rows,
        }
    }

    /// Returns the row that slow requests have most more of than typical ones, with that difference.
    pub fn difference(&self) -> Option<(&Row, Nanos)> {
        let rows = self.rows.iter().map(|row| (row, row.slow.since(row.typical)));
        rows.max_by_key(|(_, more)| *more).filter(|(_, more)| *more > Nanos(0))
    }

    /// Returns the share of the mean duration that rows of which `counts` holds have.
    pub fn share(&self, counts: impl Fn(&Row) -> bool) -> f64 {
        let part: u64 = self.rows.iter().filter(|row| counts(row)).map(|row| row.mean.0).sum();
        if self.mean.0 == 0 { 0.0 } else { part as f64 / self.mean.0 as f64 }
    }
}

fn row_kind(part: Part, traced: &Traced<'_>) -> RowKind {
    match part {
        Part::Running => RowKind::Running,
        Part::Queued => RowKind::Queued,
        Part::Sending => RowKind::Sending,
        Part::Waiting(slice) => RowKind::Waiting(traced.places[slice]),
    }
}

pub(super) fn by_route(traced: &[Traced<'_>], places: &[WaitPlace]) -> Vec<Composition> {
    let mut by_route: BTreeMap<&str, Vec<&Traced<'_>>> = BTreeMap::new();
    for traced in traced {
        by_route.entry(&traced.request.route).or_default().push(traced);
    }
    let mut routes: Vec<_> =
        by_route.into_iter().map(|(route, traced)| Composition::of(route, &traced, places)).collect();
    routes.sort_by(|a, b| {
        let time = |route: &Composition| route.mean.0 * route.n as u64;
        time(b).cmp(&time(a)).then(a.route.cmp(&b.route))
    });
    routes.truncate(MAX_ROUTES);
    routes
}
