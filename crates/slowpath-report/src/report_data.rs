//! Puts measurements and findings into the shape of `report.json`.

use crate::async_data::{async_data, cpu_owners};
use crate::counters_data::counters;
use crate::data::{
    EvidenceData, FindingData, FunctionData, GainData, LatencyData, LoadData, LoadPhaseData, LocationData,
    MachineData, OverheadData, ProcessData, REPORT_FORMAT_VERSION, RecorderData, ReportData, RunInfo,
    SeriesData, SplitSource, StallData, StallGroupData, ThreadData, ThreadWaitData, TimelineData,
    TimelinePhase, VerdictData, WarningData,
};
use crate::memory_data::memory;
use crate::native_data;
use crate::profile_data;
use crate::scale_data::scale;
use slowpath_analysis::{Charges, FunctionTime, Latency, Measurements, Outcome, Series, SplitClass};
use slowpath_diagnosis::{Diagnosis, Evidence, Finding};
use slowpath_profile::Recording;
use slowpath_profile::recording::{Event, RecorderState};
use slowpath_profile::tables::{Function, Profile, WeightUnit};

/// Functions listed in the table; the flame graph has all of them.
const MAX_FUNCTIONS: usize = 400;

/// Stalls listed, longest first; a saturated loop has thousands.
const MAX_STALLS: usize = 500;

/// Functions listed with their stalls, those that held the loop longest.
const MAX_STALL_GROUPS: usize = 50;

/// Generator use of a core from which on it may have been the bottleneck itself.
const GENERATOR_LIMIT: f64 = 0.9;

/// Share of the machine used by other programs from which on numbers suffer.
const NOISY_MACHINE: f64 = 0.10;

/// Stolen share of the machine from which on numbers suffer.
const NOISY_STEAL: f64 = 0.02;

/// Share of failed requests from which on a warning stands beside the load.
const MANY_ERRORS: f64 = 0.01;

pub(crate) fn build(
    recording: &Recording,
    profile: &Profile,
    m: &Measurements,
    diagnosis: &Diagnosis,
) -> ReportData {
    let split = m.split.as_ref();
    ReportData {
        format_version: REPORT_FORMAT_VERSION,
        slowpath_version: recording.manifest.slowpath_version.clone(),
        files: Vec::new(),
        weight_unit: profile_data::unit_name(profile.unit),
        categories: Vec::new(),
        run: run_info(recording, m),
        verdict: VerdictData {
            class: diagnosis.verdict.class.as_str(),
            sentence: diagnosis.verdict.sentence.clone(),
            detail: diagnosis.verdict.detail.clone(),
        },
        findings: diagnosis.findings.iter().map(finding).collect(),
        gain_of_all: diagnosis.gain_of_all,
        refuted: diagnosis.refuted.clone(),
        pack: None,
        checkpoints: Vec::new(),
        checklist: Vec::new(),
        load: m.load.as_ref().map(load),
        load_phases: load_phases(m),
        split: split
            .map(|split| SplitClass::ALL.iter().map(|class| (class.as_str(), split.share(*class))).collect())
            .unwrap_or_default(),
        split_source: split.map(|split| SplitSource {
            pid: split.pid,
            thread: split.thread,
            thread_name: thread_name(split.thread),
            wall_s: split.wall.as_secs_f64(),
            n_samples: split.n_samples,
            effective_interval_us: split.effective_interval.map_or(0.0, |interval| interval.0 as f64 / 1e3),
            recorders: split.recorders.clone(),
        }),
        overhead: m
            .overhead
            .iter()
            .map(|row| OverheadData {
                phase: row.phase.clone(),
                throughput: row.throughput,
                cpu_per_request: row.cpu_per_request,
                p99: row.p99,
                note: row.note.clone(),
            })
            .collect(),
        processes: processes(m, profile),
        recorders: m
            .recorders
            .iter()
            .map(|row| RecorderData {
                name: row.name,
                state: state_name(row.state),
                why: row.why.clone(),
                bytes: row.bytes,
                n_records: row.n_records,
            })
            .collect(),
        warnings: warnings(recording, m),
        functions: functions(profile, m.function_times(), &m.charges),
        native: m.native.as_ref().map(|native| native_data::build(profile, native)),
        counters: counters(profile, m),
        memory: memory(profile, m),
        scale: scale(profile, m),
        timeline: timeline(profile, m),
        requests: async_data(m),
        cpu_owners: cpu_owners(profile, &m.charges),
    }
}

fn run_info(recording: &Recording, m: &Measurements) -> RunInfo {
    let manifest = &recording.manifest;
    let main_pid = m.split.as_ref().map(|split| split.pid);
    let node = recording.events.iter().find_map(|timed| match &timed.event {
        Event::Process(hello) if main_pid.is_none_or(|pid| pid == hello.pid) => Some(hello.node.clone()),
        _ => None,
    });
    RunInfo {
        title: manifest.title.clone(),
        command: manifest.command.clone(),
        cwd: manifest.cwd.clone(),
        node,
        started_at: Some(manifest.started_at.clone()),
        duration_s: m.phases.since_start(m.phases.end),
        ended: match m.phases.outcome {
            Outcome::Complete => "complete",
            Outcome::Interrupted => "interrupted",
            Outcome::TargetDied | Outcome::NeverReady => "target-died",
            Outcome::Cut => "recording-cut",
        },
        ended_detail: m.phases.detail.clone(),
        url: manifest.load.as_ref().map(|load| load.url.clone()),
        method: manifest.load.as_ref().map(|load| load.method.clone()),
        connections: manifest.load.as_ref().map(|load| load.connections),
        machine: Some(MachineData {
            cpus: manifest.machine.cpus,
            cpu_model: manifest.machine.cpu_model.clone(),
            kernel: manifest.machine.kernel.clone(),
            memory_bytes: manifest.machine.memory_bytes,
        }),
    }
}

fn finding(finding: &Finding) -> FindingData {
    FindingData {
        rule: finding.rule,
        title: finding.title.clone(),
        severity: finding.severity.as_str(),
        confidence: finding.confidence.as_str(),
        confidence_why: finding.confidence_why.clone(),
        share: finding.share,
        share_of: finding.share_of,
        predicted_gain: finding.predicted_gain.map(|gain| GainData {
            throughput: gain.throughput,
            low: gain.low,
            high: gain.high,
        }),
        location: finding.location.as_ref().map(|location| LocationData {
            function: location.function.clone(),
            file: location.file.clone(),
            line: location.line,
            column: location.column,
            package: location.package.clone(),
            process: location.process,
        }),
        evidence: evidence_data(&finding.evidence),
        advice: finding.advice.clone(),
        function_index: finding.function.map(|function| function.0),
        intervals: finding.intervals.clone(),
    }
}

/// Returns evidence as reports have it.
pub(crate) fn evidence_data(evidence: &[Evidence]) -> Vec<EvidenceData> {
    let rows = evidence.iter().map(|evidence| EvidenceData {
        text: evidence.text.clone(),
        value: evidence.value,
        unit: evidence.unit,
        n_samples: evidence.n_samples,
        recorder: evidence.recorder,
    });
    rows.collect()
}

fn latency(latency: &Latency) -> LatencyData {
    let Latency { p50, p90, p99, p99_9, max, mean } = *latency;
    LatencyData { p50, p90, p99, p99_9, max, mean }
}

fn load(load: &slowpath_analysis::LoadMeasure) -> LoadData {
    LoadData {
        requests: load.own.n_requests,
        requests_per_second: load.own.requests_per_second,
        duration_s: load.own.seconds,
        latency_ms: latency(&load.own.latency),
        errors: load.errors.clone(),
        status: load.status.iter().map(|(code, n)| (code.to_string(), *n)).collect(),
        bytes_per_second: load.bytes_per_second,
        cpu_ms_per_request: load.own.cpu_ms_per_request,
        generator_cpu_share: load.generator_cpu_share,
        stream: None,
        phases: load.own_phases.clone(),
        error_samples: load.error_samples.clone(),
    }
}

fn load_phases(m: &Measurements) -> Vec<LoadPhaseData> {
    let Some(load) = &m.load else { return Vec::new() };
    let rows = load.phases.iter().zip(&m.phases.phases);
    rows.map(|(row, phase)| LoadPhaseData {
        phase: row.phase.clone(),
        start_s: m.phases.since_start(phase.start),
        end_s: m.phases.since_start(phase.end),
        requests: row.n_requests,
        requests_per_second: row.requests_per_second,
        latency_ms: latency(&row.latency),
        errors: row.errors.clone(),
        cpu_ms_per_request: row.cpu_ms_per_request,
    })
    .collect()
}

fn thread_name(thread: u32) -> String {
    if thread == 0 { "main".into() } else { format!("worker {thread}") }
}

/// Names a function with its place.
fn in_words(function: &Function) -> String {
    format!("{} ({}:{})", function.name, function.file, function.line)
}

fn processes(m: &Measurements, profile: &Profile) -> Vec<ProcessData> {
    let threads = |process: &slowpath_analysis::ProcessMeasure| {
        let rows = process.threads.iter().map(|thread| ThreadData {
            tid: thread.tid,
            thread: thread.thread,
            name: thread.name.clone(),
            cpu_share: thread.cpu_share,
            run_queue_share: thread.run_queue_share,
            n_samples: thread.n_samples,
            waiting: thread.waiting.as_ref().map(|wait| ThreadWaitData {
                share: wait.share,
                call: profile.functions.get(wait.call).name.clone(),
                caller: wait.caller.map(|caller| in_words(profile.functions.get(caller))),
            }),
        });
        rows.collect()
    };
    let rows = m.processes.iter().map(|process| ProcessData {
        pid: process.pid,
        ppid: process.ppid,
        role: process.role.clone(),
        command: process.command.clone(),
        node: process.node.clone(),
        threads: threads(process),
        exit: process.exit.clone(),
        rss_peak_bytes: (process.rss_peak > 0).then_some(process.rss_peak),
        fds_peak: (process.fds_peak > 0).then_some(process.fds_peak),
    });
    rows.collect()
}

fn state_name(state: RecorderState) -> &'static str {
    match state {
        RecorderState::Ok => "ok",
        RecorderState::Partial => "partial",
        RecorderState::Missing => "missing",
    }
}

fn warnings(recording: &Recording, m: &Measurements) -> Vec<WarningData> {
    let mut rows = Vec::new();
    let mut warn = |about, text: String| rows.push(WarningData { text, about });
    match m.phases.outcome {
        Outcome::TargetDied | Outcome::NeverReady => warn("target", m.phases.detail.clone()),
        Outcome::Interrupted => warn("recording", "the run was ended early; all until then is here".into()),
        Outcome::Cut => warn("recording", "slowpath itself was killed; all until about then is here".into()),
        Outcome::Complete => {}
    }
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if let Some(load) = &m.load {
        let (n_errors, n_all) = (load.n_errors(), load.n_errors() + load.n_requests);
        if n_errors as f64 > n_all as f64 * MANY_ERRORS {
            warn(
                "load",
                format!("{n_errors} of {n_all} requests failed; the numbers are of those that did not"),
            );
        }
        if load.generator_cpu_share > GENERATOR_LIMIT {
            let share = percent(load.generator_cpu_share);
            warn(
                "load",
                format!("the load generator used {share} of its core: it may be the limit, not the service"),
            );
        }
    }
    let machine = &m.machine;
    if machine.others > NOISY_MACHINE {
        let share = percent(machine.others);
        warn(
            "machine",
            format!("other programs used {share} of this machine's {} CPUs meanwhile", machine.n_cpus),
        );
    }
    if machine.steal > NOISY_STEAL {
        warn(
            "machine",
            format!("the hypervisor gave {} of this machine's CPU time to others", percent(machine.steal)),
        );
    }
    if let Some(throttled) = machine.throttled.filter(|share| *share > 0.0) {
        warn("machine", format!("the target's CPU quota ran out for {} of the time", percent(throttled)));
    }
    for damage in &recording.damage {
        if m.phases.outcome != Outcome::Cut || !damage.starts_with("the recording was cut") {
            warn("recording", damage.clone());
        }
    }
    for timed in &recording.events {
        if let Event::Warning { text } = &timed.event {
            warn("recording", text.clone());
        }
    }
    rows
}

/// Returns the first rows of the function table.
pub(crate) fn functions(profile: &Profile, times: &[FunctionTime], charges: &Charges) -> Vec<FunctionData> {
    // Bytes and samples stand as they are where seconds would.
    let scale = if profile.unit == WeightUnit::Nanoseconds { 1e-9 } else { 1.0 };
    let rows = times.iter().take(MAX_FUNCTIONS).map(|row| {
        let function = profile.functions.get(row.function);
        FunctionData {
            function_index: row.function.0,
            name: function.name.clone(),
            file: function.file.clone(),
            line: (function.line > 0).then_some(function.line),
            category: function.category.as_str(),
            package: function.package.clone(),
            self_s: row.self_time.0 as f64 * scale,
            total_s: row.total_time.0 as f64 * scale,
            charged_s: charges.charged_unfolded.get(&row.function).map_or(0.0, |time| time.0 as f64 * scale),
            n_samples: row.n_samples,
        }
    });
    rows.collect()
}

fn timeline(profile: &Profile, m: &Measurements) -> TimelineData {
    let phases = &m.phases;
    let mut stalls: Vec<_> = m.event_loop.as_ref().map(|l| l.stalls.iter().collect()).unwrap_or_default();
    stalls.sort_by_key(|stall: &&slowpath_analysis::Stall| std::cmp::Reverse(stall.end.since(stall.start)));
    stalls.truncate(MAX_STALLS);
    stalls.sort_by_key(|stall| stall.start);
    TimelineData {
        duration_s: m.timeline.seconds,
        phases: phases
            .phases
            .iter()
            .map(|phase| TimelinePhase {
                name: phase.name.clone(),
                start_s: phases.since_start(phase.start),
                end_s: phases.since_start(phase.end),
            })
            .collect(),
        series: series(&m.timeline.series),
        stalls: stalls
            .into_iter()
            .map(|stall| StallData {
                start_s: phases.since_start(stall.start),
                duration_ms: stall.end.since(stall.start).as_millis_f64(),
                pid: stall.pid,
                thread: 0,
                culprit: stall.culprit.map(|function| profile.functions.get(function).name.clone()),
                function_index: stall.culprit.map(|function| function.0),
            })
            .collect(),
        stall_groups: m
            .stall_groups
            .iter()
            .take(MAX_STALL_GROUPS)
            .map(|group| stall_group(profile, group))
            .collect(),
    }
}

fn stall_group(profile: &Profile, group: &slowpath_analysis::StallGroup) -> StallGroupData {
    let function = group.culprit.map(|function| profile.functions.get(function));
    StallGroupData {
        culprit: function.map(|function| function.name.clone()),
        place: function.map(|function| match function.line {
            0 => function.file.clone(),
            line => format!("{}:{line}", function.file),
        }),
        function_index: group.culprit.map(|function| function.0),
        n_stalls: group.n_stalls,
        total_ms: round(group.total.as_millis_f64(), 1e3),
        longest_ms: round(group.longest.as_millis_f64(), 1e3),
        own_ms: round(group.own.as_millis_f64(), 1e3),
        requests_caught: group.requests_caught.map(|n| round(n, 10.0)),
    }
}

/// Digits past what a picture shows only make the page larger.
fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// Returns series as the page draws them, without digits that nobody sees.
pub(crate) fn series(series: &[Series]) -> Vec<SeriesData> {
    let rows = series.iter().map(|series| SeriesData {
        id: series.id,
        label: series.label,
        unit: series.unit,
        t_s: series.t.iter().map(|t| round(*t, 1e3)).collect(),
        v: series.v.iter().map(|v| v.map(|v| round(v, 1e4))).collect(),
    });
    rows.collect()
}
