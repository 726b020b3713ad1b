//! The call tree of application functions alone, and which of them are folded into their callers.

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
        let mut weight: BTreeMap<StackId, u64> = BTreeMap::new();
        for (stack, time) in charged {
            *weight.entry(stack).or_default() += time;
        }
        let mut tree = Self { inclusive: BTreeMap::new(), own: BTreeMap::new(), callers: BTreeMap::new() };
        for (stack, time) in weight {
            let mut app = profile
                .stacks
                .frames(stack)
                .filter(|id| profile.functions.get(*id).category == Category::App);
            let mut chain: Vec<FunctionId> = Vec::new();
            let Some(owner) = app.next() else { continue };
            *tree.own.entry(owner).or_default() += time;
            chain.push(owner);
            chain.extend(app);
            let mut seen = Vec::new();
            for (at, function) in chain.iter().enumerate() {
                if seen.contains(function) {
                    continue;
                }
                seen.push(*function);
                *tree.inclusive.entry(*function).or_default() += time;
                // The outermost activation's caller: recursion is not a caller.
                let outermost = chain.iter().rposition(|f| f == function).unwrap_or(at);
                if let Some(caller) = chain.get(outermost + 1) {
                    *tree.callers.entry(*function).or_default().entry(*caller).or_default() += time;
                }
            }
        }
        tree
    }

    /// Returns for each application function the one that it is folded into (itself, when it stands).
    pub(crate) fn folds(&self, profile: &Profile, busy: u64) -> BTreeMap<FunctionId, FunctionId> {
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
            let nameless = callee.name == "(anonymous)" && callee.file == calling.file;
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
            let target = into[caller];
            if target == function {
                continue;
            }
            for folded in into.values_mut().filter(|folded| **folded == function) {
                *folded = target;
            }
            *group.entry(target).or_default() += charge;
        }
        into
    }
}
