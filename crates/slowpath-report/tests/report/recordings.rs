//! Recordings to report on, put together from lines as they are on the disk.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slowpath_profile::import::cpuprofile::CallFrame;
use slowpath_profile::recording::{CpuSegment, Layout, ThreadCpu};
use slowpath_profile::{Nanos, Recording};

/// HDR histogram (V2, base64) of 300 values of 5 ms and one of 60 ms, in microseconds.
const HISTOGRAM: &str = "HISTEwAAAAcAAAAAAAAAAgAAAAAAAAABAAAAAAAA//8/8AAAAAAAALcM2ASZBwI=";

/// Begin and end of each phase in seconds.
const PHASES: [(&str, u64, u64); 3] = [("warm-up", 0, 1), ("baseline", 1, 6), ("cpu", 6, 10)];

/// Moment in nanoseconds.
fn at(seconds: f64) -> u64 {
    ((7_000.0 + seconds) * 1e9) as u64
}

fn from_json<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a line of the format")
}

/// A recording that ended before anything was recorded.
pub(crate) fn empty() -> Recording {
    let manifest = from_json(json!({
        "format_version": 1, "slowpath_version": "0.0.0", "start": at(0.0), "started_at": "2026-01-01T00:00:00Z",
        "command": ["node", "app.js"], "cwd": "/srv", "title": "app", "load": null, "phases": [],
        "cpu_interval_us": 10_000,
        "machine": { "cpus": 4, "cpu_model": "", "kernel": "", "memory_bytes": 0, "cgroup_cpu_limit": null },
    }));
    Recording::empty(Layout::new("drawn"), manifest)
}

/// A whole run of a busy service, in which `hot` takes most of the time.
pub(crate) fn full(hot: &str) -> Recording {
    let mut recording = empty();
    recording.manifest.load =
        from_json(json!({ "url": "http://127.0.0.1:3000/", "method": "GET", "connections": 10 }));
    recording.events = events();
    recording.load = (0..10).map(load_interval).collect();
    recording.system = (0..=20).map(|half| system_sample(f64::from(half) / 2.0)).collect();
    recording.processes.insert(101, (0..10).map(process_record).collect());
    recording.cpu.insert((101, 0), ThreadCpu { segments: vec![segment(hot, BUSY)] });
    recording.cpu.insert((101, 1), ThreadCpu { segments: vec![segment("task", QUIET)] });
    recording.file_bytes.insert("load.jsonl".into(), 1000);
    recording
}

/// The same run, whose phases had loads to compare.
pub(crate) fn compared() -> Recording {
    let mut recording = full("render");
    let level =
        |connections| json!({ "connections": connections, "body_bytes": 100.0, "varied": "connections" });
    recording.manifest.phases = from_json(json!([
        { "name": "baseline", "seconds": 5.0, "level": level(2) },
        { "name": "cpu", "seconds": 4.0, "level": level(16) },
    ]));
    recording.manifest.scale =
        Some(from_json(json!({ "connections_fixed": null, "bodies_fixed": "the body has one size" })));
    recording
}

/// What is left of the run when only one file of it can be read.
pub(crate) fn remains() -> Vec<Recording> {
    let (only_events, mut only_load, mut only_system) = (empty(), empty(), empty());
    let (mut only_records, mut only_samples) = (empty(), empty());
    only_load.load = full("render").load;
    only_system.system = full("render").system;
    only_records.processes = full("render").processes;
    only_samples.cpu = full("render").cpu;
    let mut remains = vec![only_events, only_load, only_system, only_records, only_samples];
    for recording in &mut remains {
        recording.events = events();
    }
    remains
}

fn events() -> Vec<slowpath_profile::recording::TimedEvent> {
    let hello = json!({
        "event": "process", "pid": 101, "ppid": 1, "node": "24.0.0", "argv": ["node", "app.js"], "exec_argv": [],
        "cwd": "/srv", "main": "/srv/app.js", "cluster_worker": null, "heap_size_limit": 0,
    });
    let mut events = vec![
        (0.0, json!({ "event": "launched", "pid": 101 })),
        (0.0, hello),
        (0.0, json!({ "event": "thread-started", "pid": 101, "thread": 1, "title": "worker.js" })),
    ];
    for (phase, start, end) in PHASES {
        events.push((start as f64, json!({ "event": "phase-started", "phase": phase })));
        events.push((end as f64, json!({ "event": "phase-ended", "phase": phase })));
    }
    let recorder =
        json!({ "event": "recorder", "recorder": "gc", "pid": 101, "state": "partial", "why": "lost" });
    let ended = json!({ "event": "process-ended", "pid": 101, "code": null, "signal": 9, "stopping": true });
    events.push((10.0, recorder));
    events.push((10.0, json!({ "event": "warning", "text": "something was lost" })));
    events.push((10.0, json!({ "event": "stopping", "ended": "complete", "detail": "" })));
    events.push((10.0, ended));
    events.push((10.0, json!({ "event": "finished" })));
    let timed = |(t, mut event): (f64, Value)| {
        event["t"] = json!(at(t));
        from_json(event)
    };
    events.into_iter().map(timed).collect()
}

fn load_interval(second: u64) -> slowpath_profile::recording::LoadInterval {
    let phase = PHASES.iter().find(|(_, _, end)| second < *end).map_or("", |(phase, ..)| phase);
    from_json(json!({
        "start_ns": at(second as f64), "end_ns": at(second as f64 + 1.0), "label": phase, "latency": HISTOGRAM,
        "n_requests": 301, "status": { "200": 301, "500": 2 }, "errors": { "status": 2 },
        "error_samples": ["GET /: 500 oops"], "bytes_in": 30_100, "busiest_thread_cpu_share": 0.2,
    }))
}

fn system_sample(t: f64) -> slowpath_profile::recording::SystemSample {
    let spent = |share: f64| (share * t * 1e9) as u64;
    let task = json!([101, "node", spent(0.9), spent(0.05), spent(0.8), spent(0.1), 10, 10]);
    let process = json!({
        "pid": 101, "ppid": 1, "name": "node", "rss": 50_000_000, "n_fds": 20, "n_sockets": 10, "tasks": [task],
    });
    from_json(json!({
        "t": at(t), "machine": { "busy": spent(1.5), "idle": spent(2.5), "steal": 0 }, "own_cpu": spent(0.1),
        "cgroup": { "n_throttled": 1, "throttled": spent(0.01) }, "processes": [process],
    }))
}

fn process_record(second: u32) -> slowpath_profile::recording::ProcessRecord {
    let from = f64::from(second);
    let stall = json!({ "start": at(from + 0.3), "end": at(from + 0.4) });
    from_json(json!({
        "t": at(from + 1.0), "thread": 0,
        "event_loop": {
            "from": at(from), "to": at(from + 0.99), "delay": HISTOGRAM, "idle": 100_000_000, "stalls": [stall],
        },
        "gc": [{ "start": at(from + 0.5), "pause": 50_000_000, "kind": 1 }],
        "heap": { "used": 20_000_000, "total": 30_000_000, "external": 0 },
    }))
}

/// Which nodes of [`segment`] ten samples in a row have.
const BUSY: [u32; 10] = [1, 2, 2, 3, 3, 3, 5, 4, 4, 6];
const QUIET: [u32; 10] = [2, 6, 6, 6, 6, 6, 6, 6, 6, 6];

/// Four seconds of `handle > hot > writev`, of `handle` itself, of a package, of collections and of idling.
fn segment(hot: &str, of_ten: [u32; 10]) -> CpuSegment {
    let frame = |name: &str, url: &str, line: i64| CallFrame {
        function_name: name.to_owned().into(),
        url: url.to_owned().into(),
        line_number: line,
        column_number: line,
    };
    let nodes = vec![
        (None, frame("(root)", "", -1)),
        (Some(0), frame("handle", "file:///srv/app.js", 3)),
        (Some(1), frame(hot, "file:///srv/app.js", 12)),
        (Some(2), frame("writev", "", -1)),
        (Some(0), frame("route", "file:///srv/node_modules/router/index.js", 1)),
        (Some(0), frame("(garbage collector)", "", -1)),
        (Some(0), frame("(idle)", "", -1)),
    ];
    let samples = (0..400).map(|n| (Nanos(at(6.0 + n as f64 / 100.0)), of_ten[n % 10])).collect();
    let lines = vec![(2, 14, 50), (2, 15, 30), (1, 4, 10)];
    CpuSegment { start: Nanos(at(6.0)), end: Nanos(at(10.0)), nodes, samples, lines }
}
