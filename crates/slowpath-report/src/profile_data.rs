//! The profile as the page reads it: columns, strings once, times as differences. See `ProfileData` in `contract.ts`.

use serde::Serialize;
use slowpath_profile::Nanos;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Profile, ThreadSamples, Tier, Timing, WeightUnit};
use std::collections::HashMap;

/// All tables.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileColumns {
    unit: &'static str,
    strings: Vec<String>,
    categories: Vec<&'static str>,
    tiers: Vec<&'static str>,
    functions: FunctionColumns,
    stacks: StackColumns,
    /// One entry a sampled thread.
    pub threads: Vec<ThreadColumns>,
    lines: LineColumns,
    sources: Vec<SourceExcerpt>,
    /// Absent where no deopts phase ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    deopts: Option<DeoptColumns>,
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
    /// Empty where no tier is known.
    tier: Vec<i64>,
}

/// Samples of one thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadColumns {
    recorder: &'static str,
    pid: u32,
    thread: u32,
    name: String,
    has_times: bool,
    /// Its samples.
    pub samples: SampleColumns,
    effective_interval_us: f64,
}

/// Columns of equal length.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SampleColumns {
    start_delta_us: Vec<u64>,
    duration_us: Vec<u64>,
    /// Empty where every row is one sample.
    count: Vec<u32>,
    /// Index of each sample's stack.
    pub stack: Vec<u32>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct LineColumns {
    function: Vec<u32>,
    line: Vec<u32>,
    self_us: Vec<u64>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct DeoptColumns {
    function: Vec<u32>,
    line: Vec<u32>,
    reason: Vec<u32>,
    count: Vec<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct SourceExcerpt {
    file: u32,
    first_line: u32,
    lines: Vec<String>,
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

/// Builds the columns; the page's times count from `origin`.
pub(crate) fn build(profile: &Profile, origin: Nanos) -> ProfileColumns {
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
        tier: tiers(profile),
    };
    let sources = profile
        .excerpts
        .iter()
        .map(|excerpt| SourceExcerpt {
            file: strings.intern(&excerpt.file),
            first_line: excerpt.first_line,
            lines: excerpt.lines.clone(),
        })
        .collect();
    let deopts = deopt_columns(profile, &mut strings);
    let threads = |recorder, threads: &'_ [ThreadSamples]| {
        let columns = |thread| thread_columns(recorder, profile.unit, thread, origin);
        threads.iter().map(columns).collect::<Vec<_>>().into_iter()
    };
    ProfileColumns {
        unit: unit_name(profile.unit),
        functions,
        stacks,
        categories: Category::ALL.iter().map(|category| category.as_str()).collect(),
        tiers: Tier::ALL.iter().map(|tier| tier.as_str()).collect(),
        threads: threads("cpu", &profile.threads).chain(threads("native", &profile.native)).collect(),
        lines: line_columns(profile),
        sources,
        deopts,
        strings: strings.rows,
    }
}

/// Returns the contract's word for a unit of weights; time is told in microseconds.
pub(crate) fn unit_name(unit: WeightUnit) -> &'static str {
    match unit {
        WeightUnit::Nanoseconds => "us",
        WeightUnit::Bytes => "bytes",
        WeightUnit::Samples => "samples",
    }
}

fn tiers(profile: &Profile) -> Vec<i64> {
    if profile.stacks.tier.iter().all(Option::is_none) {
        return Vec::new();
    }
    let index = |tier: &Option<Tier>| tier.map_or(-1, |tier| tier as i64);
    profile.stacks.tier.iter().map(index).collect()
}

fn thread_columns(
    recorder: &'static str,
    unit: WeightUnit,
    thread: &ThreadSamples,
    origin: Nanos,
) -> ThreadColumns {
    // Time is told in microseconds, bytes and counts as they are.
    let scale = if unit == WeightUnit::Nanoseconds { 1000 } else { 1 };
    let us = |t: Nanos| t.since(origin).0 / 1000;
    let mut samples = SampleColumns { count: thread.count.clone(), ..SampleColumns::default() };
    let mut before = 0;
    for ((start, duration), stack) in thread.start.iter().zip(&thread.duration).zip(&thread.stack) {
        let start = us(*start);
        samples.start_delta_us.push(start.saturating_sub(before));
        before = start;
        samples.duration_us.push(duration.0 / scale);
        samples.stack.push(stack.0);
    }
    ThreadColumns {
        recorder,
        pid: thread.pid,
        thread: thread.thread,
        name: thread.display_name(),
        has_times: thread.timing == Timing::Recorded,
        samples,
        effective_interval_us: thread.effective_interval().map_or(0.0, |i| i.0 as f64 / scale as f64),
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
    let mut rows: Vec<_> = profile.native_lines.iter().collect();
    rows.sort_unstable();
    for ((function, line), time) in rows {
        lines.function.push(function.0);
        lines.line.push(*line);
        lines.self_us.push(time / 1000);
    }
    lines
}

/// Why optimised code was thrown away while it ran; where V8 does not tell the line, at the first one of its function.
fn deopt_columns(profile: &Profile, strings: &mut Strings) -> Option<DeoptColumns> {
    let mut columns = DeoptColumns::default();
    for row in &profile.deopts {
        for cause in &row.causes {
            let (function, line) =
                cause.place.unwrap_or((row.function, profile.functions.get(row.function).line));
            columns.function.push(function.0);
            columns.line.push(line);
            columns.reason.push(strings.intern(&cause.reason));
            columns.count.push(cause.n);
        }
    }
    (!columns.function.is_empty()).then_some(columns)
}
