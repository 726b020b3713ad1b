//! Who is charged for CPU samples without an application function on their stack.
//!
//! In the async phase samples are taken as well. Those that fall into a slice of a followed request belong to the
//! application code that began what the slice goes on with; where the slice is the first one, to the code that the
//! request entered the application with. That tells for each such stack how its time is shared out among application
//! functions; stacks of other requests and phases are shared out in the same way, those that no followed request had like
//! their nearest relatives: stacks with the same innermost function, else those that share most of their callers. Where no
//! followed request had one of these either, Node's code is shared out like what it went on to call: reading a socket and
//! parsing what came belong to the functions of the application that are called with it. Of Node's code that carries requests, and that was
//! never seen to call the application, as with few samples, the same is taken: it runs for what the loop calls. A collection
//! without an allocating sample before it belongs to who allocates, as the heap phase says. The loop's own work belongs to nobody.

use crate::charge::EXCHANGE_MODULES;
use crate::stack_class::StackClasses;
use crate::threads::is_idle;
use slowpath_profile::allocated::HeapWindow;
use slowpath_profile::classify::Category;
use slowpath_profile::recording::{AsyncLog, FollowedRequest};
use slowpath_profile::tables::{Function, FunctionId, Functions, Profile, StackId};
use slowpath_profile::{Nanos, Recording};
use std::collections::{BTreeMap, HashMap};

/// How the time of stacks without an application function is shared out.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    /// By stack: owners with their weight.
    stacks: HashMap<StackId, Vec<(FunctionId, u64)>>,
    /// By the innermost function alone, for stacks that no followed request had.
    leaves: HashMap<FunctionId, Vec<(FunctionId, u64)>>,
    /// By the caller's stack: sums over all stacks that go on from it.
    callers: HashMap<StackId, Vec<(FunctionId, u64)>>,
    /// By a stack without an application function: those that are called from it.
    called: HashMap<StackId, Vec<(FunctionId, u64)>>,
    /// All functions of the application that the loop calls.
    entries: Vec<(FunctionId, u64)>,
    /// Who allocates, with bytes.
    allocators: Vec<(FunctionId, u64)>,
}

impl Owners {
    /// Joins the samples of the async phase with the followed requests.
    pub(crate) fn of(recording: &Recording, profile: &Profile, classes: &StackClasses) -> Self {
        let mut by_stack: BTreeMap<StackId, BTreeMap<FunctionId, u64>> = BTreeMap::new();
        let functions = FunctionsByPlace::of(&profile.functions);
        for samples in &profile.async_threads {
            let Some(log) = recording.asynchronous.get(&samples.pid) else { continue };
            let Some(frames) = profile.async_frames.get(&samples.pid) else { continue };
            let spans = Spans::of(log, frames, &functions, samples.thread);
            for ((start, duration), stack) in samples.start.iter().zip(&samples.duration).zip(&samples.stack)
            {
                let leaf = profile.functions.get(profile.stacks.function[stack.0 as usize]);
                let is_loop = matches!(leaf.category, Category::Program | Category::Idle);
                if is_loop || classes.owner[stack.0 as usize].is_some() {
                    continue;
                }
                if let Some(owner) = spans.owner_at(*start) {
                    *by_stack.entry(*stack).or_default().entry(owner).or_default() += duration.0.max(1);
                }
            }
        }
        if by_stack.is_empty() {
            return Self::default();
        }
        let mut by_leaf: BTreeMap<FunctionId, BTreeMap<FunctionId, u64>> = BTreeMap::new();
        let mut by_caller: BTreeMap<StackId, BTreeMap<FunctionId, u64>> = BTreeMap::new();
        for (stack, owners) in &by_stack {
            let leaf = profile.stacks.function[stack.0 as usize];
            for (owner, weight) in owners {
                *by_leaf.entry(leaf).or_default().entry(*owner).or_default() += weight;
                let mut at = profile.stacks.parent[stack.0 as usize];
                while let Some(caller) = at {
                    *by_caller.entry(caller).or_default().entry(*owner).or_default() += weight;
                    at = profile.stacks.parent[caller.0 as usize];
                }
            }
        }
        let (called, entries) = called_from(profile);
        Self {
            stacks: listed(by_stack),
            leaves: listed(by_leaf),
            callers: listed(by_caller),
            called: listed(called),
            entries: entries.into_iter().collect(),
            allocators: allocators(profile).into_iter().collect(),
        }
    }

    /// Returns the owners of a collection that no allocating sample came before, with weights; empty without a heap phase.
    pub(crate) fn of_collection(&self) -> &[(FunctionId, u64)] {
        &self.allocators
    }

    /// Returns the owners of a stack without an application function, with weights; empty where nothing tells.
    pub(crate) fn of_stack(&self, profile: &Profile, stack: StackId) -> &[(FunctionId, u64)] {
        if let Some(owners) = self.stacks.get(&stack) {
            return owners;
        }
        let leaf = profile.stacks.function[stack.0 as usize];
        // Work of the loop itself has no frames to tell one request's from another's.
        if profile.functions.get(leaf).category == Category::Program {
            return &[];
        }
        if let Some(owners) = self.leaves.get(&leaf) {
            return owners;
        }
        let mut at = Some(stack);
        while let Some(caller) = at {
            if let Some(owners) = self.callers.get(&caller).or_else(|| self.called.get(&caller)) {
                return owners;
            }
            at = profile.stacks.parent[caller.0 as usize];
        }
        if is_for_requests(profile, stack) { &self.entries } else { &[] }
    }
}

/// Whether a stack is Node's alone, and carries requests.
fn is_for_requests(profile: &Profile, stack: StackId) -> bool {
    let functions = || profile.stacks.frames(stack).map(|function| profile.functions.get(function));
    functions().all(|function| matches!(function.category, Category::Node | Category::Native))
        && functions().any(|function| EXCHANGE_MODULES.iter().any(|module| function.file.starts_with(module)))
}

/// Returns the bytes that each application function made be allocated in the heap phase.
fn allocators(profile: &Profile) -> BTreeMap<FunctionId, u64> {
    let mut bytes: BTreeMap<FunctionId, u64> = BTreeMap::new();
    for row in profile.allocated.iter().filter(|row| row.window == HeapWindow::Allocations) {
        if let Some(owner) = row.owner {
            *bytes.entry(owner).or_default() += row.bytes;
        }
    }
    bytes
}

fn listed<K: Eq + std::hash::Hash>(
    owners: BTreeMap<K, BTreeMap<FunctionId, u64>>,
) -> HashMap<K, Vec<(FunctionId, u64)>> {
    owners.into_iter().map(|(key, owners)| (key, owners.into_iter().collect())).collect()
}

/// Time of application functions.
type Times = BTreeMap<FunctionId, u64>;

/// Returns for each stack without an application function which ones were called from it, with the time spent in them; and the
/// same of all stacks together.
fn called_from(profile: &Profile) -> (BTreeMap<StackId, Times>, Times) {
    let stacks = &profile.stacks;
    // The outermost application function on each stack; callers lie before what they call.
    let mut outermost: Vec<Option<StackId>> = Vec::with_capacity(stacks.len());
    for (index, function) in stacks.function.iter().enumerate() {
        let inherited = stacks.parent[index].and_then(|parent| outermost[parent.0 as usize]);
        let is_app = profile.functions.get(*function).category == Category::App;
        outermost.push(inherited.or_else(|| is_app.then_some(StackId(index as u32))));
    }
    let mut time: BTreeMap<StackId, u64> = BTreeMap::new();
    for samples in profile.threads.iter().chain(&profile.async_threads) {
        for (duration, stack) in samples.duration.iter().zip(&samples.stack) {
            if let Some(entry) = outermost[stack.0 as usize].filter(|_| !is_idle(profile, stack.0)) {
                *time.entry(entry).or_default() += duration.0.max(1);
            }
        }
    }
    let mut called: BTreeMap<StackId, Times> = BTreeMap::new();
    let mut entries = Times::new();
    for (entry, time) in time {
        let function = stacks.function[entry.0 as usize];
        *entries.entry(function).or_default() += time;
        let mut at = stacks.parent[entry.0 as usize];
        while let Some(caller) = at {
            *called.entry(caller).or_default().entry(function).or_default() += time;
            at = stacks.parent[caller.0 as usize];
        }
    }
    (called, entries)
}

/// Finds the function of the profile in which a place of the code lies: of those with its name and file, the last one
/// that begins before it.
struct FunctionsByPlace<'a> {
    by_name: HashMap<(&'a str, &'a str), Vec<(u32, FunctionId)>>,
}

impl<'a> FunctionsByPlace<'a> {
    fn of(functions: &'a Functions) -> Self {
        let mut by_name: HashMap<(&str, &str), Vec<(u32, FunctionId)>> = HashMap::new();
        for (id, function) in functions.iter().filter(|(_, function)| function.category == Category::App) {
            by_name.entry((function.own_name(), &*function.file)).or_default().push((function.line, id));
        }
        for places in by_name.values_mut() {
            places.sort_unstable();
        }
        Self { by_name }
    }

    fn find(&self, place: &Function) -> Option<FunctionId> {
        let candidates = self.by_name.get(&(place.own_name(), &*place.file))?;
        let before = candidates.iter().rfind(|(line, _)| *line <= place.line);
        before.or(candidates.first()).map(|(_, id)| *id)
    }
}

/// When code of followed requests ran in one thread, and for whom.
struct Spans {
    /// Start, end, owner; in order, without overlap.
    spans: Vec<(Nanos, Nanos, FunctionId)>,
}

impl Spans {
    fn of(log: &AsyncLog, frames: &[Function], functions: &FunctionsByPlace<'_>, thread: u32) -> Self {
        let app_frames = |site: u32| {
            let frames = log.sites[site as usize].iter().filter_map(|frame| frames.get(*frame as usize));
            frames.filter(|frame| frame.category == Category::App)
        };
        let innermost = |site: u32| app_frames(site).find_map(|frame| functions.find(frame));
        let outermost = |request: &FollowedRequest| {
            let slices = request.slices.iter().filter(|slice| slice.site != 0);
            let mut entries = slices.filter_map(|slice| app_frames(slice.site).next_back());
            entries.find_map(|frame| functions.find(frame))
        };
        let mut spans = Vec::new();
        for request in log.requests.iter().filter(|request| request.thread == thread) {
            let entry = outermost(request);
            for slice in &request.slices {
                let Some(owner) = innermost(slice.site).or(entry) else { continue };
                let mut at = slice.start;
                let runs =
                    request.runs.iter().filter(|(start, end, _)| *start < slice.end && *end > slice.start);
                for &(start, end, site) in runs {
                    let run_owner = innermost(site).unwrap_or(owner);
                    spans.push((at, start, owner));
                    spans.push((start.max(at), end, run_owner));
                    at = at.max(end);
                }
                spans.push((at, slice.end, owner));
            }
        }
        spans.retain(|(start, end, _)| start < end);
        spans.sort_unstable();
        Self { spans }
    }

    fn owner_at(&self, t: Nanos) -> Option<FunctionId> {
        // Requests take turns within a slice: look at the few that began last.
        let after = self.spans.partition_point(|(start, ..)| *start <= t);
        let recent = self.spans[after.saturating_sub(8)..after].iter().rev();
        recent.clone().find(|(_, end, _)| t < *end).map(|(.., owner)| *owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::Charges;
    use crate::charge::tests::profile;
    use crate::serving_threads;

    fn owners_by_calls(profile: &Profile) -> Owners {
        let (called, entries) = called_from(profile);
        let (called, entries) = (listed(called), entries.into_iter().collect());
        Owners { called, entries, ..Owners::default() }
    }

    /// Returns the owners of the stack that ends in `leaf`, as `function share-in-percent`.
    fn owners_of(stacks: &str, leaf: &str) -> Vec<String> {
        let profile = profile(stacks);
        let owners = owners_by_calls(&profile);
        let is_leaf = |at: &FunctionId| profile.functions.get(*at).name == leaf;
        let stack = profile.stacks.function.iter().position(is_leaf).expect("it is on a stack");
        let shares = owners.of_stack(&profile, StackId(stack as u32));
        let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
        let line = |(id, weight): &(FunctionId, u64)| {
            format!("{} {}", profile.functions.get(*id).name, weight * 100 / total)
        };
        shares.iter().map(line).collect()
    }

    #[test]
    fn reading_a_socket_belongs_to_what_is_called_with_what_came() {
        let stacks = "net:read;net:parse 40\nnet:read;net:parse;onAnswer;inner 30\nnet:read;net:parse;onEvent 10\nother 90";
        assert_eq!(owners_of(stacks, "parse"), ["onAnswer 75", "onEvent 25"]);
        assert_eq!(owners_of(stacks, "read"), ["onAnswer 75", "onEvent 25"]);
    }

    #[test]
    fn the_nearest_caller_that_calls_the_application_tells() {
        let stacks =
            "net:read;net:parse;net:free 5\nnet:read;net:parse;onAnswer 10\nnet:read;net:accept;onRequest 90";
        assert_eq!(owners_of(stacks, "free"), ["onAnswer 100"]);
    }

    #[test]
    fn what_carries_requests_and_was_never_seen_to_call_the_application_runs_for_what_the_loop_calls() {
        assert_eq!(
            owners_of("net:read;net:drop 5\nhandle 10\nanswer 30", "drop"),
            ["handle 25", "answer 75"]
        );
    }

    #[test]
    fn files_read_behind_an_await_count_for_who_awaits_them_but_requests_do_not() {
        let profile = profile("fs:read 30\nfs:read;handle 50\nnet:parse 10\nnet:parse;handle 10");
        let charges = Charges::of(&profile, &serving_threads(&profile), &owners_by_calls(&profile));
        let [handle] = charges.functions.as_slice() else { panic!("{:?}", charges.functions) };
        assert_eq!((handle.charged.0, handle.begun.0), (6_000_000_000, 3_000_000_000));
    }

    #[test]
    fn what_leads_to_nothing_of_the_application_has_no_owner() {
        assert_eq!(owners_of("fs:read;fs:drop 5\nhandle 10", "drop"), [""; 0]);
    }
}
