//! Reads `perf.data`, what `perf record` writes, without perf: records, mappings, call chains, one walk in order of time.
//!
//! Pitfalls: each CPU has its own buffer, so records are not in order of time and are sorted first; mappings and
//! names of threads change while it was recorded, so they are applied as of each sample; where a file has several
//! events, records name theirs by id, and only the first event is read, as FlameGraph does; the period is nanoseconds for
//! the clock events only; call chains hold markers among the addresses; a caller's address is that of the
//! instruction after the call, so one byte less is looked up; stacks of `--call-graph dwarf` are copies of memory, which
//! only perf itself unwinds; `perf record -z` needs zstd, which is not read; symbols are not in the file but in the
//! binaries, `/proc/kallsyms` and `/tmp/perf-PID.map` of the machine (see `perf_names.rs`). Sizes in the file are
//! believed only as far as the file goes.

use super::perf_names::{CodePlace, name_places};
use super::perf_records::{Attr, PerfFile, Record, Sample};
use super::{BadInput, Content};
use crate::Nanos;
use crate::tables::{Profile, StackId, Timing, WeightUnit};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// From here on up, an address in a call chain is a marker that says whose addresses follow.
const FIRST_MARKER: u64 = u64::MAX - 4095;
const KERNEL_MARKER: u64 = (-128_i64) as u64;
const USER_MARKER: u64 = (-512_i64) as u64;

/// Addresses from here on are the kernel's.
const KERNEL_START: u64 = 1 << 63;

/// Adds a `perf.data` file to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let file = PerfFile::parse(bytes)?;
    let event = &file.attrs[0];
    let is_time = event.is_clock() && event.tells_period();
    let unit = if is_time { WeightUnit::Nanoseconds } else { WeightUnit::Samples };
    let mut reader = Reader { content: Content::new(unit), is_time, ..Reader::default() };
    for place in file.in_order_of_time()? {
        match file.record(place)? {
            Some(Record::Sample(sample)) => reader.add_sample(event, &sample),
            Some(Record::Map { pid, start, length, offset, path, is_kernel }) => {
                reader.add_map(
                    pid,
                    Map { start, end: start.saturating_add(length), offset },
                    path,
                    is_kernel,
                );
            }
            Some(Record::Comm { pid, tid, name }) => {
                reader.comms.insert((pid, tid), String::from_utf8_lossy(name).into_owned());
            }
            Some(Record::Fork { pid, parent }) => reader.fork(pid, parent),
            Some(Record::Lost(n)) => reader.n_lost = reader.n_lost.saturating_add(n),
            Some(Record::OtherEvent) => reader.n_other_events += 1,
            None => {}
        }
    }
    reader.finish(&file, profile)
}

/// A mapping of a process; the path is the key's.
#[derive(Debug, Clone, Copy)]
struct Map {
    start: u64,
    end: u64,
    /// Offset in the file at which it begins.
    offset: u64,
}

/// What is known so far.
#[derive(Default)]
struct Reader {
    content: Content,
    is_time: bool,
    /// By process: mappings by their start, with the index of their path.
    maps: FxHashMap<u32, BTreeMap<u64, (Map, u32)>>,
    paths: Vec<String>,
    index_of_path: FxHashMap<Box<[u8]>, u32>,
    comms: FxHashMap<(u32, u32), String>,
    places: Vec<CodePlace>,
    place_index: FxHashMap<CodePlace, u32>,
    /// Stacks of places as a prefix tree: parent, place.
    nodes: Vec<(Option<u32>, u32)>,
    node_index: FxHashMap<(Option<u32>, u32), u32>,
    /// The sample before as `(place, node)`, outermost first: most call chains begin as their predecessor.
    path: Vec<(u32, u32)>,
    /// By process and address, as long as no mapping changes.
    known_places: FxHashMap<(u32, u64), u32>,
    /// By thread: the node of each sample.
    samples: Vec<Vec<u32>>,
    /// Address of the kernel's first symbol while it was recorded.
    kernel_base: Option<u64>,
    n_other_events: u64,
    n_idle: u64,
    n_lost: u64,
    n_memory_stacks: u64,
}

impl Reader {
    fn add_map(&mut self, pid: u32, map: Map, path: &[u8], is_kernel: bool) {
        if is_kernel {
            if path.starts_with(b"[kernel.kallsyms]") && self.kernel_base.is_none() {
                self.kernel_base = Some(map.offset);
            }
            return;
        }
        let path = self.path_index(path);
        self.known_places.clear();
        let maps = self.maps.entry(pid).or_default();
        // What was there before is gone where the new one lies.
        let covered: Vec<u64> = maps.range(map.start..map.end).map(|(start, _)| *start).collect();
        for start in covered {
            if let Some((old, old_path)) = maps.remove(&start)
                && old.end > map.end
            {
                let rest = Map {
                    start: map.end,
                    end: old.end,
                    offset: old.offset.wrapping_add(map.end - old.start),
                };
                maps.insert(map.end, (rest, old_path));
            }
        }
        if let Some((_, (before, _))) = maps.range_mut(..map.start).next_back()
            && before.end > map.start
        {
            before.end = map.start;
        }
        maps.insert(map.start, (map, path));
    }

    fn path_index(&mut self, path: &[u8]) -> u32 {
        if let Some(index) = self.index_of_path.get(path) {
            return *index;
        }
        let index = self.paths.len() as u32;
        self.paths.push(String::from_utf8_lossy(path).into_owned());
        self.index_of_path.insert(path.into(), index);
        index
    }

    fn fork(&mut self, pid: u32, parent: u32) {
        if pid != parent
            && !self.maps.contains_key(&pid)
            && let Some(maps) = self.maps.get(&parent).cloned()
        {
            self.known_places.clear();
            self.maps.insert(pid, maps);
        }
    }

    fn add_sample(&mut self, event: &Attr, sample: &Sample<'_>) {
        if sample.pid == 0 {
            self.n_idle += 1;
            return;
        }
        let mut chain: Vec<u32> = Vec::with_capacity(sample.callchain.len() / 8);
        let mut in_kernel = sample.is_kernel;
        let mut is_innermost = true;
        for address in sample.addresses() {
            if address >= FIRST_MARKER {
                match address {
                    KERNEL_MARKER => in_kernel = true,
                    USER_MARKER => in_kernel = false,
                    _ => {}
                }
                is_innermost = true;
                continue;
            }
            // A return address lies behind its call.
            let address = if is_innermost { address } else { address.saturating_sub(1) };
            is_innermost = false;
            let place = self.place(sample.pid, address, in_kernel || address >= KERNEL_START);
            chain.push(place);
        }
        if chain.is_empty() {
            chain.push(self.place(sample.pid, sample.ip, sample.is_kernel));
        }
        self.n_memory_stacks += u64::from(event.copies_stacks());
        let mut depth = 0;
        for place in chain.iter().rev() {
            if self.path.get(depth).is_none_or(|(known, _)| known != place) {
                self.path.truncate(depth);
                let parent = self.path.last().map(|(_, node)| *node);
                let next = self.nodes.len() as u32;
                let node = *self.node_index.entry((parent, *place)).or_insert(next);
                if node == next {
                    self.nodes.push((parent, *place));
                }
                self.path.push((*place, node));
            }
            depth += 1;
        }
        self.path.truncate(depth);
        let Some((_, node)) = self.path.last().copied() else { return };
        let index = self.content.thread(sample.pid, sample.tid);
        self.samples.resize_with(self.content.threads.len(), Vec::new);
        self.samples[index].push(node);
        let thread = &mut self.content.threads[index];
        let weight = if self.is_time { sample.period.unwrap_or(event.sample_period) } else { 1 };
        thread.start.push(Nanos(sample.time.unwrap_or(0)));
        thread.duration.push(Nanos(weight));
    }

    fn place(&mut self, pid: u32, address: u64, is_kernel: bool) -> u32 {
        // The kernel is the same in every process.
        let key = (if is_kernel { 0 } else { pid }, address);
        if let Some(known) = self.known_places.get(&key) {
            return *known;
        }
        let place = if is_kernel {
            CodePlace::Kernel(address)
        } else {
            let map = self.maps.get(&pid).and_then(|maps| maps.range(..=address).next_back());
            match map.map(|(_, map)| *map).filter(|(map, _)| address < map.end) {
                Some((map, path)) if is_file(&self.paths[path as usize]) => {
                    CodePlace::File { path, offset: (address - map.start).wrapping_add(map.offset) }
                }
                _ => CodePlace::Compiled { pid, address },
            }
        };
        let next = self.places.len() as u32;
        let index = *self.place_index.entry(place).or_insert(next);
        if index == next {
            self.places.push(place);
        }
        self.known_places.insert(key, index);
        index
    }

    fn finish(mut self, file: &PerfFile<'_>, profile: &mut Profile) -> Result<Content, BadInput> {
        let names = name_places(&self.places, &self.paths, self.kernel_base, &file.build_ids()?, profile);
        self.content.notes.extend(names.notes);
        let mut stacks: Vec<StackId> = Vec::with_capacity(self.nodes.len());
        for (parent, place) in &self.nodes {
            let mut stack = parent.map(|parent| stacks[parent as usize]);
            // Functions that were inlined into each other, outermost first.
            for (function, tier) in &names.functions[*place as usize] {
                stack = Some(profile.stacks.intern_at(stack, *function, *tier));
            }
            if let Some(stack) = stack {
                stacks.push(stack);
            }
        }
        for (thread, samples) in self.content.threads.iter_mut().zip(&self.samples) {
            thread.stack = samples.iter().map(|node| stacks[*node as usize]).collect();
            let name = self.comms.get(&(thread.pid, thread.thread));
            thread.name = name.cloned().unwrap_or_default();
            if !file.attrs[0].tells_time() {
                thread.timing = Timing::Summed;
            }
        }
        let mut note = |n: u64, text: String| {
            if n > 0 {
                self.content.notes.push(text);
            }
        };
        let n = self.n_other_events;
        note(n, format!("only event `{}` was read; {n} samples are of other events", file.attrs[0].name()));
        note(self.n_idle, format!("{} samples of the idle task were left out", self.n_idle));
        note(self.n_lost, format!("{} records were lost while it was recorded", self.n_lost));
        note(
            self.n_memory_stacks,
            "recorded with `--call-graph dwarf`: only `perf script` unwinds such stacks; open its text instead".into(),
        );
        Ok(self.content)
    }
}

/// Whether a mapping is a file or the kernel's [vdso]; the rest is memory that holds compiled code.
fn is_file(path: &str) -> bool {
    path == "[vdso]" || (path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/memfd:"))
}
