//! The part of a profile that is written: some threads, some interval.

use crate::Nanos;
use crate::classify::Category;
use crate::tables::{Function, Profile, StackId, ThreadSamples, Timing, WeightUnit};
use std::ops::Range;

/// Process and thread, numbered as in [`ThreadSamples`].
pub type ThreadKey = (u32, u32);

/// What to write of a profile; by default everything but native samples.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these threads; all where empty.
    pub threads: Vec<ThreadKey>,
    /// Only samples taken in one of these intervals; the end is not included.
    pub windows: Option<Vec<(Nanos, Nanos)>>,
    /// The native recorder's samples instead of V8's. They tell of the same time, so the two are never added up.
    pub native: bool,
}

/// The selected part.
#[derive(Debug)]
pub struct View<'a> {
    pub(super) profile: &'a Profile,
    pub(super) threads: Vec<ThreadView<'a>>,
    /// Whether nothing was left out, so that what is known of the whole profile holds for it.
    pub(super) is_whole: bool,
}

/// The selected samples of a thread; at least one.
#[derive(Debug)]
pub(super) struct ThreadView<'a> {
    pub(super) samples: &'a ThreadSamples,
    rows: Rows,
}

/// Which rows of a thread.
#[derive(Debug)]
enum Rows {
    /// So many from the first.
    All(usize),
    /// Those of some intervals.
    Of(Vec<Range<usize>>),
}

impl Rows {
    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let (all, some) = match self {
            Self::All(n) => (Some(0..*n), &[][..]),
            Self::Of(ranges) => (None, &ranges[..]),
        };
        all.into_iter().chain(some.iter().cloned())
    }
}

/// One row of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) start: Nanos,
    /// In the unit of the profile.
    pub(super) weight: u64,
    pub(super) count: u32,
    pub(super) stack: StackId,
}

/// A stretch of a thread's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: Nanos,
    pub(super) weight: u64,
    /// `None` where no sample covers it.
    pub(super) stack: Option<StackId>,
}

impl<'a> View<'a> {
    /// Selects from `profile`.
    pub fn new(profile: &'a Profile, selection: &Selection) -> Self {
        let all: Vec<&ThreadSamples> = match (selection.native, &selection.windows) {
            (true, _) => profile.native.iter().collect(),
            (false, None) => profile.threads.iter().collect(),
            // Samples of the async phase are apart, for they are dearer; where intervals are chosen they count like others.
            (false, Some(_)) => profile.threads.iter().chain(&profile.async_threads).collect(),
        };
        let is_wanted = |thread: &&&ThreadSamples| {
            selection.threads.is_empty() || selection.threads.contains(&(thread.pid, thread.thread))
        };
        let view = |samples: &'a ThreadSamples| ThreadView { samples, rows: rows(samples, selection) };
        let threads: Vec<_> = all.iter().filter(is_wanted).map(|samples| view(samples)).collect();
        let threads: Vec<_> = threads.into_iter().filter(|thread| thread.rows().next().is_some()).collect();
        let is_whole = !selection.native && selection.windows.is_none() && threads.len() == all.len();
        Self { profile, threads, is_whole }
    }

    /// Whether no sample is left.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Returns the threads, the one with the most busy time first.
    pub fn busiest_first(&self) -> Vec<(ThreadKey, String)> {
        let busy = |thread: &ThreadView<'_>| {
            let is_idle = |row: &Row| {
                let leaf = self.profile.stacks.function[row.stack.0 as usize];
                self.profile.functions.get(leaf).category == Category::Idle
            };
            thread.rows().filter(|row| !is_idle(row)).map(|row| u128::from(row.weight)).sum::<u128>()
        };
        let mut threads: Vec<_> = self.threads.iter().map(|thread| (busy(thread), thread)).collect();
        threads.sort_by_key(|(busy, _)| std::cmp::Reverse(*busy));
        threads
            .into_iter()
            .map(|(_, thread)| ((thread.samples.pid, thread.samples.thread), thread.label()))
            .collect()
    }

    /// Returns the unit in words.
    pub(super) fn unit_name(&self) -> &'static str {
        match self.profile.unit {
            WeightUnit::Nanoseconds => "time",
            WeightUnit::Bytes => "bytes",
            WeightUnit::Samples => "bare samples",
        }
    }

    /// Returns the functions of a stack, outermost first.
    pub(super) fn frames(&self, stack: StackId) -> Vec<StackId> {
        let parents = &self.profile.stacks.parent;
        let mut frames: Vec<_> = std::iter::successors(Some(stack), |at| parents[at.0 as usize]).collect();
        frames.reverse();
        frames
    }
}

impl ThreadView<'_> {
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let samples = self.samples;
        self.rows.ranges().flatten().map(move |row| Row {
            start: samples.start[row],
            weight: samples.duration[row].0,
            count: samples.count.get(row).copied().unwrap_or(1),
            stack: samples.stack[row],
        })
    }

    /// Returns the name for people, with the process where one is known.
    pub(super) fn label(&self) -> String {
        let name = self.samples.display_name();
        if self.samples.pid == 0 { name } else { format!("{name} ({})", self.samples.pid) }
    }

    /// Lays the rows out one after the other, with the gaps between them. A row that begins before the one before it has
    /// ended begins at that end, so that every weight stays what it is.
    pub(super) fn timeline(&self) -> impl Iterator<Item = Stretch> + '_ {
        let mut now = None;
        self.rows().flat_map(move |row| {
            let from = now.unwrap_or(row.start);
            let gap = row.start.since(from).0;
            let start = from.max(row.start);
            now = Some(start + Nanos(row.weight));
            let gap = (gap > 0).then_some(Stretch { start: from, weight: gap, stack: None });
            gap.into_iter().chain([Stretch { start, weight: row.weight, stack: Some(row.stack) }])
        })
    }
}

fn rows(samples: &ThreadSamples, selection: &Selection) -> Rows {
    match &selection.windows {
        None => Rows::All(samples.stack.len()),
        Some(windows) if samples.timing == Timing::Recorded => {
            let at = |t: &Nanos| samples.start.partition_point(|start| start < t);
            Rows::Of(windows.iter().map(|(from, to)| at(from)..at(to)).collect())
        }
        // Of sums nobody knows when they were.
        Some(_) => Rows::All(0),
    }
}

/// Module under which formats without categories tell the kernel's functions from others.
pub(super) const KERNEL_MODULE: &str = "[kernel.kallsyms]";

/// Returns the file of a function, or for the kernel's own a module that tells them.
pub(super) fn file_or_module(function: &Function) -> &str {
    if function.file.is_empty() && function.category == Category::Kernel {
        KERNEL_MODULE
    } else {
        &function.file
    }
}
