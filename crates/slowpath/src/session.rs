//! One session: start the target, wait until it serves, drive load, switch recorders phase by phase, stop everything.
//!
//! Whatever happens after the start, the target is stopped before this returns, and what was recorded stays. A target that ran
//! before is left running, without the agent.

mod open_end;

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
use slowpath_capture::{
    AttachError, ChildChange, Collector, CpuSampling, LaunchError, LaunchPlan, OutputFollower, RecorderKind,
    RunDir, RunningProcess, SessionWriter, SystemSampler, Target, attach, launch, redact_text, stop,
};
use slowpath_load::{LoadHandle, LoadPlan, Url};
use slowpath_profile::Nanos;
use slowpath_profile::recording::{Ended, Event, Layout, PhasePlan};
use std::time::{Duration, Instant};

/// How often output is passed on and the target is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How often readiness is asked.
const READY_POLL: Duration = Duration::from_millis(50);

/// How often the status line is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

/// How long the agents may take to answer a command: rotating a profile takes some 10 ms, a full heap a second.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// How long agents may take to hand in their last records once the target has ended.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Output lines quoted when a target dies.
const LAST_LINES: usize = 8;

/// How long the target runs with CPU sampling on before the phase counts, where sampling is switched on under load, and
/// the share of the phase that this may take at most. Starting V8's profiler holds the thread for some 10 to 300 ms, and
/// the agent makes V8 optimise its hot code anew: requests then cost up to half as much again for one to two seconds.
const SETTLE: (Duration, f64) = (Duration::from_secs(2), 0.25);

/// As [`SETTLE`], of the counters phase.
const SETTLE_COUNTERS: (Duration, f64) = (Duration::from_millis(500), 0.25);

/// As [`SETTLE`], of the async phase: a little longer than the agent takes (`agent/async-windows.cjs`).
const SETTLE_ASYNC: (Duration, f64) = (Duration::from_millis(550), 0.17);

/// As [`SETTLE`], of another load: its connections are made, and the requests of the one before it, which were cut off, end.
const SETTLE_LOAD: (Duration, f64) = (Duration::from_millis(600), 0.3);

/// Latencies that these may take.
const SETTLE_LATENCIES: f64 = 2.0;

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
    let run_dir = RunDir::create().context("cannot create a private directory for the run")?;
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
    let target = begin(plan, &run_dir, &log, terminal)?;
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
    log: &SessionWriter,
    terminal: &mut Terminal,
) -> anyhow::Result<Target> {
    let Some(process) = &plan.running else {
        let launched = launch(&plan.target, Some(run_dir), &plan.layout, log);
        return Ok(Target::Launched(launched.map_err(|error| explain_launch(&error))?));
    };
    let attached = attach(process, run_dir, log).map_err(|error| explain_attach(&error))?;
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

    /// How long a new load is driven before it counts.
    fn settle_time_of_load(&self, phase: &PhasePlan) -> Duration {
        let latencies = self.usual_load.map_or(0.0, |load| load.p50_ms / 1e3 * SETTLE_LATENCIES);
        let longest = SETTLE_LOAD.0.as_secs_f64().max(latencies);
        Duration::from_secs_f64(longest.min(phase.seconds * SETTLE_LOAD.1))
    }

    /// How long phase number `index` must count, where requests are so slow that its planned length would see too few from
    /// end to end: closed loops send them in bursts, one every latency.
    fn least_window(&self, index: usize) -> Duration {
        let recorders = self.recorders(index);
        let per_request = [RecorderKind::Async, RecorderKind::Counters, RecorderKind::Calls];
        let counts = per_request.iter().any(|kind| recorders.contains(kind));
        match self.usual_load.filter(|_| counts) {
            Some(load) => load.window_per_request(),
            None => Duration::ZERO,
        }
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

    /// Says how the target died.
    fn death(&self, change: ChildChange) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let mut sentence = format!("the target {change} after {seconds:.1} s");
        for process in self.collector.processes() {
            if process.pid != self.target.pid() && self.target.noted_exit_code(process.pid).is_none() {
                let pid = process.pid;
                sentence.push_str(&format!(
                    "; its Node process {pid} ended without running its exit handlers (killed or crashed)"
                ));
            }
        }
        format!("{sentence}{}", self.quoted_output())
    }

    /// Returns the target's last lines, redacted.
    fn quoted_output(&self) -> String {
        let layout = &self.plan.layout;
        let mut lines = OutputFollower::last_lines(&layout.stderr_log(), LAST_LINES);
        if lines.is_empty() {
            lines = OutputFollower::last_lines(&layout.stdout_log(), LAST_LINES);
        }
        if lines.is_empty() {
            return String::new();
        }
        let lines: Vec<_> = lines.iter().map(|line| format!("\n  | {}", redact_text(line))).collect();
        format!("; its last output:{}", lines.concat())
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

    fn redraw(&mut self, status: impl FnOnce(&Self) -> String) {
        if self.terminal.is_live() && self.last_redraw.elapsed() >= REDRAW {
            self.last_redraw = Instant::now();
            let status = status(self);
            self.terminal.set_status(status);
        }
    }

    fn status(&self, phase: &str, elapsed: f64, planned: f64) -> String {
        let mut parts = vec![format!("{phase} · {elapsed:.0}/{planned:.0} s")];
        if self.load.is_some() {
            let load = self.live_load.last();
            parts.push(format!("{:.0} req/s · p99 {:.1} ms", load.requests_per_second, load.p99_ms));
            if load.n_errors > 0 {
                parts.push(format!("{} errors", load.n_errors));
            }
        }
        self.add_vitals(parts)
    }

    /// Joins the parts of a status line, and how the target is.
    fn add_vitals(&self, mut parts: Vec<String>) -> String {
        if let Some(delay) = self.collector.live().loop_delay_p99_ms {
            parts.push(format!("loop {delay:.1} ms"));
        }
        if let Some((cores, rss)) = self.sampler.as_ref().and_then(SystemSampler::live) {
            parts.push(format!("CPU {cores:.2} cores · {:.0} MB", rss as f64 / 1e6));
        }
        parts.join(" · ")
    }

    /// Stops load and target, waits for the last records, closes the logs. Always runs.
    fn finish(mut self, result: anyhow::Result<(Ended, String)>) -> anyhow::Result<SessionOutcome> {
        let (ended, detail) = match &result {
            Ok((ended, detail)) => (*ended, detail.clone()),
            Err(error) => (Ended::Interrupted, format!("{error:#}")),
        };
        self.log.push(Event::Stopping { ended, detail: detail.clone() });
        if let Some(sampler) = &self.sampler {
            sampler.set_stopping();
        }
        self.native.end(&self.log);
        if ended != Ended::TargetDied {
            // The last pieces are asked for while the target still lives.
            self.collector.set_recorders(&[], None, AGENT_PATIENCE);
        }
        if let Some(load) = self.load.take() {
            load.stop();
        }
        if self.plan.keeps_sources && !self.stop_requests.abort() {
            // After the load: the target may be held up now.
            self.collector.record_sources(AGENT_PATIENCE);
        }
        let grace = self.plan.grace;
        let hurry = || self.stop_requests.abort();
        let log = &self.log;
        let (stdout, stderr, terminal) = (&mut self.stdout, &mut self.stderr, &mut *self.terminal);
        match &mut self.target {
            Target::Launched(target) => {
                terminal.set_status("stopping the target".into());
                let mut between = || {
                    let _ = stdout.drain(|bytes| terminal.pass_stdout(bytes));
                    let _ = stderr.drain(|bytes| terminal.pass_stderr(bytes));
                };
                stop(target, log, grace, &hurry, &mut between);
            }
            Target::Attached { .. } => self.collector.dismiss(),
        }
        self.collector.wait_closed(DRAIN_PATIENCE);
        if let Some(sampler) = self.sampler.take() {
            sampler.finish();
        }
        self.pass_output();
        let hurry = self.stop_requests.abort();
        if self.native.has_addresses() && !hurry {
            self.terminal.set_status("naming native functions".into());
        }
        let (native, cwd) = (self.native, self.plan.target.cwd.as_deref());
        native.conclude(&self.plan.layout, &self.log, &self.run_dir, cwd, hurry);
        self.terminal.end_status();
        self.log.push(Event::Finished);
        result?;
        if let Some(failure) = self.log.write_failure() {
            return Err(explained(
                ExitCode::Failed,
                format!("the recording is not whole: {failure}"),
                "free some space, or pass another directory with `--out DIR`",
            ));
        }
        Ok(SessionOutcome { ended, detail, aborted: self.stop_requests.abort() })
    }
}

/// Returns how long to wait before phase number `index` counts.
fn settle_time(phases: &[PhasePlan], index: usize) -> Duration {
    let has = |index, recorder| recorders_in(phases, index).contains(&recorder);
    let begins_to_sample = index > 0 && has(index, RecorderKind::Cpu) && !has(index - 1, RecorderKind::Cpu);
    let (longest, share) = match begins_to_sample {
        true => SETTLE,
        // V8 optimises anew what calls the functions that were replaced: half a second at twice the price.
        false if has(index, RecorderKind::Counters) => SETTLE_COUNTERS,
        // The same for what makes promises.
        false if has(index, RecorderKind::Async) => SETTLE_ASYNC,
        false => return Duration::ZERO,
    };
    longest.min(Duration::from_secs_f64(phases[index].seconds * share))
}

fn explain_attach(error: &AttachError) -> anyhow::Error {
    let code = match error {
        AttachError::Share(_) => ExitCode::Failed,
        AttachError::Ended { .. } | AttachError::Inspector { .. } => ExitCode::TargetFailed,
        _ => ExitCode::Usage,
    };
    let source = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    explained(code, format!("{error}{source}"), error.hint())
}

pub(crate) fn explain_launch(error: &LaunchError) -> anyhow::Error {
    let (code, hint) = match error {
        LaunchError::NoCommand => {
            (ExitCode::Usage, "put the command after `--`, as in `slowpath run -- node server.js`")
        }
        LaunchError::NotFound { .. } => (ExitCode::Usage, "check the spelling and the PATH"),
        LaunchError::NotExecutable { .. } => {
            (ExitCode::Usage, "put `node` in front of a script, as in `-- node server.js`")
        }
        LaunchError::Prepare { .. } => (ExitCode::Failed, "check the directory of the recording"),
    };
    match std::error::Error::source(error) {
        Some(source) => explained(code, format!("{error}: {source}"), hint),
        None => explained(code, error.to_string(), hint),
    }
}
