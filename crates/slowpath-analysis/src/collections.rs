//! Shares out collections by who allocates, where the heap phase sampled that.
//!
//! A young collection begins when so many bytes have been allocated: who allocates a tenth of them brings about a tenth of the collections,
//! whatever ran when they began. CPU samples some milliseconds apart hardly tell what that was. What Node allocates to
//! carry requests, and what has no application function on its stack, keeps no payer.
//!
//! V8's heap profiler sees machine frames: what was inlined counts as its caller's. CPU samples see through that. So where a function
//! allocates more than ran right before collections, and functions below it less, what it has too much goes to them.

use crate::charge::Charged;
use crate::heap::carries;
use crate::shares::Shares;
use crate::stack_class::Doing;
use slowpath_profile::allocated::HeapWindow;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile, StackId};
use std::collections::{BTreeMap, BTreeSet};

/// Least sampled allocations of a process: with fewer, a share of a fifth is uncertain by more than half of it.
const MIN_ALLOCATIONS: u64 = 50;

/// Gives the collections of each main thread to those who allocate in its process, by their part of the bytes.
pub(crate) fn share_out(profile: &Profile, samples: &mut [Charged]) {
    let pids: BTreeSet<u32> = profile.allocated.iter().map(|row| row.pid).collect();
    for pid in pids {
        let is_of_it = |sample: &Charged| sample.pid == pid && sample.is_main_thread;
        let Some(payers) = payers(profile, pid, samples.iter().filter(|sample| is_of_it(sample))) else {
            continue;
        };
        let collections = samples.iter_mut().filter(|sample| is_of_it(sample) && sample.doing == Doing::Gc);
        for (n, sample) in collections.enumerate() {
            if let Some(payer) = payers.nth(n) {
                (sample.stack, sample.owner) = (payer.stack, payer.owner);
            }
        }
    }
}

/// Who pays for a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Payer {
    owner: Option<FunctionId>,
    /// A stack of it.
    stack: Option<StackId>,
}

/// Parts of a whole by application function; `None` is what has none.
type Parts = BTreeMap<Option<FunctionId>, f64>;

/// Returns the payers of the collections of a process, where enough allocations were sampled.
fn payers<'a>(
    profile: &Profile,
    pid: u32,
    samples: impl Iterator<Item = &'a Charged> + Clone,
) -> Option<Shares<Payer>> {
    let mut allocated = allocated_by(profile, pid)?;
    let collections = samples.clone().filter(|sample| sample.doing == Doing::Gc);
    let mut ran_before: BTreeMap<StackId, u64> = BTreeMap::new();
    let mut all = 0;
    for sample in collections {
        all += sample.duration;
        if let Some(stack) = sample.stack.filter(|_| sample.owner.is_some()) {
            *ran_before.entry(stack).or_default() += sample.duration;
        }
    }
    let ran_before: Vec<(Vec<FunctionId>, f64)> = ran_before
        .into_iter()
        .map(|(stack, time)| (app_functions(profile, stack), time as f64 / all as f64))
        .collect();
    give_to_inlined(&mut allocated, &ran_before);
    // An owner pays where it was seen to run.
    let mut stacks: BTreeMap<FunctionId, BTreeMap<StackId, u64>> = BTreeMap::new();
    for sample in samples.filter(|sample| sample.doing != Doing::Gc) {
        if let Some((owner, stack)) = sample.owner.zip(sample.stack) {
            *stacks.entry(owner).or_default().entry(stack).or_default() += sample.duration;
        }
    }
    let mut payers = Vec::new();
    for (owner, part) in allocated {
        let own = owner.and_then(|owner| stacks.get(&owner));
        let time = own.map_or(0, |own| own.values().sum::<u64>());
        if let Some(own) = own.filter(|_| time > 0) {
            for (stack, of_stack) in own {
                let part = part * *of_stack as f64 / time as f64;
                payers.push((Payer { owner, stack: Some(*stack) }, part));
            }
        } else {
            payers.push((Payer { owner, stack: None }, part));
        }
    }
    Some(Shares::of(payers))
}

/// Returns who allocates, by its part of all bytes, where enough allocations were sampled.
fn allocated_by(profile: &Profile, pid: u32) -> Option<Parts> {
    let mut bytes: BTreeMap<Option<FunctionId>, u64> = BTreeMap::new();
    let mut n_samples = 0;
    let rows = profile.allocated.iter();
    for row in rows.filter(|row| row.pid == pid && row.window == HeapWindow::Allocations) {
        *bytes.entry(row.owner.filter(|_| !carries(profile, row.by))).or_default() += row.bytes;
        n_samples += u64::from(row.n_samples.max(1));
    }
    let all: u64 = bytes.values().sum();
    let parts = || bytes.iter().map(|(owner, bytes)| (*owner, *bytes as f64 / all as f64)).collect();
    (n_samples >= MIN_ALLOCATIONS && all > 0).then(parts)
}

/// Returns the application functions on a stack, innermost first, each once.
fn app_functions(profile: &Profile, stack: StackId) -> Vec<FunctionId> {
    let mut functions = Vec::new();
    for function in profile.stacks.frames(stack) {
        if profile.functions.get(function).category == Category::App && !functions.contains(&function) {
            functions.push(function);
        }
    }
    functions
}

/// Moves what functions allocate too much, by what ran before collections, to those below them that allocate too little. `ran_before` has
/// the functions of a stack, innermost first, with the part of all collections that it ran before.
fn give_to_inlined(allocated: &mut Parts, ran_before: &[(Vec<FunctionId>, f64)]) {
    let mut before: BTreeMap<FunctionId, f64> = BTreeMap::new();
    for (functions, part) in ran_before {
        if let Some(innermost) = functions.first() {
            *before.entry(*innermost).or_default() += part;
        }
    }
    let excess = |function: FunctionId, part: f64| part - before.get(&function).copied().unwrap_or(0.0);
    let mut outer: Vec<(FunctionId, f64)> = allocated
        .iter()
        .filter_map(|(function, part)| function.map(|function| (function, excess(function, *part))))
        .filter(|(_, excess)| *excess > 0.0)
        .collect();
    outer.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (outer, excess) in outer {
        // What ran before collections below it, and has not been paid for.
        let mut wanting: BTreeMap<FunctionId, f64> = BTreeMap::new();
        for (functions, part) in ran_before {
            if let Some(inner) =
                functions.first().filter(|inner| **inner != outer && functions.contains(&outer))
            {
                *wanting.entry(*inner).or_default() += part;
            }
        }
        for (inner, wants) in &mut wanting {
            let has = allocated.get(&Some(*inner)).copied().unwrap_or(0.0);
            *wants = wants.min(before[inner] - has).max(0.0);
        }
        let wanted: f64 = wanting.values().sum();
        if wanted <= 0.0 {
            continue;
        }
        let given = excess.min(wanted);
        *allocated.entry(Some(outer)).or_default() -= given;
        for (inner, wants) in wanting {
            *allocated.entry(Some(inner)).or_default() += given * wants / wanted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::async_ops::Owners;
    use crate::charge::tests::profile;
    use crate::charge::{AppFunction, Charges};
    use crate::serving_threads;
    use slowpath_profile::allocated::Allocated;

    /// Returns what each function is charged with, in samples, where functions allocate so many bytes in so many samples.
    fn charged(stacks: &str, allocated: &[(&str, Option<&str>, u64, u32)]) -> Vec<String> {
        let mut profile = profile(stacks);
        let find = |name: &str| {
            let mut functions = profile.functions.iter();
            functions.find(|(_, function)| function.name == name).map(|(id, _)| id)
        };
        let rows = allocated.iter().map(|(by, owner, bytes, n_samples)| Allocated {
            pid: 1,
            window: HeapWindow::Allocations,
            by: find(by).expect("it is on a stack"),
            owner: owner.and_then(find),
            caller: None,
            bytes: *bytes,
            n_samples: *n_samples,
        });
        profile.allocated = rows.collect();
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let line = |function: &AppFunction| {
            let name = &profile.functions.get(function.function).name;
            format!("{name} {}", function.charged.0 / 100_000_000)
        };
        charges.functions.iter().map(line).collect()
    }

    #[test]
    fn collections_go_to_who_allocates_not_to_what_ran_before() {
        let stacks = "reads 50\ngc:(gc) 20\nbuilds 10\ngc:(gc) 20";
        assert_eq!(charged(stacks, &[]), ["reads 70", "builds 30"]);
        let few = [("builds", Some("builds"), 800, 8), ("reads", Some("reads"), 200, 2)];
        assert_eq!(charged(stacks, &few), ["reads 70", "builds 30"], "too few to tell");
        assert_eq!(charged(stacks, &[("builds", Some("builds"), 1000, 100)]), ["reads 50", "builds 50"]);
        let both = [("builds", Some("builds"), 750, 75), ("reads", Some("reads"), 250, 25)];
        assert_eq!(charged(stacks, &both), ["reads 59", "builds 41"], "a quarter of 40, to one sample");
    }

    #[test]
    fn what_was_inlined_gets_its_part_back_from_its_caller() {
        let stacks = "handles 10\nhandles;splits 40\ngc:(gc) 20\nothers 30\ngc:(gc) 10";
        let allocated = [("handles", Some("handles"), 1000, 100)];
        // Twenty of the thirty collections ran after `splits`; `others` is not below who allocates.
        assert_eq!(charged(stacks, &allocated), ["splits 60", "others 30", "handles 20"]);
        let by_itself = [("splits", Some("splits"), 1000, 100)];
        assert_eq!(charged(stacks, &by_itself), ["splits 70", "others 30", "handles 10"]);
    }

    #[test]
    fn who_was_never_sampled_while_it_ran_pays_too() {
        let stacks = "reads 50\ngc:(gc) 20\nidle:builds 1";
        assert_eq!(charged(stacks, &[("builds", Some("builds"), 1000, 100)]), ["reads 50", "builds 20"]);
    }

    #[test]
    fn collections_of_what_carries_requests_have_no_payer() {
        let stacks = "serves;net:write 50\ngc:(gc) 20\nbuilds 10\ngc:(gc) 20";
        let allocated = [("builds", Some("builds"), 500, 50), ("write", Some("serves"), 500, 50)];
        assert_eq!(charged(stacks, &allocated), ["serves 50", "builds 30"]);
    }
}
