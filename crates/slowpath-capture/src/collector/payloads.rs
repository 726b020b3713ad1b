//! The shapes of the JSON that agents send (`agent/PROTOCOL.md`).

use crate::redact_text;
use serde::Deserialize;
use slowpath_profile::Nanos;
use slowpath_profile::recording::{
    CallCounts, CallSite, CounterRecord, DeoptCounts, HeapSeen, PlaceShare, RecorderState, Total,
};

#[derive(Deserialize)]
pub(super) struct HelloFrame {
    pub(super) pid: u32,
    #[serde(default)]
    pub(super) ppid: u32,
    #[serde(default)]
    pub(super) node: String,
    #[serde(default)]
    pub(super) argv: Vec<String>,
    #[serde(default)]
    pub(super) exec_argv: Vec<String>,
    #[serde(default)]
    pub(super) cwd: String,
    #[serde(default)]
    pub(super) main: Option<String>,
    #[serde(default)]
    pub(super) cluster_worker: Option<u32>,
    #[serde(default)]
    pub(super) relay_tid: Option<u32>,
    #[serde(default)]
    pub(super) heap_size_limit: f64,
    pub(super) clock: ClockPair,
}

#[derive(Deserialize)]
pub(super) struct ClockPair {
    pub(super) performance_now_ms: f64,
    pub(super) hrtime_ns: String,
}

#[derive(Deserialize)]
pub(super) struct NoteFrame {
    pub(super) recorder: String,
    pub(super) state: RecorderState,
    #[serde(default)]
    pub(super) why: String,
}

#[derive(Deserialize)]
pub(super) struct ThreadFrame {
    pub(super) thread: u32,
    pub(super) state: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) tid: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct SourceFrame {
    pub(super) url: String,
    pub(super) text: String,
    #[serde(default)]
    pub(super) source_map_url: String,
    #[serde(default)]
    pub(super) functions: Vec<(String, u32, u32)>,
}

#[derive(Deserialize)]
pub(super) struct ReplyFrame {
    pub(super) id: u64,
    pub(super) ok: bool,
    #[serde(default)]
    pub(super) why: String,
}

#[derive(Deserialize)]
pub(super) struct CountsFrame {
    pub(super) t_ms: f64,
    pub(super) from_ms: f64,
    pub(super) totals: Vec<Total>,
    pub(super) places: Vec<PlaceShare>,
    pub(super) sites: Vec<CallSite>,
    pub(super) stride: u32,
    pub(super) cost_ms: f64,
    #[serde(default)]
    pub(super) too_dear: bool,
}

#[derive(Deserialize)]
pub(super) struct HeapFrame {
    pub(super) t_ms: f64,
    pub(super) from_ms: f64,
    #[serde(flatten)]
    pub(super) seen: HeapSeen,
}

#[derive(Deserialize)]
pub(super) struct CallsFrame {
    pub(super) t_ms: f64,
    #[serde(flatten)]
    pub(super) calls: CallCounts,
}

#[derive(Deserialize)]
pub(super) struct DeoptsFrame {
    pub(super) t_ms: f64,
    #[serde(flatten)]
    pub(super) deopts: DeoptCounts,
}

impl CountsFrame {
    /// Keys name hosts and functions; redacted like everything that a person may have put a secret into.
    pub(super) fn into_record(mut self, thread: u32, origin_ns: f64) -> CounterRecord {
        for key in self.totals.iter_mut().map(|total| &mut total.1) {
            *key = redact_text(key);
        }
        for key in self.places.iter_mut().map(|place| &mut place.1) {
            *key = redact_text(key);
        }
        CounterRecord {
            t: moment(origin_ns, self.t_ms),
            from: moment(origin_ns, self.from_ms),
            thread,
            totals: self.totals,
            places: self.places,
            sites: self.sites,
            stride: self.stride,
            cost_ms: self.cost_ms,
            calls: None,
            deopts: None,
        }
    }
}

/// Returns a time of a process's `performance.now()` on the recording's clock; `origin_ns` is where that began.
pub(super) fn moment(origin_ns: f64, t_ms: f64) -> Nanos {
    Nanos((origin_ns + t_ms * 1e6).max(0.0) as u64)
}
