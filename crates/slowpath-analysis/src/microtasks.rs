//! Gives the time that V8 books on `runMicrotasks` to what runs below it.
//!
//! What optimised code calls without making a frame (string case mapping, number formatting and other C functions) hides the frames of
//! JavaScript from V8's sampler. It then names the native function that was entered last, which behind an `await` is
//! `runMicrotasks`; that itself only takes the next job from a queue. So this time is shared out among the stacks of the application that
//! were sampled below that `runMicrotasks`, by their time. Where there are none it stays where it is.

use crate::charge::Charged;
use crate::shares::Shares;
use crate::stack_class::Doing;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile, StackId};
use std::collections::{BTreeMap, HashMap};

/// Node's native function that runs the microtask queue.
const RUN_MICROTASKS: &str = "runMicrotasks";

/// Gives the samples that end in `runMicrotasks` to the application's stacks below it.
pub(crate) fn share_out(profile: &Profile, samples: &mut [Charged]) {
    let running = running(profile);
    let mut below: BTreeMap<StackId, BTreeMap<(StackId, FunctionId), u64>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.doing != Doing::Gc) {
        if let Some((stack, owner)) = sample.stack.zip(sample.owner)
            && let Some(run) = running[stack.0 as usize]
        {
            *below.entry(run).or_default().entry((stack, owner)).or_default() += sample.duration;
        }
    }
    let receivers: HashMap<StackId, Shares<(StackId, FunctionId)>> = below
        .into_iter()
        .map(|(run, stacks)| (run, Shares::of(stacks.into_iter().map(|(stack, time)| (stack, time as f64)))))
        .collect();
    let mut n_given = 0;
    for sample in samples.iter_mut().filter(|sample| sample.doing != Doing::Gc && sample.owner.is_none()) {
        let Some(stack) = sample.stack.filter(|stack| running[stack.0 as usize] == Some(*stack)) else {
            continue;
        };
        if let Some((below, owner)) = receivers.get(&stack).and_then(|receivers| receivers.nth(n_given)) {
            (sample.stack, sample.owner, sample.is_hidden) = (Some(below), Some(owner), true);
            n_given += 1;
        }
    }
}

/// Returns for each stack the innermost `runMicrotasks` on it.
fn running(profile: &Profile) -> Vec<Option<StackId>> {
    let stacks = &profile.stacks;
    let mut running: Vec<Option<StackId>> = Vec::with_capacity(stacks.len());
    for (index, (parent, function)) in stacks.parent.iter().zip(&stacks.function).enumerate() {
        let function = profile.functions.get(*function);
        let is_it = function.category == Category::Native && function.name == RUN_MICROTASKS;
        let inherited = parent.and_then(|parent| running[parent.0 as usize]);
        running.push(if is_it { Some(StackId(index as u32)) } else { inherited });
    }
    running
}

#[cfg(test)]
mod tests {
    use crate::async_ops::Owners;
    use crate::charge::tests::profile;
    use crate::charge::{AppFunction, Charges};
    use crate::serving_threads;

    #[track_caller]
    fn check(stacks: &str, expected: &[&str]) {
        let profile = profile(stacks);
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let line = |function: &AppFunction| {
            let (name, hidden) = (&profile.functions.get(function.function).name, function.spent_in.first());
            let hidden =
                hidden.map_or(String::new(), |(label, share)| format!(", {:.0} % {label}", share * 100.0));
            format!("{name} {}{hidden}", function.charged.0 / 100_000_000)
        };
        let found: Vec<_> = charges.functions.iter().map(line).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn time_booked_on_run_microtasks_goes_to_what_runs_below_it() {
        check(
            "net:tick;native:runMicrotasks 60\nnet:tick;native:runMicrotasks;scans 30\nhandles 10",
            &["scans 90, 60 % native code without a frame", "handles 10"],
        );
    }

    #[test]
    fn a_queue_that_runs_nothing_of_the_application_keeps_its_time() {
        check("net:tick;native:runMicrotasks 60\nother;native:x 30", &["other 30, 33 % x()"]);
    }
}
