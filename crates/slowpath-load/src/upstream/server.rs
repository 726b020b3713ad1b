//! The mock upstream's thread: accepts, calls sessions when their socket or their time has come. One epoll set, one
//! heap of due times, one timer; no knowledge of HTTP.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketFlags, sockopt};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use rustls::ServerConfig;

use super::counters::Counters;
use super::session::{Next, Session, Surroundings};
use super::settings::Settings;
use super::transport::Transport;
use super::{Totals, UpstreamOptions};
use crate::clock::{self, NS_PER_MS, NS_PER_S};
use crate::socket;

pub(super) const WAKE_TOKEN: u64 = u64::MAX;
const LISTENER_TOKEN: u64 = u64::MAX - 1;
const TIMER_TOKEN: u64 = u64::MAX - 2;

/// When no file is free for another connection, how long until the next try.
const ACCEPT_PAUSE_NS: u64 = 100 * NS_PER_MS;

/// A place for a session. Its token is `generation << 32 | index`, so that a late event of a closed connection does
/// not reach the one that took its place.
#[derive(Default)]
struct Slot {
    session: Option<Session>,
    generation: u32,
}

pub(super) struct Server {
    settings: Arc<Settings>,
    tls: Option<Arc<ServerConfig>>,
    totals: Arc<Totals>,
    epoll: OwnedFd,
    waker: Arc<OwnedFd>,
    listener: OwnedFd,
    timer: OwnedFd,
    slots: Vec<Slot>,
    free_slots: Vec<usize>,
    /// When which token must be called, soonest first.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    buffer: Vec<u8>,
}

impl Server {
    /// Returns the server; `waker` is in `epoll` and stops it.
    pub(super) fn new(
        listener: OwnedFd,
        epoll: OwnedFd,
        waker: Arc<OwnedFd>,
        options: UpstreamOptions,
        totals: Arc<Totals>,
    ) -> io::Result<Self> {
        // A timer and not epoll's own timeout, which counts in whole milliseconds.
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        socket::watch(&epoll, &listener, LISTENER_TOKEN)?;
        socket::watch(&epoll, &timer, TIMER_TOKEN)?;
        Ok(Self {
            settings: Arc::new(options.settings),
            tls: options.tls.map(|identity| identity.config),
            totals,
            epoll,
            waker,
            listener,
            timer,
            slots: Vec::new(),
            free_slots: Vec::new(),
            due: BinaryHeap::new(),
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Serves until woken up.
    pub(super) fn run(mut self) {
        let mut counters = Counters::new();
        let mut events = Vec::with_capacity(1024);
        let mut timer_set_to_ns = 0;
        loop {
            if let Err(error) = socket::wait(&self.epoll, &mut events, None) {
                // epoll_wait fails only on a bad descriptor or address: a defect of this crate.
                panic!("epoll failed: {error}");
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKE_TOKEN => return socket::drain_waker(&self.waker),
                    LISTENER_TOKEN => self.accept(&mut counters),
                    TIMER_TOKEN => timer_set_to_ns = 0,
                    token => {
                        let flags = event.flags;
                        self.call(token, None, &mut counters, |session, around| {
                            session.on_event(flags, around)
                        });
                    }
                }
            }
            self.call_due(&mut counters);
            if let Some(&Reverse((at_ns, _))) = self.due.peek()
                && at_ns != timer_set_to_ns
            {
                self.set_timer(at_ns);
                timer_set_to_ns = at_ns;
            }
        }
    }

    fn accept(&mut self, counters: &mut Counters) {
        loop {
            match rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.add_session(socket, counters),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // No file is free. The listener is edge-triggered and would not report again who waits already.
                Err(_) => {
                    return self.due.push(Reverse((clock::now_ns() + ACCEPT_PAUSE_NS, LISTENER_TOKEN)));
                }
            }
        }
    }

    fn add_session(&mut self, socket: OwnedFd, counters: &mut Counters) {
        let index = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        slot.generation = slot.generation.wrapping_add(1) % (1 << 31);
        let token = u64::from(slot.generation) << 32 | index as u64;
        let watched =
            sockopt::set_tcp_nodelay(&socket, true).and_then(|()| socket::watch(&self.epoll, &socket, token));
        let transport = Transport::new(socket, self.tls.as_ref());
        if let (Ok(()), Ok(transport)) = (watched, transport) {
            self.totals.n_connections.fetch_add(1, Ordering::Relaxed);
            counters.open_connection();
            slot.session = Some(Session::new(transport, counters.era));
        } else {
            // The client is gone, or the system is out of memory: the connection closes here.
            self.free_slots.push(index);
        }
    }

    fn call_due(&mut self, counters: &mut Counters) {
        let now_ns = clock::now_ns();
        while let Some(&Reverse((at_ns, token))) = self.due.peek()
            && at_ns <= now_ns
        {
            self.due.pop();
            if token == LISTENER_TOKEN {
                self.accept(counters);
            } else {
                self.call(token, Some(at_ns), counters, Session::on_due);
            }
        }
    }

    /// Calls a session, if it is still there, and does what it asks for. `at_ns` is when it asked to be called.
    fn call(
        &mut self,
        token: u64,
        at_ns: Option<u64>,
        counters: &mut Counters,
        action: impl FnOnce(&mut Session, &mut Surroundings<'_>) -> Next,
    ) {
        let index = (token & u64::from(u32::MAX)) as usize;
        let Some(slot) = self.slots.get_mut(index).filter(|slot| u64::from(slot.generation) == token >> 32)
        else {
            return;
        };
        let Some(session) = &mut slot.session else { return };
        let now_ns = clock::now_ns();
        if let Some(at_ns) = at_ns {
            counters.note_lateness(now_ns - at_ns);
        }
        let mut around = Surroundings {
            settings: &mut self.settings,
            counters: &mut *counters,
            totals: &self.totals,
            buffer: &mut self.buffer,
            now_ns,
        };
        match action(session, &mut around) {
            Next::Wait => {}
            Next::DueAt { at_ns } => self.due.push(Reverse((at_ns, token))),
            Next::Close => {
                session.on_close(counters);
                slot.session = None;
                self.free_slots.push(index);
            }
        }
    }

    fn set_timer(&self, at_ns: u64) {
        let at = Timespec { tv_sec: (at_ns / NS_PER_S) as i64, tv_nsec: (at_ns % NS_PER_S) as i64 };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: never, it_value: at };
        if let Err(errno) = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once) {
            // It fails only on a bad descriptor or time: a defect of this crate.
            panic!("cannot set the timer: {errno}");
        }
    }
}
