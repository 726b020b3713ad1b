//! Samples `/proc` of the target's tree about twice a second, and at once when a phase begins or ends.

use crate::proc_fs::{cgroup_dir, sample_cgroup, sample_machine, sample_process, tree_of};
use crate::{SessionWriter, now};
use slowpath_profile::Nanos;
use slowpath_profile::recording::{Event, JsonLines, Layout, SystemSample};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Distance between samples. Half a second resolves a timeline of seconds; a sample of a tree with 50 threads costs
/// about 2 ms of our own CPU.
const INTERVAL: Duration = Duration::from_millis(500);

/// A running sampler.
#[derive(Debug)]
pub struct SystemSampler {
    requests: SyncSender<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    latest: Arc<Mutex<(SystemSample, SystemSample)>>,
    stopping: Arc<AtomicBool>,
}

impl SystemSampler {
    /// Starts sampling the tree below `root` into the system log.
    pub fn start(root: u32, layout: &Layout, session: &SessionWriter, run_dir: PathBuf) -> io::Result<Self> {
        let lines = JsonLines::append_to(&layout.system_log())?;
        let (requests, inbox) = sync_channel::<SyncSender<()>>(4);
        let latest = Arc::new(Mutex::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let mut sampling = Sampling {
            root,
            lines,
            session: session.clone(),
            run_dir,
            alive: BTreeSet::new(),
            latest: Arc::clone(&latest),
            stopping: Arc::clone(&stopping),
        };
        let thread = std::thread::Builder::new().name("system sampler".into()).spawn(move || {
            loop {
                sampling.sample();
                match inbox.recv_timeout(INTERVAL) {
                    Ok(done) => {
                        sampling.sample();
                        let _ = done.send(());
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Self { requests, thread: Some(thread), latest, stopping })
    }

    /// Takes a sample now and returns when it is written.
    pub fn sample_now(&self) {
        let (done, wait) = sync_channel(1);
        if self.requests.send(done).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(2));
        }
    }

    /// Returns the CPU use of the tree between the last two samples, in cores, and its resident memory in bytes.
    pub fn live(&self) -> Option<(f64, u64)> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, after) = &*latest;
        let run = |sample: &SystemSample, pid: u32| -> Option<u64> {
            let process = sample.processes.iter().find(|process| process.pid == pid)?;
            Some(process.tasks.iter().map(|task| task.run.0).sum())
        };
        let elapsed = after.t.since(before.t);
        if before.t == Nanos(0) || elapsed == Nanos(0) {
            return None;
        }
        let spent = after
            .processes
            .iter()
            .filter_map(|process| Some(run(after, process.pid)?.saturating_sub(run(before, process.pid)?)));
        let cores = spent.sum::<u64>() as f64 / elapsed.0 as f64;
        Some((cores, after.processes.iter().map(|process| process.rss).sum()))
    }

    /// Says that processes which end from now on were stopped by us.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Ends the sampler.
    pub fn finish(mut self) {
        let (closed, _) = sync_channel(1);
        drop(std::mem::replace(&mut self.requests, closed));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Sampling {
    root: u32,
    lines: JsonLines,
    session: SessionWriter,
    run_dir: PathBuf,
    alive: BTreeSet<u32>,
    latest: Arc<Mutex<(SystemSample, SystemSample)>>,
    stopping: Arc<AtomicBool>,
}

impl Sampling {
    fn sample(&mut self) {
        let tree = tree_of(self.root, std::process::id());
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let sample = SystemSample {
            t: now(),
            machine: sample_machine(),
            own_cpu: Nanos(own.tv_sec as u64 * slowpath_profile::SECOND + own.tv_nsec as u64),
            cgroup: cgroup_dir(self.root).and_then(|dir| sample_cgroup(&dir)),
            processes: tree.iter().filter_map(|pid| sample_process(*pid)).collect(),
        };
        if let Err(error) = self.lines.push(&sample) {
            self.session.note_write_failure("the system log", &error);
        }
        for pid in self.alive.difference(&tree) {
            // The first process and orphans are reaped by us, which tells more.
            if *pid != self.root {
                let code = crate::run_dir::exit_code_in(&self.run_dir, *pid);
                let stopping = self.stopping.load(Ordering::Relaxed);
                self.session.push(Event::ProcessEnded { pid: *pid, code, signal: None, stopping });
            }
        }
        self.alive = tree;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.0 = std::mem::replace(&mut latest.1, sample);
    }
}
