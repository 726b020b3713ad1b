//! One client's connection to the mock upstream: requests in, answers out, one at a time. Time comes from the server,
//! which calls back when the next piece is due. Reads no more from a client that does not take its answers. A client
//! that closes its side has left: it gets what can be said at once, and nothing that takes time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::event::epoll::EventFlags;

use super::Totals;
use super::answer::{Head, push_answer};
use super::api::{self, Route};
use super::call::{Call, MAX_WAITING_BYTES, Progress, Then};
use super::control::control;
use super::counters::Counters;
use super::dispatch::{dispatch, refuse_bytes};
use super::request::{Request, RequestReader};
use super::settings::Settings;
use super::transport::{Broken, Received, Transport};
use crate::clock::NS_PER_S;
use crate::socket::PEER_CLOSED;

/// After a refused request, how long the client may go on sending before the connection closes. Closing at once would
/// reset it, and the client might never see the answer.
const LINGER_NS: u64 = NS_PER_S;

/// An empty buffer larger than this is given back, so that idle connections stay small.
const KEPT_BUFFER_BYTES: usize = 16 * 1024;

/// So many requests or reads of one connection, and the others have their turn.
const MAX_STEPS: u32 = 64;

/// What the server has to do after a session was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing until the next event of the socket.
    Wait,
    /// Call [`Session::on_due`] at this time.
    DueAt { at_ns: u64 },
    /// Close the connection.
    Close,
}

/// How the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Not yet.
    None,
    /// After the output, politely.
    Closes,
    /// After the output, without a word.
    BreaksOff,
    /// After the output, once the client has stopped sending or [`LINGER_NS`] are over.
    Refuses,
    /// The output is gone; what the client sends is thrown away.
    Lingers { until_ns: u64 },
}

/// Whom the connection serves, which its first request tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Unknown,
    Api,
    Control,
}

/// What is known of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Here,
    /// It has closed its side; what it sent before may still have to be read.
    Leaving,
    /// All that it sent has been read.
    Left,
}

pub(super) struct Session {
    transport: Transport,
    reader: RequestReader,
    /// The answer under way.
    call: Option<Box<Call>>,
    /// Bytes for the client, of which the first `n_sent` have gone already.
    output: Vec<u8>,
    n_sent: usize,
    ending: Ending,
    purpose: Purpose,
    /// The era of the counters in which it was opened.
    era: u32,
    /// There may be something to read.
    is_readable: bool,
    peer: Peer,
    /// The answer goes on when the client has read what waits.
    is_stalled: bool,
}

/// What the sessions of a server share.
pub(super) struct Surroundings<'a> {
    pub(super) settings: &'a mut Arc<Settings>,
    pub(super) counters: &'a mut Counters,
    pub(super) totals: &'a Totals,
    pub(super) buffer: &'a mut [u8],
    pub(super) now_ns: u64,
}

impl Session {
    pub(super) fn new(transport: Transport, era: u32) -> Self {
        Self {
            transport,
            reader: RequestReader::new(),
            call: None,
            output: Vec::new(),
            n_sent: 0,
            ending: Ending::None,
            purpose: Purpose::Unknown,
            era,
            is_readable: false,
            peer: Peer::Here,
            is_stalled: false,
        }
    }

    /// The socket is readable, writable again, or closed by the client.
    pub(super) fn on_event(&mut self, flags: EventFlags, around: &mut Surroundings<'_>) -> Next {
        if flags.intersects(PEER_CLOSED) && self.peer == Peer::Here {
            self.peer = Peer::Leaving;
        }
        if self.peer != Peer::Here && self.call.is_some() {
            return Next::Close;
        }
        self.is_readable |= self.peer == Peer::Leaving || flags.contains(EventFlags::IN);
        if self.is_stalled {
            if self.flush(around).is_err() {
                return Next::Close;
            }
            if self.output.len() >= MAX_WAITING_BYTES {
                return Next::Wait;
            }
            self.is_stalled = false;
            if let Some(call) = &self.call {
                // What fell due while the client read nothing is not late on this side.
                return Next::DueAt { at_ns: call.due_ns.max(around.now_ns) };
            }
        }
        self.advance(around)
    }

    /// The time has come for the next piece of the answer, or for the end of lingering.
    pub(super) fn on_due(&mut self, around: &mut Surroundings<'_>) -> Next {
        let Some(call) = &mut self.call else {
            return match self.ending {
                Ending::Lingers { until_ns } if until_ns <= around.now_ns => Next::Close,
                _ => self.advance(around),
            };
        };
        // This is the turn that it gave to others before the answer began, whose own time is to come.
        if call.due_ns > around.now_ns {
            return Next::Wait;
        }
        match call.write_due(around.now_ns, &mut self.output, around.counters) {
            Progress::Done(then) => {
                self.end_call(then, around.counters);
                self.advance(around)
            }
            Progress::More => {
                let at_ns = call.due_ns;
                if self.flush(around).is_err() {
                    return Next::Close;
                }
                self.is_stalled = self.output.len() >= MAX_WAITING_BYTES;
                // If that is now, the others have their turn first.
                if self.is_stalled { Next::Wait } else { Next::DueAt { at_ns } }
            }
        }
    }

    /// The connection is about to be dropped.
    pub(super) fn on_close(&mut self, counters: &mut Counters) {
        if self.call.take().is_some() {
            counters.n_aborted += 1;
            counters.end_answer();
        }
        if self.purpose != Purpose::Control {
            counters.close_connection();
        }
    }

    /// Goes on with whatever can go on: reads, starts on requests up to the first that needs time, writes.
    fn advance(&mut self, around: &mut Surroundings<'_>) -> Next {
        for _ in 0..MAX_STEPS {
            if let Ending::Lingers { until_ns } = self.ending {
                return self.discard_input(until_ns, around);
            }
            if self.ending != Ending::None || self.output.len() >= MAX_WAITING_BYTES {
                if self.flush(around).is_err() {
                    return Next::Close;
                }
                if self.ending != Ending::None {
                    return self.end_if_flushed(around);
                }
                if self.output.len() >= MAX_WAITING_BYTES {
                    return Next::Wait;
                }
            }
            if self.call.is_some() {
                return self.wait_for_call(around);
            }
            match self.reader.next_request() {
                Ok(Some(request)) => {
                    if let Some(at_ns) = self.begin(&request, around) {
                        let is_over = self.peer != Peer::Here || self.flush(around).is_err();
                        return if is_over { Next::Close } else { Next::DueAt { at_ns } };
                    }
                }
                Ok(None) => {
                    if self.reader.takes_continue() {
                        self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    if self.receive(around) {
                        continue;
                    }
                    let is_over = self.flush(around).is_err() || self.peer == Peer::Left;
                    return if is_over { Next::Close } else { Next::Wait };
                }
                Err(bad) => {
                    refuse_bytes(bad, &mut self.output, around.counters);
                    self.ending = Ending::Refuses;
                }
            }
        }
        if self.flush(around).is_err() { Next::Close } else { Next::DueAt { at_ns: around.now_ns } }
    }

    /// Throws away what comes after a refused request.
    fn discard_input(&mut self, until_ns: u64, around: &mut Surroundings<'_>) -> Next {
        for _ in 0..MAX_STEPS {
            if !self.receive(around) {
                return if self.peer == Peer::Left { Next::Close } else { Next::DueAt { at_ns: until_ns } };
            }
            self.reader = RequestReader::new();
        }
        Next::DueAt { at_ns: around.now_ns }
    }

    /// An answer is under way and has its next call scheduled. Looks whether the client still waits for it; its next
    /// requests wait in the reader, and beyond that in the socket.
    fn wait_for_call(&mut self, around: &mut Surroundings<'_>) -> Next {
        while self.reader.n_waiting() < MAX_WAITING_BYTES && self.receive(around) {}
        let is_over = self.peer == Peer::Left || self.flush(around).is_err();
        if is_over { Next::Close } else { Next::Wait }
    }

    /// Starts on a request. Returns when its answer is due, or `None` if it was given at once.
    fn begin(&mut self, request: &Request, around: &mut Surroundings<'_>) -> Option<u64> {
        let then = if request.keeps_alive { Then::Stays } else { Then::Closes };
        let route = api::route(&request.method, &request.path, request.marks);
        if let Route::Control { rest } = route {
            if self.purpose == Purpose::Unknown {
                self.purpose = Purpose::Control;
                around.counters.discount_connection(self.era);
                around.totals.n_connections.fetch_sub(1, Ordering::Relaxed);
            }
            let answer = control(&request.method, rest, &request.body, around.settings, around.counters);
            let head = Head::json(answer.status, request.keeps_alive, None);
            push_answer(&mut self.output, head, &answer.body, request.method == "HEAD");
            self.end_with(then);
            return None;
        }
        if self.purpose == Purpose::Unknown {
            self.purpose = Purpose::Api;
        }
        around.totals.n_requests.fetch_add(1, Ordering::Relaxed);
        let (settings, counters) = (&*around.settings, &mut *around.counters);
        let Some(mut call) = dispatch(request, &route, settings, around.now_ns, &mut self.output, counters)
        else {
            self.end_with(then);
            return None;
        };
        counters.begin_answer();
        if call.due_ns <= around.now_ns
            && let Progress::Done(then) = call.write_due(around.now_ns, &mut self.output, counters)
        {
            self.end_call(then, counters);
            return None;
        }
        let due_ns = call.due_ns;
        self.call = Some(call);
        Some(due_ns)
    }

    fn end_call(&mut self, then: Then, counters: &mut Counters) {
        self.call = None;
        counters.end_answer();
        self.end_with(then);
    }

    fn end_with(&mut self, then: Then) {
        self.ending = match then {
            Then::Stays => Ending::None,
            Then::Closes => Ending::Closes,
            Then::BreaksOff => Ending::BreaksOff,
        };
    }

    /// Ends the connection once all output has reached TCP.
    fn end_if_flushed(&mut self, around: &mut Surroundings<'_>) -> Next {
        if !self.output.is_empty() || self.transport.has_unsent() {
            return Next::Wait;
        }
        match self.ending {
            Ending::BreaksOff => return Next::Close,
            Ending::Refuses => {
                self.transport.say_goodbye(around.counters);
                let until_ns = around.now_ns + LINGER_NS;
                self.ending = Ending::Lingers { until_ns };
                self.is_readable = true;
                return self.discard_input(until_ns, around);
            }
            _ => self.transport.say_goodbye(around.counters),
        }
        Next::Close
    }

    /// Reads once; tells whether anything came.
    fn receive(&mut self, around: &mut Surroundings<'_>) -> bool {
        if !self.is_readable {
            return false;
        }
        match self.transport.receive(around.buffer, around.counters) {
            Received::Bytes(n) => {
                self.reader.push(&around.buffer[..n]);
                // Less than asked for was all there was; only the end may follow, and that announces itself.
                self.is_readable =
                    n == around.buffer.len() || self.peer == Peer::Leaving || self.transport.is_tls();
                true
            }
            Received::Nothing => {
                self.is_readable = false;
                false
            }
            Received::End => {
                self.is_readable = false;
                self.peer = Peer::Left;
                false
            }
        }
    }

    /// Writes as much as the client takes; the rest goes when the socket is writable again.
    fn flush(&mut self, around: &mut Surroundings<'_>) -> Result<(), Broken> {
        if self.output.is_empty() && !self.transport.has_unsent() {
            return Ok(());
        }
        self.n_sent += self.transport.send(&self.output[self.n_sent..], around.counters)?;
        // Not each time: what is left of a large answer would be moved again and again.
        if self.n_sent * 2 >= self.output.len() {
            self.output.drain(..self.n_sent);
            self.n_sent = 0;
        }
        if self.output.is_empty() && self.output.capacity() > KEPT_BUFFER_BYTES {
            self.output = Vec::new();
        }
        Ok(())
    }
}
