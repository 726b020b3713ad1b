//! One connection of a closed load: connects, sends the request, reads the answer, starts over. Knows no other
//! connection and no thread; time and counts come through [`Exchange`].
//!
//! ```text
//!             ┌──────────── answer, kept alive ───────────┐
//!             v                                           │
//! Connecting ──> Exchanging ── answer, closed / lost ──> (new connection)
//!     └── refused, or second failure in a row ──> BackingOff ──> Connecting
//! ```

use std::fmt::Display;
use std::net::SocketAddr;

use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};

use crate::clock::{self, NS_PER_MS};
use crate::interval::ErrorClass;
use crate::response::{Answers, Progress, ResponseParser};
use crate::socket;
use crate::tally::Tally;

/// The pause after a failure doubles from the first to the second of these. 50 ms lets 1,000 connections cost at most
/// 20,000 attempts per second for a moment only; 1 s still notices soon that the server is back.
const BACK_OFF_NS: (u64, u64) = (50 * NS_PER_MS, 1000 * NS_PER_MS);

/// Bytes of an error's body that are kept for the sample.
const BODY_SAMPLE_BYTES: usize = 256;

/// Full buffers that are read before other connections get their turn: 1 MiB of one answer.
const MAX_FULL_READS: u32 = 16;

/// What a load sends, and to whom; the same for all connections.
pub(crate) struct Target {
    /// The addresses of the host, at least one.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) request: Vec<u8>,
    /// `POST /path`, for error samples.
    pub(crate) request_name: String,
    pub(crate) answers: Answers,
    /// The request itself asks for `connection: close`.
    pub(crate) asks_to_close: bool,
    pub(crate) timeout_ns: u64,
}

/// What connections of one thread share while one of them is at work.
pub(crate) struct Exchange<'a> {
    pub(crate) target: &'a Target,
    pub(crate) epoll: &'a OwnedFd,
    pub(crate) tally: &'a mut Tally,
    pub(crate) buffer: &'a mut [u8],
    /// When the current batch of events was received; what those events report happened before.
    pub(crate) now_ns: u64,
    /// The address that answered last; tried first.
    pub(crate) preferred_address: &'a mut usize,
    /// Connections with more to read that must be called again without an event.
    pub(crate) unread: &'a mut Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Exchanging,
    BackingOff { until_ns: u64 },
}

pub(crate) struct Connection {
    token: u64,
    /// `Some` in all phases but `BackingOff`.
    socket: Option<OwnedFd>,
    phase: Phase,
    parser: ResponseParser,
    /// Bytes of the request sent so far.
    n_sent: usize,
    request_start_ns: u64,
    last_byte_ns: u64,
    first_body_byte_ns: Option<u64>,
    body_sample: Vec<u8>,
    /// Complete answers on this socket.
    n_answers: u64,
    /// The server has closed its side of this socket, or the connection is broken.
    is_closed_by_peer: bool,
    /// The request under way was sent before, on a connection that the server had closed.
    is_retry: bool,
    /// Failures since the last complete answer.
    n_failures: u32,
    address: usize,
    n_addresses_tried: usize,
}

impl Connection {
    /// Returns a connection that begins to connect when its clock first ticks.
    pub(crate) fn new(token: u64, answers: Answers) -> Self {
        Self {
            token,
            socket: None,
            phase: Phase::BackingOff { until_ns: 0 },
            parser: ResponseParser::new(answers),
            n_sent: 0,
            request_start_ns: 0,
            last_byte_ns: 0,
            first_body_byte_ns: None,
            body_sample: Vec::new(),
            n_answers: 0,
            is_closed_by_peer: false,
            is_retry: false,
            n_failures: 0,
            address: 0,
            n_addresses_tried: 0,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Exchanging
    }

    /// Tells whether a request is under way, connecting included.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Connecting | Phase::Exchanging)
    }

    /// Takes an event of the connection's socket.
    pub(crate) fn on_event(&mut self, flags: EventFlags, exchange: &mut Exchange<'_>) {
        if self.phase == Phase::Connecting
            && let Some(socket) = &self.socket
            && flags.intersects(EventFlags::OUT.union(socket::PEER_CLOSED))
        {
            match sockopt::socket_error(socket).and_then(|outcome| outcome) {
                Ok(()) => self.on_connected(exchange),
                Err(errno) => self.on_connect_failed(errno, exchange),
            }
        }
        // Also just after connecting: a server that speaks first may have spoken, and no further event would say so.
        if self.phase == Phase::Exchanging {
            self.is_closed_by_peer |= flags.intersects(socket::PEER_CLOSED);
            if flags.contains(EventFlags::OUT) && self.n_sent < exchange.target.request.len() {
                self.send(exchange);
            }
            if flags.intersects(EventFlags::IN.union(socket::PEER_CLOSED)) && self.is_open() {
                self.receive(exchange);
            }
        }
    }

    /// Goes on reading where the last turn stopped for the sake of other connections.
    pub(crate) fn on_turn(&mut self, exchange: &mut Exchange<'_>) {
        if self.is_open() {
            self.receive(exchange);
        }
    }

    /// Looks at the clock: a pause may be over, a timeout reached.
    pub(crate) fn on_tick(&mut self, exchange: &mut Exchange<'_>) {
        let idle_ns = exchange.now_ns.saturating_sub(self.last_byte_ns);
        let timeout_ns = exchange.target.timeout_ns;
        match self.phase {
            Phase::BackingOff { until_ns } if until_ns <= exchange.now_ns => {
                self.begin_on_new_connection(exchange);
            }
            Phase::Connecting if idle_ns >= timeout_ns => self.on_connect_failed(Errno::TIMEDOUT, exchange),
            Phase::Exchanging if idle_ns >= timeout_ns => {
                let n_sent = self.n_sent;
                let seconds = timeout_ns as f64 / clock::NS_PER_S as f64;
                self.fail(ErrorClass::Timeout, exchange, |target, parser| {
                    let state = match parser.status() {
                        _ if n_sent < target.request.len() => "the request is only partly sent".to_owned(),
                        0 => "no answer has begun".to_owned(),
                        status => format!("an answer with status {status} has begun"),
                    };
                    format!("{}: no byte for {seconds} s, {state}", target.request_name)
                });
            }
            _ => {}
        }
    }

    fn begin_on_new_connection(&mut self, exchange: &mut Exchange<'_>) {
        self.is_retry = false;
        self.request_start_ns = clock::now_ns();
        self.connect_anew(exchange);
    }

    /// Connects for a request whose clock runs already.
    fn connect_anew(&mut self, exchange: &mut Exchange<'_>) {
        self.n_addresses_tried = 0;
        self.n_answers = 0;
        self.is_closed_by_peer = false;
        self.address = *exchange.preferred_address;
        self.connect(exchange);
    }

    /// Tries this address, and the next ones as long as they fail at once.
    fn connect(&mut self, exchange: &mut Exchange<'_>) {
        loop {
            self.last_byte_ns = exchange.now_ns;
            let begun = socket::begin_connect(&exchange.target.addresses[self.address])
                .and_then(|socket| socket::watch(exchange.epoll, &socket, self.token).map(|()| socket));
            match begun {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.phase = Phase::Connecting;
                    return;
                }
                Err(_) if self.has_next_address(exchange) => {}
                Err(errno) => return self.give_up_connecting(errno, exchange),
            }
        }
    }

    fn on_connected(&mut self, exchange: &mut Exchange<'_>) {
        *exchange.preferred_address = self.address;
        self.phase = Phase::Exchanging;
        self.begin_exchange(exchange);
    }

    fn on_connect_failed(&mut self, errno: Errno, exchange: &mut Exchange<'_>) {
        self.socket = None;
        if self.has_next_address(exchange) {
            self.connect(exchange);
        } else {
            self.give_up_connecting(errno, exchange);
        }
    }

    fn has_next_address(&mut self, exchange: &Exchange<'_>) -> bool {
        let n_addresses = exchange.target.addresses.len();
        self.n_addresses_tried += 1;
        self.address = (self.address + 1) % n_addresses;
        self.n_addresses_tried < n_addresses
    }

    fn give_up_connecting(&mut self, errno: Errno, exchange: &mut Exchange<'_>) {
        self.fail(ErrorClass::Connect, exchange, |target, _| {
            let addresses: Vec<String> = target.addresses.iter().map(ToString::to_string).collect();
            format!("{}: {}", addresses.join(", "), described(errno))
        });
    }

    /// Sends the request on an open connection, as its first or its next one. The request's clock runs already.
    fn begin_exchange(&mut self, exchange: &mut Exchange<'_>) {
        self.parser.reset();
        self.n_sent = 0;
        self.first_body_byte_ns = None;
        self.body_sample.clear();
        self.last_byte_ns = exchange.now_ns;
        self.send(exchange);
    }

    fn send(&mut self, exchange: &mut Exchange<'_>) {
        let Some(socket) = &self.socket else { return };
        while self.n_sent < exchange.target.request.len() {
            match rustix::net::send(socket, &exchange.target.request[self.n_sent..], SendFlags::NOSIGNAL) {
                Ok(n_bytes) => {
                    self.n_sent += n_bytes;
                    self.last_byte_ns = exchange.now_ns;
                    exchange.tally.add_sent(n_bytes);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The server may have answered before it closed: what it said explains more than this errno.
                Err(_) => {
                    self.is_closed_by_peer = true;
                    return self.receive(exchange);
                }
            }
        }
    }

    /// Reads until the socket is empty, the answer ends or the turn is over.
    ///
    /// Edge-triggered: a short read means that the socket was empty, unless the peer has closed; then the end of the
    /// stream must be read, because no further event will announce it.
    fn receive(&mut self, exchange: &mut Exchange<'_>) {
        let mut n_full_reads = 0;
        loop {
            let Some(socket) = &self.socket else { return };
            let n_bytes = match rustix::net::recv(socket, &mut *exchange.buffer, RecvFlags::empty()) {
                Ok((0, _)) => return self.on_end_of_stream(exchange),
                Ok((n_bytes, _)) => n_bytes,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return,
                Err(errno) => return self.on_reset(errno, exchange),
            };
            exchange.tally.add_received(n_bytes);
            self.last_byte_ns = exchange.now_ns;
            match self.parse(n_bytes, exchange) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { consumed }) if consumed == n_bytes => {
                    return self.on_answer(exchange);
                }
                Ok(Progress::Done { .. }) => return self.fail_malformed("bytes follow its end", exchange),
                Err(malformed) => return self.fail_malformed(malformed, exchange),
            }
            n_full_reads += u32::from(n_bytes == exchange.buffer.len());
            if n_full_reads == MAX_FULL_READS {
                return exchange.unread.push(self.token);
            }
            if n_bytes < exchange.buffer.len() && !self.is_closed_by_peer {
                return;
            }
        }
    }

    fn parse(
        &mut self,
        n_bytes: usize,
        exchange: &Exchange<'_>,
    ) -> Result<Progress, crate::response::MalformedResponse> {
        let (first_body_byte_ns, body_sample) = (&mut self.first_body_byte_ns, &mut self.body_sample);
        self.parser.feed(&exchange.buffer[..n_bytes], |status, body| {
            first_body_byte_ns.get_or_insert(exchange.now_ns);
            if !is_success(status) {
                let n_missing = BODY_SAMPLE_BYTES - body_sample.len();
                body_sample.extend_from_slice(&body[..body.len().min(n_missing)]);
            }
        })
    }

    /// A complete answer was read.
    fn on_answer(&mut self, exchange: &mut Exchange<'_>) {
        let status = self.parser.status();
        self.n_failures = 0;
        self.n_answers += 1;
        exchange.tally.add_status(status);
        if is_success(status) {
            let since_start = |time_ns: u64| time_ns.saturating_sub(self.request_start_ns);
            exchange
                .tally
                .add_success(since_start(exchange.now_ns), self.first_body_byte_ns.map(since_start));
        } else {
            let (target, body) = (exchange.target, &self.body_sample);
            exchange.tally.add_error(ErrorClass::Status, || {
                format!("{}: {status}: {}", target.request_name, String::from_utf8_lossy(body))
            });
        }
        let may_stay = self.parser.keeps_alive() && !exchange.target.asks_to_close;
        let is_all_sent = self.n_sent == exchange.target.request.len();
        if may_stay && is_all_sent && !self.is_closed_by_peer {
            self.is_retry = false;
            self.request_start_ns = clock::now_ns();
            self.begin_exchange(exchange);
        } else {
            if may_stay && self.is_closed_by_peer {
                exchange.tally.add_reconnect();
            }
            self.socket = None;
            self.begin_on_new_connection(exchange);
        }
    }

    fn on_end_of_stream(&mut self, exchange: &mut Exchange<'_>) {
        self.is_closed_by_peer = true;
        if self.parser.finish() {
            self.on_answer(exchange);
        } else if self.parser.has_started() {
            self.fail(ErrorClass::Truncated, exchange, |target, parser| match parser.status() {
                0 => format!(
                    "{}: the connection was closed within the head of the answer",
                    target.request_name
                ),
                status => format!(
                    "{}: the connection was closed within the answer with status {status}",
                    target.request_name
                ),
            });
        } else {
            self.on_lost_before_answer("the connection was closed without an answer", exchange);
        }
    }

    fn on_reset(&mut self, errno: Errno, exchange: &mut Exchange<'_>) {
        if self.parser.has_started() {
            self.fail(ErrorClass::Reset, exchange, |target, parser| {
                let status = parser.status();
                format!(
                    "{}: {} within the answer with status {status}",
                    target.request_name,
                    described(errno)
                )
            });
        } else {
            self.on_lost_before_answer(described(errno), exchange);
        }
    }

    /// A server may close an idle connection just when a request is sent on it; HTTP clients then send it once more.
    fn on_lost_before_answer(&mut self, reason: impl Display, exchange: &mut Exchange<'_>) {
        if self.n_answers > 0 && !self.is_retry {
            exchange.tally.add_reconnect();
            self.is_retry = true;
            self.socket = None;
            self.connect_anew(exchange);
        } else {
            self.fail(ErrorClass::Reset, exchange, |target, _| format!("{}: {reason}", target.request_name));
        }
    }

    fn fail_malformed(&mut self, reason: impl Display, exchange: &mut Exchange<'_>) {
        self.fail(ErrorClass::Malformed, exchange, |target, _| format!("{}: {reason}", target.request_name));
    }

    /// Counts the failure and goes on with a new request, after a pause if failures repeat.
    fn fail(
        &mut self,
        class: ErrorClass,
        exchange: &mut Exchange<'_>,
        describe: impl FnOnce(&Target, &ResponseParser) -> String,
    ) {
        exchange.tally.add_error(class, || describe(exchange.target, &self.parser));
        self.socket = None;
        self.n_failures += 1;
        // A single lost request says nothing about the next one; a server that refuses, or fails twice, needs rest.
        let n_pauses = if class == ErrorClass::Connect { self.n_failures } else { self.n_failures - 1 };
        if n_pauses == 0 {
            self.begin_on_new_connection(exchange);
        } else {
            let (shortest_ns, longest_ns) = BACK_OFF_NS;
            let pause_ns = (shortest_ns << (n_pauses - 1).min(8)).min(longest_ns);
            self.phase = Phase::BackingOff { until_ns: exchange.now_ns + pause_ns };
        }
    }
}

fn is_success(status: u16) -> bool {
    (200..400).contains(&status)
}

/// Returns the system's words for an errno: `Connection refused (os error 111)`.
fn described(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}
