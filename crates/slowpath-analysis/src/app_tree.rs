//! The call tree of application functions alone, and which of them are folded into their callers.

use crate::tree_walk::{each_stack, subtree_sums};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile, StackId};
use std::collections::BTreeMap;

/// A callee is folded into a caller that accounts for at least this share of its time: "nearly always".
const FOLD_CALLER_SHARE: f64 = 0.9;

/// A named function whose charge is at least this share of busy time stands by itself. A tenth is the least that a
/// finding is made of, so nothing that could be a finding disappears in its caller.
const FOLD_BELOW_SHARE: f64 = 0.1;

/// The call tree of application functions alone, as caller → callee sums.
pub(crate) struct AppTree {
    /// Time below each function, counted once under recursion.
    pub(crate) inclusive: BTreeMap<FunctionId, u64>,
    /// Time charged to each function itself.
    own: BTreeMap<FunctionId, u64>,
    /// Time below each callee by its direct application caller.
    pub(crate) callers: BTreeMap<FunctionId, BTreeMap<FunctionId, u64>>,
}

impl AppTree {
    /// Sums `(stack, time)` pairs; stacks without an application function are left out.
    pub(crate) fn of(profile: &Profile, charged: impl Iterator<Item = (StackId, u64)>) -> Self {
        let mut weight = vec![0_u64; profile.stacks.len()];
        for (stack, time) in charged {
            weight[stack.0 as usize] += time;
        }
        let mut tree = Self { inclusive: BTreeMap::new(), own: BTreeMap::new(), callers: BTreeMap::new() };
        let subtree = subtree_sums(profile, &weight);
        // Nearest application function at or above each stack.
        let mut nearest: Vec<Option<FunctionId>> = vec![None; profile.stacks.len()];
        each_stack(profile, |stack, is_outermost| {
            let index = stack.0 as usize;
            let function = profile.stacks.function[index];
            let caller = profile.stacks.parent[index].and_then(|parent| nearest[parent.0 as usize]);
            let is_app = profile.functions.get(function).category == Category::App;
            nearest[index] = if is_app { Some(function) } else { caller };
            if let Some(owner) = nearest[index].filter(|_| weight[index] > 0) {
                *tree.own.entry(owner).or_default() += weight[index];
            }
            // Recursion counts once, and is not a caller.
            if is_app && is_outermost && subtree[index] > 0 {
                *tree.inclusive.entry(function).or_default() += subtree[index];
                if let Some(caller) = caller {
                    *tree.callers.entry(function).or_default().entry(caller).or_default() += subtree[index];
                }
            }
        });
        tree
    }

    /// Returns for each application function the one that it is folded into (itself, when it stands).
    pub(crate) fn folds(&self, profile: &Profile, busy: u64) -> BTreeMap<FunctionId, FunctionId> {
        // Each points to what it is folded into, which may point on.
        let mut into: BTreeMap<FunctionId, FunctionId> = self.inclusive.keys().map(|f| (*f, *f)).collect();
        // Small subtrees first, so that a chain of helpers folds upwards link by link.
        let mut order: Vec<_> = self.inclusive.iter().map(|(function, time)| (*time, *function)).collect();
        order.sort_unstable();
        let mut group = self.own.clone();
        for (inclusive, function) in order {
            let Some((caller, from_caller)) = self
                .callers
                .get(&function)
                .and_then(|callers| callers.iter().max_by_key(|(f, t)| (**t, **f)))
            else {
                continue;
            };
            if (*from_caller as f64) < inclusive as f64 * FOLD_CALLER_SHARE {
                continue;
            }
            let (callee, calling) = (profile.functions.get(function), profile.functions.get(*caller));
            let nameless = callee.is_nameless() && callee.file == calling.file;
            let charge = group.get(&function).copied().unwrap_or(0);
            if !nameless && charge as f64 >= busy as f64 * FOLD_BELOW_SHARE {
                continue;
            }
            // What all requests pass through is no place to look for their cost: its helpers stand by themselves.
            let is_entry = !self.callers.contains_key(caller)
                && self.inclusive[caller] as f64 >= busy as f64 * FOLD_CALLER_SHARE;
            if !nameless && is_entry {
                continue;
            }
            // Two functions that call each other must not fold into one another.
            let target = end_of(&mut into, *caller);
            if target == function {
                continue;
            }
            into.insert(function, target);
            *group.entry(target).or_default() += charge;
        }
        for function in self.inclusive.keys() {
            end_of(&mut into, *function);
        }
        into
    }
}

/// Follows the pointers of `into` from `function` to where they end, and lets it point there.
fn end_of(into: &mut BTreeMap<FunctionId, FunctionId>, function: FunctionId) -> FunctionId {
    let mut end = function;
    while into[&end] != end {
        end = into[&end];
    }
    let mut at = function;
    while at != end {
        at = into.insert(at, end).unwrap_or(end);
    }
    end
}
