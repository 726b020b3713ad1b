//! Non-blocking sockets and the epoll set they are in: thin names over system calls, shared by the generator and
//! the mock upstream. Holds no state.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::error::LoadError;

/// Every socket is registered once, for everything, edge-triggered: no `epoll_ctl` per request.
const ALL_EDGES: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// What epoll says when the peer has closed its side or the connection is broken: read until the end shows.
pub(crate) const PEER_CLOSED: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix { address: SocketAddrUnix, path: PathBuf },
}

impl Address {
    /// Returns the address of a Unix socket, which need not exist yet.
    ///
    /// # Errors
    /// [`LoadError::BadPlan`] if the path is longer than the system allows.
    pub(crate) fn unix(path: &Path) -> Result<Self, LoadError> {
        match SocketAddrUnix::new(path) {
            Ok(address) => Ok(Self::Unix { address, path: path.to_owned() }),
            Err(_) => Err(LoadError::BadPlan {
                field: "unix_socket",
                value: path.display().to_string(),
                problem: "the path of a Unix socket has at most 107 bytes, none of them 0",
            }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix { path, .. } => path.display().fmt(formatter),
        }
    }
}

/// Starts to connect; the socket becomes writable when that has succeeded or failed.
///
/// # Errors
/// What the system says at once. `AGAIN`, from a Unix socket, means that its queue of connections is full.
pub(crate) fn begin_connect(address: &Address) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, begun) = match address {
        Address::Tcp(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
            sockopt::set_tcp_nodelay(&socket, true)?;
            let begun = rustix::net::connect(&socket, address);
            (socket, begun)
        }
        Address::Unix { address, .. } => {
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let begun = rustix::net::connect(&socket, address);
            (socket, begun)
        }
    };
    match begun {
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
    let wait_for = |events: &mut Vec<epoll::Event>, timeout: Option<Duration>| {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        epoll::wait(epoll, rustix::buffer::spare_capacity(events), timeout.as_ref())
    };
    match wait_for(events, timeout) {
        // Before Linux 5.11 epoll knows whole milliseconds only: the rest of the wait is spent asking again.
        Err(Errno::NOSYS) => {
            wait_for(events, timeout.map(|timeout| timeout.as_millis() as u64).map(Duration::from_millis))
        }
        outcome => outcome,
    }
    .map_or_else(|errno| if errno == Errno::INTR { Ok(()) } else { Err(errno.into()) }, |_| Ok(()))
}

/// Lets the calling thread's waits end at their time and not up to 50 µs later, the kernel's default.
pub(crate) fn wait_precisely() {
    // Where the kernel refuses, waits are less precise, which the count of late requests shows.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}
