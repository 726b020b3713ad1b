//! `slowpath attach PID`: the session of `slowpath run` on a service that runs already.

use crate::cli::AttachOptions;
use crate::exit_code::{ExitCode, usage};
use crate::project::PackWish;
use crate::request_plan::request_plan;
use crate::run_command::{Prepared, run_by_options};
use crate::session::Ending;
use crate::summaries::Summary;
use crate::{out_dir, phase_plan, project};
use slowpath_capture::{LaunchPlan, RunningProcess};
use slowpath_load::Url;
use std::path::Path;

pub(crate) fn run(options: &AttachOptions) -> anyhow::Result<ExitCode> {
    let process = RunningProcess::find(options.pid).ok_or_else(|| {
        usage(format!("there is no process {}", options.pid), "find its id with `pgrep -af node`")
    })?;
    let load = request_plan(&options.load)?;
    let session = &options.session;
    let (planned, only) = (session.phases.as_deref(), session.only.as_deref());
    let phases = phase_plan::plan(options.load.duration(), planned, only, session.besides())?;
    let url = options.load.url.as_deref().and_then(|url| Url::parse(url).ok());
    let url_path = url.as_ref().map(|url| url.path_and_query.split('?').next().unwrap_or_default());
    let cwd = process.cwd.clone().unwrap_or_else(|| Path::new("/").to_owned());
    let wish = PackWish::of(session.pack.as_deref());
    let project = project::look_at(&process.command, &cwd, url_path, &wish)?;
    let prepared = Prepared {
        title: out_dir::title_of(&process.command),
        target: LaunchPlan { command: process.command.clone(), cwd: Some(cwd), ..LaunchPlan::default() },
        running: Some(process),
        project: Some(project),
        shown_url: options.load.url.clone(),
        load,
        scale: None,
        phases,
        ending: Ending::LastPhase,
        summary: Summary::Verdict,
    };
    run_by_options(prepared, session, &options.output)
}
