//! JavaScript for native stacks of a service that ran before: V8 wrote no perf map, so its code has addresses and no names.
//!
//! V8's own sampler is on meanwhile, and both clocks are `CLOCK_MONOTONIC`. What V8 saw within [`NEAR`] of a native sample is what
//! that sample's code was. Few are so near, but code stays where it is: an address that they mostly call the same is called
//! that in all others as well, and so is an address between two such of the same function. The JavaScript takes the place of the frames without names; what lies below it (C++ and the kernel)
//! and around it (the event loop) stays. Code that nothing tells of keeps its addresses.

use super::JIT_MODULE;
use crate::Nanos;
use crate::classify::Category;
use crate::recording::{Event, Recording};
use crate::tables::{FunctionId, Profile, StackId, ThreadSamples, Tier};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Frame of the interpreter, in which JavaScript runs that is not compiled.
const INTERPRETER: &str = "InterpreterEntryTrampoline";

/// Two samples so near in time are of the same call, mostly: functions that matter take longer.
const NEAR: Nanos = Nanos(crate::SECOND / 5000);

/// How many of the samples near in time must agree on what an address is, what part of all, and how many times as many as on
/// anything else: neighbours in time are mistaken for it, on either side, but none as often.
const LEAST_VOTES: u32 = 2;
const LEAST_PART: f64 = 0.35;
const LEAD: u32 = 2;

/// How far apart two addresses of one function may be that speak for those between them: more than most functions have.
const LONGEST_CODE: u64 = 16 << 10;

/// Whether the recording is of a service that ran before.
pub(crate) fn is_attached(recording: &Recording) -> bool {
    recording.events.iter().any(|timed| matches!(timed.event, Event::Attached { .. }))
}

/// Addresses of the innermost code without a name, by sample, in the order of the threads and samples of [`Profile::native`]; 0
/// where there is none.
pub(crate) type CodeAddresses = Vec<Vec<u64>>;

/// Gives native samples of attached processes the JavaScript that they ran, as told by `beside`, V8's samples of the same phase.
pub(crate) fn join_javascript(
    profile: &mut Profile,
    recording: &Recording,
    addresses: &CodeAddresses,
    beside: &[ThreadSamples],
) {
    if !is_attached(recording) {
        return;
    }
    let mut native = std::mem::take(&mut profile.native);
    for (thread, addresses) in native.iter_mut().zip(addresses) {
        let seen = recording
            .node_thread(thread.pid, thread.thread)
            .and_then(|number| beside.iter().find(|seen| (seen.pid, seen.thread) == (thread.pid, number)));
        join_thread(profile, thread, addresses, seen);
    }
    profile.native = native;
}

fn join_thread(
    profile: &mut Profile,
    thread: &mut ThreadSamples,
    addresses: &[u64],
    seen: Option<&ThreadSamples>,
) {
    let nameless: Vec<_> = thread.stack.iter().map(|stack| Nameless::find(profile, *stack)).collect();
    let mut near = vec![None; nameless.len()];
    let mut votes: FxHashMap<Key, Votes> = FxHashMap::default();
    for (index, nameless) in nameless.iter().enumerate() {
        let Some(nameless) = nameless else { continue };
        near[index] = seen.and_then(|seen| javascript_near(profile, seen, thread.start[index]));
        if let Some(stack) = near[index] {
            votes.entry(nameless.key(addresses[index])).or_default().add(profile, stack);
        }
    }
    let known = Known::of(&votes);
    for (index, nameless) in nameless.iter().enumerate() {
        let Some(nameless) = nameless else { continue };
        profile.native_joined.0 += 1;
        let Some(stack) = near[index].or_else(|| known.get(nameless.key(addresses[index]))) else { continue };
        profile.native_joined.1 += 1;
        thread.stack[index] = nameless.replaced_by(profile, &javascript_of(profile, stack));
    }
}

/// What tells code without a name from other such code: its address, or for the interpreter's what it calls.
type Key = (u64, Option<FunctionId>);

/// What code is, where most agree: the stack, and its innermost JavaScript.
#[derive(Default)]
struct Known(BTreeMap<Key, (FunctionId, StackId)>);

impl Known {
    fn of(votes: &FxHashMap<Key, Votes>) -> Self {
        let agreed = votes.iter().filter_map(|(key, votes)| Some((*key, votes.winner()?)));
        Self(agreed.collect())
    }

    fn get(&self, key: Key) -> Option<StackId> {
        if let Some((_, stack)) = self.0.get(&key) {
            return Some(*stack);
        }
        let ((below, _), (before, stack)) = self.0.range(..key).next_back()?;
        let ((above, _), (after, _)) = self.0.range(key..).next()?;
        // The interpreter's have no address, and nothing between them.
        (*below > 0 && before == after && above - below <= LONGEST_CODE).then_some(*stack)
    }
}

/// What V8 saw near in time to samples of the same code.
#[derive(Default)]
struct Votes {
    n: u32,
    /// By innermost function, how often each stack was seen.
    stacks: BTreeMap<FunctionId, BTreeMap<StackId, u32>>,
}

impl Votes {
    fn add(&mut self, profile: &Profile, stack: StackId) {
        let Some(function) = javascript_of(profile, stack).last().copied() else { return };
        self.n += 1;
        *self.stacks.entry(function).or_default().entry(stack).or_default() += 1;
    }

    /// Returns the function that enough agree on, and its most frequent stack.
    fn winner(&self) -> Option<(FunctionId, StackId)> {
        let mut sums: Vec<(u32, FunctionId)> =
            self.stacks.iter().map(|(function, stacks)| (stacks.values().sum(), *function)).collect();
        sums.sort_unstable_by_key(|(n, _)| std::cmp::Reverse(*n));
        let ((most, function), next) = (*sums.first()?, sums.get(1).map_or(0, |(n, _)| *n));
        let part = f64::from(most) / f64::from(self.n);
        if most < LEAST_VOTES || most < LEAD * next || part < LEAST_PART {
            return None;
        }
        let (stack, _) = self.stacks[&function].iter().max_by_key(|(_, n)| **n)?;
        Some((function, *stack))
    }
}

/// A native stack with JavaScript that has no names, outermost first.
struct Nameless {
    frames: Vec<(FunctionId, Option<Tier>)>,
    /// From the outermost frame of JavaScript to behind the innermost.
    javascript: std::ops::Range<usize>,
}

impl Nameless {
    fn find(profile: &Profile, stack: StackId) -> Option<Self> {
        let path = std::iter::successors(Some(stack), |at| profile.stacks.parent[at.0 as usize]);
        let mut frames: Vec<_> = path
            .map(|at| (profile.stacks.function[at.0 as usize], profile.stacks.tier[at.0 as usize]))
            .collect();
        frames.reverse();
        let is_code = |(function, _): &(FunctionId, Option<Tier>)| {
            matches!(profile.functions.get(*function).name.as_str(), JIT_MODULE | INTERPRETER)
        };
        let first = frames.iter().position(is_code)?;
        let last = frames.iter().rposition(is_code)?;
        Some(Self { frames, javascript: first..last + 1 })
    }

    /// Returns what tells its innermost code from other code.
    fn key(&self, address: u64) -> Key {
        let called = || self.frames.get(self.javascript.end).map(|(function, _)| *function);
        (address, if address == 0 { called() } else { None })
    }

    /// Puts `javascript`, outermost first, in the place of what has no names.
    fn replaced_by(&self, profile: &mut Profile, javascript: &[FunctionId]) -> StackId {
        let before = self.frames[..self.javascript.start].iter().copied();
        let after = self.frames[self.javascript.end..].iter().copied();
        let named = javascript.iter().map(|function| (*function, None));
        let mut stack = None;
        for (function, tier) in before.chain(named).chain(after) {
            stack = Some(profile.stacks.intern_at(stack, function, tier));
        }
        stack.expect("`javascript` is not empty")
    }
}

/// Returns the stack with JavaScript that V8 saw nearest to `t`, if that is near enough; `None` where it saw none.
fn javascript_near(profile: &Profile, seen: &ThreadSamples, t: Nanos) -> Option<StackId> {
    let after = seen.start.partition_point(|start| *start <= t);
    let distance = |index: &usize| seen.start[*index].0.abs_diff(t.0);
    let both = [after.checked_sub(1), Some(after).filter(|after| *after < seen.start.len())];
    let index = both.into_iter().flatten().min_by_key(distance).filter(|index| distance(index) <= NEAR.0)?;
    Some(seen.stack[index]).filter(|stack| !javascript_of(profile, *stack).is_empty())
}

/// Returns the frames of JavaScript and WebAssembly of a stack, outermost first.
fn javascript_of(profile: &Profile, stack: StackId) -> Vec<FunctionId> {
    let is_code = |function: &FunctionId| {
        let category = profile.functions.get(*function).category;
        !matches!(category, Category::Native | Category::Gc | Category::Program | Category::Idle)
    };
    let mut frames: Vec<_> = profile.stacks.frames(stack).filter(is_code).collect();
    frames.reverse();
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Function;

    fn function(profile: &mut Profile, name: &str, category: Category) -> FunctionId {
        let file = if category == Category::App { "a.js".into() } else { String::new() };
        let (name, line) = (name.to_owned(), 0);
        profile.functions.intern(Function {
            name,
            file,
            line,
            column: 0,
            category,
            package: None,
            kind: None,
        })
    }

    /// Draws a stack, outermost first; `App` where the name is in lower case.
    fn stack(profile: &mut Profile, names: &[&str]) -> StackId {
        let mut stack = None;
        for name in names {
            let category = match *name {
                "(gc)" => Category::Gc,
                "(idle)" => Category::Idle,
                name if name.chars().all(char::is_lowercase) => Category::App,
                _ => Category::Native,
            };
            let function = function(profile, name, category);
            stack = Some(profile.stacks.intern(stack, function));
        }
        stack.unwrap()
    }

    fn names(profile: &Profile, stack: StackId) -> String {
        let mut names: Vec<_> = profile
            .stacks
            .frames(stack)
            .map(|function| profile.functions.get(function).name.clone())
            .collect();
        names.reverse();
        names.join(" ")
    }

    fn seen(profile: &mut Profile, stacks: &[&[&str]]) -> ThreadSamples {
        let stack = stacks.iter().map(|names| stack(profile, names)).collect();
        let start: Vec<_> =
            (0..stacks.len() as u64).map(|index| Nanos(4 * crate::SECOND / 1000 * index)).collect();
        ThreadSamples { duration: vec![Nanos(10); start.len()], start, stack, ..ThreadSamples::default() }
    }

    /// A thread of native samples at moments in microseconds.
    fn native(profile: &mut Profile, samples: &[(u64, &[&str])]) -> ThreadSamples {
        let stack: Vec<_> = samples.iter().map(|(_, names)| stack(profile, names)).collect();
        let start: Vec<_> = samples.iter().map(|(us, _)| Nanos(us * 1000)).collect();
        ThreadSamples { duration: vec![Nanos(10); start.len()], start, stack, ..ThreadSamples::default() }
    }

    #[test]
    fn code_without_names_is_what_v8_saw_at_the_moment_and_what_is_around_it_stays() {
        let mut profile = Profile::default();
        let seen = seen(&mut profile, &[&["handler", "parse", "Native"]]);
        let names_of = ["Uv_run", "JSEntry", INTERPRETER, "Builtin", JIT_MODULE, "JsonParse", "Memcpy"];
        let mut thread = native(&mut profile, &[(100, &names_of)]);
        join_thread(&mut profile, &mut thread, &[7], Some(&seen));
        assert_eq!(names(&profile, thread.stack[0]), "Uv_run JSEntry handler parse JsonParse Memcpy");
        assert_eq!(profile.native_joined, (1, 1));
    }

    #[test]
    fn an_address_is_called_what_most_samples_near_in_time_call_it() {
        let mut profile = Profile::default();
        let seen = seen(&mut profile, &[&["parse"], &["parse"], &["pack"], &["pack"], &["parse"], &["find"]]);
        let code: &[&str] = &["Uv_run", JIT_MODULE];
        // Near the first five, then far from all; then of an address that was seen once only.
        let moments = [0, 4000, 8000, 12_000, 16_000, 2000, 10_000, 20_000, 22_000];
        let mut thread = native(&mut profile, &moments.map(|us| (us, code)));
        let addresses = [1, 1, 2, 2, 1, 1, 2, 3, 3];
        join_thread(&mut profile, &mut thread, &addresses, Some(&seen));
        let last: Vec<_> = thread.stack.iter().map(|stack| names(&profile, *stack)).collect();
        assert_eq!(last[5..], ["Uv_run parse", "Uv_run pack", "Uv_run find", "Uv_run [JIT]"]);
        assert_eq!(profile.native_joined, (9, 8));
    }

    #[test]
    fn an_address_between_two_of_one_function_is_of_that_function() {
        let mut profile = Profile::default();
        let seen =
            seen(&mut profile, &[&["parse"], &["parse"], &["parse"], &["parse"], &["pack"], &["pack"]]);
        let moments = [0, 4000, 8000, 12_000, 16_000, 20_000, 2000, 2000, 2000];
        let mut thread = native(&mut profile, &moments.map(|us| (us, &["Uv_run", JIT_MODULE][..])));
        join_thread(&mut profile, &mut thread, &[10, 10, 30, 30, 50, 50, 20, 40, 60], Some(&seen));
        let last: Vec<_> = thread.stack[6..].iter().map(|stack| names(&profile, *stack)).collect();
        assert_eq!(last, ["Uv_run parse", "Uv_run [JIT]", "Uv_run [JIT]"]);
    }

    #[test]
    fn collections_and_idle_time_tell_of_no_code() {
        let mut profile = Profile::default();
        let seen = seen(&mut profile, &[&["handler"], &["(gc)"], &["(idle)"]]);
        let at = |us: u64| javascript_near(&profile, &seen, Nanos(us * 1000)).is_some();
        assert_eq!((at(150), at(3900), at(2000), at(8000)), (true, false, false, false));
    }

    #[test]
    fn a_stack_without_javascript_is_left_alone() {
        let mut profile = Profile::default();
        let native = stack(&mut profile, &["Uv_run", "Uv_io_poll"]);
        assert!(Nameless::find(&profile, native).is_none());
    }
}
