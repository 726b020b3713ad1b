//! The profile as the page reads it: columns, strings once, times as differences. See `ProfileData` in `contract.ts`.

use serde::Serialize;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Profile, ThreadSamples};
use slowpath_profile::{Nanos, Recording};
use std::collections::HashMap;

/// All tables.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileColumns {
    strings: Vec<String>,
    categories: Vec<&'static str>,
    functions: FunctionColumns,
    stacks: StackColumns,
    /// One entry a sampled thread.
    pub threads: Vec<ThreadColumns>,
    lines: LineColumns,
}

#[derive(Debug, Clone, Default, Serialize)]
struct FunctionColumns {
    name: Vec<u32>,
    file: Vec<u32>,
    line: Vec<u32>,
    column: Vec<u32>,
    category: Vec<usize>,
    package: Vec<i64>,
    kind: Vec<i64>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct StackColumns {
    parent: Vec<i64>,
    function: Vec<u32>,
}

/// Samples of one thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadColumns {
    pid: u32,
    thread: u32,
    name: String,
    /// Its samples.
    pub samples: SampleColumns,
    effective_interval_us: f64,
}

/// Columns of equal length.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SampleColumns {
    start_delta_us: Vec<u64>,
    duration_us: Vec<u64>,
    /// Index of each sample's stack.
    pub stack: Vec<u32>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct LineColumns {
    function: Vec<u32>,
    line: Vec<u32>,
    self_us: Vec<u64>,
}

/// Strings by their index.
#[derive(Default)]
struct Strings {
    rows: Vec<String>,
    index_of: HashMap<String, u32>,
}

impl Strings {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(index) = self.index_of.get(text) {
            return *index;
        }
        let index = self.rows.len() as u32;
        self.rows.push(text.to_owned());
        self.index_of.insert(text.to_owned(), index);
        index
    }
}

pub(crate) fn build(recording: &Recording, profile: &Profile) -> ProfileColumns {
    let mut strings = Strings::default();
    let mut functions = FunctionColumns::default();
    for (_, function) in profile.functions.iter() {
        functions.name.push(strings.intern(&function.name));
        functions.file.push(strings.intern(&function.file));
        functions.line.push(function.line);
        functions.column.push(function.column);
        functions.category.push(Category::ALL.iter().position(|c| *c == function.category).unwrap_or(0));
        functions
            .package
            .push(function.package.as_deref().map_or(-1, |package| i64::from(strings.intern(package))));
        functions.kind.push(function.kind.map_or(-1, |kind| i64::from(strings.intern(kind))));
    }
    let stacks = StackColumns {
        parent: profile
            .stacks
            .parent
            .iter()
            .map(|parent| parent.map_or(-1, |parent| i64::from(parent.0)))
            .collect(),
        function: profile.stacks.function.iter().map(|function| function.0).collect(),
    };
    ProfileColumns {
        functions,
        stacks,
        categories: Category::ALL.iter().map(|category| category.as_str()).collect(),
        threads: profile.threads.iter().map(|thread| thread_columns(recording, thread)).collect(),
        lines: line_columns(profile),
        strings: strings.rows,
    }
}

fn thread_columns(recording: &Recording, thread: &ThreadSamples) -> ThreadColumns {
    let origin = recording.manifest.start;
    let us = |t: Nanos| t.since(origin).0 / 1000;
    let mut samples = SampleColumns::default();
    let mut before = 0;
    for ((start, duration), stack) in thread.start.iter().zip(&thread.duration).zip(&thread.stack) {
        let start = us(*start);
        samples.start_delta_us.push(start.saturating_sub(before));
        before = start;
        samples.duration_us.push(duration.0 / 1000);
        samples.stack.push(stack.0);
    }
    ThreadColumns {
        pid: thread.pid,
        thread: thread.thread,
        name: if thread.thread == 0 { "main".into() } else { format!("worker {}", thread.thread) },
        samples,
        effective_interval_us: thread.effective_interval().map_or(0.0, |interval| interval.0 as f64 / 1e3),
    }
}

fn line_columns(profile: &Profile) -> LineColumns {
    let interval =
        profile.threads.iter().filter_map(ThreadSamples::effective_interval).max().unwrap_or_default();
    let mut rows: Vec<_> = profile.line_ticks.iter().collect();
    rows.sort_unstable_by_key(|((function, line), _)| (*function, *line));
    let mut lines = LineColumns::default();
    for ((function, line), ticks) in rows {
        lines.function.push(function.0);
        lines.line.push(*line);
        lines.self_us.push(ticks * interval.0 / 1000);
    }
    lines
}
