//! Starts, cuts and stops a load: generator threads, and the collector thread that merges their intervals.
//!
//! Every cut goes to all threads in the same order, so the k-th interval of each thread belongs to the k-th cut.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock;
use crate::connection::Target;
use crate::error::LoadError;
use crate::generator::{Command, Commands, Generator, ThreadInterval};
use crate::interval::Interval;
use crate::plan::LoadPlan;
use crate::redact::Redactor;
use crate::request::{asks_to_close, request_bytes};
use crate::response::Answers;

/// Open files that the rest of the program may need beside the connections.
pub(crate) const SPARE_FILES: u64 = 256;

/// A running load. Dropping it stops the load.
pub struct LoadHandle {
    shared: Arc<Shared>,
    generators: Vec<JoinHandle<io::Result<()>>>,
    collector: Option<JoinHandle<LoadTotals>>,
}

/// What a load did from start to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadTotals {
    /// How many intervals were delivered.
    pub n_intervals: u64,
    /// All intervals merged, whatever their label; its own label is empty.
    pub whole: Interval,
}

/// Held while a command is given, so that all threads get all commands in the same order.
struct Shared(Mutex<Vec<Commands>>);

impl Shared {
    fn give_all(&self, command: &Command) {
        let commands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        commands.iter().for_each(|thread| thread.give(command.clone()));
    }
}

/// Starts a load. `on_interval` is called on its own thread with each finished interval, in order.
///
/// A slow `on_interval` delays the delivery of intervals, not the load.
///
/// # Errors
/// If the plan is not valid, its host has no address, or the operating system refuses threads or files. That the
/// server does not answer is no error here; it is counted in the intervals.
#[expect(clippy::needless_pass_by_value, reason = "a plan describes one load")]
pub fn start(
    plan: LoadPlan,
    on_interval: impl FnMut(Interval) + Send + 'static,
) -> Result<LoadHandle, LoadError> {
    plan.validate()?;
    let addresses = resolve(&plan)?;
    allow_open_files(plan.connections)?;
    let redactor = Arc::new(Redactor::for_headers(&plan.requests[0].headers));
    let target = Arc::new(Target {
        addresses,
        request: request_bytes(&plan),
        request_name: format!("{} {}", plan.requests[0].method, plan.urls[0].path_and_query),
        answers: if plan.requests[0].method == "HEAD" { Answers::Head } else { Answers::Other },
        asks_to_close: asks_to_close(&plan),
        timeout_ns: nanoseconds(plan.timeout),
    });
    let n_threads = plan.threads.min(plan.connections);
    let (sender, intervals) = channel();
    let mut prepared = Vec::new();
    let mut commands = Vec::new();
    for thread in 0..n_threads {
        // The first threads take one more when the connections do not divide evenly.
        let n_connections = plan.connections / n_threads + u32::from(thread < plan.connections % n_threads);
        let (generator, thread_commands) = Generator::new(
            thread as usize,
            u64::from(n_connections),
            Arc::clone(&target),
            Arc::clone(&redactor),
            sender.clone(),
        )
        .map_err(|source| LoadError::System { action: "create an epoll instance", source })?;
        prepared.push(generator);
        commands.push(thread_commands);
    }
    // From here on only the generators hold senders: when all have ended, the collector notices.
    drop(sender);

    let start_ns = clock::now_ns();
    let shared = Arc::new(Shared(Mutex::new(commands)));
    let mut handle = LoadHandle { shared: Arc::clone(&shared), generators: Vec::new(), collector: None };
    for generator in prepared {
        let thread = spawn("slowpath-load", move || generator.run(start_ns))?;
        handle.generators.push(thread);
    }
    let collector = Collector {
        shared,
        intervals,
        interval_ns: nanoseconds(plan.interval),
        queues: (0..n_threads).map(|_| VecDeque::new()).collect(),
        last_cut_ns: start_ns,
        totals: LoadTotals { n_intervals: 0, whole: Interval::empty(start_ns, start_ns) },
    };
    handle.collector = Some(spawn("slowpath-load-collect", move || collector.run(on_interval))?);
    Ok(handle)
}

impl LoadHandle {
    /// Ends the current interval now, on all threads; the following intervals carry `label`.
    ///
    /// Returns at once; the threads cut within microseconds, the interval is delivered as always.
    pub fn cut(&self, label: &str) {
        self.shared.give_all(&Command::Cut { next_label: Some(Arc::from(label)) });
    }

    /// Stops the load at once, whatever the server does, and returns what it did in total.
    ///
    /// Requests under way are counted as `n_unfinished`. The last interval has been delivered, and all threads have
    /// ended, when this returns.
    ///
    /// # Panics
    /// If `on_interval` did.
    pub fn stop(mut self) -> LoadTotals {
        match self.join() {
            Some(Ok(totals)) => totals,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!(
                "a started load has a collector until it is joined, and `stop` consumes the handle"
            ),
        }
    }

    fn join(&mut self) -> Option<std::thread::Result<LoadTotals>> {
        self.shared.give_all(&Command::Stop);
        let mut failure = None;
        for generator in self.generators.drain(..) {
            match generator.join() {
                Ok(Ok(())) => {}
                // epoll_wait fails only on a bad descriptor or address: a defect of this crate.
                Ok(Err(error)) => failure = Some(Box::new(format!("epoll failed: {error}")) as _),
                Err(panic) => failure = Some(panic),
            }
        }
        let totals = self.collector.take().map(JoinHandle::join);
        match failure {
            Some(failure) => Some(Err(failure)),
            None => totals,
        }
    }
}

impl Drop for LoadHandle {
    fn drop(&mut self) {
        // A panic of `on_interval` is reported by `stop`; in a drop it has already been printed.
        let _ = self.join();
    }
}

/// Merges the intervals of all threads, one per cut, and cuts when an interval is due.
struct Collector {
    shared: Arc<Shared>,
    intervals: Receiver<ThreadInterval>,
    interval_ns: u64,
    /// Per thread, the intervals that wait for those of the other threads.
    queues: Vec<VecDeque<Interval>>,
    last_cut_ns: u64,
    totals: LoadTotals,
}

impl Collector {
    fn run(mut self, mut on_interval: impl FnMut(Interval)) -> LoadTotals {
        let mut next_cut_ns = self.last_cut_ns.saturating_add(self.interval_ns);
        loop {
            let pause = Duration::from_nanos(next_cut_ns.saturating_sub(clock::now_ns()));
            match self.intervals.recv_timeout(pause) {
                Ok(ThreadInterval { thread, interval }) => {
                    self.queues[thread].push_back(interval);
                    while self.queues.iter().all(|queue| !queue.is_empty()) {
                        self.deliver(&mut on_interval);
                        next_cut_ns = self.last_cut_ns.saturating_add(self.interval_ns);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.shared.give_all(&Command::Cut { next_label: None });
                    // Until the threads have answered; then the next cut follows from this one.
                    next_cut_ns = clock::now_ns().saturating_add(self.interval_ns);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    // Something is left only if a thread ended early: what the others measured is not lost.
                    while self.queues.iter().any(|queue| !queue.is_empty()) {
                        self.deliver(&mut on_interval);
                    }
                    return self.totals;
                }
            }
        }
    }

    /// Merges the next interval of each thread and delivers the sum.
    fn deliver(&mut self, on_interval: &mut impl FnMut(Interval)) {
        let parts = self.queues.iter_mut().filter_map(VecDeque::pop_front);
        let Some(mut merged) = parts.reduce(|mut sum, part| {
            sum.join_thread(&part);
            sum
        }) else {
            return;
        };
        // Threads cut microseconds apart; the intervals of the load as a whole join without a gap.
        merged.start_ns = self.last_cut_ns;
        self.last_cut_ns = merged.end_ns;
        self.totals.n_intervals += 1;
        self.totals.whole.merge(&merged);
        on_interval(merged);
    }
}

fn resolve(plan: &LoadPlan) -> Result<Vec<SocketAddr>, LoadError> {
    let unknown = |source| LoadError::UnknownHost { host: plan.urls[0].host.clone(), source };
    let mut addresses = Vec::new();
    for address in (plan.urls[0].host.as_str(), plan.urls[0].port).to_socket_addrs().map_err(unknown)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unknown(io::Error::other("the name has no address")));
    }
    Ok(addresses)
}

/// Raises this process's limit of open files as far as `connections` needs and the hard limit lets it.
fn allow_open_files(connections: u32) -> Result<(), LoadError> {
    let needed = u64::from(connections) + SPARE_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum
        && maximum < needed
    {
        return Err(LoadError::TooManyConnections { connections, limit: maximum });
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .map_err(|errno| LoadError::System { action: "raise the limit of open files", source: errno.into() })
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LoadError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|source| LoadError::System { action: "start a thread", source })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
