//! Who is charged for CPU samples without an application function on their stack.
//!
//! In the async phase samples are taken as well. Those that fall into a slice of a followed request belong to the
//! application code that began what the slice goes on with; where the slice is the first one, to the code that the
//! request entered the application with. That tells for each such stack how its time is shared out among application
//! functions; stacks of other requests and phases are shared out in the same way, those that no followed request had like
//! their nearest relatives: stacks with the same innermost function, else those that share most of their callers.

use crate::stack_class::StackClasses;
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
        Self {
            stacks: by_stack
                .into_iter()
                .map(|(stack, owners)| (stack, owners.into_iter().collect()))
                .collect(),
            leaves: by_leaf.into_iter().map(|(leaf, owners)| (leaf, owners.into_iter().collect())).collect(),
            callers: by_caller
                .into_iter()
                .map(|(caller, owners)| (caller, owners.into_iter().collect()))
                .collect(),
        }
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
        let mut at = profile.stacks.parent[stack.0 as usize];
        while let Some(caller) = at {
            if let Some(owners) = self.callers.get(&caller) {
                return owners;
            }
            at = profile.stacks.parent[caller.0 as usize];
        }
        &[]
    }
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
            by_name.entry((&*function.name, &*function.file)).or_default().push((function.line, id));
        }
        for places in by_name.values_mut() {
            places.sort_unstable();
        }
        Self { by_name }
    }

    fn find(&self, place: &Function) -> Option<FunctionId> {
        let candidates = self.by_name.get(&(&*place.name, &*place.file))?;
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
