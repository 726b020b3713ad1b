//! What each recorder delivered.

use slowpath_profile::Recording;
use slowpath_profile::recording::{Event, RecorderState};
use slowpath_profile::tables::Profile;

/// State and amount of one recorder over the run.
#[derive(Debug, Clone, PartialEq)]
pub struct RecorderMeasure {
    /// Name.
    pub name: &'static str,
    /// State.
    pub state: RecorderState,
    /// Why it is not whole, or what it holds.
    pub why: String,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Records, samples or lines.
    pub n_records: u64,
}

pub(crate) fn measure(recording: &Recording, profile: &Profile) -> Vec<RecorderMeasure> {
    let bytes = |prefix: &str| -> u64 {
        recording.file_bytes.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, bytes)| bytes).sum()
    };
    let records = || recording.processes.values().flatten();
    let n_samples: usize = profile.threads.iter().map(|thread| thread.stack.len()).sum();
    let n_native: usize = profile.native.iter().map(|thread| thread.stack.len()).sum();
    let n_seconds = records().filter(|record| record.event_loop.is_some()).count();
    let n_gc: usize = records().map(|record| record.gc.len()).sum();
    let n_heap = records().filter(|record| record.heap.is_some()).count();
    let n_dropped: u64 = records().map(|record| record.n_dropped).sum();
    let n_counts = recording
        .counters
        .values()
        .flatten()
        .filter(|record| record.calls.is_none() && record.deopts.is_none())
        .count();
    let process_bytes = bytes("process-");
    let mut rows = vec![
        row("load", recording.load.len(), bytes("load"), "no load was driven: pass --url"),
        row("proc", recording.system.len(), bytes("system"), "/proc gave nothing"),
        row("loop", n_seconds, process_bytes, "no agent delivered event-loop records"),
        // Their bytes are in the same files as those of `loop`.
        row("gc", n_gc, 0, "no collection was seen"),
        row("heap_usage", n_heap, 0, "no agent delivered heap readings"),
        row("cpu", n_samples, bytes("cpu-"), "no CPU phase ran, or no agent delivered samples"),
    ];
    // A short run, or a person, leaves these phases out: then nobody misses them.
    let is_planned = |name: &str| recording.manifest.phases.iter().any(|phase| phase.name == name);
    let n_followed = recording.asynchronous.values().map(|log| log.requests.len()).sum();
    if is_planned("async") || n_followed > 0 {
        rows.push(row("async", n_followed, bytes("async-"), "no HTTP request was answered in its phase"));
    }
    if is_planned("counters") || n_counts > 0 {
        rows.push(row("counters", n_counts, bytes("counters-"), "no agent delivered counts"));
    }
    let n_windows = recording.heap.values().map(Vec::len).sum();
    if is_planned("heap") || n_windows > 0 {
        rows.push(row("heap", n_windows, bytes("heap-"), "no agent delivered samples of the heap"));
    }
    if is_planned("calls") || !profile.function_calls.is_empty() {
        rows.push(row("calls", profile.function_calls.len(), 0, "no agent delivered calls of functions"));
    }
    let deopts = recording.counters.values().flatten().filter_map(|record| record.deopts.as_ref());
    let (n_windows, n_deopts) =
        deopts.fold((0, 0), |(windows, n), deopts| (windows + 1, n + deopts.functions.len()));
    if is_planned("deopts") || n_windows > 0 {
        let mut row = row("deopts", n_deopts, 0, "no agent delivered what V8 optimised");
        if n_windows > 0 {
            // None at all is how it should be.
            (row.state, row.why) = (RecorderState::Ok, String::new());
        }
        rows.push(row);
    }
    let says_native =
        |event: &Event| matches!(event, Event::Recorder { recorder, .. } if recorder == "native");
    // Most runs do not ask for it.
    if recording.native.is_some() || recording.events.iter().any(|timed| says_native(&timed.event)) {
        rows.push(row("native", n_native, bytes("native"), "no sample came"));
    }
    if n_gc == 0 && n_seconds > 0 {
        rows[3].state = RecorderState::Ok;
    }
    if n_dropped > 0 {
        rows[2].state = RecorderState::Partial;
        rows[2].why = format!("{n_dropped} records lost because the ring was full");
    }
    if let Some(native) = recording.native.as_ref().filter(|native| native.log.n_lost > 0) {
        let row = rows.last_mut().expect("the row of native stacks was pushed above");
        row.state = RecorderState::Partial;
        row.why = format!("{} records did not fit into the kernel's rings", native.log.n_lost);
    }
    for timed in &recording.events {
        if let Event::Recorder { recorder, pid, state, why } = &timed.event
            && *state != RecorderState::Ok
            && let Some(row) = rows.iter_mut().find(|row| row.name == recorder)
        {
            row.state = if row.n_records > 0 { RecorderState::Partial } else { RecorderState::Missing };
            row.why = pid.map_or_else(|| why.clone(), |pid| format!("process {pid}: {why}"));
        }
    }
    rows
}

fn row(name: &'static str, n_records: usize, bytes: u64, missing: &str) -> RecorderMeasure {
    let (state, why) = match n_records {
        0 => (RecorderState::Missing, missing.to_owned()),
        _ => (RecorderState::Ok, String::new()),
    };
    RecorderMeasure { name, state, why, bytes, n_records: n_records as u64 }
}
