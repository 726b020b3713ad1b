//! Reads the JSON of the Firefox Profiler: the processed form (what profiler.firefox.com and samply save) and the raw one of
//! Gecko.
//!
//! Pitfalls: tables are columns in the processed form and rows with a `schema` in the raw one; tables may be per thread, or
//! shared by all in newer files; strings are in `stringArray`, `stringTable` or `shared.stringArray`; process and thread ids
//! are numbers or texts; times are milliseconds, absolute or as deltas; a weight counts samples, each of which stands for
//! one `meta.interval`; in the raw form a frame is one text, `name (file:line:column)`; a prefix should come before
//! what it is the prefix of, but that is checked, not believed.

use super::cpuprofile::order_callers_first;
use super::firefox_tables::{NONE, StringList, Table, Thread};
use super::json::Json;
use super::{BadInput, Content};
use crate::Nanos;
use crate::classify::AppScope;
use crate::symbol::{at_place, function_of_symbol, is_source_file};
use crate::tables::{FunctionId, Profile, StackId, Tier, WeightUnit};
use std::borrow::Cow;

/// Adds the samples of a Firefox profile to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let mut file = File { interval_ms: 1.0, ..File::default() };
    let mut first_start = None;
    // A raw profile holds those of other processes, each a profile again, with times since its own start.
    let mut profiles_at = vec![Json::new(bytes)];
    while let Some(mut json) = profiles_at.pop() {
        let n_before = file.threads.len();
        let mut process_start = None;
        json.each_key(|json, key| match key {
            b"meta" => json.each_key(|json, key| match key {
                b"interval" => json.number().map(|interval| file.interval_ms = interval),
                b"startTime" => json.number().map(|start| process_start = Some(start)),
                _ => json.skip().map(|_| ()),
            }),
            b"shared" => file.shared.read(json),
            b"threads" => json.each_element(|json| {
                let mut thread = Thread::default();
                thread.read(json)?;
                file.threads.push(thread);
                Ok(())
            }),
            b"processes" => json.each_element(|json| {
                json.peek();
                profiles_at.push(json.clone());
                json.skip().map(|_| ())
            }),
            _ => json.skip().map(|_| ()),
        })?;
        let later = process_start.zip(*first_start.get_or_insert(process_start));
        let later_ms = later.map_or(0.0, |(start, first)| start - first);
        file.threads[n_before..].iter_mut().for_each(|thread| thread.later_ms = later_ms);
    }
    file.import(profile)
}

#[derive(Default)]
struct File<'a> {
    interval_ms: f64,
    shared: Thread<'a>,
    threads: Vec<Thread<'a>>,
}

impl File<'_> {
    fn import(&self, profile: &mut Profile) -> Result<Content, BadInput> {
        let unit = |thread: &Thread<'_>| match thread.weight_type {
            b"bytes" => WeightUnit::Bytes,
            _ => WeightUnit::Nanoseconds,
        };
        let with_samples = |thread: &&Thread<'_>| thread.samples.n_rows() > 0;
        let first = self.threads.iter().find(with_samples).map_or(WeightUnit::default(), unit);
        let mut content = Content::new(first);
        let mut of_all = None;
        for thread in self.threads.iter().filter(|thread| unit(thread) == first) {
            let tables = Tables { thread, shared: &self.shared };
            if tables.are_all_shared() {
                if of_all.is_none() {
                    of_all = Some(tables.stacks(profile)?);
                }
                Self::add_thread(
                    thread,
                    of_all.as_deref().unwrap_or_default(),
                    self.interval_ms,
                    &mut content,
                )?;
            } else {
                Self::add_thread(thread, &tables.stacks(profile)?, self.interval_ms, &mut content)?;
            }
        }
        if let Some(other) = self.threads.iter().filter(with_samples).find(|thread| unit(thread) != first) {
            let note = format!(
                "thread `{}` and others like it were left out: they count something else",
                other.name
            );
            content.notes.push(note);
        }
        Ok(content)
    }

    fn add_thread(
        thread: &Thread<'_>,
        stacks: &[Option<StackId>],
        interval_ms: f64,
        content: &mut Content,
    ) -> Result<(), BadInput> {
        let index = content.thread(thread.pid, thread.tid);
        let into = &mut content.threads[index];
        into.name = thread.name.clone().into_owned();
        let samples = &thread.samples;
        let mut now_ms = 0.0;
        for row in 0..samples.n_rows() {
            now_ms = match (samples.number(b"time", row), samples.number(b"timeDeltas", row)) {
                (Some(time), _) => time,
                (None, Some(delta)) => now_ms + delta,
                (None, None) => now_ms + interval_ms,
            };
            let stack = samples.index(b"stack", row);
            if stack == NONE {
                continue;
            }
            let stack = *stacks.get(stack as usize).ok_or_else(|| {
                BadInput::at(
                    samples.offset,
                    format!("sample {row} has stack {stack}, of {} that there are", stacks.len()),
                )
            })?;
            let weight = samples.number(b"weight", row).unwrap_or(1.0).max(0.0);
            let weight = match thread.weight_type {
                b"bytes" => weight,
                b"tracing-ms" => weight * 1e6,
                _ => weight * interval_ms * 1e6,
            };
            if let Some(stack) = stack {
                into.push(
                    Nanos(((now_ms + thread.later_ms).max(0.0) * 1e6).round() as u64),
                    Nanos(weight.round() as u64),
                    stack,
                );
            }
        }
        Ok(())
    }
}

/// The tables that a thread's samples refer to: its own, or those of all threads.
struct Tables<'t, 'a> {
    thread: &'t Thread<'a>,
    shared: &'t Thread<'a>,
}

type Frame = (FunctionId, Option<Tier>);

impl<'t, 'a> Tables<'t, 'a> {
    /// Whether the thread has no table of its own, so that its stacks are those of the other threads.
    fn are_all_shared(&self) -> bool {
        let Thread { stack_table, frame_table, func_table, resource_table, strings, .. } = self.thread;
        let tables = [stack_table, frame_table, func_table, resource_table];
        strings.is_empty() && tables.iter().all(|table| table.n_rows() == 0)
    }

    fn table(&self, of: impl Fn(&'t Thread<'a>) -> &'t Table<'a>) -> &'t Table<'a> {
        let own = of(self.thread);
        if own.n_rows() > 0 { own } else { of(self.shared) }
    }

    fn strings(&self) -> &'t StringList<'a> {
        if self.thread.strings.is_empty() { &self.shared.strings } else { &self.thread.strings }
    }

    fn text(&self, index: u32) -> Cow<'a, str> {
        self.strings().get(index)
    }

    /// Returns the stack of each row of the stack table.
    fn stacks(&self, profile: &mut Profile) -> Result<Vec<Option<StackId>>, BadInput> {
        let table = self.table(|thread| &thread.stack_table);
        let n_frames = self.table(|thread| &thread.frame_table).n_rows();
        let bad = |row: usize, problem: String| BadInput::at(table.offset, format!("stack {row} {problem}"));
        let prefixes: Vec<u32> = (0..table.n_rows()).map(|row| table.index(b"prefix", row)).collect();
        if let Some(row) =
            prefixes.iter().position(|prefix| *prefix != NONE && *prefix as usize >= prefixes.len())
        {
            return Err(bad(row, format!("has prefix {}, which does not exist", prefixes[row])));
        }
        let order = order_callers_first(&prefixes)
            .map_err(|row| bad(row as usize, "is its own prefix, round about".into()))?;
        let mut frames: Vec<Option<Frame>> = vec![None; n_frames];
        let mut stacks = vec![None; prefixes.len()];
        for row in order {
            let row = row as usize;
            let frame = table.index(b"frame", row);
            if frame as usize >= n_frames {
                return Err(bad(row, format!("has frame {frame}, of {n_frames} that there are")));
            }
            let (function, tier) = match frames[frame as usize] {
                Some(known) => known,
                None => *frames[frame as usize].insert(self.frame(frame as usize, profile)),
            };
            let parent = Some(prefixes[row]).filter(|prefix| *prefix != NONE);
            let parent = parent.and_then(|parent| stacks[parent as usize]);
            stacks[row] = Some(profile.stacks.intern_at(parent, function, tier));
        }
        Ok(stacks)
    }

    fn frame(&self, row: usize, profile: &mut Profile) -> Frame {
        let scope = AppScope::default();
        let frames = self.table(|thread| &thread.frame_table);
        let functions = self.table(|thread| &thread.func_table);
        let function = frames.index(b"func", row);
        let (function, tier) = if function == NONE {
            // The raw form has name and place in one text.
            function_of_symbol(&scope, &self.text(frames.index(b"location", row)), "")
        } else {
            let function = function as usize;
            let name = self.text(functions.index(b"name", function));
            let known =
                |column: &[u8]| Some(functions.index(column, function)).filter(|number| *number != NONE);
            let source =
                known(b"source").map(|source| self.shared.sources.index(b"filename", source as usize));
            let file = source.or_else(|| known(b"fileName")).map(|file| self.text(file)).unwrap_or_default();
            let line = known(b"lineNumber").unwrap_or(0);
            if is_source_file(&file) {
                (at_place(&scope, &name, &file, line, known(b"columnNumber").unwrap_or(0)), None)
            } else {
                function_of_symbol(&scope, &name, &self.library(functions.index(b"resource", function)))
            }
        };
        (profile.functions.intern(function), tier)
    }

    /// Returns the name of the library that a resource is.
    fn library(&self, resource: u32) -> Cow<'a, str> {
        let resources = self.table(|thread| &thread.resource_table);
        if resource == NONE {
            Cow::Borrowed("")
        } else {
            self.text(resources.index(b"name", resource as usize))
        }
    }
}
