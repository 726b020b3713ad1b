//! The process log: event loop, garbage collection and heap of one Node process, about one line a second and thread.

use super::load_log::{decode_histogram, encode_histogram};
use crate::Nanos;
use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the probe of one thread reported over about one second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// When the line was written.
    pub t: Nanos,
    /// Node's `threadId`, 0 for the main thread.
    pub thread: u32,
    /// Event-loop delay, where its recorder was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_loop: Option<LoopSecond>,
    /// Collections that ended in this second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gc: Vec<GcPause>,
    /// The last heap reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap: Option<HeapUse>,
    /// Records lost because the ring was full.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_dropped: u64,
}

/// Delay and utilisation of the event loop over about one second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoopSecond {
    /// First and last tick seen.
    pub from: Nanos,
    /// See `from`.
    pub to: Nanos,
    /// How much later than due each tick ran, in microseconds.
    #[serde(serialize_with = "histogram_to_base64", deserialize_with = "histogram_from_base64")]
    pub delay: Histogram<u64>,
    /// Time the loop waited for events between `from` and `to`; the rest is its utilisation.
    pub idle: Nanos,
    /// Ticks that came later than the stall threshold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stalls: Vec<StallWindow>,
}

/// An interval in which the loop did not turn: from when a tick was due to when it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallWindow {
    /// When the tick was due.
    pub start: Nanos,
    /// When it ran.
    pub end: Nanos,
}

/// One garbage collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcPause {
    /// When it started.
    pub start: Nanos,
    /// How long it held the thread.
    pub pause: Nanos,
    /// Kind as `perf_hooks.constants.NODE_PERFORMANCE_GC_*`.
    pub kind: u32,
}

impl GcPause {
    /// Returns V8's name of the collection.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            1 => "scavenge",
            2 => "minor mark-sweep",
            4 => "mark-sweep-compact",
            8 => "incremental marking",
            16 => "weak callbacks",
            _ => "other",
        }
    }
}

/// Heap of one isolate, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapUse {
    /// `used_heap_size`.
    pub used: u64,
    /// `total_heap_size`.
    pub total: u64,
    /// `external_memory`: buffers held by JavaScript outside the heap.
    pub external: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn histogram_to_base64<S: Serializer>(histogram: &Histogram<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = encode_histogram(histogram).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

fn histogram_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode_histogram(&text).map_err(serde::de::Error::custom)
}
