//! Profiles drawn at random, as plain as they can be said.

use proptest::prelude::*;
use slowpath_profile::Nanos;
use slowpath_profile::classify::{AppScope, Category, classify};
use slowpath_profile::tables::{Function, Profile, StackId, ThreadSamples, Timing, WeightUnit};

/// Name, file, line, column.
pub(crate) type Place = (String, String, u32, u32);

/// Start, weight, functions from the outermost.
pub(crate) type Sample = (u64, u64, Vec<Place>);

/// What a profile is made of: functions, stacks of them, and by thread its samples (gap before, weight, stack).
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) functions: Vec<Place>,
    pub(crate) stacks: Vec<Vec<usize>>,
    pub(crate) threads: Vec<Vec<(u64, u64, usize)>>,
}

const FILES: &[&str] = &["src/a.js", "/srv/my app/b.mjs", "node:fs", "node_modules/x/i.js", "lib/é<b>.ts"];

fn place() -> impl Strategy<Value = Place> {
    let name = prop_oneof![
        "[a-zA-Z$<>&'\"é][a-zA-Z0-9_$<>&'\" .é]{0,8}[a-z]",
        Just("(anonymous)".to_owned()),
        Just("</script><script>alert(1)</script>".to_owned()),
    ];
    let file = prop_oneof![Just(String::new()), proptest::sample::select(FILES).prop_map(str::to_owned)];
    (name, file, 0..900_u32, 0..90_u32).prop_map(|(name, file, line, column)| {
        // Native code has no place, and a column without a line says nothing.
        let (line, column) =
            if file.is_empty() { (0, 0) } else { (line, if line == 0 { 0 } else { column }) };
        let name = if file.is_empty() && name.starts_with(['(', '<']) { "write".to_owned() } else { name };
        (name, file, line, column)
    })
}

pub(crate) fn drawn(n_threads: usize) -> impl Strategy<Value = Drawn> {
    let functions = proptest::collection::vec(place(), 1..8);
    let stacks = proptest::collection::vec(proptest::collection::vec(0..8_usize, 1..6), 1..8);
    let gap = prop_oneof![Just(0), 0..5_000_000_u64];
    let sample = (gap, 1..20_000_000_u64, 0..8_usize);
    let threads = proptest::collection::vec(proptest::collection::vec(sample, 1..20), n_threads);
    (functions, stacks, threads).prop_map(|(functions, stacks, threads)| Drawn { functions, stacks, threads })
}

impl Drawn {
    /// Builds the profile.
    pub(crate) fn profile(&self, unit: WeightUnit) -> Profile {
        let mut profile = Profile { unit, ..Profile::default() };
        let functions: Vec<_> =
            self.functions.iter().map(|place| profile.functions.intern(function(place))).collect();
        let mut stacks: Vec<StackId> = Vec::new();
        for frames in &self.stacks {
            let stack = frames.iter().fold(None, |parent, frame| {
                Some(profile.stacks.intern(parent, functions[frame % functions.len()]))
            });
            stacks.extend(stack);
        }
        for (index, samples) in self.threads.iter().enumerate() {
            let mut thread = ThreadSamples { pid: 7, thread: index as u32, ..ThreadSamples::default() };
            let mut now = 3_600_000_000_123;
            for (gap, weight, stack) in samples {
                if unit == WeightUnit::Nanoseconds {
                    now += gap;
                    thread.start.push(Nanos(now));
                    now += weight;
                } else {
                    thread.timing = Timing::Summed;
                    thread.start.push(Nanos(0));
                    thread.count.push(*weight as u32);
                }
                thread.duration.push(Nanos(*weight));
                thread.stack.push(stacks[stack % stacks.len()]);
            }
            profile.threads.push(thread);
        }
        profile
    }
}

fn function((name, file, line, column): &Place) -> Function {
    let (category, package) = classify(&AppScope::default(), name, file);
    let is_kernel = file.is_empty() && name.len() % 2 == 0;
    Function {
        name: name.clone(),
        file: file.clone(),
        line: *line,
        column: *column,
        category: if is_kernel { Category::Kernel } else { category },
        package,
        kind: None,
    }
}

/// Returns the samples of each thread.
pub(crate) fn samples(profile: &Profile, threads: &[ThreadSamples]) -> Vec<Vec<Sample>> {
    let of_thread = |thread: &ThreadSamples| {
        let rows = thread.start.iter().zip(&thread.duration).zip(&thread.stack);
        rows.map(|((start, weight), stack)| (start.0, weight.0, places(profile, *stack))).collect()
    };
    threads.iter().map(of_thread).collect()
}

fn places(profile: &Profile, stack: StackId) -> Vec<Place> {
    let place = |id| {
        let Function { name, file, line, column, .. } = profile.functions.get(id);
        (name.clone(), file.clone(), *line, *column)
    };
    let mut places: Vec<_> = profile.stacks.frames(stack).map(place).collect();
    places.reverse();
    places
}
