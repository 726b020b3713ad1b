//! The heap log: who allocated on the main thread of one Node process, what of it stayed alive, and what each thread's
//! collections found and left; one line a window of the heap recorder.

use crate::Nanos;
use serde::{Deserialize, Serialize};

/// One window of the heap recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeapRecord {
    /// When it began.
    pub from: Nanos,
    /// When it ended.
    pub t: Nanos,
    /// Node's `threadId`, 0 for the main thread.
    pub thread: u32,
    /// What was seen.
    #[serde(flatten)]
    pub seen: HeapSeen,
}

/// What a window of the heap recorder saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "window", rename_all = "snake_case")]
pub enum HeapSeen {
    /// A sample of all allocations.
    Allocations(SampledHeap),
    /// A sample of the allocations that were alive after the full collection at the end of the window. Another full collection was
    /// right before it.
    Survivors(SampledHeap),
    /// The collections in the window, without those that the recorder itself causes.
    Collections {
        /// Bytes allocated.
        allocated: f64,
        /// By kind.
        kinds: Vec<CollectionSum>,
    },
}

/// Allocations as V8 sampled them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SampledHeap {
    /// Mean bytes between two samples.
    pub interval: u64,
    /// Heap in use at the beginning.
    pub used_before: u64,
    /// Heap in use at the end, after a full collection.
    pub used_after: u64,
    /// Functions.
    pub frames: Vec<HeapFrame>,
    /// Stacks as a tree, callers before callees.
    pub nodes: Vec<HeapNode>,
}

/// A function that allocated, or called what did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapFrame(
    /// Name.
    pub String,
    /// URL of its script.
    pub String,
    /// Line from 0, −1 where unknown.
    pub i64,
    /// Column from 0, −1 where unknown.
    pub i64,
);

/// One stack that ends in a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapNode(
    /// Index of the caller's node, −1 for none.
    pub i64,
    /// Index of the function.
    pub u32,
    /// Bytes that this very stack allocated, scaled up from the sample.
    pub u64,
    /// Samples.
    pub u32,
);

/// All collections of a kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionSum {
    /// V8's name, such as `Scavenge`.
    pub kind: String,
    /// Collections.
    pub n: u64,
    /// Time in them, ms.
    pub ms: f64,
    /// The longest, ms.
    pub longest_ms: f64,
    /// Bytes freed.
    pub freed: f64,
    /// Bytes moved from the young generation to the old.
    pub promoted: f64,
    /// Bytes of the young generation that were alive.
    pub survived: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_is_read_back_as_it_was_written() {
        let sampled = SampledHeap {
            interval: 1024,
            used_before: 10,
            used_after: 20,
            frames: vec![HeapFrame("f".into(), "file:///a.js".into(), 3, 0)],
            nodes: vec![HeapNode(-1, 0, 2048, 2)],
        };
        let kinds = vec![CollectionSum { kind: "Scavenge".into(), n: 3, ..CollectionSum::default() }];
        let windows = [
            HeapSeen::Allocations(sampled.clone()),
            HeapSeen::Survivors(sampled),
            HeapSeen::Collections { allocated: 1e6, kinds },
        ];
        for seen in windows {
            let record = HeapRecord { from: Nanos(1), t: Nanos(2), thread: 0, seen };
            let line = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<HeapRecord>(&line).unwrap(), record, "{line}");
        }
    }
}
