//! Self and total time by function.

use crate::threads::{ServingThread, is_idle};
use crate::tree_walk::{each_stack, subtree_sums};
use slowpath_profile::Nanos;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile, ThreadSamples};

/// Time of one function over the serving threads.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionTime {
    /// The function.
    pub function: FunctionId,
    /// Time with it innermost.
    pub self_time: Nanos,
    /// Time with it anywhere on the stack, counted once under recursion.
    pub total_time: Nanos,
    /// Samples with it innermost.
    pub n_samples: u64,
}

/// Returns the functions of the serving threads by self time, largest first; idle time is left out.
pub fn function_times(profile: &Profile, serving: &[ServingThread]) -> Vec<FunctionTime> {
    times_of_functions(profile, serving.iter().map(|thread| &profile.threads[thread.index]))
}

/// The same for any threads of the profile.
pub(crate) fn times_of_functions<'a>(
    profile: &Profile,
    threads: impl Iterator<Item = &'a ThreadSamples>,
) -> Vec<FunctionTime> {
    let n_stacks = profile.stacks.len();
    let (mut weight, mut n_samples) = (vec![0_u64; n_stacks], vec![0_u64; n_stacks]);
    for samples in threads {
        for (index, (stack, duration)) in samples.stack.iter().zip(&samples.duration).enumerate() {
            if is_idle(profile, stack.0) {
                continue;
            }
            weight[stack.0 as usize] += duration.0;
            n_samples[stack.0 as usize] += samples.count.get(index).map_or(1, |count| u64::from(*count));
        }
    }
    let mut self_time = vec![0_u64; profile.functions.len()];
    let mut total_time = vec![0_u64; profile.functions.len()];
    let mut self_samples = vec![0_u64; profile.functions.len()];
    let subtree = subtree_sums(profile, &weight);
    each_stack(profile, |stack, is_outermost| {
        let index = stack.0 as usize;
        let function = profile.stacks.function[index].0 as usize;
        self_time[function] += weight[index];
        self_samples[function] += n_samples[index];
        if is_outermost {
            total_time[function] += subtree[index];
        }
    });
    let mut rows: Vec<_> = profile
        .functions
        .iter()
        .filter(|(id, function)| function.category != Category::Idle && total_time[id.0 as usize] > 0)
        .map(|(id, _)| FunctionTime {
            function: id,
            self_time: Nanos(self_time[id.0 as usize]),
            total_time: Nanos(total_time[id.0 as usize]),
            n_samples: self_samples[id.0 as usize],
        })
        .collect();
    rows.sort_by_key(|row| {
        (std::cmp::Reverse(row.self_time), std::cmp::Reverse(row.total_time), row.function)
    });
    rows
}
