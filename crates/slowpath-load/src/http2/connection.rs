//! One HTTP/2 connection of a load: takes requests, sends each on a stream of its own, reads the answers as they come,
//! starts over.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use rustix::event::epoll::EventFlags;

use super::link_io::{LinkIo, Traffic};
use super::request::Http2Request;
use super::session::Session;
use super::stream::Stream;
use super::wake::{Task, Tasks};
use crate::answer::AnswerReader;
use crate::clock::{self, seconds};
use crate::connection::Connection;
use crate::context::{Context, Taken};
use crate::dialer::{DialError, Dialer, Phase};
use crate::interval::ErrorClass;
use crate::target::Target;

pub(crate) struct Http2Connection {
    token: u64,
    dialer: Dialer,
    /// While the link is open.
    session: Option<Session>,
    traffic: Arc<Traffic>,
    tasks: Tasks,
    woken: Vec<Task>,
    /// Requests that are not sent on this link.
    waiting: VecDeque<Taken>,
    /// By slot; a slot that is free is filled again.
    streams: Vec<Option<Stream>>,
    free_slots: Vec<usize>,
    /// Of streams that have ended, for the next ones.
    spare_answers: Vec<AnswerReader>,
    /// Complete answers on this link.
    n_answers: u64,
    /// The server takes no more requests on this link.
    is_draining: bool,
    /// When the last byte came.
    last_received_ns: u64,
    /// Stands in the queue of connections that can take a request.
    is_offered: bool,
}

impl Connection for Http2Connection {
    fn new(token: u64, endpoint: usize) -> Self {
        Self {
            token,
            dialer: Dialer::new(token, endpoint),
            session: None,
            traffic: Arc::default(),
            tasks: Tasks::default(),
            woken: Vec::new(),
            waiting: VecDeque::new(),
            streams: Vec::new(),
            free_slots: Vec::new(),
            spare_answers: Vec::new(),
            n_answers: 0,
            is_draining: false,
            last_received_ns: 0,
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
            context.take_requests(1, |taken| self.waiting.push_back(taken));
            self.go_on(context);
        }
    }

    fn on_event(&mut self, flags: EventFlags, context: &mut Context<'_>) {
        if self.dialer.is_dialing() {
            match self.dialer.on_event(flags, context) {
                Ok(true) => return self.on_open(context),
                Ok(false) => return,
                Err(error) => return self.on_dial_failed(&error, context),
            }
        }
        self.drive(context);
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.drive(context);
    }

    fn on_tick(&mut self, context: &mut Context<'_>) {
        match self.dialer.phase() {
            Phase::BackingOff { until_ns } if until_ns <= context.now_ns => self.begin_anew(context),
            Phase::Connecting | Phase::ShakingHands => {
                if let Err(error) = self.dialer.on_tick(context) {
                    self.on_dial_failed(&error, context);
                }
            }
            _ => {}
        }
        self.end_overdue(context);
    }
}

impl Http2Connection {
    fn n_streams(&self) -> usize {
        self.streams.len() - self.free_slots.len()
    }

    /// Returns how many more requests the connection can take now.
    fn n_free(&self, context: &Context<'_>) -> usize {
        let capacity = match (self.dialer.phase(), &self.session) {
            (Phase::BackingOff { .. }, _) => 0,
            (Phase::Open, _) if self.is_draining => 0,
            (Phase::Open, Some(session)) => context.target.pipelining.min(session.max_streams()),
            // One is enough to find out whether the server is there; the others would only wait for that.
            _ => 1,
        };
        capacity.saturating_sub(self.n_streams() + self.waiting.len())
    }

    /// Queues for a request of an open load.
    fn offer(&mut self, context: &mut Context<'_>) {
        if context.pacer.is_open() && !self.is_offered && self.n_free(context) > 0 {
            self.is_offered = true;
            context.ready.push_back(self.token);
        }
    }

    fn take_requests(&mut self, context: &mut Context<'_>) {
        context.take_requests(self.n_free(context), |taken| self.waiting.push_back(taken));
    }

    /// Takes what requests it can without a connection, and connects if there are any.
    fn begin_anew(&mut self, context: &mut Context<'_>) {
        self.hang_up();
        self.take_requests(context);
        self.go_on(context);
    }

    fn hang_up(&mut self) {
        self.session = None;
        self.dialer.hang_up();
    }

    /// Does what the waiting requests ask for: connects, or sends them.
    fn go_on(&mut self, context: &mut Context<'_>) {
        match self.dialer.phase() {
            Phase::Open => self.drive(context),
            Phase::Unconnected if !self.waiting.is_empty() => self.dial(context),
            _ => {}
        }
        self.offer(context);
    }

    fn dial(&mut self, context: &mut Context<'_>) {
        if let Err(error) = self.dialer.begin(context) {
            self.on_dial_failed(&error, context);
        }
    }

    fn on_dial_failed(&mut self, error: &DialError, context: &mut Context<'_>) {
        let endpoint = &context.target.endpoints[self.dialer.endpoint];
        let n_waiting = self.waiting.len() as u64;
        if n_waiting > 0 {
            let describe = || format!("{}: {error}", endpoint.listed_addresses());
            context.tally.add_errors(error.class(), n_waiting, describe);
        }
        for taken in self.waiting.drain(..) {
            context.tally.end_request(taken.start_ns, context.now_ns);
        }
        self.rest(error.class(), context);
    }

    /// Goes on without the link, after a pause if failures repeat.
    fn rest(&mut self, class: ErrorClass, context: &mut Context<'_>) {
        self.session = None;
        if !self.dialer.on_failure(class, context.now_ns) {
            self.begin_anew(context);
        }
    }

    /// The link stands: everything about the last one is forgotten.
    fn on_open(&mut self, context: &mut Context<'_>) {
        let Some(link) = self.dialer.link.take() else { return };
        self.n_answers = 0;
        self.is_draining = false;
        self.last_received_ns = context.now_ns;
        self.session = Some(Session::new(LinkIo::new(link, Arc::clone(&self.traffic))));
        self.go_on(context);
    }

    /// Lets the session, the streams and the waiting requests go as far as they can.
    fn drive(&mut self, context: &mut Context<'_>) {
        self.traffic.begin_turn();
        let mut now_ns = context.now_ns;
        loop {
            let Some(session) = &mut self.session else { return };
            let ended = session.poll(&mut TaskContext::from_waker(&self.tasks.connection()));
            self.count_traffic(context);
            self.woken.clear();
            self.tasks.take_woken(&mut self.woken);
            if let Poll::Ready(outcome) = ended {
                return self.on_end(&outcome, now_ns, context);
            }
            let mut has_news = !self.woken.is_empty();
            for i in 0..self.woken.len() {
                if let Task::Stream(slot) = self.woken[i] {
                    self.poll_stream(slot, now_ns, context);
                }
            }
            self.take_requests(context);
            has_news |= self.send_waiting(context);
            if !has_news {
                break;
            }
            // What an event reported was there when the batch was received; what comes while this goes on came later.
            now_ns = clock::now_ns();
        }
        if self.is_draining && self.n_streams() == 0 {
            // The server may not close a connection that it does not want to be used.
            return self.end_session(ErrorClass::Reset, context);
        }
        if self.traffic.has_more() {
            context.unread.push(self.token);
        }
        self.offer(context);
    }

    /// Goes on on another link; after a pause if this one was of no use.
    fn end_session(&mut self, class: ErrorClass, context: &mut Context<'_>) {
        if self.n_answers > 0 {
            context.tally.add_reconnect();
            self.begin_anew(context);
        } else {
            self.rest(class, context);
        }
    }

    fn count_traffic(&mut self, context: &mut Context<'_>) {
        let (n_received, n_sent) = self.traffic.take();
        if n_received > 0 {
            self.last_received_ns = context.now_ns;
        }
        context.tally.add_received(n_received as usize);
        context.tally.add_sent(n_sent as usize);
    }

    /// Sends waiting requests as long as the session takes them; tells whether it took any.
    fn send_waiting(&mut self, context: &mut Context<'_>) -> bool {
        let (target, endpoint) = (context.target, self.dialer.endpoint);
        let mut has_sent = false;
        while let Some(taken) = self.waiting.front().copied()
            && !self.is_draining
            && let Some(session) = &mut self.session
        {
            let slot = self.free_slots.last().copied().unwrap_or(self.streams.len());
            let composed;
            let request = if let Some(request) = &target.endpoints[endpoint].http2_constant {
                request
            } else {
                match Http2Request::new(target.source.parts(taken.number, endpoint), target.scheme) {
                    Ok(request) => composed = request,
                    Err(error) => {
                        self.waiting.pop_front();
                        self.fail(taken, ErrorClass::Malformed, context, || error.to_string());
                        continue;
                    }
                }
                &composed
            };
            let waker = self.tasks.connection();
            match session.poll_send(&mut TaskContext::from_waker(&waker), request) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => {
                    self.is_draining = true;
                    let is_of_connection = error.is_io() || error.is_go_away() || error.is_reset();
                    if !is_of_connection {
                        self.waiting.pop_front();
                        self.fail(taken, ErrorClass::Malformed, context, || error.to_string());
                    }
                }
                Poll::Ready(Ok(response)) => {
                    self.waiting.pop_front();
                    self.free_slots.pop();
                    let answer = self.spare_answers.pop().unwrap_or_default();
                    let stream = Stream::new(taken, request.index, response, answer, context.now_ns);
                    if slot == self.streams.len() {
                        self.streams.push(Some(stream));
                    } else {
                        self.streams[slot] = Some(stream);
                    }
                    // Once, so that h2 knows whom to wake.
                    self.poll_stream(slot, context.now_ns, context);
                    has_sent = true;
                }
            }
        }
        has_sent
    }

    fn poll_stream(&mut self, slot: usize, now_ns: u64, context: &mut Context<'_>) {
        let Some(stream) = self.streams.get_mut(slot).and_then(Option::as_mut) else { return };
        let facts = context.target.facts(self.dialer.endpoint, stream.request);
        let waker = self.tasks.stream(slot);
        match stream.poll(&mut TaskContext::from_waker(&waker), now_ns, facts, context.target) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                let Some(mut stream) = self.free(slot) else { return };
                self.n_answers += 1;
                self.dialer.on_success();
                let times = stream.taken.times(now_ns);
                context.tally.end_request(times.start_ns, times.end_ns);
                stream.answer.finish(stream.head, times, facts, context.target, &mut context.tally);
                self.spare_answers.push(stream.answer);
            }
            Poll::Ready(Err(error)) => self.on_stream_lost(slot, &error, context),
        }
    }

    /// Takes a stream out of its slot.
    fn free(&mut self, slot: usize) -> Option<Stream> {
        let stream = self.streams.get_mut(slot)?.take()?;
        self.free_slots.push(slot);
        Some(stream)
    }

    /// A stream has ended before its answer was complete. Without a beginning of the answer, and if the connection as a
    /// whole was lost after it had proved good, the request is sent once more, as in HTTP/1.1.
    fn on_stream_lost(&mut self, slot: usize, error: &h2::Error, context: &mut Context<'_>) {
        let Some(stream) = self.free(slot) else { return };
        let is_of_connection = error.is_io() || (error.is_go_away() && error.is_remote());
        if !stream.has_answer() && is_of_connection && self.n_answers > 0 {
            self.waiting.push_front(stream.taken);
            return;
        }
        let is_end = error
            .get_io()
            .is_some_and(|error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof));
        let class = match () {
            () if error.is_library() => ErrorClass::Malformed,
            () if is_end && stream.has_answer() => ErrorClass::Truncated,
            () => ErrorClass::Reset,
        };
        let (name, head) = (&context.target.facts(self.dialer.endpoint, stream.request).name, stream.head);
        let during = if stream.has_answer() {
            format!(" within the answer with status {}", head.status)
        } else {
            String::new()
        };
        let reason: &dyn Display = if is_end { &"the connection was closed" } else { error };
        count_failure(stream.taken, class, context, || format!("{name}: {reason}{during}"));
    }

    /// The session has ended. What is left of its streams is lost, or sent again.
    fn on_end(&mut self, outcome: &Result<(), h2::Error>, now_ns: u64, context: &mut Context<'_>) {
        let was_idle = self.n_streams() == 0 && self.waiting.is_empty();
        self.is_draining = true;
        for slot in 0..self.streams.len() {
            // Those that were complete before the end still are.
            self.poll_stream(slot, now_ns, context);
        }
        // h2 ends all streams with their connection; should it forget one, its request is sent again.
        self.abandon_streams();
        if was_idle && self.n_answers == 0 {
            return self.begin_anew(context);
        }
        let class = match outcome {
            Err(error) if error.is_library() => ErrorClass::Malformed,
            _ => ErrorClass::Reset,
        };
        if self.n_answers == 0
            && let Some(taken) = self.waiting.pop_front()
        {
            let reason = match outcome {
                Ok(()) => "the connection was closed without an answer".to_owned(),
                Err(error) => error.to_string(),
            };
            self.fail(taken, class, context, || reason);
        }
        self.end_session(class, context);
    }

    /// Counts a failure that the session and its other streams survive, or have survived.
    fn fail(
        &mut self,
        taken: Taken,
        class: ErrorClass,
        context: &mut Context<'_>,
        describe: impl FnOnce() -> String,
    ) {
        // Which of several requests it is shows when it is sent.
        let name = &context.target.facts(self.dialer.endpoint, 0).name;
        count_failure(taken, class, context, || format!("{name}: {}", describe()));
    }

    /// Ends requests whose time is over. A stream can be given up alone; if the whole connection is silent, it goes, too.
    fn end_overdue(&mut self, context: &mut Context<'_>) {
        let Target { timeout_ns, total_timeout_ns, .. } = *context.target;
        let now_ns = context.now_ns;
        let mut n_ended = 0;
        for slot in 0..self.streams.len() {
            let Some(stream) = &self.streams[slot] else { continue };
            let is_silent = now_ns.saturating_sub(stream.last_byte_ns) >= timeout_ns;
            let is_over = now_ns.saturating_sub(stream.taken.start_ns) >= total_timeout_ns;
            if !is_silent && !is_over {
                continue;
            }
            let Some(stream) = self.free(slot) else { continue };
            n_ended += 1;
            let name = &context.target.facts(self.dialer.endpoint, stream.request).name;
            let status = stream.head.status;
            count_failure(stream.taken, ErrorClass::Timeout, context, || {
                let limit = if is_over {
                    format!("not complete after {} s", seconds(total_timeout_ns))
                } else {
                    format!("no byte for {} s", seconds(timeout_ns))
                };
                match status {
                    0 => format!("{name}: {limit}, no answer has begun"),
                    status => format!("{name}: {limit}, an answer with status {status} has begun"),
                }
            });
        }
        while let Some(taken) = self.waiting.front().copied()
            && now_ns.saturating_sub(taken.start_ns) >= total_timeout_ns
        {
            self.waiting.pop_front();
            n_ended += 1;
            self.fail(taken, ErrorClass::Timeout, context, || {
                format!("not complete after {} s, not sent yet", seconds(total_timeout_ns))
            });
        }
        if n_ended == 0 {
            return;
        }
        if self.dialer.is_open() && now_ns.saturating_sub(self.last_received_ns) >= timeout_ns {
            self.abandon_streams();
            return self.rest(ErrorClass::Timeout, context);
        }
        self.take_requests(context);
        self.go_on(context);
    }

    /// Puts the requests of all streams back, to be sent on another link.
    fn abandon_streams(&mut self) {
        for slot in (0..self.streams.len()).rev() {
            if let Some(stream) = self.free(slot) {
                self.waiting.push_front(stream.taken);
            }
        }
    }
}

/// Counts a request that has failed.
fn count_failure(
    taken: Taken,
    class: ErrorClass,
    context: &mut Context<'_>,
    describe: impl FnOnce() -> String,
) {
    context.tally.end_request(taken.start_ns, context.now_ns);
    context.tally.add_error(class, describe);
}
