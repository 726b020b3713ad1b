//! Reads pprof's `profile.proto` (<https://github.com/google/pprof/blob/main/proto/profile.proto>), packed or not, with a small
//! reader of the wire format.
//!
//! Pitfalls: samples may come before the strings, functions and locations that they refer to, so the file is walked
//! twice; a sample has one value for each sample type, of which the default one is read, else the last, as pprof does;
//! locations are innermost first, and so are the lines of a location, which are functions inlined into each other; ids may
//! be any numbers; strings are not always UTF-8; values of differences are negative; samples have no moments; threads are
//! labels, if they are told at all, and the names of those labels are a custom, not part of the format.

use super::protobuf::{Fields, Value};
use super::{BadInput, Content};
use crate::classify::AppScope;
use crate::symbol::{at_place, function_of_symbol, is_source_file};
use crate::tables::{FunctionId, Profile, StackId, Tier, WeightUnit};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// A location takes a byte of a sample at least, and stands for a handful of inlined functions at most; a file that
/// says more is made to fill memory.
const FRAMES_PER_BYTE: usize = 8;

/// Adds a pprof file to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let tables = Tables::read(bytes)?;
    let choice = tables.choose();
    let frames = tables.frames(profile);
    let mut content = Content::new(choice.unit);
    if !choice.others.is_empty() {
        content.notes.push(format!("shown is {}; it also holds {}", choice.name, choice.others.join(", ")));
    }
    let n_frames_left = bytes.len().saturating_mul(FRAMES_PER_BYTE);
    let mut samples =
        Samples { tables: &tables, frames, choice, path: Vec::new(), n_negative: 0, n_frames_left };
    let (mut locations, mut values) = (Vec::new(), Vec::new());
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        if number != 2 {
            continue;
        }
        locations.clear();
        values.clear();
        let mut label = ThreadLabel::default();
        let mut sample = value.fields();
        while let Some((number, value)) = sample.next()? {
            match number {
                1 => value.numbers(&mut locations)?,
                2 => value.numbers(&mut values)?,
                3 => label.read(value, &tables)?,
                _ => {}
            }
        }
        let Value::Bytes(_, offset) = value else { continue };
        if let Some((weight, count, stack)) = samples.read(profile, &locations, &values, offset)? {
            let index = content.thread(label.pid, label.thread);
            let thread = &mut content.threads[index];
            if thread.name.is_empty() {
                thread.name = tables.text(label.name).into_owned();
            }
            thread.push_sum(weight, count, stack);
        }
    }
    if samples.n_negative > 0 {
        let n = samples.n_negative;
        content.notes.push(format!(
            "{n} samples with negative values were left out: it is a difference of two profiles"
        ));
    }
    Ok(content)
}

/// The thread of a sample, as the labels that are in use tell it.
#[derive(Default)]
struct ThreadLabel {
    pid: u32,
    thread: u32,
    name: u64,
}

impl ThreadLabel {
    fn read(&mut self, label: Value<'_>, tables: &Tables<'_>) -> Result<(), BadInput> {
        let (mut key, mut text, mut number) = (0, 0, 0);
        each(label, |field, value| match field {
            1 => key = value.number(),
            2 => text = value.number(),
            3 => number = value.number(),
            _ => {}
        })?;
        let id = || {
            let of_text = || tables.text(text).parse().unwrap_or(0);
            if number > 0 { u32::try_from(number).unwrap_or(0) } else { of_text() }
        };
        match tables.text(key).as_ref() {
            "pid" => self.pid = id(),
            "thread" | "thread id" | "thread_id" | "tid" => self.thread = id(),
            "thread name" | "thread_name" => self.name = text,
            _ => {}
        }
        Ok(())
    }
}

/// Everything but the samples. Texts are indexes into `strings`.
#[derive(Default)]
struct Tables<'a> {
    strings: Vec<&'a [u8]>,
    /// Type and unit.
    sample_types: Vec<(u64, u64)>,
    default_type: u64,
    functions: FxHashMap<u64, Function>,
    /// Path by id.
    mappings: FxHashMap<u64, u64>,
    locations: Vec<Location>,
    location_of_id: FxHashMap<u64, u32>,
    /// Function id and line, of all locations.
    lines: Vec<(u64, u32)>,
}

#[derive(Default)]
struct Function {
    name: u64,
    system_name: u64,
    file: u64,
    start_line: u64,
}

#[derive(Default)]
struct Location {
    mapping: u64,
    address: u64,
    /// Its part of `lines`.
    lines: std::ops::Range<usize>,
}

impl<'a> Tables<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, BadInput> {
        let mut tables = Self::default();
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, _) => {
                    let mut kind = (0, 0);
                    each(value, |number, value| match number {
                        1 => kind.0 = value.number(),
                        2 => kind.1 = value.number(),
                        _ => {}
                    })?;
                    tables.sample_types.push(kind);
                }
                (3, _) => {
                    let (mut id, mut file) = (0, 0);
                    each(value, |number, value| match number {
                        1 => id = value.number(),
                        5 => file = value.number(),
                        _ => {}
                    })?;
                    tables.mappings.insert(id, file);
                }
                (4, _) => tables.add_location(value)?,
                (5, _) => {
                    let (mut id, mut function) = (0, Function::default());
                    each(value, |number, value| match number {
                        1 => id = value.number(),
                        2 => function.name = value.number(),
                        3 => function.system_name = value.number(),
                        4 => function.file = value.number(),
                        5 => function.start_line = value.number(),
                        _ => {}
                    })?;
                    tables.functions.insert(id, function);
                }
                (6, Value::Bytes(text, _)) => tables.strings.push(text),
                (14, _) => tables.default_type = value.number(),
                _ => {}
            }
        }
        Ok(tables)
    }

    fn add_location(&mut self, value: Value<'a>) -> Result<(), BadInput> {
        let (mut id, mut location) = (0, Location::default());
        let start = self.lines.len();
        let mut fields = value.fields();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => id = value.number(),
                2 => location.mapping = value.number(),
                3 => location.address = value.number(),
                4 => {
                    let (mut function, mut line) = (0, 0);
                    each(value, |number, value| match number {
                        1 => function = value.number(),
                        2 => line = u32::try_from(value.number()).unwrap_or(0),
                        _ => {}
                    })?;
                    self.lines.push((function, line));
                }
                _ => {}
            }
        }
        location.lines = start..self.lines.len();
        self.location_of_id.insert(id, self.locations.len() as u32);
        self.locations.push(location);
        Ok(())
    }

    fn text(&self, index: u64) -> Cow<'a, str> {
        let text = usize::try_from(index).ok().and_then(|index| self.strings.get(index));
        String::from_utf8_lossy(text.copied().unwrap_or_default())
    }

    fn choose(&self) -> Choice {
        let types: Vec<_> =
            self.sample_types.iter().map(|(kind, unit)| (self.text(*kind), self.text(*unit))).collect();
        let default = self.text(self.default_type);
        let by_default = types.iter().position(|(kind, _)| !default.is_empty() && *kind == default);
        let value = by_default.unwrap_or(types.len().saturating_sub(1));
        let count = types.iter().position(|(_, unit)| unit == "count");
        let (unit, scale) =
            types.get(value).map_or((WeightUnit::Samples, 1), |(_, unit)| match unit.as_ref() {
                "nanoseconds" | "ns" => (WeightUnit::Nanoseconds, 1),
                "microseconds" | "us" => (WeightUnit::Nanoseconds, 1_000),
                "milliseconds" | "ms" => (WeightUnit::Nanoseconds, 1_000_000),
                "seconds" | "s" => (WeightUnit::Nanoseconds, crate::SECOND),
                "bytes" => (WeightUnit::Bytes, 1),
                "kilobytes" => (WeightUnit::Bytes, 1 << 10),
                "megabytes" => (WeightUnit::Bytes, 1 << 20),
                _ => (WeightUnit::Samples, 1),
            });
        let name = types.get(value).map(|(kind, _)| kind.to_string()).unwrap_or_default();
        let others = types.iter().enumerate().filter(|(index, _)| *index != value && Some(*index) != count);
        let others = others.map(|(_, (kind, _))| kind.to_string()).collect();
        Choice { value, count, unit, scale, name, others }
    }

    /// Returns for each location the functions there, outermost first, with the line in each.
    fn frames(&self, profile: &mut Profile) -> Frames {
        let scope = AppScope::default();
        let mut by_function: FxHashMap<(u64, u64), Frame> = FxHashMap::default();
        let mut frames = Frames::default();
        for location in &self.locations {
            let module = self.mappings.get(&location.mapping).copied().unwrap_or(0);
            for (id, line) in self.lines[location.lines.clone()].iter().rev() {
                let frame = by_function.entry((*id, module)).or_insert_with(|| {
                    let function = self.functions.get(id);
                    let name = function.map(|function| self.text(function.name)).unwrap_or_default();
                    let system_name = || function.map(|function| self.text(function.system_name));
                    let name = if name.is_empty() { system_name().unwrap_or_default() } else { name };
                    let file = function.map(|function| self.text(function.file)).unwrap_or_default();
                    let start =
                        function.map_or(0, |function| u32::try_from(function.start_line).unwrap_or(0));
                    let (function, tier) = if is_source_file(&file) || start > 0 && !file.is_empty() {
                        (at_place(&scope, &name, &file, start, 0), None)
                    } else {
                        let module = self.text(module);
                        function_of_symbol(&scope, &name, if file.is_empty() { &module } else { &file })
                    };
                    (profile.functions.intern(function), tier)
                });
                frames.rows.push((*frame, *line));
            }
            if location.lines.is_empty() {
                let name = format!("0x{:x}", location.address);
                let (function, tier) = function_of_symbol(&scope, &name, &self.text(module));
                frames.rows.push(((profile.functions.intern(function), tier), 0));
            }
            frames.ends.push(frames.rows.len());
        }
        frames
    }
}

/// Calls `with` for each field of a message.
fn each<'a>(value: Value<'a>, mut with: impl FnMut(u64, Value<'a>)) -> Result<(), BadInput> {
    let mut fields = value.fields();
    while let Some((number, value)) = fields.next()? {
        with(number, value);
    }
    Ok(())
}

type Frame = (FunctionId, Option<Tier>);

/// Functions of all locations.
#[derive(Default)]
struct Frames {
    rows: Vec<(Frame, u32)>,
    /// Where each location's end.
    ends: Vec<usize>,
}

/// Which of the values of a sample are read.
struct Choice {
    value: usize,
    count: Option<usize>,
    unit: WeightUnit,
    scale: u64,
    name: String,
    others: Vec<String>,
}

struct Samples<'t, 'a> {
    tables: &'t Tables<'a>,
    frames: Frames,
    choice: Choice,
    /// The sample before, outermost first: location and the stack that ends in it.
    path: Vec<(u32, StackId)>,
    n_negative: u64,
    /// Frames that samples may still unfold to.
    n_frames_left: usize,
}

impl Samples<'_, '_> {
    /// Returns weight, number of samples and stack; `None` where there is nothing to count.
    fn read(
        &mut self,
        profile: &mut Profile,
        locations: &[u64],
        values: &[u64],
        offset: usize,
    ) -> Result<Option<(u64, u32, StackId)>, BadInput> {
        let mut depth = 0;
        for id in locations.iter().rev() {
            let location = self.tables.location_of_id.get(id).copied();
            let location = location.ok_or_else(|| {
                BadInput::at(offset, format!("a sample at location {id}, which does not exist"))
            })?;
            if self.path.get(depth).is_none_or(|(known, _)| *known != location) {
                self.path.truncate(depth);
                let mut stack = self.path.last().map(|(_, stack)| *stack);
                let start = if location == 0 { 0 } else { self.frames.ends[location as usize - 1] };
                let n_frames = self.frames.ends[location as usize] - start;
                self.n_frames_left = self.n_frames_left.checked_sub(n_frames).ok_or_else(|| {
                    BadInput::at(
                        offset,
                        "samples that unfold to more frames than a file of this size describes",
                    )
                })?;
                for ((function, tier), _) in &self.frames.rows[start..self.frames.ends[location as usize]] {
                    stack = Some(profile.stacks.intern_at(stack, *function, *tier));
                }
                let Some(stack) = stack else { continue };
                self.path.push((location, stack));
            }
            depth += 1;
        }
        self.path.truncate(depth);
        let value = values.get(self.choice.value).copied().unwrap_or(0) as i64;
        self.n_negative += u64::from(value < 0);
        let (Some((leaf, stack)), true) = (self.path.last(), value > 0) else { return Ok(None) };
        let count = self.choice.count.and_then(|index| values.get(index)).copied().unwrap_or(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let ((function, _), line) = self.frames.rows[self.frames.ends[*leaf as usize] - 1];
        // Writers that know no line of the sample give that of the function.
        if line > 0 && line != profile.functions.get(function).line {
            *profile.line_ticks.entry((function, line)).or_default() += u64::from(count);
        }
        Ok(Some(((value as u64).saturating_mul(self.choice.scale), count, *stack)))
    }
}
