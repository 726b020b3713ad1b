//! One session: start the target, wait until it serves, drive load, switch recorders phase by phase, stop everything.
//!
//! Whatever happens after the start, the target is stopped before this returns, and what was recorded stays. A target that ran
//! before is left running, without the agent.

mod explain;
mod finish;
mod open_end;
mod settling;
mod status_line;

pub(crate) use explain::explain_launch;

use crate::exit_code::{ExitCode, explained};
use crate::live_load::{LiveLoad, LoadReading};
use crate::native_phase::{NativePhase, NativePlan};
use crate::phase_plan::{NATIVE, RECORDERS_WITH_CPU, recorders_in};
use crate::readiness::Readiness;
use crate::request_plan::load_error;
use crate::scale_plan::ScaleLoads;
use crate::signals::StopRequests;
use crate::terminal::Terminal;
use anyhow::Context as _;
use explain::explain_attach;
use settling::settle_time;
use slowpath_capture::{
    ChildChange, Collector, CpuSampling, LaunchPlan, OutputFollower, RecorderKind, RunDir, RunningProcess,
    SessionWriter, SystemSampler, Target, attach, launch,
};
use slowpath_load::{LoadHandle, LoadPlan, Url};
use slowpath_profile::Nanos;
use slowpath_profile::recording::{Ended, Event, Layout, PhasePlan};
use std::time::{Duration, Instant};

/// How often output is passed on and the target is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How often readiness is asked.
const READY_POLL: Duration = Duration::from_millis(50);

/// How long the agents may take to answer a command: rotating a profile takes some 10 ms, a full heap a second.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// Number of the signal that Ctrl-C sends.
const SIGINT: i32 = signal_hook::consts::SIGINT;

/// Label of load between phases; belongs to no phase.
const BETWEEN: &str = "between phases";

/// What a session is to do.
#[derive(Debug)]
pub(crate) struct SessionPlan {
    pub(crate) target: LaunchPlan,
    /// The process to record, where it runs already; `target` then says what it was started with.
    pub(crate) running: Option<RunningProcess>,
    pub(crate) load: Option<LoadPlan>,
    /// Other loads that it is compared with, in phases of their own.
    pub(crate) scale: Option<ScaleLoads>,
    pub(crate) phases: Vec<PhasePlan>,
    pub(crate) ending: Ending,
    pub(crate) ready_url: Option<Url>,
    pub(crate) ready_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) cpu_sampling: CpuSampling,
    /// Delay of the event loop that is a stall.
    pub(crate) stall: Duration,
    /// Whether the text of the code that ran goes into the recording.
    pub(crate) keeps_sources: bool,
    pub(crate) native: NativePlan,
    pub(crate) layout: Layout,
}

/// What ends a session, unless a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its last phase. A target that ends before has failed.
    LastPhase,
    /// The target's end, or this time. The one phase begins with the target; there is no load.
    Open(Option<Duration>),
}

/// How a session ended.
#[derive(Debug)]
pub(crate) struct SessionOutcome {
    pub(crate) ended: Ended,
    /// For a target that failed: how, with its last lines.
    pub(crate) detail: String,
    /// A person asked twice: no report.
    pub(crate) aborted: bool,
}

/// A session under way.
struct Session<'a> {
    plan: &'a SessionPlan,
    stop_requests: &'a StopRequests,
    terminal: &'a mut Terminal,
    log: SessionWriter,
    run_dir: RunDir,
    collector: Collector,
    native: NativePhase,
    target: Target,
    stdout: OutputFollower,
    stderr: OutputFollower,
    sampler: Option<SystemSampler>,
    load: Option<LoadHandle>,
    /// Which of the other loads it is; `None` for the run's own.
    driven: Option<usize>,
    /// Requests that loads before it have begun.
    n_begun: u64,
    live_load: LiveLoad,
    /// What the last phase with answers had.
    usual_load: Option<LoadReading>,
    started: Instant,
    last_redraw: Instant,
}

/// Runs a session to its end.
pub(crate) fn run(
    plan: &SessionPlan,
    stop_requests: &StopRequests,
    terminal: &mut Terminal,
) -> anyhow::Result<SessionOutcome> {
    if plan.running.is_none() {
        Readiness::check_port_is_free(plan.load.as_ref())?;
    }
    let run_dir = RunDir::create().context("cannot create a directory for the run")?;
    let log = SessionWriter::open(&plan.layout).context("cannot write the session log")?;
    let stall = Nanos(u64::try_from(plan.stall.as_nanos()).unwrap_or(u64::MAX));
    let collector = Collector::listen(&run_dir.socket(), &plan.layout, &log, plan.cpu_sampling, stall)
        .context("cannot listen for the agents")?;
    let native = NativePhase::new(&plan.native, plan.running.is_none(), &log);
    if let Some(lack) = plan.native.lack() {
        terminal.say(&format!("slowpath: going on without native stacks: {lack}"));
    }
    if let Some(scale) = &plan.scale {
        terminal.say(&scale.announcement(&plan.phases));
    }
    let target = begin(plan, &run_dir, &collector, &log, terminal)?;
    let sampler = SystemSampler::start(target.pid(), &plan.layout, &log, run_dir.path().to_owned());
    let mut session = Session {
        plan,
        stop_requests,
        terminal,
        run_dir,
        collector,
        native,
        stdout: OutputFollower::new(&plan.layout.stdout_log()),
        stderr: OutputFollower::new(&plan.layout.stderr_log()),
        target,
        sampler: None,
        load: None,
        driven: None,
        n_begun: 0,
        live_load: LiveLoad::default(),
        usual_load: None,
        started: Instant::now(),
        last_redraw: Instant::now(),
        log,
    };
    // From here on every way out passes `finish`.
    let result = sampler.context("cannot sample /proc").and_then(|sampler| {
        session.sampler = Some(sampler);
        session.record()
    });
    session.finish(result)
}

/// Starts the target, or brings the agent into the one that runs.
fn begin(
    plan: &SessionPlan,
    run_dir: &RunDir,
    collector: &Collector,
    log: &SessionWriter,
    terminal: &mut Terminal,
) -> anyhow::Result<Target> {
    let Some(process) = &plan.running else {
        let launched = launch(&plan.target, Some(run_dir), &plan.layout, log);
        return Ok(Target::Launched(launched.map_err(|error| explain_launch(&error))?));
    };
    let attached = attach(process, run_dir, collector, log).map_err(|error| explain_attach(&error))?;
    if let [_, _, ..] = attached[..] {
        let pids: Vec<_> = attached.iter().map(u32::to_string).collect();
        terminal.say(&format!("slowpath: the agent is in processes {}", pids.join(", ")));
    }
    Ok(Target::attached(process.clone(), run_dir))
}

impl Session<'_> {
    /// Waits for readiness and runs the phases; returns why it ended.
    fn record(&mut self) -> anyhow::Result<(Ended, String)> {
        if let Ending::Open(limit) = self.plan.ending {
            return self.record_until_it_ends(limit);
        }
        if let Some(ended) = self.wait_until_ready()? {
            return Ok(ended);
        }
        // Before the load: what is on from the beginning need not disturb it later.
        self.switch_recorders(
            0,
            self.plan.phases.first().map(|phase| Duration::from_secs_f64(phase.seconds)),
        );
        if let Some(load) = &self.plan.load {
            self.load = Some(self.start_load(load)?);
        }
        let planned: f64 = self.plan.phases.iter().map(|phase| phase.seconds).sum();
        let load_start = Instant::now();
        for index in 0..self.plan.phases.len() {
            if let Some(ended) = self.phase(index, load_start, planned)? {
                return Ok(ended);
            }
        }
        Ok((Ended::Complete, String::new()))
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<Option<(Ended, String)>> {
        let mut readiness =
            Readiness::new(self.plan.load.as_ref(), self.plan.ready_url.as_ref(), self.target.pid());
        let deadline = Instant::now() + self.plan.ready_timeout;
        loop {
            if let Some(pid) = readiness.poll(&self.collector)? {
                self.log.push(Event::Ready { pid });
                let seconds = self.started.elapsed().as_secs_f64();
                self.terminal.say(&match &self.target {
                    Target::Launched(_) => {
                        format!("slowpath: the target is ready after {seconds:.1} s (process {pid})")
                    }
                    Target::Attached { .. } => {
                        format!("slowpath: attached to process {pid} after {seconds:.1} s")
                    }
                });
                return Ok(None);
            }
            if let Some(ended) = self.watch()? {
                return Ok(Some(ended));
            }
            if Instant::now() >= deadline {
                let limit = self.plan.ready_timeout.as_secs_f64();
                let missing = readiness.what_is_missing();
                let detail = format!("after {limit} s {missing}{}", self.quoted_output());
                return Ok(Some((Ended::NeverReady, detail)));
            }
            self.redraw(|session| format!("starting · {:.0} s", session.started.elapsed().as_secs_f64()));
            std::thread::sleep(READY_POLL);
        }
    }

    /// Runs one phase; returns early with a reason.
    fn phase(
        &mut self,
        index: usize,
        load_start: Instant,
        planned: f64,
    ) -> anyhow::Result<Option<(Ended, String)>> {
        let plan: &SessionPlan = self.plan;
        let phase = &plan.phases[index];
        self.cut(BETWEEN);
        let switched = self.switch_load(index)?;
        let settle = settle_time(&plan.phases, index).max(if switched {
            self.settle_time_of_load(phase)
        } else {
            Duration::ZERO
        });
        let length =
            Duration::from_secs_f64(phase.seconds).saturating_sub(settle).max(self.least_window(index));
        self.switch_recorders(index, Some(settle + length));
        if let Some(ended) =
            self.watch_for(settle, &format!("{} (settling)", phase.name), load_start, planned)?
        {
            return Ok(Some(ended));
        }
        self.cut(&phase.name);
        self.log.push(Event::PhaseStarted { phase: phase.name.clone() });
        self.sample_now();
        if self.records_native_in(phase) {
            self.native.begin(&self.target.tree(), &plan.layout, &self.log);
        }
        let ended = self.watch_for(length, &phase.name, load_start, planned)?;
        self.native.end(&self.log);
        self.sample_now();
        self.log.push(Event::PhaseEnded { phase: phase.name.clone() });
        let load = self.live_load.phase(&phase.name);
        self.usual_load = load.filter(|load| load.p50_ms > 0.0 && phase.level.is_none()).or(self.usual_load);
        if !self.terminal.is_live() {
            let seconds = (length + settle).as_secs_f64();
            let numbers = load.map_or(String::new(), |load| {
                format!(
                    ": {:.0} requests/s, p99 {:.1} ms, {} errors",
                    load.requests_per_second, load.p99_ms, load.n_errors
                )
            });
            self.terminal.say(&format!("slowpath: {} {seconds:.1} s{numbers}", phase.name));
        }
        Ok(ended)
    }

    fn start_load(&self, load: &LoadPlan) -> anyhow::Result<LoadHandle> {
        let sink = self.live_load.sink(&self.plan.layout, &self.log).context("cannot write the load log")?;
        slowpath_load::start(load.clone(), sink).map_err(|error| load_error(&error))
    }

    /// Drives the load of phase number `index`, where another one is driven now, and tells whether it had to. The new one goes
    /// on with the requests' numbers: the same ones again would meet caches that know them.
    fn switch_load(&mut self, index: usize) -> anyhow::Result<bool> {
        let (Some(own), Some(scale)) = (&self.plan.load, &self.plan.scale) else { return Ok(false) };
        let wanted = scale.index_of(&self.plan.phases[index].name);
        if self.driven == wanted {
            return Ok(false);
        }
        if let Some(load) = self.load.take() {
            let ended = load.stop().whole;
            self.n_begun += ended.n_requests + ended.errors.values().sum::<u64>() + ended.n_unfinished;
        }
        let load =
            LoadPlan { first_number: self.n_begun, ..wanted.map_or(own, |index| scale.load(index)).clone() };
        self.load = Some(self.start_load(&load)?);
        self.driven = wanted;
        self.cut(BETWEEN);
        Ok(true)
    }

    /// Whether native stacks belong to a phase: the one of that name; any where there is none, as in `slowpath flame`.
    fn records_native_in(&self, phase: &PhasePlan) -> bool {
        let has_own = self.plan.phases.iter().any(|phase| phase.name == NATIVE);
        self.plan.native == NativePlan::Wanted && (phase.name == NATIVE || !has_own)
    }

    /// Returns the recorders of phase number `index`. Native stacks of a target that ran before have no names for its JavaScript:
    /// V8's samples tell it.
    fn recorders(&self, index: usize) -> &'static [RecorderKind] {
        let phases = &self.plan.phases;
        let is_native = phases.get(index).is_some_and(|phase| phase.name == NATIVE);
        match &self.target {
            Target::Attached { .. } if is_native => RECORDERS_WITH_CPU,
            _ => recorders_in(phases, index),
        }
    }

    /// Switches the recorders of phase number `index` on, and all others off; `length` is how long it will be.
    fn switch_recorders(&self, index: usize, length: Option<Duration>) {
        let phases = &self.plan.phases;
        let silent = self.collector.set_recorders(self.recorders(index), length, AGENT_PATIENCE);
        if !silent.is_empty() {
            let name = phases.get(index).map_or("", |phase| phase.name.as_str());
            self.log.warn(format!("process {silent:?} did not answer at the start of phase `{name}`"));
        }
    }

    /// Watches for `length`; returns early with a reason.
    fn watch_for(
        &mut self,
        length: Duration,
        what: &str,
        load_start: Instant,
        planned: f64,
    ) -> anyhow::Result<Option<(Ended, String)>> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            if let Some(ended) = self.watch()? {
                return Ok(Some(ended));
            }
            self.redraw(|session| session.status(what, load_start.elapsed().as_secs_f64(), planned));
            std::thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(None)
    }

    /// Passes output on and looks whether something ends the run.
    fn watch(&mut self) -> anyhow::Result<Option<(Ended, String)>> {
        self.pass_output();
        if let Some(failure) = self.log.write_failure() {
            return Err(explained(
                ExitCode::Failed,
                format!("the recording cannot be written: {failure}"),
                match self.target {
                    Target::Launched(_) => {
                        "free some space or pass another disk's directory with `--out DIR`; the target was stopped"
                    }
                    Target::Attached { .. } => {
                        "free some space or pass another disk's directory with `--out DIR`"
                    }
                },
            ));
        }
        if self.stop_requests.stop() {
            return Ok(Some((Ended::Interrupted, String::new())));
        }
        match self.target.poll() {
            // Ctrl-C went to the target, because it was given the terminal to read from.
            Some(ChildChange::Killed(SIGINT) | ChildChange::Exited(0 | 130))
                if self.target.has_terminal() && !self.target.is_alive() =>
            {
                self.pass_output();
                Ok(Some((Ended::Interrupted, String::new())))
            }
            Some(change) if !self.target.is_alive() => {
                // The last bytes may have come between the two looks.
                self.pass_output();
                if matches!(self.plan.ending, Ending::Open(_)) && change == ChildChange::Exited(0) {
                    return Ok(Some((Ended::Complete, String::new())));
                }
                Ok(Some((Ended::TargetDied, self.death(change))))
            }
            _ => Ok(None),
        }
    }

    fn pass_output(&mut self) {
        let terminal = &mut *self.terminal;
        // A closed terminal must not end the run: the recording has the output anyway.
        let _ = self.stdout.drain(|bytes| terminal.pass_stdout(bytes));
        let _ = self.stderr.drain(|bytes| terminal.pass_stderr(bytes));
    }

    fn cut(&self, label: &str) {
        if let Some(load) = &self.load {
            load.cut(label);
        }
    }

    fn sample_now(&self) {
        if let Some(sampler) = &self.sampler {
            sampler.sample_now();
        }
    }
}
