//! `slowpath perf -p PID`: records where a running process spends its CPU time, whatever it is written in.
//!
//! The recording has one phase, `native`, and no load; the rest of the report says that it was not recorded.

use crate::cli::PerfOptions;
use crate::exit_code::{ExitCode, Explained, usage};
use crate::signals::StopRequests;
use crate::terminal::{Talk, Terminal, print_conclusion};
use crate::{out_dir, viewer};
use anyhow::Context as _;
use jiff::Timestamp;
use slowpath_capture::{
    NativeError, NativeRecorder, Recorded, RunningProcess, SessionWriter, SystemSampler, describe_machine,
    now,
};
use slowpath_profile::Recording;
use slowpath_profile::recording::{Ended, Event, FORMAT_VERSION, Layout, Manifest, PhasePlan, RecorderState};
use slowpath_report::{Report, write_report};
use std::time::{Duration, Instant};

/// How often the process and the signals are looked at.
const POLL: Duration = Duration::from_millis(20);

/// Name of the one phase.
const PHASE: &str = "native";

pub(crate) fn run(options: &PerfOptions) -> anyhow::Result<ExitCode> {
    let process = RunningProcess::find(options.pid).ok_or_else(|| {
        usage(format!("there is no process {}", options.pid), "find its id with `pgrep -f NAME`")
    })?;
    let started = Timestamp::now();
    let title = title_of(&process);
    let layout = out_dir::create(options.output.out.as_deref(), &title, started)?;
    let manifest = manifest(&process, title, started, options.duration);
    out_dir::write_head(&layout, &manifest, None)?;
    let stop_requests = StopRequests::listen()?;
    let quiet = options.output.quiet || options.output.json;
    let mut terminal = Terminal::new(if quiet { Talk::Quiet } else { Talk::Normal });
    let outcome = record(&process, options, &layout, &stop_requests, &mut terminal);
    terminal.end_status();
    if outcome.is_err() {
        out_dir::remove_if_empty(&layout.dir);
    }
    outcome?;
    if stop_requests.abort() {
        eprintln!("aborted; the recording is in {}", layout.dir.display());
        return Ok(ExitCode::Aborted);
    }
    report(&layout, options)
}

/// Records until the time is over, a person ends it, or the process does.
fn record(
    process: &RunningProcess,
    options: &PerfOptions,
    layout: &Layout,
    stop_requests: &StopRequests,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let log = SessionWriter::open(layout).context("cannot write the session log")?;
    let tree = process.tree();
    let recorder = NativeRecorder::start(&tree, options.frequency, layout, &log)
        .map_err(|error| explain(error, process.pid))?;
    let sampler = SystemSampler::start(process.pid, layout, &log, layout.dir.clone());
    let sampler = sampler.context("cannot sample /proc")?;
    for lack in recorder.lacks() {
        terminal.say(&format!("slowpath: {lack}"));
    }
    log.push(Event::PhaseStarted { phase: PHASE.into() });
    sampler.sample_now();
    let begun = Instant::now();
    let mut ended = Ended::Complete;
    while begun.elapsed() < options.duration {
        if stop_requests.stop() {
            ended = Ended::Interrupted;
            break;
        }
        if !process.is_alive() {
            let seconds = begun.elapsed().as_secs_f64();
            log.warn(format!("process {} ended by itself after {seconds:.1} s of recording", process.pid));
            break;
        }
        terminal.set_status(format!(
            "recording process {} ({}) · {:.0}/{:.0} s · {} samples",
            process.pid,
            process.name,
            begun.elapsed().as_secs_f64(),
            options.duration.as_secs_f64(),
            recorder.n_samples(),
        ));
        std::thread::sleep(POLL);
    }
    sampler.sample_now();
    log.push(Event::PhaseEnded { phase: PHASE.into() });
    let mut lacks: Vec<String> = recorder.lacks().iter().map(ToString::to_string).collect();
    let recorded = recorder.stop().context("the native log cannot be written")?;
    sampler.finish();
    log.push(Event::Stopping { ended, detail: String::new() });
    terminal.set_status("naming functions".into());
    lacks.extend(name_functions(&recorded, layout)?);
    if !lacks.is_empty() {
        log.recorder(PHASE, None, RecorderState::Partial, lacks.join("; "));
    }
    log.push(Event::Finished);
    match log.write_failure() {
        Some(failure) => Err(crate::exit_code::explained(
            ExitCode::Failed,
            format!("the recording is not whole: {failure}"),
            "free some space, or pass another directory with `--out DIR`",
        )),
        None => Ok(()),
    }
}

/// Names what was recorded; returns what could not be named, one sentence each.
fn name_functions(recorded: &Recorded, layout: &Layout) -> anyhow::Result<Vec<String>> {
    let lacks = recorded.symbolise(layout).context("the names of native functions cannot be written")?;
    Ok(lacks.iter().map(ToString::to_string).collect())
}

fn report(layout: &Layout, options: &PerfOptions) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(&layout.dir)?;
    let report = Report::of(&recording);
    let files = write_report(&report, &layout.dir)?;
    if options.output.json {
        print!("{}", report.to_json()?);
    } else if options.output.quiet {
        println!("{}", files.html.display());
    } else {
        print_conclusion(&report.data, &[], &files.html);
    }
    if viewer::wanted(&options.output) && !viewer::open(&files.html) {
        eprintln!("no browser was found to open it");
    }
    Ok(ExitCode::Done)
}

fn title_of(process: &RunningProcess) -> String {
    if process.command.is_empty() {
        out_dir::title_of(std::slice::from_ref(&process.name))
    } else {
        out_dir::title_of(&process.command)
    }
}

fn manifest(process: &RunningProcess, title: String, started: Timestamp, duration: Duration) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        slowpath_version: env!("CARGO_PKG_VERSION").to_owned(),
        start: now(),
        started_at: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: process.command.clone(),
        cwd: process.cwd.as_ref().map_or_else(String::new, |cwd| cwd.display().to_string()),
        title,
        load: None,
        phases: vec![PhasePlan::new(PHASE, duration.as_secs_f64())],
        scale: None,
        cpu_interval_us: 0,
        machine: describe_machine(),
    }
}

fn explain(error: NativeError, pid: u32) -> anyhow::Error {
    let message = format!("cannot record native stacks of process {pid}");
    match error {
        NativeError::Refused(lack) => {
            let hint = (!lack.fix.is_empty()).then(|| lack.fix.clone());
            anyhow::Error::msg(lack.what).context(Explained { message, code: ExitCode::Failed, hint })
        }
        error @ NativeError::Log(_) => {
            let hint = Some("free some space, or pass another directory with `--out DIR`".into());
            anyhow::Error::new(error).context(Explained { message, code: ExitCode::Failed, hint })
        }
    }
}
