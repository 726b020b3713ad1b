//! The heap of the busiest process: what collections find and leave, who allocates, and what stays.

use crate::charge::EXCHANGE_MODULES;
use crate::phases::Phases;
use slowpath_profile::allocated::{Allocated, HeapWindow};
use slowpath_profile::classify::Category;
use slowpath_profile::recording::{CollectionSum, Event, HeapRecord, HeapSeen, Recording, SampledHeap};
use slowpath_profile::tables::{FunctionId, Profile};
use std::collections::BTreeMap;

/// What the heap recorder saw of one main thread.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeapMeasure {
    /// Process.
    pub pid: u32,
    /// Length of the window of collections, seconds.
    pub collections_s: f64,
    /// Bytes allocated a second, as the collections tell.
    pub allocated_per_second: Option<f64>,
    /// Collections by kind, in V8's words.
    pub collections: Vec<CollectionSum>,
    /// Who allocates; bytes are those of the sampled window, which is `allocations_s` long.
    pub allocators: Vec<Allocator>,
    /// Length of that window, seconds.
    pub allocations_s: f64,
    /// Who allocated what stayed alive.
    pub survivors: Vec<Allocator>,
    /// What the heap grew by between two full collections.
    pub growth: Option<HeapGrowth>,
}

/// Modules of Node that run the loop, resolve names and secure connections, by the start of their names. Like those for requests and
/// answers they carry what others do; what the rest of Node allocates (crypto, URLs, files …) its caller asked for.
const LOOP_MODULES: &[&str] = &[
    "node:_stream",
    "node:_tls",
    "node:async_hooks",
    "node:diagnostics_channel",
    "node:dns",
    "node:events",
    "node:internal/abort",
    "node:internal/async",
    "node:internal/bootstrap",
    "node:internal/dns",
    "node:internal/event",
    "node:internal/modules",
    "node:internal/process",
    "node:internal/stream",
    "node:internal/timers",
    "node:internal/webstreams",
    "node:timers",
    "node:tls",
];

/// What one function allocated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allocator {
    /// The nearest application function, or the one that allocated where there is none.
    pub function: FunctionId,
    /// Bytes, estimated from samples.
    pub bytes: f64,
    /// Share of all that was sampled in the window.
    pub share: f64,
    /// Samples.
    pub n_samples: u64,
    /// The application function that called it for most of these bytes.
    pub caller: Option<FunctionId>,
}

/// Growth of the heap between two full collections, and over the run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HeapGrowth {
    /// In use after the first.
    pub before: u64,
    /// In use after the second.
    pub after: u64,
    /// Time between them, seconds.
    pub seconds: f64,
    /// Lowest reading of the first third of the run and of the last, bytes and seconds apart; readings are not after collections.
    pub floors: Option<(u64, u64, f64)>,
    /// Where V8 gives up, bytes; 0 where unknown.
    pub limit: u64,
}

impl HeapGrowth {
    /// Bytes a second between the two collections; negative where it shrank.
    pub fn per_second(&self) -> f64 {
        (self.after as f64 - self.before as f64) / self.seconds.max(1e-3)
    }
}

impl HeapMeasure {
    pub(crate) fn of(recording: &Recording, profile: &Profile, pid: u32, phases: &Phases) -> Option<Self> {
        let records = recording.heap.get(&pid)?;
        let mut measure = Self { pid, ..Self::default() };
        for record in records.iter().filter(|record| record.thread == 0) {
            let seconds = record.t.since(record.from).as_secs_f64();
            match &record.seen {
                HeapSeen::Collections { allocated, kinds } => {
                    measure.collections_s = seconds;
                    measure.allocated_per_second = (seconds > 0.0).then(|| allocated / seconds);
                    measure.collections.clone_from(kinds);
                }
                HeapSeen::Allocations(_) => measure.allocations_s = seconds,
                HeapSeen::Survivors(heap) => {
                    measure.growth = Some(growth(recording, pid, phases, record, heap));
                }
            }
        }
        let of_pid = profile.allocated.iter().filter(|allocated| allocated.pid == pid);
        let (all, kept): (Vec<&Allocated>, Vec<_>) =
            of_pid.partition(|allocated| allocated.window == HeapWindow::Allocations);
        // What Node allocates to carry a request is Node's way; what of it stays was asked for by who keeps it.
        measure.allocators = by_function(&all, |row| row.owner.filter(|_| !carries(profile, row.by)));
        measure.survivors = by_function(&kept, |row| row.owner);
        Some(measure)
    }
}

/// Whether a function is of Node, and allocates to carry requests.
pub(crate) fn carries(profile: &Profile, by: FunctionId) -> bool {
    let function = profile.functions.get(by);
    function.category == Category::Node
        && EXCHANGE_MODULES.iter().chain(LOOP_MODULES).any(|carrier| function.file.starts_with(carrier))
}

fn growth(
    recording: &Recording,
    pid: u32,
    phases: &Phases,
    record: &HeapRecord,
    heap: &SampledHeap,
) -> HeapGrowth {
    let limit = recording.events.iter().find_map(|timed| match &timed.event {
        Event::Process(hello) if hello.pid == pid => Some(hello.heap_size_limit),
        _ => None,
    });
    HeapGrowth {
        before: heap.used_before,
        after: heap.used_after,
        seconds: record.t.since(record.from).as_secs_f64(),
        floors: floors(recording, pid, phases),
        limit: limit.unwrap_or(0),
    }
}

/// Returns the lowest heap readings of the first and the last third of the measured time, and the time between their middles.
fn floors(recording: &Recording, pid: u32, phases: &Phases) -> Option<(u64, u64, f64)> {
    let records = recording.processes.get(&pid)?.iter().filter(|record| record.thread == 0);
    let readings: Vec<_> = records
        .filter(|record| phases.is_measured(record.t))
        .filter_map(|record| Some((record.t, record.heap?.used)))
        .collect();
    let (first, last) = (readings.first()?.0, readings.last()?.0);
    let third = last.since(first).0 / 3;
    let lowest = |from: u64, to: u64| {
        let within = readings.iter().filter(|(t, _)| (from..=to).contains(&t.since(first).0));
        within.map(|(_, used)| *used).min()
    };
    Some((lowest(0, third)?, lowest(2 * third, 3 * third + 2)?, 2.0 * third as f64 / 1e9))
}

fn by_function(allocated: &[&Allocated], owner: impl Fn(&Allocated) -> Option<FunctionId>) -> Vec<Allocator> {
    let mut sums: BTreeMap<FunctionId, Sum> = BTreeMap::new();
    for row in allocated {
        let sum = sums.entry(owner(row).unwrap_or(row.by)).or_default();
        sum.bytes += row.bytes as f64;
        // Where V8 does not list its samples, each stack is one at least.
        sum.n_samples += u64::from(row.n_samples.max(1));
        if let Some(caller) = row.caller {
            *sum.callers.entry(caller).or_default() += row.bytes;
        }
    }
    let total: f64 = sums.values().map(|sum| sum.bytes).sum();
    let mut rows: Vec<_> = sums
        .into_iter()
        .map(|(function, Sum { bytes, n_samples, callers })| {
            let caller = callers.into_iter().max_by_key(|(_, bytes)| *bytes).map(|(caller, _)| caller);
            Allocator { function, bytes, share: bytes / total, n_samples, caller }
        })
        .collect();
    rows.sort_by(|a, b| b.bytes.total_cmp(&a.bytes).then(a.function.cmp(&b.function)));
    rows
}

/// What one function allocated, while it is added up.
#[derive(Default)]
struct Sum {
    bytes: f64,
    n_samples: u64,
    callers: BTreeMap<FunctionId, u64>,
}
