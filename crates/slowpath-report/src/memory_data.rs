//! Puts collections, allocations and what stays alive into the shape of `report.json`. `ui/src/contract.ts` documents the fields, as for
//! `data.rs`.
#![allow(missing_docs)]

use serde::Serialize;
use slowpath_analysis::{Allocator, HeapMeasure, Measurements};
use slowpath_profile::tables::Profile;

/// Functions listed.
const MAX_FUNCTIONS: usize = 15;

/// Collections of the busiest main thread; and, where a heap phase ran, who allocates and what stays.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryData {
    /// Share of the measured time in pauses.
    pub gc_share: f64,
    /// Pauses by kind, over the measured phases.
    pub pauses: Vec<PauseData>,
    pub heap: Option<HeapData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PauseData {
    pub kind: &'static str,
    pub n: u64,
    pub total_ms: f64,
    pub longest_ms: f64,
}

/// What the heap phase tells.
#[derive(Debug, Clone, Serialize)]
pub struct HeapData {
    /// Window of `collections`.
    pub window_s: f64,
    pub allocated_per_second: Option<f64>,
    pub collections: Vec<CollectionData>,
    /// Length of the window of `allocators`.
    pub allocations_s: f64,
    pub allocators: Vec<AllocatorData>,
    pub survivors: Vec<AllocatorData>,
    pub growth: Option<GrowthData>,
}

/// Bytes are those of all collections of the kind together.
#[derive(Debug, Clone, Serialize)]
pub struct CollectionData {
    pub kind: String,
    pub n: u64,
    pub total_ms: f64,
    pub longest_ms: f64,
    pub freed_bytes: f64,
    pub promoted_bytes: f64,
    pub survived_bytes: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct AllocatorData {
    pub function_index: u32,
    pub function: String,
    pub file: String,
    pub line: Option<u32>,
    pub package: Option<String>,
    pub bytes: f64,
    pub share: f64,
    pub n_samples: u64,
}

/// Heap in use after two full collections.
#[derive(Debug, Clone, Serialize)]
pub struct GrowthData {
    pub before_bytes: u64,
    pub after_bytes: u64,
    pub seconds: f64,
    pub bytes_per_second: f64,
}

pub(crate) fn memory(profile: &Profile, m: &Measurements) -> Option<MemoryData> {
    if m.gc.is_none() && m.heap.is_none() {
        return None;
    }
    let kinds = m.gc.iter().flat_map(|gc| &gc.kinds);
    Some(MemoryData {
        gc_share: m.gc.as_ref().map_or(0.0, |gc| gc.share),
        pauses: kinds
            .map(|(kind, n, total, longest)| PauseData {
                kind,
                n: *n,
                total_ms: total.as_millis_f64(),
                longest_ms: longest.as_millis_f64(),
            })
            .collect(),
        heap: m.heap.as_ref().map(|measure| heap(profile, measure)),
    })
}

fn heap(profile: &Profile, measure: &HeapMeasure) -> HeapData {
    HeapData {
        window_s: measure.collections_s,
        allocated_per_second: measure.allocated_per_second,
        collections: measure
            .collections
            .iter()
            .map(|sum| CollectionData {
                kind: sum.kind.clone(),
                n: sum.n,
                total_ms: sum.ms,
                longest_ms: sum.longest_ms,
                freed_bytes: sum.freed,
                promoted_bytes: sum.promoted,
                survived_bytes: sum.survived,
            })
            .collect(),
        allocations_s: measure.allocations_s,
        allocators: functions(profile, &measure.allocators),
        survivors: functions(profile, &measure.survivors),
        growth: measure.growth.map(|growth| GrowthData {
            before_bytes: growth.before,
            after_bytes: growth.after,
            seconds: growth.seconds,
            bytes_per_second: growth.per_second(),
        }),
    }
}

fn functions(profile: &Profile, rows: &[Allocator]) -> Vec<AllocatorData> {
    let row = |row: &Allocator| {
        let function = profile.functions.get(row.function);
        AllocatorData {
            function_index: row.function.0,
            function: function.name.clone(),
            file: function.file.clone(),
            line: (function.line > 0).then_some(function.line),
            package: function.package.clone(),
            bytes: row.bytes,
            share: row.share,
            n_samples: row.n_samples,
        }
    };
    rows.iter().take(MAX_FUNCTIONS).map(row).collect()
}
