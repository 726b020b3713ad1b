//! One request to an API and its answer under way: what it will be, when each piece is due, the pieces. Knows no socket
//! and no clock; the session tells the time.

use std::sync::Arc;

use super::answer::{Framing, Head, push_answer, push_head};
use super::api::{self, EventWriter, Exchange, TokenTemplate};
use super::counters::Counters;
use super::request::Request;
use super::settings::Settings;
use crate::random::Random;

/// No more is written for a client when this many bytes wait for it.
pub(super) const MAX_WAITING_BYTES: usize = 64 * 1024;

/// An answer under way. It keeps the settings that held when its request came.
pub(super) struct Call {
    exchange: Exchange,
    settings: Arc<Settings>,
    random: Random,
    fate: Fate,
    keeps_alive: bool,
    takes_chunks: bool,
    /// When the next piece is due.
    pub(super) due_ns: u64,
    /// Absent for answers that come whole, and until the first token is due.
    template: Option<TokenTemplate>,
    n_sent: u32,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Complete,
    /// An error with this status instead.
    Error(u16),
    /// An error event after so many tokens.
    FailsAfter(u32),
    /// The connection closes after so many tokens.
    CutAfter(u32),
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// More comes at [`Call::due_ns`].
    More,
    /// All is written.
    Done(Then),
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It serves the next request.
    Stays,
    /// It closes.
    Closes,
    /// It breaks off: nothing says goodbye.
    BreaksOff,
}

/// The numbers that are drawn for each request, always all of them and in this order: so a changed rate changes the
/// fate of some requests and leaves the others as they are. Each is above 0 and at most 1: a rate of 0 is never met, one
/// of 1 always.
struct Draws {
    error: f64,
    status: f64,
    stream_error: f64,
    truncate: f64,
    place: f64,
}

impl Draws {
    fn new(random: &mut Random) -> Self {
        Self {
            error: random.unit(),
            status: random.unit(),
            stream_error: random.unit(),
            truncate: random.unit(),
            place: random.unit(),
        }
    }
}

impl Call {
    /// Decides what becomes of a request that came at `now_ns`.
    pub(super) fn new(
        mut exchange: Exchange,
        request: &Request,
        settings: Arc<Settings>,
        now_ns: u64,
    ) -> Self {
        let mut random = Random::new(settings.seed, exchange.number);
        let draws = Draws::new(&mut random);
        exchange.set_length(settings.tokens.draw(&mut random));
        let fate = decide(&draws, &settings, &exchange);
        let ttft_ns = settings.ttft.draw_ns(&mut random);
        let latency_ns = if exchange.is_stream || matches!(fate, Fate::Error(_)) {
            ttft_ns
        } else if let Some(latency) = &settings.unary_latency {
            latency.draw_ns(&mut random)
        } else {
            let gaps = (0..exchange.n_tokens).map(|_| settings.itl.draw_ns(&mut random));
            ttft_ns + gaps.sum::<u64>()
        };
        Self {
            exchange,
            settings,
            random,
            fate,
            keeps_alive: request.keeps_alive,
            takes_chunks: request.takes_chunks,
            due_ns: now_ns + latency_ns,
            template: None,
            n_sent: 0,
        }
    }

    /// Writes what is due at `now_ns`, as far as [`MAX_WAITING_BYTES`] allow.
    pub(super) fn write_due(
        &mut self,
        now_ns: u64,
        output: &mut Vec<u8>,
        counters: &mut Counters,
    ) -> Progress {
        debug_assert!(self.due_ns <= now_ns);
        if let Fate::Error(status) = self.fate {
            return self.write_error(status, output, counters);
        }
        if !self.exchange.is_stream {
            return self.write_whole(output, counters);
        }
        let template = match self.template.take() {
            Some(template) => template,
            None => self.open_stream(output, counters),
        };
        let end = match self.fate {
            Fate::FailsAfter(n) | Fate::CutAfter(n) => n,
            _ => self.exchange.n_tokens,
        };
        let mut events = EventWriter::new(output, self.takes_chunks);
        while self.n_sent < end && self.due_ns <= now_ns && events.n_waiting() < MAX_WAITING_BYTES {
            template.write(self.n_sent, &mut events);
            self.n_sent += 1;
            counters.n_tokens += 1;
            if self.n_sent < end {
                // Counted from the planned time of the last one, so that delays do not add up.
                self.due_ns += self.settings.itl.draw_ns(&mut self.random);
            }
        }
        if self.n_sent < end {
            counters.n_events += events.n_events;
            self.template = Some(template);
            return Progress::More;
        }
        let then = self.end_stream(&mut events, counters);
        counters.n_events += events.n_events;
        if then != Then::BreaksOff {
            events.finish();
        }
        Progress::Done(then)
    }

    /// Writes head and first events.
    fn open_stream(&self, output: &mut Vec<u8>, counters: &mut Counters) -> TokenTemplate {
        let content_type = if self.exchange.is_sse { "text/event-stream" } else { "application/json" };
        let framing = if self.takes_chunks { Framing::Chunked } else { Framing::UntilClose };
        let keeps_alive = self.keeps_alive && self.takes_chunks;
        let head = Head { content_type, framing, ..Head::json(200, keeps_alive, Some(self.exchange.number)) };
        push_head(output, &head);
        let mut events = EventWriter::new(output, self.takes_chunks);
        self.exchange.write_opening(&mut events);
        counters.n_events += events.n_events;
        self.exchange.token_template()
    }

    /// Writes the last events.
    fn end_stream(&self, events: &mut EventWriter<'_>, counters: &mut Counters) -> Then {
        match self.fate {
            Fate::CutAfter(_) => {
                counters.n_truncations_made += 1;
                return Then::BreaksOff;
            }
            Fate::FailsAfter(n_sent) => {
                counters.n_stream_errors_made += 1;
                self.exchange.write_error(n_sent, events);
            }
            Fate::Complete | Fate::Error(_) => self.exchange.write_closing(events),
        }
        if self.keeps_alive && self.takes_chunks { Then::Stays } else { Then::Closes }
    }

    fn write_whole(&self, output: &mut Vec<u8>, counters: &mut Counters) -> Progress {
        let body = self.exchange.unary_body();
        let head = Head::json(200, self.keeps_alive, Some(self.exchange.number));
        if let Fate::CutAfter(n_sent) = self.fate {
            let n_tokens = self.exchange.n_tokens.max(1) as usize;
            push_head(output, &Head { framing: Framing::Length(body.len()), ..head });
            output.extend_from_slice(&body.as_bytes()[..body.len() * n_sent as usize / n_tokens]);
            counters.n_truncations_made += 1;
            return Progress::Done(Then::BreaksOff);
        }
        counters.n_tokens += u64::from(self.exchange.n_tokens);
        push_answer(output, head, &body, false);
        Progress::Done(self.then())
    }

    fn write_error(&self, status: u16, output: &mut Vec<u8>, counters: &mut Counters) -> Progress {
        counters.n_errors_made += 1;
        let body = error_text(self.exchange.endpoint, status, self.exchange.number);
        // Gemini's array is an array also when it fails.
        let body = if self.exchange.is_sse { body } else { format!("[{body}]") };
        push_answer(output, Head::json(status, self.keeps_alive, Some(self.exchange.number)), &body, false);
        Progress::Done(self.then())
    }

    fn then(&self) -> Then {
        if self.keeps_alive { Then::Stays } else { Then::Closes }
    }
}

/// Returns the body of an error that the mock was told to make.
pub(super) fn error_text(endpoint: api::Endpoint, status: u16, number: u64) -> String {
    let message = format!("The mock upstream was told to answer this request with {status}.");
    api::error_body(endpoint.family(), status, &message, number)
}

fn decide(draws: &Draws, settings: &Settings, exchange: &Exchange) -> Fate {
    let before = |n: u32| ((draws.place * f64::from(n)) as u32).min(n.saturating_sub(1));
    if let Some(status) = settings.status {
        Fate::Error(status)
    } else if draws.error <= settings.error_rate.get() {
        let statuses = &settings.error_statuses;
        let at = (draws.status * statuses.len() as f64) as usize;
        Fate::Error(statuses.get(at).or(statuses.last()).copied().unwrap_or(500))
    } else if exchange.is_stream && draws.stream_error <= settings.error_in_stream_rate.get() {
        Fate::FailsAfter(before(exchange.n_tokens))
    } else if draws.truncate <= settings.truncate_rate.get() {
        Fate::CutAfter(before(exchange.n_tokens))
    } else {
        Fate::Complete
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
