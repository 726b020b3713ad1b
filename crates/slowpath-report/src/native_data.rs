//! Native stacks in `report.json`: threads, and what their CPU time went to. See `NativeData` in `contract.ts`.
#![allow(missing_docs)]

use serde::Serialize;
use slowpath_analysis::NativeMeasure;
use slowpath_profile::tables::{FunctionId, Profile};

#[derive(Debug, Clone, Serialize)]
pub struct NativeData {
    pub event: String,
    pub frequency_hz: u32,
    pub kernel_frames: bool,
    pub wall_s: f64,
    pub cpu_s: f64,
    pub n_samples: u64,
    pub n_lost: u64,
    pub n_truncated: u64,
    pub threads: Vec<NativeThreadData>,
    pub work: Vec<WorkData>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct NativeThreadData {
    pub pid: u32,
    pub tid: u32,
    pub name: String,
    pub cpu_s: f64,
    pub n_samples: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct WorkData {
    pub class: &'static str,
    pub part: &'static str,
    pub cpu_s: f64,
    pub share: f64,
    pub n_samples: u64,
    pub callers: Vec<WorkFunctionData>,
    pub functions: Vec<WorkFunctionData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct WorkFunctionData {
    pub function: Option<String>,
    pub file: String,
    pub line: Option<u32>,
    pub package: Option<String>,
    pub share: f64,
    pub function_index: Option<u32>,
}

pub(crate) fn build(profile: &Profile, native: &NativeMeasure) -> NativeData {
    let threads = native.threads.iter().map(|thread| NativeThreadData {
        pid: thread.pid,
        tid: thread.tid,
        name: thread.name.clone(),
        cpu_s: thread.cpu.as_secs_f64(),
        n_samples: thread.n_samples,
    });
    let work = native.work.iter().map(|row| WorkData {
        class: row.class.as_str(),
        part: row.part,
        cpu_s: row.cpu.as_secs_f64(),
        share: row.share,
        n_samples: row.n_samples,
        callers: row.callers.iter().map(|(caller, share)| function(profile, *caller, *share)).collect(),
        functions: row.functions.iter().map(|(id, share)| function(profile, Some(*id), *share)).collect(),
    });
    NativeData {
        event: native.event.clone(),
        frequency_hz: native.frequency_hz,
        kernel_frames: native.kernel,
        wall_s: native.wall.as_secs_f64(),
        cpu_s: native.cpu.as_secs_f64(),
        n_samples: native.n_samples,
        n_lost: native.n_lost,
        n_truncated: native.n_truncated,
        threads: threads.collect(),
        work: work.collect(),
        notes: native.notes.clone(),
    }
}

fn function(profile: &Profile, id: Option<FunctionId>, share: f64) -> WorkFunctionData {
    let Some(id) = id else {
        let (function, file, line, package) = (None, String::new(), None, None);
        return WorkFunctionData { function, file, line, package, share, function_index: None };
    };
    let described = profile.functions.get(id);
    WorkFunctionData {
        function: Some(described.name.clone()),
        file: described.file.clone(),
        line: (described.line > 0).then_some(described.line),
        package: described.package.clone(),
        share,
        function_index: Some(id.0),
    }
}
