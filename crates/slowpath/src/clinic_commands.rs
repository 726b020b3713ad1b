//! `slowpath flame`, `slowpath doctor` and `slowpath bubble`: one question each, asked as Clinic.js and 0x are asked. They record from the
//! target's start until Ctrl-C or its end, with whatever traffic there is; with `--load` they drive it as `run` does.

use crate::cli::{LoadOptions, OutputOptions, SessionOptions};
use crate::exit_code::{ExitCode, usage};
use crate::request_plan::request_plan;
use crate::run_command::{Prepared, run_by_options};
use crate::session::Ending;
use crate::summaries::Summary;
use crate::{out_dir, phase_plan};
use clap::Args;
use jiff::Timestamp;
use slowpath_capture::LaunchPlan;
use slowpath_profile::recording::PhasePlan;
use std::path::PathBuf;

pub(crate) const FLAME_EXAMPLES: &str = "\
Examples:
  slowpath flame -- node app.js
      Use the service as it is used; Ctrl-C ends the recording, stops the service and writes the report.
  slowpath flame --output-dir ./profiles -- npm start
  slowpath flame --load http://127.0.0.1:3000/ -c 50 -d 20 -- node server.js
      Drive load for 20 seconds once the port is listened on.
  slowpath flame -- node build.js
      A program that ends by itself is recorded from its start to its end.

The report opens with where the time went; its flame graph shows every process and thread, with native code, GC and WebAssembly in their places.

Exit codes: 0 when you or the program ended it in order, 3 when it crashed or ended with a code of its own.";

pub(crate) const DOCTOR_EXAMPLES: &str = "\
Examples:
  slowpath doctor -- node app.js
      Use the service as it is used; Ctrl-C ends the recording, stops the service and writes the report.
  slowpath doctor --load http://127.0.0.1:3000/ -c 50 -d 30 -- node server.js
      Drive load, in the phases of `slowpath run`, once the port is listened on.

Says whether the main thread was busy, held up, or waiting, how it spent its time, and which function is to blame where one is.

Exit codes: 0 when you or the program ended it in order, 3 when it crashed or ended with a code of its own.";

pub(crate) const BUBBLE_EXAMPLES: &str = "\
Examples:
  slowpath bubble -- node app.js
      Use the service as it is used; Ctrl-C ends the recording, stops the service and writes the report.
  slowpath bubble --load http://127.0.0.1:3000/ -c 50 -d 20 -- node server.js
      Drive load for 20 seconds once the port is listened on.

Follows a share of the requests from head to last byte: what they waited for and where in the code, what slow ones wait for that typical ones do not, operations under way over time. The section `Waiting` of the report has the bubbles.

Exit codes: 0 when you or the program ended it in order, 3 when it crashed or ended with a code of its own.";

/// Phase of a recording without load, unless the question is what was waited for.
const CPU: &str = "cpu";
const ASYNC: &str = "async";

/// Options of `slowpath flame`, `slowpath doctor` and `slowpath bubble`.
#[derive(Debug, Clone, Args)]
#[command(
    mut_arg("url", |url| url.long("load").alias("url").help(
        "URL to drive load at, once the target listens on its port [default: no load]"
    )),
    mut_arg("duration", |duration| duration.help(
        "How long to record (30, 30s, 1m) [default: until Ctrl-C or the target's end; with --load 30]"
    )),
)]
pub(crate) struct ClinicOptions {
    /// Directory in which the recording gets a directory of its own [default: .slowpath]
    #[arg(
        short = 'D',
        long,
        alias = "dest",
        value_name = "DIR",
        conflicts_with = "out",
        help_heading = "Output"
    )]
    pub(crate) output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: LoadOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    /// Program to start, with its arguments
    #[arg(last = true, value_name = "COMMAND", num_args = 1.., help_heading = "Arguments")]
    pub(crate) command: Vec<String>,
}

/// Runs `slowpath flame`.
pub(crate) fn flame(options: ClinicOptions) -> anyhow::Result<ExitCode> {
    run(options, CPU, Some(CPU), Summary::HottestFunctions)
}

/// Runs `slowpath doctor`.
pub(crate) fn doctor(options: ClinicOptions) -> anyhow::Result<ExitCode> {
    run(options, CPU, None, Summary::Vitals)
}

/// Runs `slowpath bubble`.
pub(crate) fn bubble(options: ClinicOptions) -> anyhow::Result<ExitCode> {
    run(options, ASYNC, Some(ASYNC), Summary::Waits)
}

/// `alone` is the phase without load, `only` the one under load; without it those of `run`.
fn run(
    mut options: ClinicOptions,
    alone: &str,
    only: Option<&str>,
    summary: Summary,
) -> anyhow::Result<ExitCode> {
    if options.command.is_empty() {
        return Err(usage(
            "no command to run",
            "put it after `--`, as in `slowpath flame -- node server.js`",
        ));
    }
    let title = out_dir::title_of(&options.command);
    if let Some(parent) = &options.output_dir {
        options.output.out = Some(out_dir::new_below(parent, &title, Timestamp::now()));
    }
    let load = request_plan(&options.load)?;
    let (phases, ending) = phases(&options, alone, only)?;
    let prepared = Prepared {
        target: LaunchPlan { command: options.command, ..LaunchPlan::default() },
        running: None,
        project: None,
        title,
        shown_url: options.load.url,
        load,
        scale: None,
        phases,
        ending,
        summary,
    };
    run_by_options(prepared, &options.session, &options.output)
}

fn phases(
    options: &ClinicOptions,
    alone: &str,
    only: Option<&str>,
) -> anyhow::Result<(Vec<PhasePlan>, Ending)> {
    let (LoadOptions { url, duration, .. }, session) = (&options.load, &options.session);
    let planned = session.phases.as_deref();
    if url.is_some() {
        let only = session.only.as_deref().or(if planned.is_none() { only } else { None });
        let phases = phase_plan::plan(options.load.duration(), planned, only, session.besides())?;
        return Ok((phases, Ending::LastPhase));
    }
    if planned.is_some() || session.only.is_some() || session.deopts {
        return Err(usage(
            "phases were asked for, but without load there is one, until the recording ends",
            "pass `--load URL`, or use `slowpath run`",
        ));
    }
    let seconds = duration.map_or(0.0, |limit| limit.as_secs_f64());
    Ok((vec![PhasePlan::new(alone, seconds)], Ending::Open(*duration)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, Command};
    use clap::Parser as _;
    use std::time::Duration;

    fn parse(options: &str) -> ClinicOptions {
        let line = format!("slowpath flame {options} -- node a.js");
        let words = line.split(' ').filter(|word| !word.is_empty());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Flame(options) => options,
            other => panic!("it is `flame`, not {other:?}"),
        }
    }

    #[test]
    fn without_load_it_records_one_phase_until_somebody_ends_it() {
        let check = |options: &str, seconds: f64, ending: Ending| {
            let cpu = PhasePlan::new("cpu", seconds);
            assert_eq!(phases(&parse(options), CPU, Some(CPU)).unwrap(), (vec![cpu], ending), "{options}");
        };
        check("", 0.0, Ending::Open(None));
        check("-d 5", 5.0, Ending::Open(Some(Duration::from_secs(5))));
        assert!(phases(&parse("--only baseline"), CPU, Some(CPU)).is_err());
    }

    #[test]
    fn with_load_it_has_the_phases_of_its_question() {
        let names = |options: &str, only: Option<&str>| {
            let (phases, ending) = phases(&parse(options), CPU, only).unwrap();
            assert_eq!(ending, Ending::LastPhase);
            phases.into_iter().map(|phase| phase.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("--load http://127.0.0.1:1/ -d 20", Some("cpu")), "warm-up cpu");
        assert_eq!(
            names("--load http://127.0.0.1:1/", None),
            "warm-up cpu async baseline counters baseline again heap calls"
        );
        assert_eq!(
            names("--load http://127.0.0.1:1/ --phases baseline,cpu", Some("cpu")),
            "warm-up baseline cpu"
        );
    }

    #[test]
    fn output_directories_are_named_as_in_other_tools() {
        for option in ["--output-dir ./profiles", "-D ./profiles", "--dest ./profiles"] {
            assert_eq!(parse(option).output_dir, Some("./profiles".into()), "{option}");
        }
    }
}
