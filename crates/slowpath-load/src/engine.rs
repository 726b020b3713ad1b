//! Starts, cuts and stops a load: its generator threads and its collector thread.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock;
use crate::collector::{Collector, LoadTotals, Threads};
use crate::error::LoadError;
use crate::finish::Finish;
use crate::generator::{Command, Generator};
use crate::http1::Http1Connection;
use crate::http2::Http2Connection;
use crate::interval::Interval;
use crate::pacer::{Pacer, Share};
use crate::plan::LoadPlan;
use crate::target::{Target, nanoseconds};
use crate::tls::Protocol;

/// Open files that the rest of the program may need beside the connections.
pub(crate) const SPARE_FILES: u64 = 256;

/// A running load. Dropping it stops the load.
pub struct LoadHandle {
    threads: Arc<Threads>,
    finish: Arc<Finish>,
    generators: Vec<JoinHandle<io::Result<()>>>,
    collector: Option<JoinHandle<LoadTotals>>,
}

/// Starts a load. `on_interval` is called on its own thread with each finished interval, in order.
///
/// A slow `on_interval` delays the delivery of intervals, not the load.
///
/// # Errors
/// If the plan is not valid, its host has no address, a file that it names cannot be used, or the operating system
/// refuses threads or files. That the server does not answer is no error here; it is counted in the intervals.
#[expect(clippy::needless_pass_by_value, reason = "a plan describes one load")]
pub fn start(
    plan: LoadPlan,
    on_interval: impl FnMut(Interval) + Send + 'static,
) -> Result<LoadHandle, LoadError> {
    plan.validate()?;
    let target = Arc::new(Target::new(&plan)?);
    allow_open_files(plan.connections)?;
    let n_threads = plan.threads.min(plan.connections);
    let finish = Arc::new(Finish::new(n_threads));
    let (sender, intervals) = channel();
    let mut prepared = Vec::new();
    let mut commands = Vec::new();
    let mut n_connections_before = 0;
    for thread in 0..n_threads {
        // The first threads take one more when the connections do not divide evenly.
        let n_connections = plan.connections / n_threads + u32::from(thread < plan.connections % n_threads);
        let connections = n_connections_before..n_connections_before + n_connections;
        n_connections_before += n_connections;
        let (generator, thread_commands) = Generator::new(
            thread as usize,
            connections.map(|connection| connection as usize % plan.urls.len()),
            Arc::clone(&target),
            sender.clone(),
            Arc::clone(&finish),
        )
        .map_err(|source| LoadError::System { action: "create an epoll instance", source })?;
        prepared.push(generator);
        commands.push(thread_commands);
    }
    // From here on only the generators hold senders: when all have ended, the collector notices.
    drop(sender);

    let start_ns = clock::now_ns();
    let threads = Arc::new(Threads(Mutex::new(commands)));
    let mut handle =
        LoadHandle { threads: Arc::clone(&threads), finish, generators: Vec::new(), collector: None };
    for (thread, generator) in (0..).zip(prepared) {
        let pacer = Pacer::new(&plan, Share::new(&plan, thread, n_threads), start_ns);
        let generator = match target.protocol {
            Protocol::Http1 => {
                spawn("slowpath-load", move || generator.run::<Http1Connection>(pacer, start_ns))
            }
            Protocol::Http2 => {
                spawn("slowpath-load", move || generator.run::<Http2Connection>(pacer, start_ns))
            }
        };
        handle.generators.push(generator?);
    }
    let collector = Collector::new(threads, intervals, n_threads, nanoseconds(plan.interval), start_ns);
    handle.collector = Some(spawn("slowpath-load-collect", move || collector.run(on_interval))?);
    Ok(handle)
}

impl LoadHandle {
    /// Ends the current interval now, on all threads; the following intervals carry `label`.
    ///
    /// Returns at once; the threads cut within microseconds, the interval is delivered as always.
    pub fn cut(&self, label: &str) {
        self.threads.give_all(&Command::Cut { next_label: Some(Arc::from(label)) });
    }

    /// Tells whether all requests of the plan have ended: its amount is reached, or its schedule is over. A load
    /// without such an end never finishes.
    ///
    /// A finished load goes on delivering (empty) intervals until it is stopped.
    pub fn is_finished(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits at most `patience` until the load is finished, and tells whether it is.
    pub fn wait(&self, patience: Duration) -> bool {
        self.finish.wait(patience)
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
        self.threads.give_all(&Command::Stop);
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
