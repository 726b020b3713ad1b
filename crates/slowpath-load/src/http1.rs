//! One HTTP/1.1 connection: takes requests, sends them, reads their answers in order, starts over. Knows no other
//! connection and no thread; requests, time and counts come through [`Context`].
//!
//! ```text
//!                    ┌────────── answer, kept alive ─────────┐
//!                    v                                       │
//! request ──> connect if need be ──> send, read ──> answer, closed / lost ──> hang up ──> next request
//!                    └── refused, or second failure in a row ──> pause ──> next request
//! ```

use std::collections::VecDeque;
use std::fmt::Display;

use rustix::event::epoll::EventFlags;

use crate::answer::AnswerReader;
use crate::clock::{self, seconds};
use crate::connection::Connection;
use crate::context::{Context, Taken};
use crate::dialer::{DialError, Dialer, Phase};
use crate::interval::ErrorClass;
use crate::link::{Link, LinkError};
use crate::outbox::Outbox;
use crate::response::{Answers, MalformedResponse, Progress, ResponseParser};
use crate::socket;

/// Full buffers that are read before other connections get their turn: 1 MiB of one answer.
const MAX_FULL_READS: u32 = 16;

/// A request that has not ended.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    taken: Taken,
    /// Which of the plan's requests it is; known when it is written for this link.
    request: usize,
    /// Bytes written for this link up to its end.
    end_byte: u64,
}

/// Which requests a failure ends. The others are sent again on the next link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    /// The one whose answer is awaited or has begun.
    First,
    All,
}

pub(crate) struct Http1Connection {
    token: u64,
    dialer: Dialer,
    /// In the order of their answers.
    under_way: VecDeque<UnderWay>,
    /// How many of those are written for this link.
    n_written: usize,
    /// Bytes written for this link.
    n_written_bytes: u64,
    outbox: Outbox,
    parser: ResponseParser,
    answer: AnswerReader,
    /// When the bytes that are being parsed were received.
    read_ns: u64,
    /// Complete answers on this link.
    n_answers: u64,
    /// The server has closed its side of this link, or the connection is broken.
    is_closed_by_peer: bool,
    /// Stands in the queue of connections that can take a request.
    is_offered: bool,
}

impl Connection for Http1Connection {
    fn new(token: u64, endpoint: usize) -> Self {
        Self {
            token,
            dialer: Dialer::new(token, endpoint),
            under_way: VecDeque::new(),
            n_written: 0,
            n_written_bytes: 0,
            outbox: Outbox::default(),
            parser: ResponseParser::new(Answers::Other),
            answer: AnswerReader::default(),
            read_ns: 0,
            n_answers: 0,
            is_closed_by_peer: false,
            is_offered: false,
        }
    }

    fn is_open(&self) -> bool {
        self.dialer.is_open()
    }

    fn start(&mut self, context: &mut Context<'_>) {
        if context.pacer.is_open() {
            self.dial(context);
            self.offer(context);
        } else {
            self.begin_anew(context);
        }
    }

    fn on_chosen(&mut self, context: &mut Context<'_>) {
        self.is_offered = false;
        if self.n_free(context) > 0 {
            self.take_requests(1, context);
            self.go_on(context);
        }
    }

    fn on_event(&mut self, flags: EventFlags, context: &mut Context<'_>) {
        if self.dialer.is_dialing() {
            match self.dialer.on_event(flags, context) {
                Ok(true) => self.on_open(context),
                Ok(false) => return,
                Err(error) => return self.on_dial_failed(&error, context),
            }
        }
        // Also just after connecting: a server that speaks first may have spoken, and no further event would say so.
        if self.dialer.is_open() {
            self.is_closed_by_peer |= flags.intersects(socket::PEER_CLOSED);
            let has_unsent =
                !self.outbox.is_empty() || self.dialer.link.as_ref().is_some_and(Link::has_unsent);
            if flags.contains(EventFlags::OUT) && has_unsent {
                self.send(context);
            }
            if flags.intersects(EventFlags::IN.union(socket::PEER_CLOSED)) && self.dialer.is_open() {
                self.receive(context);
            }
        }
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        if self.dialer.is_open() {
            self.receive(context);
        }
    }

    fn on_tick(&mut self, context: &mut Context<'_>) {
        let total_timeout_ns = context.target.total_timeout_ns;
        if let Some(first) = self.under_way.front()
            && context.now_ns.saturating_sub(first.taken.start_ns) >= total_timeout_ns
        {
            return self.fail(ErrorClass::Timeout, Failing::First, context, |connection| {
                format!("not complete after {} s, {}", seconds(total_timeout_ns), connection.state())
            });
        }
        let timeout_ns = context.target.timeout_ns;
        match self.dialer.phase() {
            Phase::BackingOff { until_ns } if until_ns <= context.now_ns => self.begin_anew(context),
            Phase::Connecting | Phase::ShakingHands => {
                if let Err(error) = self.dialer.on_tick(context) {
                    self.on_dial_failed(&error, context);
                }
            }
            Phase::Open if !self.under_way.is_empty() && self.dialer.idle_ns(context) >= timeout_ns => {
                self.fail(ErrorClass::Timeout, Failing::All, context, |connection| {
                    format!("no byte for {} s, {}", seconds(timeout_ns), connection.state())
                });
            }
            _ => {}
        }
    }
}

impl Http1Connection {
    /// Says how far the first request under way has come.
    fn state(&self) -> String {
        match self.parser.status() {
            _ if !self.dialer.is_open() => "there is no connection".to_owned(),
            _ if !self.is_first_sent() => "the request is only partly sent".to_owned(),
            0 => "no answer has begun".to_owned(),
            status => format!("an answer with status {status} has begun"),
        }
    }

    fn is_first_sent(&self) -> bool {
        let n_sent = self.n_written_bytes - self.outbox.n_unsent() as u64;
        self.n_written > 0 && self.under_way.front().is_some_and(|first| first.end_byte <= n_sent)
    }

    /// Returns how many more requests the connection can take now.
    fn n_free(&self, context: &Context<'_>) -> usize {
        let capacity = match self.dialer.phase() {
            Phase::BackingOff { .. } => 0,
            Phase::Open if self.is_closed_by_peer => 0,
            Phase::Open => context.target.pipelining,
            // One is enough to find out whether the server is there; the others would only wait for that.
            Phase::Connecting | Phase::ShakingHands | Phase::Unconnected => 1,
        };
        capacity.saturating_sub(self.under_way.len())
    }

    /// Queues for a request of an open load.
    fn offer(&mut self, context: &mut Context<'_>) {
        if context.pacer.is_open() && !self.is_offered && self.n_free(context) > 0 {
            self.is_offered = true;
            context.ready.push_back(self.token);
        }
    }

    /// Takes up to `n_requests` that may start now.
    fn take_requests(&mut self, n_requests: usize, context: &mut Context<'_>) {
        context.take_requests(n_requests, |taken| {
            self.under_way.push_back(UnderWay { taken, request: 0, end_byte: 0 });
        });
    }

    /// Takes what requests it can without a connection, and connects if there are any.
    fn begin_anew(&mut self, context: &mut Context<'_>) {
        self.dialer.hang_up();
        self.take_requests(self.n_free(context), context);
        self.go_on(context);
    }

    /// Does what the requests under way ask for: connects, or sends them.
    fn go_on(&mut self, context: &mut Context<'_>) {
        match self.dialer.phase() {
            Phase::Open => self.write(context),
            Phase::Unconnected if !self.under_way.is_empty() => self.dial(context),
            _ => {}
        }
        self.offer(context);
    }

    fn dial(&mut self, context: &mut Context<'_>) {
        if let Err(error) = self.dialer.begin(context) {
            self.on_dial_failed(&error, context);
        }
    }

    /// The link stands: everything about the last one is forgotten.
    fn on_open(&mut self, context: &mut Context<'_>) {
        self.n_written = 0;
        self.n_written_bytes = 0;
        self.n_answers = 0;
        self.is_closed_by_peer = false;
        self.outbox.clear(&mut context.spare);
        self.parser.reset();
        self.answer.reset();
        self.dialer.last_byte_ns = context.now_ns;
        self.take_requests(self.n_free(context), context);
        self.go_on(context);
    }

    fn on_dial_failed(&mut self, error: &DialError, context: &mut Context<'_>) {
        let endpoint = &context.target.endpoints[self.dialer.endpoint];
        self.fail_plainly(error.class(), Failing::All, context, |_| {
            format!("{}: {error}", endpoint.listed_addresses())
        });
    }

    /// Writes and sends the requests that are not written yet.
    fn write(&mut self, context: &mut Context<'_>) {
        if self.n_written == self.under_way.len() {
            return;
        }
        if self.n_written == 0 {
            // The connection was idle: its silence begins now.
            self.dialer.last_byte_ns = context.now_ns;
        }
        let (target, endpoint) = (context.target, self.dialer.endpoint);
        for request in self.under_way.range_mut(self.n_written..) {
            let n_bytes = if let Some(copies) = &target.endpoints[endpoint].constant {
                self.outbox.add_copy(copies);
                copies.request().len()
            } else {
                let (index, n_bytes) = self.outbox.compose(&mut context.spare, |bytes| {
                    target.source.render(request.taken.number, endpoint, bytes)
                });
                request.request = index;
                n_bytes
            };
            self.n_written_bytes += n_bytes as u64;
            request.end_byte = self.n_written_bytes;
        }
        if self.n_written == 0 {
            self.expect_answer(context);
        }
        self.n_written = self.under_way.len();
        self.send(context);
    }

    /// Makes ready to read the answer to the first request under way, if there is one.
    fn expect_answer(&mut self, context: &Context<'_>) {
        if let Some(first) = self.under_way.front() {
            self.parser.reset();
            self.parser.expect(context.target.facts(self.dialer.endpoint, first.request).answers);
            self.answer.reset();
        }
    }

    fn send(&mut self, context: &mut Context<'_>) {
        let Some(link) = &mut self.dialer.link else { return };
        let copies = context.target.endpoints[self.dialer.endpoint].constant.as_ref();
        let (n_bytes, outcome) = self.outbox.send(link, copies, &mut context.spare);
        if n_bytes > 0 {
            self.dialer.last_byte_ns = context.now_ns;
            context.tally.add_sent(n_bytes);
        }
        match outcome {
            Ok(()) | Err(LinkError::WouldBlock) => {}
            // The server may have answered before it closed: what it said explains more than this error.
            Err(_) => {
                self.is_closed_by_peer = true;
                self.receive(context);
            }
        }
    }

    /// Reads until the link is empty, or the turn is over.
    ///
    /// Edge-triggered: a short read means that the socket was empty, unless the peer has closed; then the end of the
    /// stream must be read, because no further event will announce it.
    fn receive(&mut self, context: &mut Context<'_>) {
        let mut n_full_reads = 0;
        loop {
            let Some(link) = &mut self.dialer.link else { return };
            let n_bytes = match link.receive(&mut context.buffer) {
                Ok(n_bytes) => n_bytes,
                Err(LinkError::WouldBlock) => return,
                Err(error @ (LinkError::End | LinkError::Cut)) => return self.on_end(&error, context),
                Err(error) => return self.on_reset(&error, context),
            };
            let is_drained = link.is_drained_by(n_bytes, context.buffer.len());
            context.tally.add_received(n_bytes);
            self.dialer.last_byte_ns = context.now_ns;
            // What an event reported was there when the batch was received, so that the generator's own queue is not
            // measured. The rest of an answer that had begun may have come later.
            self.read_ns = if self.parser.has_started() { clock::now_ns() } else { context.now_ns };
            if !self.read_answers(n_bytes, context) {
                return;
            }
            n_full_reads += u32::from(!is_drained);
            if n_full_reads == MAX_FULL_READS {
                return context.unread.push(self.token);
            }
            if is_drained && !self.is_closed_by_peer {
                return;
            }
        }
    }

    /// Reads the answers in the first `n_bytes` of the buffer and goes on with the next requests; tells whether there
    /// is more to read on this link.
    fn read_answers(&mut self, n_bytes: usize, context: &mut Context<'_>) -> bool {
        let mut at = 0;
        while at < n_bytes {
            if self.under_way.is_empty() {
                // Nothing was asked: some servers say something before they close an idle connection.
                self.leave_idle_link(context);
                return false;
            }
            match self.parse(at, n_bytes, context) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Done { consumed }) if at + consumed < n_bytes && self.under_way.len() == 1 => {
                    self.fail_malformed("bytes follow its end", context);
                    return false;
                }
                Ok(Progress::Done { consumed }) => at += consumed,
                Err(malformed) => {
                    self.fail_malformed(malformed, context);
                    return false;
                }
            }
            if !self.take_answer(context) {
                return false;
            }
        }
        self.take_requests(self.n_free(context), context);
        self.go_on(context);
        // Nothing is awaited on an idle link; events will tell if it is closed.
        !self.under_way.is_empty()
    }

    /// Reads the bytes of the buffer from `from` to `to` as part of the answer to the first request under way.
    fn parse(
        &mut self,
        from: usize,
        to: usize,
        context: &Context<'_>,
    ) -> Result<Progress, MalformedResponse> {
        let request = self.under_way.front().map_or(0, |first| first.request);
        let facts = context.target.facts(self.dialer.endpoint, request);
        let Self { parser, answer, read_ns, .. } = self;
        parser.feed(&context.buffer[from..to], |head, piece| {
            answer.take(head, piece, *read_ns, facts, context.target);
        })
    }

    /// A complete answer was read; tells whether the link can be used further.
    fn take_answer(&mut self, context: &mut Context<'_>) -> bool {
        let is_sent = self.is_first_sent();
        let Some(first) = self.under_way.pop_front() else { return false };
        self.n_written -= 1;
        self.n_answers += 1;
        self.dialer.on_success();
        let facts = context.target.facts(self.dialer.endpoint, first.request);
        let times = first.taken.times(self.read_ns);
        context.tally.end_request(times.start_ns, times.end_ns);
        self.answer.finish(self.parser.head(), times, facts, context.target, &mut context.tally);
        let may_stay = self.parser.keeps_alive() && !facts.asks_to_close;
        if may_stay && is_sent && !(self.is_closed_by_peer && self.under_way.is_empty()) {
            self.expect_answer(context);
            return true;
        }
        if may_stay && self.is_closed_by_peer {
            context.tally.add_reconnect();
        }
        self.begin_anew(context);
        false
    }

    fn on_end(&mut self, end: &LinkError, context: &mut Context<'_>) {
        self.is_closed_by_peer = true;
        if self.under_way.is_empty() {
            self.leave_idle_link(context);
        } else if matches!(end, LinkError::End) && self.parser.finish() {
            self.read_ns = clock::now_ns();
            self.take_answer(context);
        } else if self.parser.has_started() {
            self.fail(ErrorClass::Truncated, Failing::First, context, |connection| {
                match connection.parser.status() {
                    0 => format!("{end} within the head of the answer"),
                    status => format!("{end} within the answer with status {status}"),
                }
            });
        } else {
            self.on_lost_before_answer("the connection was closed without an answer", context);
        }
    }

    fn on_reset(&mut self, error: &LinkError, context: &mut Context<'_>) {
        if self.under_way.is_empty() {
            self.leave_idle_link(context);
        } else if let LinkError::Tls(problem) = error {
            // Servers refuse a client's certificate when the client takes the handshake for complete.
            self.fail(ErrorClass::Tls, Failing::All, context, |_| problem.clone());
        } else if self.parser.has_started() {
            self.fail(ErrorClass::Reset, Failing::First, context, |connection| {
                format!("{error} within the answer with status {}", connection.parser.status())
            });
        } else {
            self.on_lost_before_answer(error, context);
        }
    }

    /// The server has closed a link on which nothing was under way.
    fn leave_idle_link(&mut self, context: &mut Context<'_>) {
        if self.n_answers > 0 {
            context.tally.add_reconnect();
        }
        self.begin_anew(context);
    }

    /// A server may close an idle connection just when a request is sent on it, and answers to pipelined requests may
    /// end with one that closes; HTTP clients then send them once more.
    fn on_lost_before_answer(&mut self, reason: impl Display, context: &mut Context<'_>) {
        if self.n_answers > 0 {
            context.tally.add_reconnect();
            self.begin_anew(context);
        } else {
            self.fail(ErrorClass::Reset, Failing::First, context, |_| reason.to_string());
        }
    }

    fn fail_malformed(&mut self, reason: impl Display, context: &mut Context<'_>) {
        self.fail(ErrorClass::Malformed, Failing::First, context, |_| reason.to_string());
    }

    /// Counts the failure of requests under way; the sample names the first of them. See [`Self::fail_plainly`].
    fn fail(
        &mut self,
        class: ErrorClass,
        failing: Failing,
        context: &mut Context<'_>,
        describe: impl FnOnce(&Self) -> String,
    ) {
        let (target, endpoint) = (context.target, self.dialer.endpoint);
        self.fail_plainly(class, failing, context, |connection| {
            let request = connection.under_way.front().map_or(0, |first| first.request);
            format!("{}: {}", target.facts(endpoint, request).name, describe(connection))
        });
    }

    /// Counts the failure of requests under way and goes on without the link, after a pause if failures repeat.
    fn fail_plainly(
        &mut self,
        class: ErrorClass,
        failing: Failing,
        context: &mut Context<'_>,
        describe: impl FnOnce(&Self) -> String,
    ) {
        let n_failing = match failing {
            Failing::First => self.under_way.len().min(1),
            Failing::All => self.under_way.len(),
        };
        if n_failing > 0 {
            context.tally.add_errors(class, n_failing as u64, || describe(self));
        }
        for request in self.under_way.drain(..n_failing) {
            context.tally.end_request(request.taken.start_ns, context.now_ns);
        }
        if !self.dialer.on_failure(class, context.now_ns) {
            self.begin_anew(context);
        }
    }
}
