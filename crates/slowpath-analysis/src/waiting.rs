//! What threads slept in, of the time that samples saw them in code.

use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile, StackId, ThreadSamples};
use slowpath_profile::waiting::WAITING;
use std::collections::BTreeMap;

/// The call that a thread slept in for longest.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadWait {
    /// Share of the sampled time that the thread slept in any call.
    pub share: f64,
    /// The call, such as `Atomics.wait` or `readSync`.
    pub call: FunctionId,
    /// The application function that made it, else the nearest one of a dependency.
    pub caller: Option<FunctionId>,
}

impl ThreadWait {
    /// Returns what a thread slept in; `None` where it did not.
    pub(crate) fn of(profile: &Profile, samples: &ThreadSamples) -> Option<Self> {
        let mut by_stack: BTreeMap<StackId, u64> = BTreeMap::new();
        let mut sampled = 0;
        for (stack, duration) in samples.stack.iter().zip(&samples.duration) {
            sampled += duration.0;
            let leaf = profile.functions.get(profile.stacks.function[stack.0 as usize]);
            if leaf.kind == Some(WAITING) {
                *by_stack.entry(*stack).or_default() += duration.0;
            }
        }
        let slept: u64 = by_stack.values().sum();
        let mut by_call: BTreeMap<(FunctionId, Option<FunctionId>), u64> = BTreeMap::new();
        for (stack, time) in by_stack {
            *by_call.entry(call_of(profile, stack)).or_default() += time;
        }
        let longest = by_call.into_iter().max_by_key(|(call, time)| (*time, std::cmp::Reverse(*call)));
        let ((call, caller), _) = longest?;
        Some(Self { share: slept as f64 / sampled.max(1) as f64, call, caller })
    }
}

/// Returns the outermost of Node's own and native functions that a stack ends in, and who called it.
fn call_of(profile: &Profile, stack: StackId) -> (FunctionId, Option<FunctionId>) {
    let category = |id: FunctionId| profile.functions.get(id).category;
    let mut frames = profile.stacks.frames(stack);
    // The frame that says that it slept.
    let mut call = profile.stacks.function[stack.0 as usize];
    let mut nearest = None;
    frames.next();
    for frame in frames.by_ref() {
        if !matches!(category(frame), Category::Node | Category::Native) {
            nearest = Some(frame);
            break;
        }
        call = frame;
    }
    let is_own = |id: &FunctionId| category(*id) == Category::App;
    let caller = nearest.into_iter().chain(frames).find(is_own).or(nearest);
    (call, caller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::tests::profile;

    fn check(stacks: &str, share: f64, call: &str, caller: &str) {
        let profile = profile(stacks);
        let wait = ThreadWait::of(&profile, &profile.threads[0]).expect("it slept");
        let name = |id: FunctionId| profile.functions.get(id).name.as_str();
        assert!((wait.share - share).abs() < 1e-9, "{}", wait.share);
        assert_eq!((name(wait.call), wait.caller.map(name)), (call, Some(caller)));
    }

    #[test]
    fn names_the_call_that_was_waited_in_and_the_application_function_that_made_it() {
        check("loop;waiting:Atomics.wait 9\nloop;job 1", 0.9, "Atomics.wait", "loop");
        check("log;dep:flush;fs:writeSync;native:write;waiting:(waiting) 1\nlog 1", 0.5, "writeSync", "log");
        check("dep:loop;waiting:Atomics.wait 1", 1.0, "Atomics.wait", "loop");
    }

    #[test]
    fn a_thread_that_only_ran_slept_in_nothing() {
        let profile = profile("loop;fs:readSync;native:read 10");
        assert_eq!(ThreadWait::of(&profile, &profile.threads[0]), None);
    }
}
