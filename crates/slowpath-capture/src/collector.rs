//! Takes what the agents send and appends it to the recording; tells them which recorders to run.
//!
//! One thread accepts, one thread a Node process reads. Memory is bounded: frames are written as they come.

mod connection;
mod payloads;
mod peers;
mod state;

use crate::source_recorder::SourceRecorder;
use crate::{CpuSampling, RecorderKind, SessionWriter};
use connection::Connection;
use slowpath_profile::Nanos;
use slowpath_profile::recording::{Layout, RecorderState};
use state::{Connected, State};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

impl Collector {
    /// Listens on `socket`, to processes of the target alone, and records into `layout`. Event loops that are late by `shortest_stall` or more
    /// have stalled.
    pub fn listen(
        socket: &Path,
        layout: &Layout,
        session: &SessionWriter,
        cpu_sampling: CpuSampling,
        shortest_stall: Nanos,
    ) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(peers::socket_mode()))?;
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
                if !peers::is_of_the_target(&stream, &accepting.lock().attached) {
                    continue;
                }
                let shared = Arc::clone(&accepting);
                let serve = move || Connection::new(shared).serve(&stream);
                // Without a thread the connection closes, and the agent goes quiet.
                let _ = std::thread::Builder::new().name("agent".into()).spawn(serve);
            }
        })?;
        Ok(Self { shared })
    }

    /// Takes the connections of a process that is attached to, whichever user's it is.
    pub(crate) fn expect(&self, pid: u32) {
        self.shared.lock().attached.insert(pid);
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
