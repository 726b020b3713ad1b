//! Writes pprof's `profile.proto`, packed: <https://github.com/google/pprof/blob/main/proto/profile.proto>.
//!
//! Samples are summed by thread and stack; a sample has the number of samples and, where that is known, time or bytes.
//! Threads are labels: `pid`, `thread`, `thread name`. The kernel's functions lie in a mapping of their own.
//!
//! Lost: when samples were taken, columns (functions that differ in nothing else become one), tiers, lines.

use super::ExportError;
use super::protobuf::Message;
use super::view::{ThreadView, View};
use crate::classify::Category;
use crate::tables::{FunctionId, Timing, WeightUnit};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io::Write;

/// The one mapping: the kernel's.
const KERNEL_MAPPING: u64 = 1;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut strings = Strings::default();
    let mut profile = Message::default();
    let kind = match view.profile.unit {
        WeightUnit::Nanoseconds => Some(("cpu", "nanoseconds")),
        WeightUnit::Bytes => Some(("space", "bytes")),
        WeightUnit::Samples => None,
    };
    let value_type = |strings: &mut Strings, (kind, unit): (&str, &str)| {
        let mut message = Message::default();
        message.number(1, strings.index(kind)).number(2, strings.index(unit));
        message
    };
    for kind in [Some(("samples", "count")), kind].into_iter().flatten() {
        let kind = value_type(&mut strings, kind);
        profile.message(1, &kind);
    }
    if let (Some(kind), WeightUnit::Nanoseconds) = (kind, view.profile.unit) {
        let interval = view.threads.iter().filter_map(|thread| thread.samples.effective_interval()).max();
        let kind = value_type(&mut strings, kind);
        profile.message(11, &kind).number(12, interval.map_or(0, |interval| interval.0));
        profile.number(10, duration(view));
    }
    let mut functions = Functions::default();
    for thread in &view.threads {
        let labels = labels(thread, &mut strings);
        let mut sums: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for row in thread.rows() {
            let sum = sums.entry(row.stack).or_default();
            *sum = (sum.0 + u64::from(row.count), sum.1.saturating_add(row.weight));
        }
        for (stack, (count, weight)) in sums {
            let functions = view.profile.stacks.frames(stack).map(|function| functions.id(function));
            let locations: Vec<u64> = functions.collect();
            let mut sample = Message::default();
            sample.numbers(1, &locations);
            match kind {
                Some(_) => sample.numbers(2, &[count, weight]),
                None => sample.numbers(2, &[weight]),
            };
            for label in &labels {
                sample.message(3, label);
            }
            profile.message(2, &sample);
        }
    }
    functions.write(view, &mut strings, &mut profile);
    for text in &strings.texts {
        profile.text(6, text.as_bytes());
    }
    let mut packer = GzEncoder::new(out, Compression::default());
    packer.write_all(&profile.bytes)?;
    packer.finish()?;
    Ok(())
}

/// Returns how long the longest thread was sampled.
fn duration(view: &View<'_>) -> u64 {
    let recorded = view.threads.iter().filter(|thread| thread.samples.timing == Timing::Recorded);
    let span = |thread: &ThreadView<'_>| {
        let start = thread.rows().next().map_or(0, |row| row.start.0);
        thread.rows().last().map_or(0, |row| (row.start.0 + row.weight).saturating_sub(start))
    };
    recorded.map(span).max().unwrap_or(0)
}

fn labels(thread: &ThreadView<'_>, strings: &mut Strings) -> Vec<Message> {
    let mut labels = Vec::new();
    let mut label = |key: &str, text: &str, number: u32| {
        let mut message = Message::default();
        message.number(1, strings.index(key)).number(2, strings.index(text)).number(3, u64::from(number));
        labels.push(message);
    };
    if thread.samples.pid > 0 {
        label("pid", "", thread.samples.pid);
    }
    if thread.samples.thread > 0 {
        label("thread", "", thread.samples.thread);
    }
    label("thread name", &thread.samples.display_name(), 0);
    labels
}

/// Texts by index; the empty one is the first, as the format asks.
struct Strings {
    texts: Vec<String>,
    index_of: FxHashMap<String, u64>,
}

impl Default for Strings {
    fn default() -> Self {
        let index_of = std::iter::once((String::new(), 0)).collect();
        Self { texts: vec![String::new()], index_of }
    }
}

impl Strings {
    fn index(&mut self, text: &str) -> u64 {
        if let Some(index) = self.index_of.get(text) {
            return *index;
        }
        let index = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.index_of.insert(text.to_owned(), index);
        index
    }
}

/// Functions in the order in which they are first named, from 1; each has one location of the same id.
#[derive(Default)]
struct Functions {
    all: Vec<FunctionId>,
    id_of: FxHashMap<FunctionId, u64>,
}

impl Functions {
    fn id(&mut self, function: FunctionId) -> u64 {
        let next = self.all.len() as u64 + 1;
        let id = *self.id_of.entry(function).or_insert(next);
        if id == next {
            self.all.push(function);
        }
        id
    }

    fn write(&self, view: &View<'_>, strings: &mut Strings, profile: &mut Message) {
        let is_kernel = |function: FunctionId| {
            let function = view.profile.functions.get(function);
            function.category == Category::Kernel && function.file.is_empty()
        };
        if self.all.iter().any(|function| is_kernel(*function)) {
            let mut mapping = Message::default();
            mapping
                .number(1, KERNEL_MAPPING)
                .number(5, strings.index(super::view::KERNEL_MODULE))
                .number(7, 1);
            profile.message(3, &mapping);
        }
        for (index, id) in self.all.iter().enumerate() {
            let number = index as u64 + 1;
            let function = view.profile.functions.get(*id);
            let (name, file) = (strings.index(&function.name), strings.index(&function.file));
            let start_line = u64::from(function.line);
            let (mut line, mut location, mut written) =
                (Message::default(), Message::default(), Message::default());
            line.number(1, number).number(2, start_line);
            let mapping = if is_kernel(*id) { KERNEL_MAPPING } else { 0 };
            location.number(1, number).number(2, mapping).message(4, &line);
            written.number(1, number).number(2, name).number(3, name).number(4, file).number(5, start_line);
            profile.message(4, &location).message(5, &written);
        }
    }
}
