//! The native recorder itself: a thread that empties the kernel's rings into the native log.

use super::attach::{AttachError, Attached};
use super::bookkeeping::{Bookkeeping, Books};
use super::event::Sampling;
use super::jit_maps::JitMaps;
use super::privileges::{Lack, Privileges};
use super::records::Record;
use crate::{SessionWriter, now};
use slowpath_profile::recording::{Layout, NATIVE_LOG_VERSION, NativeHeader, NativeLogWriter};
use slowpath_profile::{Nanos, SECOND};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the rings may fill before they are looked at.
const DRAIN_EVERY: Duration = Duration::from_millis(200);

/// Records younger than this wait for those of other CPUs that are still being written.
const SETTLED: Nanos = Nanos(2_000_000);

/// How deep the kernel walks stacks unless told otherwise (`kernel.perf_event_max_stack`).
const DEFAULT_DEPTH: u32 = 127;

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// Not permitted, or not possible on this machine.
    #[error("{0}")]
    Refused(Lack),
    /// The log cannot be written.
    #[error("the native log cannot be written: {0}")]
    Log(#[from] io::Error),
}

/// A running recorder.
#[derive(Debug)]
pub struct NativeRecorder {
    lacks: Vec<Lack>,
    stopping: Arc<AtomicBool>,
    n_samples: Arc<AtomicU64>,
    thread: Option<JoinHandle<io::Result<Recorded>>>,
}

/// What was recorded and is not yet named.
#[derive(Debug)]
pub struct Recorded {
    pub(super) books: Books,
    pub(super) jit: JitMaps,
}

impl NativeRecorder {
    /// Tries to sample this process itself: says before anything is started what the machine does not permit at all.
    pub fn probe() -> Result<(), Lack> {
        let refused = |error| explain(&Privileges::read(), error);
        let mut attached = Attached::prepare().map_err(refused)?;
        let sampling = Sampling { period_ns: SECOND, kernel: false };
        attached.attach(&BTreeSet::from([std::process::id()]), sampling, &mut drop).map_err(refused)?;
        attached.stop();
        Ok(())
    }

    /// Samples all threads of `pids` and everything that they start, `frequency_hz` times a second of CPU time each, into
    /// the recording.
    pub fn start(
        pids: &BTreeSet<u32>,
        frequency_hz: u32,
        layout: &Layout,
        session: &SessionWriter,
    ) -> Result<Self, NativeError> {
        let privileges = Privileges::read();
        let period_ns = SECOND / u64::from(frequency_hz.max(1));
        let mut lacks = Vec::new();
        let mut early = Vec::new();
        let mut take = |record| early.push(record);
        let refused = |error| NativeError::Refused(explain(&privileges, error));
        let mut attached = Attached::prepare().map_err(refused)?;
        let mut sampling = Sampling { period_ns, kernel: true };
        let mut outcome = attached.attach(pids, sampling, &mut take);
        if outcome.is_err() {
            attached.forget();
            sampling.kernel = false;
            outcome = attached.attach(pids, sampling, &mut take);
            if outcome.is_ok() {
                lacks.push(privileges.explain_no_kernel());
            }
        }
        if outcome.map_err(refused)? == 0 {
            let pid = pids.first().copied().unwrap_or_default();
            let gone = io::Error::from_raw_os_error(3);
            return Err(NativeError::Refused(privileges.explain_refusal(&gone, pid, None)));
        }
        let header = NativeHeader {
            native: NATIVE_LOG_VERSION,
            frequency_hz,
            period_ns,
            event: "cpu-clock".into(),
            kernel: sampling.kernel,
            max_depth: max_depth(),
        };
        let mut books = Bookkeeping::new(NativeLogWriter::create(&layout.native_log(), &header)?);
        for pid in pids {
            books.learn(*pid, Nanos(0));
        }
        let stopping = Arc::new(AtomicBool::new(false));
        let n_samples = Arc::new(AtomicU64::new(0));
        let recording = Recording {
            attached,
            books,
            jit: JitMaps::default(),
            pending: early,
            stopping: Arc::clone(&stopping),
            n_samples: Arc::clone(&n_samples),
            session: session.clone(),
        };
        let thread = std::thread::Builder::new().name("native".into()).spawn(move || recording.run())?;
        Ok(Self { lacks, stopping, n_samples, thread: Some(thread) })
    }

    /// What could not be had, such as kernel frames.
    pub fn lacks(&self) -> &[Lack] {
        &self.lacks
    }

    /// Samples so far.
    pub fn n_samples(&self) -> u64 {
        self.n_samples.load(Ordering::Relaxed)
    }

    /// Ends sampling and closes the log. Naming the addresses is left for later, when it disturbs nobody.
    pub fn stop(mut self) -> io::Result<Recorded> {
        self.stopping.store(true, Ordering::Relaxed);
        let thread = self.thread.take().map(JoinHandle::join);
        thread.and_then(Result::ok).unwrap_or_else(|| Err(io::Error::other("the recorder's thread is gone")))
    }
}

impl Drop for NativeRecorder {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

struct Recording {
    attached: Attached,
    books: Bookkeeping,
    jit: JitMaps,
    pending: Vec<Record>,
    stopping: Arc<AtomicBool>,
    n_samples: Arc<AtomicU64>,
    session: SessionWriter,
}

impl Recording {
    fn run(mut self) -> io::Result<Recorded> {
        let mut last_piece = now();
        loop {
            let stopping = self.stopping.load(Ordering::Relaxed);
            if stopping {
                self.attached.stop();
            }
            let begun = now();
            self.jit.mark(self.books.alive());
            let Self { attached, pending, .. } = &mut self;
            attached.drain(&mut |record| pending.push(record));
            self.take_until(if stopping { Nanos(u64::MAX) } else { Nanos(begun.0 - SETTLED.0) });
            self.n_samples.store(self.books.n_samples(), Ordering::Relaxed);
            if stopping {
                return Ok(Recorded { books: self.books.finish(begun)?, jit: self.jit });
            }
            if begun.since(last_piece).0 >= SECOND {
                last_piece = begun;
                if let Err(error) = self.books.end_piece(begun) {
                    self.session.note_write_failure("the native log", &error);
                    return Err(error);
                }
            }
            self.attached.wait(DRAIN_EVERY);
        }
    }

    /// Passes on the records from before `t`, in order of time.
    fn take_until(&mut self, t: Nanos) {
        self.pending.sort_by_key(|record| record.t);
        let n_settled = self.pending.partition_point(|record| record.t < t);
        for record in self.pending.drain(..n_settled) {
            self.books.take(record);
        }
    }
}

fn explain(privileges: &Privileges, error: AttachError) -> Lack {
    match error {
        AttachError::Refused(pid, error) => {
            let owner = std::fs::metadata(format!("/proc/{pid}")).ok().map(|metadata| metadata.uid());
            privileges.explain_refusal(&error, pid, owner)
        }
        AttachError::Ring(error) => Lack {
            what: format!("no memory may be shared with the kernel for samples: {error}"),
            fix: "raise `sudo sysctl kernel.perf_event_mlock_kb=4096`, or run slowpath with `sudo`".into(),
        },
    }
}

fn max_depth() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/perf_event_max_stack").unwrap_or_default();
    text.trim().parse().unwrap_or(DEFAULT_DEPTH)
}
