//! What can be said of a profile alone, without a recording around it: of files of other tools.

use crate::async_ops::Owners;
use crate::charge::Charges;
use crate::functions::{FunctionTime, function_times};
use crate::threads::{ServingThread, all_threads, is_idle};
use crate::timeline::Series;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Profile, StackId, Timing};
use slowpath_profile::{Nanos, SECOND};

/// Points of the series over time, at most; a page is not much wider.
const MAX_POINTS: u64 = 300;

/// Samples behind each of them, at least, so that it does not show the sampler's own rhythm.
const SAMPLES_PER_POINT: u64 = 8;

/// Measurements of a profile. Weights are nanoseconds, bytes or samples, as [`Profile::unit`] says.
#[derive(Debug)]
pub struct ProfileMeasure {
    /// All threads, busiest first.
    pub threads: Vec<ServingThread>,
    /// Weight that is not idle.
    pub busy: u64,
    /// Samples that are not idle.
    pub n_busy_samples: u64,
    /// Busy weight by category of the innermost function, in the order of [`Category::ALL`], empty ones left out.
    pub categories: Vec<(Category, u64)>,
    /// Self and total weight by function.
    pub functions: Vec<FunctionTime>,
    /// Samples charged to application functions.
    pub charges: Charges,
    /// First and last moment, where samples have moments.
    pub span: Option<(Nanos, Nanos)>,
    /// Busy threads over time.
    pub series: Vec<Series>,
}

impl ProfileMeasure {
    /// Measures `profile`.
    pub fn of(profile: &Profile) -> Self {
        let threads = all_threads(profile);
        let charges = Charges::of(profile, &threads, &Owners::default());
        let functions = function_times(profile, &threads);
        let span = span(profile);
        let (mut by_category, mut n_busy_samples) = ([0_u64; Category::ALL.len()], 0);
        for thread in &profile.threads {
            for (index, (stack, weight)) in thread.stack.iter().zip(&thread.duration).enumerate() {
                let category = category_of(profile, *stack);
                if category != Category::Idle {
                    n_busy_samples += thread.count.get(index).map_or(1, |count| u64::from(*count));
                    by_category[category as usize] += weight.0;
                }
            }
        }
        let categories =
            Category::ALL.into_iter().zip(by_category).filter(|(_, weight)| *weight > 0).collect();
        let busy = by_category.iter().sum();
        let series = span.map(|span| busy_series(profile, span)).into_iter().collect();
        Self { threads, busy, n_busy_samples, categories, functions, charges, span, series }
    }
}

fn category_of(profile: &Profile, stack: StackId) -> Category {
    profile.functions.get(profile.stacks.function[stack.0 as usize]).category
}

fn span(profile: &Profile) -> Option<(Nanos, Nanos)> {
    let timed = profile.threads.iter().filter(|thread| thread.timing == Timing::Recorded);
    let (starts, ends): (Vec<_>, Vec<_>) = timed.flat_map(|thread| &thread.segments).copied().unzip();
    let (start, end) = (*starts.iter().min()?, *ends.iter().max()?);
    (end > start).then_some((start, end))
}

/// Returns how many threads were busy, by sampled time over wall time; samples of unknown weight count as busy until the
/// next.
fn busy_series(profile: &Profile, (start, end): (Nanos, Nanos)) -> Series {
    let n_samples: u64 = profile.threads.iter().map(|thread| thread.stack.len() as u64).sum();
    let n_points = (n_samples / SAMPLES_PER_POINT).clamp(1, MAX_POINTS);
    let step = (end.since(start).0 / n_points).max(1);
    let n = (end.since(start).0 / step + 1) as usize;
    let mut busy = vec![0.0; n];
    for thread in profile.threads.iter().filter(|thread| thread.timing == Timing::Recorded) {
        let rows = thread.start.iter().zip(&thread.duration).zip(&thread.stack).enumerate();
        for (index, ((at, duration), stack)) in rows {
            if is_idle(profile, stack.0) {
                continue;
            }
            let weight = match profile.unit {
                slowpath_profile::tables::WeightUnit::Nanoseconds => *duration,
                _ => thread.start.get(index + 1).map_or(Nanos(0), |next| next.since(*at)),
            };
            spread(&mut busy, at.since(start).0, weight.0, step);
        }
    }
    let middle = |index: usize| (index as f64 + 0.5) * step as f64 / SECOND as f64;
    Series {
        id: "cpu",
        label: "busy threads",
        unit: "cores",
        t: (0..n - 1).map(middle).collect(),
        v: busy[..n - 1].iter().map(|time| Some(time / step as f64)).collect(),
    }
}

/// Adds a stretch to the steps that it lies in.
fn spread(into: &mut [f64], from: u64, length: u64, step: u64) {
    let (mut at, end) = (from, from.saturating_add(length));
    while at < end {
        let index = (at / step) as usize;
        let Some(sum) = into.get_mut(index) else { return };
        let until = end.min((index as u64 + 1) * step);
        *sum += (until - at) as f64;
        at = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_spread_over_its_steps() {
        let mut steps = vec![0.0; 3];
        spread(&mut steps, 5, 20, 10);
        assert_eq!(steps, [5.0, 10.0, 5.0]);
        spread(&mut steps, 25, u64::MAX, 10);
        assert_eq!(steps, [5.0, 10.0, 10.0]);
    }
}
