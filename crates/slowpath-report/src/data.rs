//! The data of a report: the shape of `report.json`. `ui/src/contract.ts` is the page's side and documents each field;
//! the two change together. Times are seconds since the recording's start unless the name says otherwise.
#![allow(missing_docs)]

use crate::async_data::{AsyncData, CpuOwnersData};
use crate::memory_data::MemoryData;
use crate::native_data::NativeData;
use crate::scale_data::ScaleData;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the shape of [`ReportData`].
pub const REPORT_FORMAT_VERSION: u32 = 1;

#[derive(Debug, Clone, Default, Serialize)]
pub struct ReportData {
    pub format_version: u32,
    pub slowpath_version: String,
    /// Profile files of other tools that the report is of; empty for a recording.
    pub files: Vec<FileData>,
    pub weight_unit: &'static str,
    /// Share of busy weight by category, of opened files.
    #[serde(serialize_with = "as_map")]
    pub categories: Vec<(&'static str, f64)>,
    pub run: RunInfo,
    pub verdict: VerdictData,
    pub findings: Vec<FindingData>,
    /// Factor on requests per second with the causes of all findings gone; null where fewer than two functions are named.
    pub gain_of_all: Option<f64>,
    pub refuted: Vec<String>,
    /// The checkpoint pack that was applied.
    pub pack: Option<PackData>,
    pub checkpoints: Vec<CheckpointData>,
    pub checklist: Vec<PointData>,
    pub load: Option<LoadData>,
    pub load_phases: Vec<LoadPhaseData>,
    #[serde(serialize_with = "as_map")]
    pub split: Vec<(&'static str, f64)>,
    pub split_source: Option<SplitSource>,
    pub overhead: Vec<OverheadData>,
    pub processes: Vec<ProcessData>,
    pub recorders: Vec<RecorderData>,
    pub warnings: Vec<WarningData>,
    pub functions: Vec<FunctionData>,
    pub native: Option<NativeData>,
    pub counters: Option<CountersData>,
    /// Null where neither collections nor the heap were recorded.
    pub memory: Option<MemoryData>,
    /// How costs grow with the load; null without `--scale`.
    pub scale: Option<ScaleData>,
    pub timeline: TimelineData,
    /// What requests ran and waited for; null without an async phase.
    pub requests: Option<AsyncData>,
    /// Who owns busy time; null where no async phase tells.
    pub cpu_owners: Option<CpuOwnersData>,
}

/// Writes pairs as an object, in their order.
fn as_map<S: serde::Serializer>(pairs: &[(&'static str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

#[derive(Debug, Clone, Serialize)]
pub struct FileData {
    pub name: String,
    pub format: &'static str,
    pub bytes: u64,
    pub n_samples: u64,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct RunInfo {
    pub title: String,
    pub command: Vec<String>,
    pub cwd: String,
    pub node: Option<String>,
    pub started_at: Option<String>,
    pub duration_s: f64,
    pub ended: &'static str,
    pub ended_detail: String,
    pub url: Option<String>,
    pub method: Option<String>,
    pub connections: Option<u32>,
    pub machine: Option<MachineData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MachineData {
    pub cpus: u32,
    pub cpu_model: String,
    pub kernel: String,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct VerdictData {
    pub class: &'static str,
    pub sentence: String,
    pub detail: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct FindingData {
    pub rule: &'static str,
    pub title: String,
    pub severity: &'static str,
    pub confidence: &'static str,
    pub confidence_why: String,
    pub share: Option<f64>,
    pub share_of: &'static str,
    pub predicted_gain: Option<GainData>,
    #[serde(rename = "where")]
    pub location: Option<LocationData>,
    pub evidence: Vec<EvidenceData>,
    pub advice: String,
    pub function_index: Option<u32>,
    pub intervals: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Serialize)]
pub struct GainData {
    pub throughput: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LocationData {
    pub function: String,
    pub file: String,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub package: Option<String>,
    pub process: Option<u32>,
}

#[derive(Debug, Clone, Serialize)]
pub struct EvidenceData {
    pub text: String,
    pub value: Option<f64>,
    pub unit: &'static str,
    pub n_samples: Option<u64>,
    pub recorder: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct PackData {
    pub name: String,
    pub title: String,
    pub version: String,
    pub why: String,
    pub fits: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct CheckpointData {
    pub id: String,
    pub title: String,
    pub suspicion: String,
    pub answer: &'static str,
    pub share: Option<f64>,
    pub evidence: Vec<EvidenceData>,
    pub advice: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct PointData {
    pub id: &'static str,
    pub title: String,
    pub answer: &'static str,
    pub evidence: Vec<EvidenceData>,
    pub how: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct LatencyData {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
    pub mean: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LoadData {
    pub requests: u64,
    pub requests_per_second: f64,
    pub duration_s: f64,
    pub latency_ms: LatencyData,
    pub errors: BTreeMap<String, u64>,
    pub status: BTreeMap<String, u64>,
    pub bytes_per_second: f64,
    pub cpu_ms_per_request: Option<f64>,
    pub generator_cpu_share: f64,
    /// Metrics of streamed answers; not measured yet, so always null.
    pub stream: Option<BTreeMap<String, f64>>,
    pub phases: Vec<String>,
    pub error_samples: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LoadPhaseData {
    pub phase: String,
    pub start_s: f64,
    pub end_s: f64,
    pub requests: u64,
    pub requests_per_second: f64,
    pub latency_ms: LatencyData,
    pub errors: BTreeMap<String, u64>,
    pub cpu_ms_per_request: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SplitSource {
    pub pid: u32,
    pub thread: u32,
    pub thread_name: String,
    pub wall_s: f64,
    pub n_samples: usize,
    pub effective_interval_us: f64,
    pub recorders: Vec<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
pub struct OverheadData {
    pub phase: String,
    pub throughput: Option<f64>,
    pub cpu_per_request: Option<f64>,
    pub p99: Option<f64>,
    pub note: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct ProcessData {
    pub pid: u32,
    pub ppid: u32,
    pub role: String,
    pub command: String,
    pub node: Option<String>,
    pub threads: Vec<ThreadData>,
    pub exit: Option<String>,
    pub rss_peak_bytes: Option<u64>,
    pub fds_peak: Option<u32>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ThreadData {
    pub tid: Option<u32>,
    pub thread: Option<u32>,
    pub name: String,
    pub cpu_share: Option<f64>,
    pub run_queue_share: Option<f64>,
    pub n_samples: usize,
    pub waiting: Option<ThreadWaitData>,
}

/// What a thread slept in.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadWaitData {
    pub share: f64,
    pub call: String,
    pub caller: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RecorderData {
    pub name: &'static str,
    pub state: &'static str,
    pub why: String,
    pub bytes: u64,
    pub n_records: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct WarningData {
    pub text: String,
    pub about: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct FunctionData {
    pub function_index: u32,
    pub name: String,
    pub file: String,
    pub line: Option<u32>,
    pub category: &'static str,
    pub package: Option<String>,
    pub self_s: f64,
    pub total_s: f64,
    pub charged_s: f64,
    pub n_samples: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct CountersData {
    pub wall_s: f64,
    pub requests: u64,
    pub cost_share: f64,
    pub stride: u32,
    pub rows: Vec<CounterRowData>,
    pub calls_window_s: f64,
    pub calls_requests: f64,
    pub calls: Vec<FunctionCallsData>,
    pub deopts_window_s: f64,
    pub deopts_unplaced: u64,
    pub deopts: Vec<FunctionDeoptsData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CounterRowData {
    pub kind: String,
    pub key: String,
    pub n: f64,
    pub per_request: Option<f64>,
    pub bytes: f64,
    pub max_bytes: f64,
    pub ms: f64,
    pub share_of_busy: Option<f64>,
    pub places: Vec<CounterPlaceData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CounterPlaceData {
    pub function_index: u32,
    pub function: String,
    pub file: String,
    pub line: u32,
    pub through: Option<String>,
    pub n: f64,
    pub n_sampled: u64,
    pub ms: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct FunctionCallsData {
    pub function_index: u32,
    pub function: String,
    pub file: String,
    pub line: Option<u32>,
    pub package: Option<String>,
    pub n: u64,
    pub per_request: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FunctionDeoptsData {
    pub function_index: u32,
    pub function: String,
    pub file: String,
    pub line: Option<u32>,
    pub package: Option<String>,
    pub pid: u32,
    pub n_optimised: u64,
    pub n_aborted: u64,
    pub held_ms: f64,
    pub causes: Vec<DeoptCauseData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct DeoptCauseData {
    pub reason: String,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub n: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct TimelineData {
    pub duration_s: f64,
    pub phases: Vec<TimelinePhase>,
    pub series: Vec<SeriesData>,
    pub stalls: Vec<StallData>,
    pub stall_groups: Vec<StallGroupData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TimelinePhase {
    pub name: String,
    pub start_s: f64,
    pub end_s: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct SeriesData {
    pub id: &'static str,
    pub label: &'static str,
    pub unit: &'static str,
    pub t_s: Vec<f64>,
    pub v: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StallGroupData {
    pub culprit: Option<String>,
    pub place: Option<String>,
    pub function_index: Option<u32>,
    pub n_stalls: usize,
    pub total_ms: f64,
    pub longest_ms: f64,
    pub own_ms: f64,
    pub requests_caught: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StallData {
    pub start_s: f64,
    pub duration_ms: f64,
    pub pid: u32,
    pub thread: u32,
    pub culprit: Option<String>,
    pub function_index: Option<u32>,
}
