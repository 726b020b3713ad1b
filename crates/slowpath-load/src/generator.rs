//! One generator thread: an epoll loop over its connections. Talks to the rest of the program only through commands
//! (in, woken by an eventfd) and finished intervals (out).

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use rustix::fd::OwnedFd;

use crate::clock::{self, NS_PER_MS};
use crate::connection::{Connection, Exchange, Target};
use crate::interval::Interval;
use crate::redact::Redactor;
use crate::socket;
use crate::tally::Tally;

/// How often pauses and timeouts are looked at. Going through 1,000 connections takes some µs, 40 times a second.
const TICK_NS: u64 = 25 * NS_PER_MS;

/// Bytes read at once; a larger answer takes several reads.
const BUFFER_BYTES: usize = 64 * 1024;

/// Events taken at once: the more, the staler the batch's time is for the last of them, but events were ready then.
const MAX_EVENTS: usize = 256;

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
    pub(crate) sender: Sender<Command>,
    pub(crate) waker: Arc<OwnedFd>,
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
    redactor: Arc<Redactor>,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    waker: Arc<OwnedFd>,
    commands: Receiver<Command>,
    intervals: Sender<ThreadInterval>,
}

impl Generator {
    /// Prepares thread number `thread` with its share of the connections; opens no connection yet.
    pub(crate) fn new(
        thread: usize,
        n_connections: u64,
        target: Arc<Target>,
        redactor: Arc<Redactor>,
        intervals: Sender<ThreadInterval>,
    ) -> io::Result<(Self, Commands)> {
        let (epoll, waker) = socket::epoll_with_waker(WAKE_TOKEN)?;
        let waker = Arc::new(waker);
        let (sender, commands) = std::sync::mpsc::channel();
        let connections = (0..n_connections).map(|token| Connection::new(token, target.answers)).collect();
        let generator = Self {
            thread,
            target,
            redactor,
            connections,
            epoll,
            waker: Arc::clone(&waker),
            commands,
            intervals,
        };
        Ok((generator, Commands { sender, waker }))
    }

    /// Drives the load until told to stop. `start_ns` is where the first interval begins.
    ///
    /// # Errors
    /// Only if epoll itself fails.
    pub(crate) fn run(mut self, start_ns: u64) -> io::Result<()> {
        let mut tally = Tally::new(start_ns, Arc::clone(&self.redactor));
        let mut label: Arc<str> = Arc::from("");
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut events = Vec::with_capacity(MAX_EVENTS);
        let mut unread: Vec<u64> = Vec::new();
        let mut turn: Vec<u64> = Vec::new();
        let mut preferred_address = 0;
        let mut now_ns = clock::now_ns();
        let mut next_tick_ns = now_ns;
        loop {
            let pause_ns = if unread.is_empty() { next_tick_ns.saturating_sub(now_ns) } else { 0 };
            socket::wait(&self.epoll, &mut events, Some(Duration::from_nanos(pause_ns)))?;
            now_ns = clock::now_ns();
            std::mem::swap(&mut turn, &mut unread);
            let mut exchange = Exchange {
                target: &self.target,
                epoll: &self.epoll,
                tally: &mut tally,
                buffer: &mut buffer,
                now_ns,
                preferred_address: &mut preferred_address,
                unread: &mut unread,
            };
            let mut is_woken = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKE_TOKEN => is_woken = true,
                    token => self.connections[token as usize].on_event(event.flags, &mut exchange),
                }
            }
            for token in turn.drain(..) {
                self.connections[token as usize].on_turn(&mut exchange);
            }
            if now_ns >= next_tick_ns {
                self.connections.iter_mut().for_each(|connection| connection.on_tick(&mut exchange));
                next_tick_ns = now_ns + TICK_NS;
            }
            if is_woken && self.obey(&mut tally, &mut label) {
                return Ok(());
            }
        }
    }

    /// Carries out waiting commands; tells whether one was to stop.
    fn obey(&self, tally: &mut Tally, label: &mut Arc<str>) -> bool {
        socket::drain_waker(&self.waker);
        while let Ok(command) = self.commands.try_recv() {
            let n_open = self.connections.iter().filter(|connection| connection.is_open()).count() as u64;
            let n_busy = self.connections.iter().filter(|connection| connection.is_busy()).count() as u64;
            let (n_unfinished, next_label, is_last) = match command {
                Command::Cut { next_label } => (0, next_label, false),
                Command::Stop => (n_busy, None, true),
            };
            let interval = tally.cut(label, n_open, n_unfinished);
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
