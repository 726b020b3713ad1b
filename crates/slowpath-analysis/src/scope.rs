//! Time in a set of functions: below those that are named, and in those of certain files.

use crate::charge::{charged_samples, interval};
use crate::stack_class::StackClasses;
use crate::threads::ServingThread;
use slowpath_profile::tables::{FunctionId, Profile};
use std::collections::BTreeSet;

/// Busy time in a set of functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScopeTime {
    /// Share of the busy time of the serving threads.
    pub share: f64,
    /// 95 % confidence interval of `share`, from the variation between seconds.
    pub share_interval: (f64, f64),
    /// Samples in it.
    pub n_samples: u64,
    /// All busy samples.
    pub n_busy_samples: u64,
}

/// Returns the busy time with one of `whole` anywhere on the stack, or charged to one of `own` (the nearest application
/// function on the stack); a sample counts once. A collection counts with the code that ran before it.
pub fn time_in_scope(
    profile: &Profile,
    serving: &[ServingThread],
    whole: &BTreeSet<FunctionId>,
    own: &BTreeSet<FunctionId>,
) -> ScopeTime {
    let classes = StackClasses::of(profile);
    let stacks = &profile.stacks;
    // Parents come before children, so one pass tells for every stack.
    let mut is_below: Vec<bool> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let below = whole.contains(function) || parent.is_some_and(|parent| is_below[parent.0 as usize]);
        is_below.push(below);
    }
    let (samples, blocks) = charged_samples(profile, serving, &classes);
    let mut by_block = vec![0; blocks.len()];
    let mut n_samples = 0;
    for sample in &samples {
        let below = sample.stack.is_some_and(|stack| is_below[stack.0 as usize]);
        if below || sample.owner.is_some_and(|owner| own.contains(&owner)) {
            by_block[sample.block] += sample.duration;
            n_samples += 1;
        }
    }
    let busy: u64 = blocks.iter().sum();
    let inside: u64 = by_block.iter().sum();
    ScopeTime {
        share: inside as f64 / busy.max(1) as f64,
        share_interval: if busy > 0 { interval(&by_block, &blocks) } else { (0.0, 1.0) },
        n_samples,
        n_busy_samples: samples.len() as u64,
    }
}
