//! Takes what the agents send and appends it to the recording; tells them which recorders to run.
//!
//! One thread accepts, one thread a Node process reads. Memory is bounded: frames are written as they come.

use crate::async_records::AsyncRecords;
use crate::frames::{Frame, FrameKind, read_frame, ring_records, write_command};
use crate::source_recorder::SourceRecorder;
use crate::thread_records::ThreadRecords;
use crate::{SessionWriter, redact_args, redact_text};
use serde::Deserialize;
use slowpath_profile::Nanos;
use slowpath_profile::classify::is_readable_script;
use slowpath_profile::import::cpuprofile::CpuProfile;
use slowpath_profile::recording::{
    AsyncLogWriter, CallCounts, CallSite, CounterRecord, CpuLogWriter, DeoptCounts, Event, HeapRecord,
    HeapSeen, JsonLines, Layout, PlaceShare, ProcessHello, RecorderState, Total,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How densely the agents sample the CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuSampling {
    /// Distance between samples, in microseconds; with `max_share` the shortest.
    pub interval_us: u32,
    /// Part of a core that sampling one thread may cost. Agents measure what a sample costs on this machine and widen
    /// the interval to keep to it.
    pub max_share: Option<f64>,
}

impl CpuSampling {
    /// A sample a millisecond, fewer where that would cost more than 3 % of a core.
    pub const AUTO: Self = Self { interval_us: 1000, max_share: Some(0.03) };
}

/// A recorder that the agent can switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecorderKind {
    /// Event-loop delay and utilisation.
    Loop,
    /// Garbage collections.
    Gc,
    /// Heap size.
    HeapUsage,
    /// CPU samples.
    Cpu,
    /// Calls of built-ins, bytes, connections, commands.
    Counters,
    /// Calls of functions.
    Calls,
    /// Who allocates, what of it stays, and what collections do.
    Heap,
    /// Optimised code that V8 throws away.
    Deopts,
    /// What requests ran and waited for.
    Async,
}

impl RecorderKind {
    /// Returns its name in the protocol and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Gc => "gc",
            Self::HeapUsage => "heap_usage",
            Self::Cpu => "cpu",
            Self::Counters => "counters",
            Self::Calls => "calls",
            Self::Heap => "heap",
            Self::Deopts => "deopts",
            Self::Async => "async",
        }
    }
}

/// A Node process whose agent has connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Process id.
    pub pid: u32,
    /// Node version.
    pub node: String,
    /// Whether it is still connected.
    pub connected: bool,
}

/// The latest numbers, for the terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct LiveReading {
    /// Largest p99 of the event-loop delay over all main threads in the second under way, ms.
    pub loop_delay_p99_ms: Option<f64>,
}

/// Listens for agents. Dropping it closes the socket; the agents then go quiet.
#[derive(Debug)]
pub struct Collector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    layout: Layout,
    session: SessionWriter,
    cpu_sampling: CpuSampling,
    shortest_stall: Nanos,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: BTreeSet<RecorderKind>,
    /// How long they will be on, where that is known.
    length: Option<Duration>,
    next_command: u64,
    processes: BTreeMap<u32, Connected>,
    /// Line samples by script and process: whose text is worth having.
    sampled: BTreeMap<u32, BTreeMap<String, u64>>,
    /// There from the moment that sources are asked for.
    sources: Option<SourceRecorder>,
}

#[derive(Debug)]
struct Connected {
    info: ProcessInfo,
    commands: UnixStream,
    unanswered: BTreeSet<u64>,
    loop_delay_p99_ms: Option<f64>,
}

#[derive(Deserialize)]
struct HelloFrame {
    pid: u32,
    #[serde(default)]
    ppid: u32,
    #[serde(default)]
    node: String,
    #[serde(default)]
    argv: Vec<String>,
    #[serde(default)]
    exec_argv: Vec<String>,
    #[serde(default)]
    cwd: String,
    #[serde(default)]
    main: Option<String>,
    #[serde(default)]
    cluster_worker: Option<u32>,
    #[serde(default)]
    relay_tid: Option<u32>,
    #[serde(default)]
    heap_size_limit: f64,
    clock: ClockPair,
}

#[derive(Deserialize)]
struct ClockPair {
    performance_now_ms: f64,
    hrtime_ns: String,
}

#[derive(Deserialize)]
struct NoteFrame {
    recorder: String,
    state: RecorderState,
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
struct ThreadFrame {
    thread: u32,
    state: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    tid: Option<u32>,
}

#[derive(Deserialize)]
struct SourceFrame {
    url: String,
    text: String,
    #[serde(default)]
    source_map_url: String,
    #[serde(default)]
    functions: Vec<(String, u32, u32)>,
}

#[derive(Deserialize)]
struct ReplyFrame {
    id: u64,
    ok: bool,
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
struct CountsFrame {
    t_ms: f64,
    from_ms: f64,
    totals: Vec<Total>,
    places: Vec<PlaceShare>,
    sites: Vec<CallSite>,
    stride: u32,
    cost_ms: f64,
    #[serde(default)]
    too_dear: bool,
}

#[derive(Deserialize)]
struct HeapFrame {
    t_ms: f64,
    from_ms: f64,
    #[serde(flatten)]
    seen: HeapSeen,
}

#[derive(Deserialize)]
struct CallsFrame {
    t_ms: f64,
    #[serde(flatten)]
    calls: CallCounts,
}

#[derive(Deserialize)]
struct DeoptsFrame {
    t_ms: f64,
    #[serde(flatten)]
    deopts: DeoptCounts,
}

impl CountsFrame {
    /// Keys name hosts and functions; redacted like everything that a person may have put a secret into.
    fn into_record(mut self, thread: u32, origin_ns: f64) -> CounterRecord {
        for key in self.totals.iter_mut().map(|total| &mut total.1) {
            *key = redact_text(key);
        }
        for key in self.places.iter_mut().map(|place| &mut place.1) {
            *key = redact_text(key);
        }
        CounterRecord {
            t: moment(origin_ns, self.t_ms),
            from: moment(origin_ns, self.from_ms),
            thread,
            totals: self.totals,
            places: self.places,
            sites: self.sites,
            stride: self.stride,
            cost_ms: self.cost_ms,
            calls: None,
            deopts: None,
        }
    }
}

fn moment(origin_ns: f64, t_ms: f64) -> Nanos {
    Nanos((origin_ns + t_ms * 1e6).max(0.0) as u64)
}

impl Collector {
    /// Listens on `socket` (mode 0600) and records into `layout`. Event loops that are late by `shortest_stall` or more
    /// have stalled.
    pub fn listen(
        socket: &Path,
        layout: &Layout,
        session: &SessionWriter,
        cpu_sampling: CpuSampling,
        shortest_stall: Nanos,
    ) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        let shared = Arc::new(Shared {
            layout: layout.clone(),
            session: session.clone(),
            cpu_sampling,
            shortest_stall,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new().name("collector".into()).spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&accepting);
                let serve = move || Connection::new(shared).serve(&stream);
                // Without a thread the connection closes, and the agent goes quiet.
                let _ = std::thread::Builder::new().name("agent".into()).spawn(serve);
            }
        })?;
        Ok(Self { shared })
    }

    /// Returns the Node processes seen so far, by pid.
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.shared.lock().processes.values().map(|process| process.info.clone()).collect()
    }

    /// Switches recorders in all processes, now and as they connect, to exactly `wanted`, and waits until each process
    /// has answered or `patience` is over. Returns the pids that did not answer. `length` is how long they will be on, where
    /// that is known.
    pub fn set_recorders(
        &self,
        wanted: &[RecorderKind],
        length: Option<Duration>,
        patience: Duration,
    ) -> Vec<u32> {
        let mut state = self.shared.lock();
        state.length = length;
        let wanted: BTreeSet<_> = wanted.iter().copied().collect();
        let stop: Vec<_> = state.wanted.difference(&wanted).copied().collect();
        let start: Vec<_> = wanted.difference(&state.wanted).copied().collect();
        state.wanted = wanted;
        let pids: Vec<_> = state.processes.keys().copied().collect();
        for pid in pids {
            for recorder in &stop {
                state.command(pid, "stop", *recorder, self.shared.cpu_sampling);
            }
            for recorder in &start {
                state.command(pid, "start", *recorder, self.shared.cpu_sampling);
            }
        }
        let deadline = Instant::now() + patience;
        loop {
            let silent: Vec<_> =
                state.processes.values().filter(|p| p.is_waited_for()).map(|p| p.info.pid).collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if silent.is_empty() || left.is_zero() {
                return silent;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Records the text of every script that CPU samples fell into: asks the processes for it, those with most samples
    /// first, for at most `patience` altogether, and takes from the disk what no process can hand out any more.
    pub fn record_sources(&self, patience: Duration) {
        let mut state = self.shared.lock();
        let wanted: BTreeMap<u32, Vec<String>> = state.scripts_by_process();
        if wanted.is_empty() || state.sources.is_some() {
            return;
        }
        match SourceRecorder::create(&self.shared.layout) {
            Ok(recorder) => state.sources = Some(recorder),
            Err(error) => return self.shared.session.note_write_failure("the sources", &error),
        }
        let deadline = Instant::now() + patience;
        let mut pids: Vec<u32> = wanted.keys().copied().collect();
        pids.sort_by_key(|pid| std::cmp::Reverse(state.n_line_samples(*pid)));
        for pid in pids {
            let missing: Vec<&String> = wanted[&pid].iter().filter(|url| !state.has_source(url)).collect();
            if missing.is_empty() {
                continue;
            }
            state.send(pid, serde_json::json!({ "command": "sources", "urls": missing }));
            while state.processes.get(&pid).is_some_and(Connected::is_waited_for) {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let waited = self.shared.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let Some(recorder) = &mut state.sources else { return };
        for url in wanted.values().flatten() {
            if let Err(error) = recorder.add_from_disk(url) {
                return self.shared.session.note_write_failure("the sources", &error);
            }
        }
        let n_left_out = recorder.n_left_out();
        if n_left_out > 0 {
            let why =
                format!("{n_left_out} source files were left out: there is more text than a recording keeps");
            self.shared.session.recorder("sources", None, RecorderState::Partial, why);
        }
    }

    /// Closes the connections: the agents switch everything off and leave.
    pub fn dismiss(&self) {
        let state = self.shared.lock();
        for process in state.processes.values().filter(|process| process.info.connected) {
            // One that is gone already needs no dismissal.
            let _ = process.commands.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Waits until all agents have closed or `patience` is over, so that their last records are on the disk.
    pub fn wait_closed(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.processes.values().any(|process| process.info.connected) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns the latest numbers.
    pub fn live(&self) -> LiveReading {
        let state = self.shared.lock();
        let delays =
            state.processes.values().filter(|p| p.info.connected).filter_map(|p| p.loop_delay_p99_ms);
        LiveReading { loop_delay_p99_ms: delays.reduce(f64::max) }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    fn is_waited_for(&self) -> bool {
        self.info.connected && !self.unanswered.is_empty()
    }
}

impl State {
    fn command(&mut self, pid: u32, command: &str, recorder: RecorderKind, cpu_sampling: CpuSampling) {
        let recorder = recorder.as_str();
        let CpuSampling { interval_us, max_share } = cpu_sampling;
        let mut message =
            serde_json::json!({ "command": command, "recorder": recorder, "interval_us": interval_us });
        if let Some(share) = max_share {
            message["max_share"] = share.into();
        }
        if let Some(length) = self.length {
            message["ms"] = u64::try_from(length.as_millis()).unwrap_or(0).into();
        }
        self.send(pid, message);
    }

    /// Sends a command to a process that is connected, and takes note that it owes an answer.
    fn send(&mut self, pid: u32, mut message: serde_json::Value) {
        let id = self.next_command;
        self.next_command += 1;
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.info.connected) else {
            return;
        };
        message["id"] = id.into();
        // A process that is gone shows as a closed connection; nothing to do here.
        if write_command(&mut process.commands, &message).is_ok() {
            process.unanswered.insert(id);
        }
    }
}

impl State {
    /// Returns the scripts of each process, those with most samples first.
    fn scripts_by_process(&self) -> BTreeMap<u32, Vec<String>> {
        let by_samples = |scripts: &BTreeMap<String, u64>| {
            let mut urls: Vec<&String> = scripts.keys().collect();
            urls.sort_by_key(|url| std::cmp::Reverse(scripts[*url]));
            urls.into_iter().cloned().collect()
        };
        self.sampled.iter().map(|(pid, scripts)| (*pid, by_samples(scripts))).collect()
    }

    fn n_line_samples(&self, pid: u32) -> u64 {
        self.sampled.get(&pid).map_or(0, |scripts| scripts.values().sum())
    }

    /// Asks for the text of scripts that counted calls were made in.
    fn want_sources(&mut self, pid: u32, urls: impl Iterator<Item = String>) {
        let scripts = self.sampled.entry(pid).or_default();
        for url in urls.filter(|url| is_readable_script(url)) {
            scripts.entry(url).or_insert(0);
        }
    }

    fn has_source(&self, url: &str) -> bool {
        self.sources.as_ref().is_some_and(|recorder| recorder.has(url))
    }

    /// Takes note of the scripts in a piece of a profile.
    fn note_scripts(&mut self, pid: u32, piece: &CpuProfile<'_>) {
        let scripts = self.sampled.entry(pid).or_default();
        for frame in piece.frames.iter().filter(|frame| is_readable_script(&frame.url)) {
            if !scripts.contains_key(&*frame.url) {
                scripts.insert(frame.url.clone().into_owned(), 0);
            }
        }
        for tick in &piece.ticks {
            let frame = &piece.frames[piece.nodes[tick.node as usize].frame as usize];
            if let Some(samples) = scripts.get_mut(&*frame.url) {
                *samples += u64::from(tick.ticks);
            }
        }
    }
}

/// The reading side of one Node process.
struct Connection {
    shared: Arc<Shared>,
    pid: u32,
    origin_ns: f64,
    threads: BTreeMap<u32, ThreadRecords>,
    cpu_logs: BTreeMap<u32, CpuLogWriter>,
    async_threads: BTreeMap<u32, AsyncRecords>,
    async_log: Option<AsyncLogWriter>,
    /// What is known of the worker threads; the agent tells it piece by piece.
    workers: BTreeMap<u32, (String, Option<u32>)>,
    log: Option<JsonLines>,
    /// Opened at the first counts.
    counter_log: Option<JsonLines>,
}

impl Connection {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            pid: 0,
            origin_ns: 0.0,
            threads: BTreeMap::new(),
            cpu_logs: BTreeMap::new(),
            async_threads: BTreeMap::new(),
            async_log: None,
            workers: BTreeMap::new(),
            log: None,
            counter_log: None,
        }
    }

    fn serve(mut self, stream: &UnixStream) {
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        if let Ok(Some(frame)) = read_frame(&mut reader)
            && frame.kind == FrameKind::Hello
            && self.hello(&frame, stream).is_some()
        {
            // An error ends the connection as a close does: what was recorded stands.
            while let Ok(Some(frame)) = read_frame(&mut reader) {
                self.take(&frame);
            }
            self.finish();
        }
    }

    fn hello(&mut self, frame: &Frame, stream: &UnixStream) -> Option<()> {
        let hello: HelloFrame = serde_json::from_slice(&frame.payload).ok()?;
        let commands = stream.try_clone().ok()?;
        // A target that is stopped or swapped out must not hold us for ever.
        commands.set_write_timeout(Some(Duration::from_secs(1))).ok()?;
        self.pid = hello.pid;
        let hrtime: f64 = hello.clock.hrtime_ns.parse().ok()?;
        self.origin_ns = hrtime - hello.clock.performance_now_ms * 1e6;
        self.log = match JsonLines::append_to(&self.shared.layout.process_log(self.pid)) {
            Ok(log) => Some(log),
            Err(error) => {
                self.shared.session.note_write_failure("the process log", &error);
                None
            }
        };
        self.shared.session.push(Event::Process(ProcessHello {
            pid: hello.pid,
            ppid: hello.ppid,
            node: hello.node.clone(),
            argv: redact_args(&hello.argv),
            exec_argv: redact_args(&hello.exec_argv),
            cwd: hello.cwd,
            main: hello.main.unwrap_or_default(),
            cluster_worker: hello.cluster_worker,
            relay_tid: hello.relay_tid,
            heap_size_limit: hello.heap_size_limit as u64,
        }));
        let info = ProcessInfo { pid: hello.pid, node: hello.node, connected: true };
        let mut state = self.shared.lock();
        let unanswered = BTreeSet::new();
        state.processes.insert(self.pid, Connected { info, commands, unanswered, loop_delay_p99_ms: None });
        for recorder in state.wanted.clone() {
            state.command(self.pid, "start", recorder, self.shared.cpu_sampling);
        }
        drop(state);
        self.shared.changed.notify_all();
        Some(())
    }

    fn take(&mut self, frame: &Frame) {
        match frame.kind {
            FrameKind::Records => self.records(frame),
            FrameKind::CpuPiece => self.cpu_piece(frame),
            FrameKind::Note => {
                if let Ok(note) = serde_json::from_slice::<NoteFrame>(&frame.payload) {
                    self.shared.session.recorder(&note.recorder, Some(self.pid), note.state, note.why);
                }
            }
            FrameKind::Thread => self.thread(frame),
            FrameKind::Reply => self.reply(frame),
            FrameKind::Source => self.source(frame),
            FrameKind::Counts => self.counts(frame),
            FrameKind::Calls => self.calls(frame),
            FrameKind::Heap => self.heap(frame),
            FrameKind::Deopts => self.deopts(frame),
            FrameKind::Async => self.async_records(frame),
            FrameKind::Hello | FrameKind::Unknown => {}
        }
    }

    fn thread(&mut self, frame: &Frame) {
        let Ok(told) = serde_json::from_slice::<ThreadFrame>(&frame.payload) else { return };
        if told.state != "started" {
            return;
        }
        let titles = [told.title, told.url].into_iter().flatten();
        let title = titles.filter(|title| !title.is_empty()).map(|title| redact_text(&title)).next();
        let known = self.workers.entry(told.thread).or_default();
        let before = known.clone();
        known.0 = title.unwrap_or_else(|| before.0.clone());
        known.1 = told.tid.or(before.1);
        if *known != before || before == (String::new(), None) {
            let (title, tid) = known.clone();
            self.shared.session.push(Event::ThreadStarted { pid: self.pid, thread: told.thread, title, tid });
        }
    }

    fn records(&mut self, frame: &Frame) {
        let origin_ns = self.origin_ns;
        let records = self
            .threads
            .entry(frame.thread)
            .or_insert_with(|| ThreadRecords::new(frame.thread, origin_ns, self.shared.shortest_stall));
        for record in ring_records(&frame.payload) {
            records.add(record);
        }
        let p99_ms = records.current_delay().map(|delay| delay.value_at_quantile(0.99) as f64 / 1e3);
        if frame.thread == 0
            && p99_ms.is_some()
            && let Some(process) = self.shared.lock().processes.get_mut(&self.pid)
        {
            process.loop_delay_p99_ms = p99_ms;
        }
        self.write_lines(false);
    }

    fn async_records(&mut self, frame: &Frame) {
        if let Err(error) = self.append_async_records(frame) {
            self.shared.session.note_write_failure("the async log", &error);
        }
    }

    fn append_async_records(&mut self, frame: &Frame) -> io::Result<()> {
        let log = match &mut self.async_log {
            Some(log) => log,
            none => none.insert(AsyncLogWriter::append_to(&self.shared.layout.async_log(self.pid))?),
        };
        let origin_ns = self.origin_ns;
        let records = self
            .async_threads
            .entry(frame.thread)
            .or_insert_with(|| AsyncRecords::new(frame.thread, origin_ns));
        let mut written = Ok(());
        records.take(&frame.payload, |line| {
            if written.is_ok() {
                written = log.push(line);
            }
        });
        written
    }

    fn write_lines(&mut self, force: bool) {
        for records in self.threads.values_mut() {
            if let (Some(line), Some(log)) = (records.take_line(force), &mut self.log)
                && let Err(error) = log.push(&line)
            {
                self.shared.session.note_write_failure("the process log", &error);
            }
        }
    }

    fn cpu_piece(&mut self, frame: &Frame) {
        let result = self.append_cpu_piece(frame);
        if let Err(why) = result {
            self.shared.session.recorder("cpu", Some(self.pid), RecorderState::Partial, why.clone());
            self.shared.session.note_write_failure("CPU samples", &why);
        }
    }

    fn append_cpu_piece(&mut self, frame: &Frame) -> Result<(), String> {
        let piece = CpuProfile::parse(&frame.payload).map_err(|error| error.to_string())?;
        let log = match self.cpu_logs.entry(frame.thread) {
            std::collections::btree_map::Entry::Occupied(log) => log.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let path = self.shared.layout.cpu_log(self.pid, frame.thread);
                let log = CpuLogWriter::create(&path, self.pid, frame.thread).map_err(|e| e.to_string())?;
                vacant.insert(log)
            }
        };
        self.shared.lock().note_scripts(self.pid, &piece);
        log.append(&piece).map(|_| ()).map_err(|error| error.to_string())
    }

    fn source(&mut self, frame: &Frame) {
        let Ok(source) = serde_json::from_slice::<SourceFrame>(&frame.payload) else { return };
        let mut state = self.shared.lock();
        let Some(recorder) = &mut state.sources else { return };
        let SourceFrame { url, text, source_map_url, functions } = source;
        if let Err(error) = recorder.add_script(&url, &text, &source_map_url, functions) {
            self.shared.session.note_write_failure("the sources", &error);
        }
    }

    fn counts(&mut self, frame: &Frame) {
        let Ok(counts) = serde_json::from_slice::<CountsFrame>(&frame.payload) else { return };
        if counts.too_dear {
            let why = "counting cost more than a tenth of the thread's time and was ended early".to_owned();
            self.shared.session.recorder("counters", Some(self.pid), RecorderState::Partial, why);
        }
        let record = counts.into_record(frame.thread, self.origin_ns);
        let urls = record.sites.iter().flat_map(|site| &site.1).map(|frame| frame.1.clone());
        self.shared.lock().want_sources(self.pid, urls);
        self.append_counts(&record);
    }

    fn calls(&mut self, frame: &Frame) {
        let Ok(CallsFrame { t_ms, calls }) = serde_json::from_slice(&frame.payload) else { return };
        let t = self.moment(t_ms);
        let from = Nanos(t.0.saturating_sub((calls.ms * 1e6) as u64));
        let record =
            CounterRecord { t, from, thread: frame.thread, calls: Some(calls), ..CounterRecord::default() };
        self.append_counts(&record);
    }

    fn heap(&mut self, frame: &Frame) {
        let Ok(HeapFrame { t_ms, from_ms, seen }) = serde_json::from_slice(&frame.payload) else { return };
        if let HeapSeen::Allocations(heap) | HeapSeen::Survivors(heap) = &seen {
            let urls = heap.frames.iter().map(|frame| frame.1.clone());
            self.shared.lock().want_sources(self.pid, urls);
        }
        let (from, t) = (self.moment(from_ms), self.moment(t_ms));
        let record = HeapRecord { from, t, thread: frame.thread, seen };
        let log = JsonLines::append_to(&self.shared.layout.heap_log(self.pid));
        // Three lines a process: the file need not stay open.
        if let Err(error) = log.and_then(|mut log| log.push(&record)) {
            self.shared.session.note_write_failure("the heap log", &error);
        }
    }

    fn deopts(&mut self, frame: &Frame) {
        let Ok(DeoptsFrame { t_ms, deopts }) = serde_json::from_slice(&frame.payload) else { return };
        let t = self.moment(t_ms);
        let from = Nanos(t.0.saturating_sub((deopts.ms * 1e6) as u64));
        let positions =
            deopts.functions.iter().flat_map(|row| row.causes.iter().map(|cause| &cause.2).chain([&row.at]));
        let positions = positions.flatten();
        self.shared.lock().want_sources(self.pid, positions.map(|position| position.0.clone()));
        let record =
            CounterRecord { t, from, thread: frame.thread, deopts: Some(deopts), ..CounterRecord::default() };
        self.append_counts(&record);
    }

    fn append_counts(&mut self, record: &CounterRecord) {
        let path = self.shared.layout.counter_log(self.pid);
        let log = match self.counter_log.take() {
            Some(log) => Ok(log),
            None => JsonLines::append_to(&path),
        };
        let written = log.and_then(|mut log| log.push(record).map(|()| log));
        match written {
            Ok(log) => self.counter_log = Some(log),
            Err(error) => self.shared.session.note_write_failure("the counter log", &error),
        }
    }

    /// Returns a time of the process's `performance.now()` on the recording's clock.
    fn moment(&self, t_ms: f64) -> Nanos {
        moment(self.origin_ns, t_ms)
    }

    fn reply(&mut self, frame: &Frame) {
        let Ok(reply) = serde_json::from_slice::<ReplyFrame>(&frame.payload) else {
            return;
        };
        if !reply.ok {
            self.shared.session.recorder("agent", Some(self.pid), RecorderState::Partial, reply.why);
        }
        if let Some(process) = self.shared.lock().processes.get_mut(&self.pid) {
            process.unanswered.remove(&reply.id);
        }
        self.shared.changed.notify_all();
    }

    fn finish(mut self) {
        self.write_lines(true);
        if let Some(Err(error)) = self.async_log.as_mut().map(AsyncLogWriter::flush) {
            self.shared.session.note_write_failure("the async log", &error);
        }
        for log in std::mem::take(&mut self.cpu_logs).into_values() {
            if let Err(error) = log.finish() {
                self.shared.session.note_write_failure("CPU samples", &error);
            }
        }
        if let Some(process) = self.shared.lock().processes.get_mut(&self.pid) {
            process.info.connected = false;
        }
        self.shared.changed.notify_all();
    }
}
