//! The reading side of one Node process: takes its frames and appends them to the recording.

use super::payloads::{
    CallsFrame, CountsFrame, DeoptsFrame, HeapFrame, HelloFrame, NoteFrame, ReplyFrame, SourceFrame,
    ThreadFrame, moment,
};
use super::state::Connected;
use super::{ProcessInfo, Shared};
use crate::async_records::AsyncRecords;
use crate::frames::{Frame, FrameKind, read_frame, ring_records};
use crate::thread_records::ThreadRecords;
use crate::{redact_args, redact_text};
use slowpath_profile::Nanos;
use slowpath_profile::import::cpuprofile::CpuProfile;
use slowpath_profile::recording::{
    AsyncLogWriter, CounterRecord, CpuLogWriter, Event, HeapRecord, HeapSeen, JsonLines, ProcessHello,
    RecorderState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// The reading side of one Node process.
pub(super) struct Connection {
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
    pub(super) fn new(shared: Arc<Shared>) -> Self {
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

    pub(super) fn serve(mut self, stream: &UnixStream) {
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
