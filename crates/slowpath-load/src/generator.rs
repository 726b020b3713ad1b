//! One generator thread: an epoll loop over its connections. Talks to the rest of the program only through commands
//! (in, woken by an eventfd), finished intervals and the news that all requests have ended (out).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use rustix::fd::OwnedFd;

use crate::clock::{self, NS_PER_MS};
use crate::connection::Connection;
use crate::context::Context;
use crate::finish::Finish;
use crate::interval::Interval;
use crate::pacer::Pacer;
use crate::socket;
use crate::tally::{AtCut, Tally};
use crate::target::Target;

/// How often pauses and timeouts are looked at. Going through 1,000 connections takes some µs, 40 times a second.
const TICK_NS: u64 = 25 * NS_PER_MS;

/// Bytes read at once; a larger answer takes several reads.
const BUFFER_BYTES: usize = 64 * 1024;

/// Events taken at once. At some 7 µs each, times within a stream are at most 0.2 ms off, and a request that is due
/// waits no longer; one wait costs less than 1 µs, and when there are that many events nobody sleeps.
const MAX_EVENTS: usize = 32;

/// Connections that begin to connect before events are looked at again: less than a millisecond's work.
const STARTS_PER_TURN: usize = 32;

/// How long before a request is due the thread stops sleeping and asks for events without pause, at most: the kernel
/// wakes a thread about 30 µs late (measured on a virtual machine).
const LEAD_NS: u64 = 40_000;

/// The part of the gaps between requests that may be spent so.
const LEAD_SHARE: u64 = 16;

const WAKE_TOKEN: u64 = u64::MAX;

/// What a generator thread is told to do.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// End the interval now; the following ones carry the label, if there is one.
    Cut { next_label: Option<Arc<str>> },
    /// End the last interval now, close everything and end the thread.
    Stop,
}

/// A finished interval of one thread.
pub(crate) struct ThreadInterval {
    pub(crate) thread: usize,
    pub(crate) interval: Interval,
}

/// Wakes and tells one generator thread.
pub(crate) struct Commands {
    sender: Sender<Command>,
    waker: Arc<OwnedFd>,
}

impl Commands {
    /// Gives a command; a thread that has ended needs none.
    pub(crate) fn give(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            socket::wake(&self.waker);
        }
    }
}

/// One thread's part of a load, ready to run.
pub(crate) struct Generator {
    thread: usize,
    target: Arc<Target>,
    /// Per connection, the index of its endpoint.
    endpoints: Vec<usize>,
    epoll: OwnedFd,
    waker: Arc<OwnedFd>,
    commands: Receiver<Command>,
    intervals: Sender<ThreadInterval>,
    finish: Arc<Finish>,
}

impl Generator {
    /// Prepares thread number `thread`, whose connections go to these endpoints; opens no connection yet.
    pub(crate) fn new(
        thread: usize,
        endpoints: impl Iterator<Item = usize>,
        target: Arc<Target>,
        intervals: Sender<ThreadInterval>,
        finish: Arc<Finish>,
    ) -> io::Result<(Self, Commands)> {
        let (epoll, waker) = socket::epoll_with_waker(WAKE_TOKEN)?;
        let waker = Arc::new(waker);
        let (sender, commands) = std::sync::mpsc::channel();
        let generator = Self {
            thread,
            target,
            endpoints: endpoints.collect(),
            epoll,
            waker: Arc::clone(&waker),
            commands,
            intervals,
            finish,
        };
        Ok((generator, Commands { sender, waker }))
    }

    /// Drives the load until told to stop. `start_ns` is where the first interval begins.
    ///
    /// # Errors
    /// Only if epoll itself fails.
    pub(crate) fn run<C: Connection>(self, pacer: Pacer, start_ns: u64) -> io::Result<()> {
        let mut connections: Vec<C> =
            (0..).zip(&self.endpoints).map(|(token, endpoint)| C::new(token, *endpoint)).collect();
        let is_open = pacer.is_open();
        if is_open {
            socket::wait_precisely();
        }
        let mut context = Context {
            target: &self.target,
            epoll: &self.epoll,
            tally: Tally::new(start_ns, is_open, Arc::clone(&self.target.redactor)),
            pacer,
            ready: VecDeque::new(),
            buffer: vec![0; BUFFER_BYTES],
            spare: Vec::new(),
            now_ns: clock::now_ns(),
            preferred_addresses: vec![0; self.target.endpoints.len()],
            unread: Vec::new(),
        };
        let mut label: Arc<str> = Arc::from("");
        let mut events = Vec::with_capacity(MAX_EVENTS);
        let mut turn: Vec<u64> = Vec::new();
        let mut next_tick_ns = context.now_ns;
        let mut n_started = 0;
        let mut is_finished = false;
        loop {
            let has_work = !context.unread.is_empty() || n_started < connections.len();
            let pause_ns = if has_work { 0 } else { pause_ns(&context, next_tick_ns) };
            socket::wait(context.epoll, &mut events, Some(Duration::from_nanos(pause_ns)))?;
            context.now_ns = clock::now_ns();
            std::mem::swap(&mut turn, &mut context.unread);
            let mut is_woken = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKE_TOKEN => is_woken = true,
                    token => {
                        connections[token as usize].on_event(event.flags, &mut context);
                        // Not only after the batch: that may take a millisecond.
                        if is_open {
                            give_out(&mut connections, &mut context);
                        }
                    }
                }
            }
            for token in turn.drain(..) {
                connections[token as usize].on_turn(&mut context);
            }
            if context.now_ns >= next_tick_ns {
                for connection in &mut connections {
                    connection.on_tick(&mut context);
                }
                next_tick_ns = context.now_ns + TICK_NS;
            }
            for connection in connections.iter_mut().skip(n_started).take(STARTS_PER_TURN) {
                connection.start(&mut context);
                n_started += 1;
            }
            give_out(&mut connections, &mut context);
            if is_woken && self.obey(&connections, &mut context, &mut label) {
                return Ok(());
            }
            if !is_finished && context.pacer.is_exhausted() && context.tally.n_under_way() == 0 {
                is_finished = true;
                self.finish.one_has_finished();
            }
        }
    }

    /// Carries out waiting commands; tells whether one was to stop.
    fn obey(&self, connections: &[impl Connection], context: &mut Context<'_>, label: &mut Arc<str>) -> bool {
        socket::drain_waker(&self.waker);
        while let Ok(command) = self.commands.try_recv() {
            let (next_label, is_last) = match command {
                Command::Cut { next_label } => (next_label, false),
                Command::Stop => (None, true),
            };
            let end_ns = clock::now_ns();
            if is_last {
                let n_dropped = context.pacer.drop_due(end_ns);
                context.tally.add_dropped(n_dropped);
            }
            let open_connections =
                connections.iter().filter(|connection| connection.is_open()).count() as u64;
            let interval = context.tally.cut(label, AtCut { end_ns, open_connections, is_last });
            // If the collector has ended, because `on_interval` panicked, nobody wants the interval.
            let _ = self.intervals.send(ThreadInterval { thread: self.thread, interval });
            if is_last {
                return true;
            }
            if let Some(next_label) = next_label {
                *label = next_label;
            }
        }
        false
    }
}

/// Gives requests that are due to connections that can take them.
fn give_out(connections: &mut [impl Connection], context: &mut Context<'_>) {
    while let Some((due_ns, _)) = context.pacer.next_due()
        && due_ns <= clock::now_ns()
        && let Some(token) = context.ready.pop_front()
    {
        connections[token as usize].on_chosen(context);
    }
}

/// Returns how long the thread may sleep: until the next tick, or until shortly before a request is due.
fn pause_ns(context: &Context<'_>, next_tick_ns: u64) -> u64 {
    match context.pacer.next_due() {
        Some((due_ns, gap_ns)) if !context.ready.is_empty() => {
            let lead_ns = LEAD_NS.min(gap_ns / LEAD_SHARE);
            next_tick_ns.min(due_ns.saturating_sub(lead_ns)).saturating_sub(clock::now_ns())
        }
        _ => next_tick_ns.saturating_sub(context.now_ns),
    }
}
