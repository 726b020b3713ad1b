//! Self and total time by function.

use crate::threads::ServingThread;
use slowpath_profile::Nanos;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile};

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
    let n_stacks = profile.stacks.len();
    let (mut weight, mut n_samples) = (vec![0_u64; n_stacks], vec![0_u64; n_stacks]);
    for thread in serving {
        let samples = &profile.threads[thread.index];
        for (stack, duration) in samples.stack.iter().zip(&samples.duration) {
            weight[stack.0 as usize] += duration.0;
            n_samples[stack.0 as usize] += 1;
        }
    }
    let mut self_time = vec![0_u64; profile.functions.len()];
    let mut total_time = vec![0_u64; profile.functions.len()];
    let mut self_samples = vec![0_u64; profile.functions.len()];
    // Children come after their parents: one backward pass sums subtrees.
    let mut subtree = weight.clone();
    for index in (0..n_stacks).rev() {
        if let Some(parent) = profile.stacks.parent[index] {
            subtree[parent.0 as usize] += subtree[index];
        }
    }
    for index in 0..n_stacks {
        let function = profile.stacks.function[index];
        self_time[function.0 as usize] += weight[index];
        self_samples[function.0 as usize] += n_samples[index];
        let parent = profile.stacks.parent[index];
        let recursive = subtree[index] > 0
            && parent.is_some_and(|parent| profile.stacks.frames(parent).any(|f| f == function));
        if !recursive {
            total_time[function.0 as usize] += subtree[index];
        }
    }
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
