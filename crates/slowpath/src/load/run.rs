//! `slowpath load`: checks everything that can be wrong, drives the load, says what it did.

use super::drive::{Limits, start};
use super::live::LiveView;
use super::measured::Measured;
use super::options::{LoadCommandOptions, LoadSubcommand, PartOptions};
use super::plan::{TimedPlan, timed_plan};
use super::report::LoadReport;
use super::results::{FORMAT_VERSION, ResultsHead, Shards, SharedResults, fresh_id};
use super::server::Server;
use super::settings::{Settings, WholeLoad};
use super::targets::{are_bare_paths, port_from_environment, whole_urls};
use super::warm_up::{WarmUp, parse_warm_up};
use super::{ink::Ink, json, k8s, page, sweep_run, tables};
use crate::exit_code::{ExitCode, usage};
use crate::signals::StopRequests;
use jiff::Timestamp;
use slowpath_load::{Pacing, Shard, Stage};
use std::time::Duration;

/// A start that lies this far in the past, or less, is meant as now.
const START_TOLERANCE: Duration = Duration::from_millis(50);

/// How long a warm-up runs where neither it nor the load has a duration.
const DEFAULT_WARM_UP: Duration = Duration::from_secs(1);

/// How often it is looked whether to go on waiting for the start.
const POLL: Duration = Duration::from_millis(5);

pub(crate) fn run(options: &LoadCommandOptions) -> anyhow::Result<ExitCode> {
    if let Some(LoadSubcommand::K8s(options)) = &options.subcommand {
        return k8s::run(options);
    }
    if options.urls.is_empty() {
        return Err(usage(
            "no URL to send requests to",
            "pass it, as in `slowpath load -c 100 http://localhost:3000`",
        ));
    }
    options.results.check()?;
    let shard = shard_of(&options.part, std::env::var("JOB_COMPLETION_INDEX").ok().as_deref())?;
    let warm_up = options.amount.warmup.as_deref().map(parse_warm_up).transpose()?;
    let start_at = options.part.start_at.map(|start| start.moment(Timestamp::now()));
    let stop = StopRequests::listen()?;

    // Whatever can be wrong is found before a server is started. A path whose port only the server knows is checked with
    // any port: nothing else depends on it.
    let is_port_unknown = options.on_port && are_bare_paths(&options.urls);
    let port = if is_port_unknown { Some(1) } else { port_from_environment() };
    let mut plan = timed_plan(options, &whole_urls(&options.urls, port)?, shard)?;
    let results = SharedResults::create(options.results.out.as_deref())?;
    let mut server = None;
    if options.on_port {
        let (started, port) = Server::start(&options.command, &options.urls, &stop)?;
        plan = timed_plan(options, &whole_urls(&options.urls, Some(port))?, shard)?;
        server = Some(started);
    }
    let settings = settings(options, &plan);
    let mut load =
        Load { options, settings, shard, stop: &stop, server: server.as_mut(), results, is_announced: false };
    let outcome = load.run(&plan, warm_up, start_at);
    let mut death = Ok(());
    if let Some(server) = &mut server {
        death = server.check_alive();
        server.stop();
    }
    let (report, written) = outcome?;
    if stop.abort() {
        eprintln!("aborted");
        return Ok(ExitCode::Aborted);
    }
    // What was measured is said whatever else has failed.
    let page = options.results.html.as_ref().map(|path| page::write(&report, path));
    say(&report, options)?;
    page.transpose()?;
    written?;
    death?;
    report.exit_code()
}

/// A load about to be driven.
pub(crate) struct Load<'a> {
    pub(crate) options: &'a LoadCommandOptions,
    pub(crate) settings: Settings,
    shard: Shard,
    pub(crate) stop: &'a StopRequests,
    server: Option<&'a mut Server>,
    results: SharedResults,
    /// Whether it was said what is driven.
    is_announced: bool,
}

impl Load<'_> {
    /// Returns the report, and apart from it whether the results file could be written.
    fn run(
        &mut self,
        plan: &TimedPlan,
        warm_up: Option<WarmUp>,
        start_at: Option<Timestamp>,
    ) -> anyhow::Result<(LoadReport, anyhow::Result<()>)> {
        let n_rates = self.options.amount.sweep;
        for warning in &plan.warnings {
            eprintln!("warning: {warning}");
        }
        let warm_up = warm_up.map(|warm_up| self.warm_up(plan, warm_up)).transpose()?;
        self.wait_for_start(start_at)?;
        let head = self.head();
        self.results.begin(&head);
        let (measured, sweep) = if let Some(n_rates) = n_rates {
            let (measured, sweep) = sweep_run::run(self, plan, n_rates)?;
            (measured, Some(sweep))
        } else {
            let limits = Limits { bailout: self.options.amount.bailout, ..plan.limits() };
            (self.drive(plan.clone(), limits, "")?, None)
        };
        let written = self.results.finish(&measured.whole, measured.ended, sweep.as_ref());
        let thresholds = &self.options.results.fail_if;
        let mut report = LoadReport::new(self.settings.clone(), measured, head.shards, thresholds);
        report.sweep = sweep;
        report.warm_up = warm_up;
        Ok((report, written))
    }

    /// Drives one load in the live view, if there may be one.
    pub(crate) fn drive(&mut self, plan: TimedPlan, limits: Limits, what: &str) -> anyhow::Result<Measured> {
        let results = self.results.clone();
        self.drive_into(plan, limits, what, results)
    }

    fn drive_into(
        &mut self,
        plan: TimedPlan,
        limits: Limits,
        what: &str,
        results: SharedResults,
    ) -> anyhow::Result<Measured> {
        let (duration, amount) = (plan.duration, plan.plan.amount);
        let running = start(plan.plan, results)?;
        // Only now: a mistake that shows at the start is all that is to be said.
        if self.options.results.shows_tables() && !std::mem::replace(&mut self.is_announced, true) {
            let n_rates = self.options.amount.sweep;
            eprintln!("{}", tables::opening(&self.settings, n_rates, Ink::for_stderr()));
        }
        let is_wanted = !self.options.no_progress && self.options.results.shows_tables();
        // A server's output and the view would garble each other: the output waits until the view is gone.
        let is_live = is_wanted && LiveView::is_possible();
        let mut live =
            if is_live { LiveView::on(&self.settings, what, duration, amount) } else { LiveView::off() };
        let server = &mut self.server;
        let mut goes_on = || {
            let Some(server) = server else { return true };
            if !is_live {
                server.pass_output();
            }
            server.check_alive().is_ok()
        };
        let measured = running.finish(limits, self.stop, &mut live, &mut goes_on);
        drop(live);
        if let Some(server) = &mut self.server {
            server.pass_output();
        }
        Ok(measured)
    }

    /// The load before the load.
    fn warm_up(&mut self, plan: &TimedPlan, warm_up: WarmUp) -> anyhow::Result<Measured> {
        let mut plan = plan.clone();
        plan.plan.connections = warm_up.connections.unwrap_or(plan.plan.connections);
        let duration = warm_up.duration.or(plan.duration).unwrap_or(DEFAULT_WARM_UP);
        if let Pacing::Open { stages, .. } = &mut plan.plan.pacing
            && let Some(first) = stages.first()
        {
            // As fast as the load begins, and no faster: the server may be one that limits rates.
            let rate = first.from.max(first.to);
            *stages = vec![Stage { from: rate, to: rate, length: Some(duration) }];
        }
        plan.plan.amount = None;
        plan.duration = Some(duration);
        let limits = plan.limits();
        self.drive_into(plan, limits, "warm-up: ", SharedResults::default())
    }

    fn wait_for_start(&self, start_at: Option<Timestamp>) -> anyhow::Result<()> {
        let Some(start) = start_at else { return Ok(()) };
        let late = Timestamp::now().duration_since(start);
        if late > jiff::SignedDuration::try_from(START_TOLERANCE).unwrap_or_default() {
            eprintln!(
                "warning: the start at {start} is {} ago; starting now",
                super::units::seconds(late.as_secs_f64())
            );
        }
        if late.is_negative() && self.options.results.shows_tables() {
            let left = super::units::seconds(-late.as_secs_f64());
            eprintln!("starts at {}, in {left}", start.strftime("%Y-%m-%d %H:%M:%S UTC"));
        }
        while let left = start.duration_since(Timestamp::now())
            && left.is_positive()
        {
            if self.stop.stop() {
                return Err(crate::exit_code::explained(
                    ExitCode::Aborted,
                    "ended before the load had started",
                    "nothing was sent",
                ));
            }
            std::thread::sleep(POLL.min(left.unsigned_abs()));
        }
        Ok(())
    }

    fn head(&self) -> ResultsHead {
        ResultsHead {
            format_version: FORMAT_VERSION,
            slowpath_version: env!("CARGO_PKG_VERSION").to_owned(),
            ids: vec![fresh_id()],
            shards: Shards { count: self.shard.count, indexes: vec![self.shard.index] },
            started_at: Timestamp::now(),
            settings: self.settings.clone(),
        }
    }
}

/// Prints what a load did, the way that the options ask for.
fn say(report: &LoadReport, options: &LoadCommandOptions) -> anyhow::Result<()> {
    if options.results.json {
        println!("{}", json::line(report)?);
    } else if options.results.shows_tables() {
        eprint!("{}", tables::closing(report, &options.display, Ink::for_stderr()));
        tables::say_page(&options.results);
    }
    Ok(())
}

fn settings(options: &LoadCommandOptions, plan: &TimedPlan) -> Settings {
    let whole = WholeLoad {
        title: options.results.title.clone(),
        connections: options.amount.connections,
        amount: options.amount.amount.or(options.compatibility.max_overall_requests),
        duration: plan.duration,
        drain: (plan.plan.pacing != Pacing::Closed || options.amount.sweep.is_some()).then_some(plan.drain),
    };
    Settings::of(&plan.plan, whole)
}

/// Returns this process's part: the one given, or the one that a Kubernetes Indexed Job says.
fn shard_of(options: &PartOptions, completion_index: Option<&str>) -> anyhow::Result<Shard> {
    let count = match (options.shard, options.shards) {
        (Some(shard), _) => return Ok(shard),
        (None, None) => return Ok(Shard::default()),
        (None, Some(count)) => count,
    };
    let index = completion_index.and_then(|index| index.parse().ok());
    match index {
        Some(index) if index < count => Ok(Shard { index, count }),
        Some(index) => Err(usage(
            format!("JOB_COMPLETION_INDEX is {index}, but there are {count} shards, numbered from 0"),
            "let `--shards` be the job's number of completions",
        )),
        None => Err(usage(
            "`--shards` needs the index of this process in JOB_COMPLETION_INDEX, which is not set",
            format!("pass `--shard 0/{count}`, or run as a Kubernetes Indexed Job"),
        )),
    }
}
