//! Walks the tree of stacks once, from callers to callees, knowing which functions are open: in time linear in the
//! number of stacks however deep they are.

use slowpath_profile::tables::{Profile, StackId};

const NONE: u32 = u32::MAX;

/// Calls `visit` for every stack, callers first; the flag says that its function is not below itself there.
pub(crate) fn each_stack(profile: &Profile, mut visit: impl FnMut(StackId, bool)) {
    let n_stacks = profile.stacks.len();
    let (mut first_callee, mut next_sibling) = (vec![NONE; n_stacks], vec![NONE; n_stacks]);
    let mut roots = Vec::new();
    for index in (0..n_stacks).rev() {
        match profile.stacks.parent[index] {
            Some(parent) => {
                let first = &mut first_callee[parent.0 as usize];
                next_sibling[index] = std::mem::replace(first, index as u32);
            }
            None => roots.push(index as u32),
        }
    }
    let mut n_open = vec![0_u32; profile.functions.len()];
    for root in roots.into_iter().rev() {
        let mut at = root;
        'tree: loop {
            let function = profile.stacks.function[at as usize].0 as usize;
            visit(StackId(at), n_open[function] == 0);
            n_open[function] += 1;
            if first_callee[at as usize] != NONE {
                at = first_callee[at as usize];
                continue;
            }
            // Up to the next caller that has another callee.
            loop {
                n_open[profile.stacks.function[at as usize].0 as usize] -= 1;
                if at == root {
                    break 'tree;
                }
                if next_sibling[at as usize] != NONE {
                    at = next_sibling[at as usize];
                    break;
                }
                // Only a root has no parent, and at a root the walk has ended.
                let Some(parent) = profile.stacks.parent[at as usize] else { break 'tree };
                at = parent.0;
            }
        }
    }
}

/// Adds to each stack's weight those of all stacks below it.
pub(crate) fn subtree_sums(profile: &Profile, weights: &[u64]) -> Vec<u64> {
    let mut sums = weights.to_vec();
    // Callees come after their callers: one backward pass.
    for index in (0..sums.len()).rev() {
        if let Some(parent) = profile.stacks.parent[index] {
            sums[parent.0 as usize] += sums[index];
        }
    }
    sums
}
