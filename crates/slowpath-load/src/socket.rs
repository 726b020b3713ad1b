//! Non-blocking TCP sockets and the epoll set they are in: thin names over system calls, shared by the generator and
//! the mock upstream. Holds no state.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Every socket is registered once, for everything, edge-triggered: no `epoll_ctl` per request.
const ALL_EDGES: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// What epoll says when the peer has closed its side or the connection is broken: read until the end shows.
pub(crate) const PEER_CLOSED: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// Starts to connect; the socket becomes writable when that has succeeded or failed.
pub(crate) fn begin_connect(address: &SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Adds a socket to an epoll set, for everything, edge-triggered.
pub(crate) fn watch(epoll: &OwnedFd, socket: &OwnedFd, token: u64) -> Result<(), Errno> {
    epoll::add(epoll, socket, EventData::new_u64(token), ALL_EDGES)
}

/// Returns a new epoll set with an eventfd in it that ends a wait.
pub(crate) fn epoll_with_waker(wake_token: u64) -> io::Result<(OwnedFd, OwnedFd)> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let waker = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    epoll::add(&epoll, &waker, EventData::new_u64(wake_token), EventFlags::IN)?;
    Ok((epoll, waker))
}

/// Ends the wait of the thread that watches `waker`.
pub(crate) fn wake(waker: &OwnedFd) {
    // It can only fail with EAGAIN, when 2^64 - 2 wake-ups wait already: the thread is woken in any case.
    let _ = rustix::io::write(waker, &1_u64.to_ne_bytes());
}

/// Takes note of all wake-ups so far.
pub(crate) fn drain_waker(waker: &OwnedFd) {
    // EAGAIN means that there was none.
    let _ = rustix::io::read(waker, &mut [0_u8; 8]);
}

/// Waits for events and appends them to the empty `events`, at most its capacity. An interrupted wait has none.
pub(crate) fn wait(
    epoll: &OwnedFd,
    events: &mut Vec<epoll::Event>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    debug_assert!(events.is_empty());
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    match epoll::wait(epoll, rustix::buffer::spare_capacity(events), timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
