//! Opens connections to one endpoint and pauses after failures. Knows neither requests nor HTTP.
//!
//! ```text
//! Unconnected ──begin──> Connecting ──> (ShakingHands) ──> Open ──hang_up──> Unconnected
//!                          │   ^ │
//!        next address of   └───┘ └── all refuse ──on_failure──> BackingOff ──begin──> …
//!        the name
//! ```

use std::fmt;
use std::sync::Arc;

use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::clock::NS_PER_MS;
use crate::context::Context;
use crate::interval::ErrorClass;
use crate::link::{Link, LinkError};
use crate::socket;
use crate::tls::Protocol;
use crate::tls_link::TlsLink;

/// The pause after a failure doubles from the first to the second of these. 50 ms lets 1,000 connections cost at most
/// 20,000 attempts per second for a moment only; 1 s still notices soon that the server is back.
const BACK_OFF_NS: (u64, u64) = (50 * NS_PER_MS, 1000 * NS_PER_MS);

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Unconnected,
    Connecting,
    /// The socket is connected; TLS is not set up yet.
    ShakingHands,
    Open,
    BackingOff {
        until_ns: u64,
    },
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub(crate) enum DialError {
    /// What the system says of the last address tried.
    Connect(Errno),
    /// Why there is no TLS.
    Tls(String),
}

pub(crate) struct Dialer {
    token: u64,
    /// Index in the target's endpoints.
    pub(crate) endpoint: usize,
    phase: Phase,
    /// While connecting.
    socket: Option<OwnedFd>,
    /// While shaking hands and while open.
    pub(crate) link: Option<Link>,
    /// When the last byte went in either direction, or the attempt to connect began.
    pub(crate) last_byte_ns: u64,
    address: usize,
    n_addresses_tried: usize,
    /// Failures since the last success.
    n_failures: u32,
}

impl Dialer {
    pub(crate) fn new(token: u64, endpoint: usize) -> Self {
        Self {
            token,
            endpoint,
            phase: Phase::Unconnected,
            socket: None,
            link: None,
            last_byte_ns: 0,
            address: 0,
            n_addresses_tried: 0,
            n_failures: 0,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Begins to connect, first to the address that answered last.
    pub(crate) fn begin(&mut self, context: &Context<'_>) -> Result<(), DialError> {
        self.n_addresses_tried = 0;
        self.address = context.preferred_addresses[self.endpoint];
        self.last_byte_ns = context.now_ns;
        self.connect(context)
    }

    /// Returns how long no byte has gone in either direction.
    pub(crate) fn idle_ns(&self, context: &Context<'_>) -> u64 {
        context.now_ns.saturating_sub(self.last_byte_ns)
    }

    /// Tries this address, and the next ones as long as they fail at once.
    fn connect(&mut self, context: &Context<'_>) -> Result<(), DialError> {
        self.hang_up();
        loop {
            let address = &context.target.endpoints[self.endpoint].addresses[self.address];
            let begun = socket::begin_connect(address)
                .and_then(|socket| socket::watch(context.epoll, &socket, self.token).map(|()| socket));
            match begun {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.phase = Phase::Connecting;
                    return Ok(());
                }
                // The queue of a Unix socket is full: a tick tries again. TCP would have waited in the kernel.
                Err(Errno::AGAIN) => {
                    self.phase = Phase::Connecting;
                    return Ok(());
                }
                Err(_) if self.has_next_address(context) => {}
                Err(errno) => return Err(DialError::Connect(errno)),
            }
        }
    }

    /// Tells whether the connection is being made.
    pub(crate) fn is_dialing(&self) -> bool {
        matches!(self.phase, Phase::Connecting | Phase::ShakingHands)
    }

    /// Takes an event while the connection is being made; tells whether it is open now.
    pub(crate) fn on_event(
        &mut self,
        flags: EventFlags,
        context: &mut Context<'_>,
    ) -> Result<bool, DialError> {
        if self.phase == Phase::ShakingHands {
            return self.shake_hands(context);
        }
        if !flags.intersects(EventFlags::OUT.union(socket::PEER_CLOSED)) {
            return Ok(false);
        }
        let Some(socket) = self.socket.take() else { return Ok(false) };
        match sockopt::socket_error(&socket).and_then(|outcome| outcome) {
            Ok(()) => self.on_connected(socket, context),
            Err(errno) => self.try_next_address(errno, context).map(|()| false),
        }
    }

    fn on_connected(&mut self, socket: OwnedFd, context: &mut Context<'_>) -> Result<bool, DialError> {
        context.preferred_addresses[self.endpoint] = self.address;
        match &context.target.endpoints[self.endpoint].tls {
            None => {
                self.link = Some(Link::Plain(socket));
                Ok(self.on_ready(context))
            }
            Some(tls) => {
                let link = TlsLink::new(socket, Arc::clone(&tls.config), tls.server_name.clone())?;
                self.link = Some(Link::Tls(Box::new(link)));
                self.phase = Phase::ShakingHands;
                self.shake_hands(context)
            }
        }
    }

    fn shake_hands(&mut self, context: &mut Context<'_>) -> Result<bool, DialError> {
        let Some(Link::Tls(link)) = &mut self.link else { return Ok(false) };
        self.last_byte_ns = context.now_ns;
        if !link.shake_hands()? {
            return Ok(false);
        }
        let wanted = context.target.protocol;
        match link.alpn() {
            Some(chosen) if chosen == wanted.alpn() => {}
            // HTTP/1.1 is what a server speaks that does not know the extension.
            None if wanted == Protocol::Http1 => {}
            _ => return Err(DialError::Tls("the server does not offer this version of HTTP".to_owned())),
        }
        Ok(self.on_ready(context))
    }

    fn on_ready(&mut self, context: &mut Context<'_>) -> bool {
        self.phase = Phase::Open;
        context.tally.add_connect();
        true
    }

    /// Looks at the clock while connecting.
    pub(crate) fn on_tick(&mut self, context: &Context<'_>) -> Result<(), DialError> {
        if self.idle_ns(context) >= context.target.timeout_ns {
            if self.phase == Phase::ShakingHands {
                return Err(DialError::Tls("the handshake was not answered in time".to_owned()));
            }
            self.try_next_address(Errno::TIMEDOUT, context)
        } else if self.phase == Phase::Connecting && self.socket.is_none() {
            self.connect(context)
        } else {
            Ok(())
        }
    }

    fn try_next_address(&mut self, errno: Errno, context: &Context<'_>) -> Result<(), DialError> {
        if self.has_next_address(context) {
            self.last_byte_ns = context.now_ns;
            self.connect(context)
        } else {
            Err(DialError::Connect(errno))
        }
    }

    fn has_next_address(&mut self, context: &Context<'_>) -> bool {
        let n_addresses = context.target.endpoints[self.endpoint].addresses.len();
        self.n_addresses_tried += 1;
        self.address = (self.address + 1) % n_addresses;
        self.n_addresses_tried < n_addresses
    }

    /// Closes the connection, or gives up the attempt.
    pub(crate) fn hang_up(&mut self) {
        self.socket = None;
        self.link = None;
        self.phase = Phase::Unconnected;
    }

    /// Takes note that the connection proved good: the next failure is a first one.
    pub(crate) fn on_success(&mut self) {
        self.n_failures = 0;
    }

    /// Closes the connection after a failure, and pauses if failures repeat; tells whether it does.
    ///
    /// A single lost request says nothing about the next one; a server that refuses, or fails twice, needs rest.
    pub(crate) fn on_failure(&mut self, class: ErrorClass, now_ns: u64) -> bool {
        self.hang_up();
        self.n_failures += 1;
        let is_unreachable = matches!(class, ErrorClass::Connect | ErrorClass::Tls);
        let n_pauses = if is_unreachable { self.n_failures } else { self.n_failures - 1 };
        if n_pauses == 0 {
            return false;
        }
        let (shortest_ns, longest_ns) = BACK_OFF_NS;
        let pause_ns = (shortest_ns << (n_pauses - 1).min(8)).min(longest_ns);
        self.phase = Phase::BackingOff { until_ns: now_ns + pause_ns };
        true
    }
}

impl DialError {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Connect(_) => ErrorClass::Connect,
            Self::Tls(_) => ErrorClass::Tls,
        }
    }
}

impl From<LinkError> for DialError {
    fn from(error: LinkError) -> Self {
        Self::Tls(match error {
            LinkError::Tls(problem) => problem,
            error => format!("{error} within the handshake"),
        })
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(errno) => std::io::Error::from(*errno).fmt(formatter),
            Self::Tls(problem) => write!(formatter, "no TLS: {problem}"),
        }
    }
}
