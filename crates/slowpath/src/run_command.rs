//! `slowpath run`: checks everything that can be wrong, runs the session, writes the report, says the verdict.

use crate::cli::{OutputOptions, RunOptions, SessionOptions};
use crate::exit_code::{ExitCode, explained};
use crate::native_phase::NativePlan;
use crate::project::PackWish;
use crate::request_plan::{load_error, request_plan};
use crate::scale_plan::ScaleLoads;
use crate::session::{Ending, SessionOutcome, SessionPlan};
use crate::signals::StopRequests;
use crate::summaries::Summary;
use crate::terminal::{Talk, Terminal, print_conclusion, print_report_path};
use crate::{config, out_dir, phase_plan, project, session, viewer};
use anyhow::Context as _;
use jiff::Timestamp;
use slowpath_capture::{
    CpuSampling, LaunchPlan, RunningProcess, describe_machine, now, redact_args, redact_output_log,
    redact_url,
};
use slowpath_load::{LoadPlan, Url};
use slowpath_profile::Recording;
use slowpath_profile::recording::{
    Ended, FORMAT_VERSION, Layout, LoadPlanInfo, Manifest, PhasePlan, Project,
};
use slowpath_report::{Report, ReportData, write_report};
use std::path::Path;

pub(crate) fn run(options: &RunOptions) -> anyhow::Result<ExitCode> {
    let cwd = std::env::current_dir().context("the working directory is gone")?;
    let (options, env) = &config::completed(options, &cwd)?;
    let load = request_plan(&options.load)?;
    let session = &options.session;
    let (planned, only) = (session.phases.as_deref(), session.only.as_deref());
    let scale = options.scale.then(|| ScaleLoads::of(load.as_ref())).transpose()?;
    let duration = options.load.duration();
    let others = if options.scale { ScaleLoads::left_of(duration) } else { duration };
    let mut phases = phase_plan::plan(others, planned, only, session.besides())?;
    if let Some(scale) = &scale {
        scale.insert_into(&mut phases, duration);
    }
    let url_path = options.load.url.as_deref().and_then(|url| Url::parse(url).ok());
    let url_path = url_path.as_ref().map(|url| url.path_and_query.split('?').next().unwrap_or_default());
    let wish = PackWish::of(session.pack.as_deref());
    let project = project::look_at(&options.command, &cwd, url_path, &wish)?;
    if let Some(pack) = project.pack.as_ref().filter(|pack| !pack.fits) {
        eprintln!("warning: nothing of the project matches the pack: {}", pack.why);
    }
    let prepared = Prepared {
        target: LaunchPlan { command: options.command.clone(), env: env.clone(), ..LaunchPlan::default() },
        running: None,
        project: Some(project),
        title: out_dir::title_of(&options.command),
        shown_url: options.load.url.clone(),
        load,
        scale,
        phases,
        ending: Ending::LastPhase,
        summary: Summary::Verdict,
    };
    run_by_options(prepared, session, &options.output)
}

/// Runs a session as its options say. Shared by `run`, `flame` and `doctor`.
pub(crate) fn run_by_options(
    mut prepared: Prepared,
    session: &SessionOptions,
    output: &OutputOptions,
) -> anyhow::Result<ExitCode> {
    let ready_url =
        session.ready_url.as_deref().map(Url::parse).transpose().map_err(|error| load_error(&error))?;
    let has_native_phase = prepared.phases.iter().any(|phase| phase.name == phase_plan::NATIVE);
    let native = NativePlan::new(session.native || has_native_phase);
    native.node_options().clone_into(&mut prepared.target.node_options);
    if let Some(lack) = native.lack() {
        prepared.phases = phase_plan::without_native(prepared.phases).ok_or_else(|| {
            explained(ExitCode::Failed, format!("native stacks cannot be recorded: {}", lack.what), &lack.fix)
        })?;
    }
    let plan = |layout: Layout, prepared: Prepared| SessionPlan {
        target: prepared.target,
        running: prepared.running,
        load: prepared.load,
        scale: prepared.scale,
        phases: prepared.phases,
        ending: prepared.ending,
        ready_url,
        ready_timeout: session.ready_timeout,
        grace: session.grace,
        cpu_sampling: session.cpu_interval,
        stall: session.stall,
        keeps_sources: !session.no_sources,
        native,
        layout,
    };
    run_prepared(prepared, output, plan, session.cpu_interval)
}

/// A session that was checked and only lacks its directory.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) target: LaunchPlan,
    /// The process to record, where it runs already; `target` then says what it was started with.
    pub(crate) running: Option<RunningProcess>,
    pub(crate) project: Option<Project>,
    pub(crate) title: String,
    pub(crate) shown_url: Option<String>,
    pub(crate) load: Option<LoadPlan>,
    /// Other loads that it is compared with.
    pub(crate) scale: Option<ScaleLoads>,
    pub(crate) phases: Vec<PhasePlan>,
    pub(crate) ending: Ending,
    /// What the closing lines say.
    pub(crate) summary: Summary,
}

/// Creates the recording, runs the session and reports. Shared by all commands that start a target.
pub(crate) fn run_prepared(
    prepared: Prepared,
    output: &OutputOptions,
    plan: impl FnOnce(Layout, Prepared) -> SessionPlan,
    cpu_sampling: CpuSampling,
) -> anyhow::Result<ExitCode> {
    let started = Timestamp::now();
    let layout = out_dir::create(output.out.as_deref(), &prepared.title, started)?;
    let manifest = manifest(&prepared, started, cpu_sampling)?;
    out_dir::write_head(&layout, &manifest, prepared.project.as_ref())?;
    let talk = if output.quiet || output.json { Talk::Quiet } else { Talk::Normal };
    let mut terminal = Terminal::new(talk);
    let stop_requests = StopRequests::listen()?;
    let dir = layout.dir.clone();
    let summary = prepared.summary;
    let plan = plan(layout, prepared);
    let outcome = session::run(&plan, &stop_requests, &mut terminal);
    // Nobody writes to them any more.
    Layout::new(&dir).output_logs().iter().for_each(|path| redact_output_log(path));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            out_dir::remove_if_empty(&dir);
            return Err(error);
        }
    };
    if outcome.aborted {
        eprintln!("aborted; the recording is in {}", dir.display());
        return Ok(ExitCode::Aborted);
    }
    conclude(&dir, &outcome, output, summary)
}

/// Reports a recording and decides the exit code.
fn conclude(
    dir: &Path,
    outcome: &SessionOutcome,
    output: &OutputOptions,
    summary: Summary,
) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(dir)?;
    let report = Report::of(&recording);
    let files = write_report(&report, dir)?;
    let only_errors = answered_only_errors(&report.data);
    let failed = only_errors || matches!(outcome.ended, Ended::TargetDied | Ended::NeverReady);
    if output.json {
        print!("{}", report.to_json()?);
    } else if output.quiet {
        println!("{}", files.html.display());
    } else if failed && report.data.verdict.class == "not-enough-data" {
        // The error below says it all.
        print_report_path(&files.html);
    } else {
        print_conclusion(&report.data, &summary.lines(&report.data), &files.html);
    }
    if viewer::wanted(output) && !viewer::open(&files.html) {
        eprintln!("no browser was found to open it");
    }
    match outcome.ended {
        Ended::Complete | Ended::Interrupted if only_errors => Err(explained(
            ExitCode::TargetFailed,
            report.data.verdict.sentence.clone(),
            "check the URL, the headers and the body; see the samples of errors in the report",
        )),
        Ended::Complete | Ended::Interrupted => Ok(ExitCode::Done),
        Ended::TargetDied => Err(explained(
            ExitCode::TargetFailed,
            outcome.detail.clone(),
            "start it by hand to see why; what was recorded until then is in the report",
        )),
        Ended::NeverReady => Err(explained(
            ExitCode::TargetFailed,
            format!("the target did not get ready: {}", outcome.detail),
            "check the port of --url, pass --ready-url, or allow more time with --ready-timeout",
        )),
    }
}

fn answered_only_errors(report: &ReportData) -> bool {
    let n_requests: u64 = report.load_phases.iter().map(|phase| phase.requests).sum();
    report.load.as_ref().is_some_and(|load| n_requests == 0 && load.errors.values().sum::<u64>() > 0)
}

fn manifest(prepared: &Prepared, started: Timestamp, cpu_sampling: CpuSampling) -> anyhow::Result<Manifest> {
    let cwd = match &prepared.target.cwd {
        Some(cwd) => cwd.canonicalize()?,
        None => std::env::current_dir().context("the working directory is gone")?,
    };
    Ok(Manifest {
        format_version: FORMAT_VERSION,
        slowpath_version: env!("CARGO_PKG_VERSION").to_owned(),
        start: now(),
        started_at: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: redact_args(&prepared.target.command),
        cwd: cwd.display().to_string(),
        title: prepared.title.clone(),
        load: prepared.load.as_ref().map(|load| LoadPlanInfo {
            url: redact_url(prepared.shown_url.as_deref().unwrap_or_default()),
            method: load.requests[0].method.clone(),
            connections: load.connections,
        }),
        phases: prepared.phases.clone(),
        scale: prepared.scale.as_ref().map(|scale| scale.fixed.clone()),
        cpu_interval_us: cpu_sampling.interval_us,
        machine: describe_machine(),
    })
}
