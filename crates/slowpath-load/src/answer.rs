//! Reads the body of one answer as far as anyone wants to know it, and says at its end whether the request succeeded.
//! Knows nothing of framing or connections: HTTP/1.1 and HTTP/2 share it.

use crate::checks::Checker;
use crate::content_gaps::ContentGaps;
use crate::interval::ErrorClass;
use crate::plan::{ApiChecks, Objectives};
use crate::response::{AnswerHead, Answers};
use crate::stream::{Content, StreamEnd, StreamMeter, api_error_in_json};
use crate::tally::Tally;
use crate::target::{RequestFacts, Target};
use crate::times::{StreamTimes, Times, rounded_us};

/// Bytes of a failed answer's body that are kept for the sample.
const SAMPLE_BYTES: usize = 256;

/// The largest body that can be checked.
const MAX_CHECKED_BYTES: usize = 1 << 20;

/// Memory that a connection keeps for the next body: many connections with large answers must not fill the memory.
const MAX_IDLE_BYTES: usize = 16 * 1024;

/// What is done with a body: known when its head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interest {
    /// How much is kept, in bytes.
    kept_bytes: usize,
    /// It is read as a stream.
    is_stream: bool,
    /// It is held to the rules of LLM APIs.
    is_judged: bool,
}

/// Reads one answer after the other; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct AnswerReader {
    first_body_byte_ns: Option<u64>,
    /// `None` before the first byte of the body.
    interest: Option<Interest>,
    kept: Vec<u8>,
    /// The body was larger than what may be kept.
    is_cut: bool,
    /// Made for the first stream.
    stream: Option<Box<StreamReader>>,
}

#[derive(Debug, Default)]
struct StreamReader {
    meter: StreamMeter,
    gaps: ContentGaps,
}

impl AnswerReader {
    /// Makes ready for the next answer.
    pub(crate) fn reset(&mut self) {
        self.first_body_byte_ns = None;
        self.interest = None;
        self.is_cut = false;
        self.kept.clear();
        if self.kept.capacity() > MAX_IDLE_BYTES {
            self.kept = Vec::new();
        }
    }

    /// Takes a piece of the body, never empty, that arrived at `now_ns`.
    pub(crate) fn take(
        &mut self,
        head: AnswerHead,
        piece: &[u8],
        now_ns: u64,
        facts: &RequestFacts,
        target: &Target,
    ) {
        self.first_body_byte_ns.get_or_insert(now_ns);
        let interest = match self.interest {
            Some(interest) => interest,
            None => self.begin_body(head, facts, target),
        };
        if interest.is_stream
            && let Some(stream) = &mut self.stream
        {
            let gaps = &mut stream.gaps;
            stream.meter.feed(piece, now_ns, |gap_ns| gaps.add(rounded_us(gap_ns)));
        }
        if interest.kept_bytes > 0 {
            let n_bytes = piece.len().min(interest.kept_bytes - self.kept.len());
            self.kept.extend_from_slice(&piece[..n_bytes]);
            self.is_cut |= n_bytes < piece.len();
        }
    }

    fn begin_body(&mut self, head: AnswerHead, facts: &RequestFacts, target: &Target) -> Interest {
        let interest = Interest::in_body(head, facts, target);
        if interest.is_stream {
            let stream = self.stream.get_or_insert_default();
            stream.meter.begin(head.content);
            stream.gaps.clear();
        }
        self.interest = Some(interest);
        interest
    }

    /// Judges the complete answer and counts the request.
    pub(crate) fn finish(
        &mut self,
        head: AnswerHead,
        mut times: Times,
        facts: &RequestFacts,
        target: &Target,
        tally: &mut Tally,
    ) {
        times.first_body_byte_ns = self.first_body_byte_ns;
        tally.add_status(head.status);
        let name = &facts.name;
        if !target.checker.is_success_status(head.status) {
            return tally.add_error(ErrorClass::Status, || {
                format!("{name}: {}: {}", head.status, String::from_utf8_lossy(&self.kept))
            });
        }
        let interest = match self.interest {
            Some(interest) => interest,
            // A body that should be there and is empty must be judged, too.
            None if head.content == Content::EventStream && may_have_body(head, facts) => {
                self.begin_body(head, facts, target)
            }
            None => Interest { kept_bytes: 0, is_stream: false, is_judged: false },
        };
        let stream = self.stream.as_mut().filter(|_| interest.is_stream);
        let outcome = stream.map(|stream| stream.meter.finish(times.end_ns));
        match &outcome {
            Some(outcome) if interest.is_judged => match &outcome.end {
                StreamEnd::Complete => {}
                StreamEnd::Broken { why } => {
                    return tally.add_error(ErrorClass::Truncated, || format!("{name}: {why}"));
                }
                StreamEnd::Error { message } => {
                    return tally.add_error(ErrorClass::Api, || format!("{name}: {message}"));
                }
            },
            None if interest.is_judged && head.content == Content::Json && !self.is_cut => {
                if let Some(message) = api_error_in_json(&self.kept) {
                    return tally.add_error(ErrorClass::Api, || format!("{name}: {message}"));
                }
            }
            _ => {}
        }
        if target.checker.wants_body()
            && let Err(problem) = self.check(&target.checker)
        {
            return tally.add_error(ErrorClass::Check, || format!("{name}: {problem}"));
        }
        // Of one whole answer there is nothing to say that a stream's statistics would be about.
        let outcome = outcome.filter(|outcome| {
            outcome.end == StreamEnd::Complete && (head.content != Content::Other || outcome.n_events > 1)
        });
        let stream_times = outcome.as_ref().map(|outcome| StreamTimes::new(outcome, times));
        tally.add_success(times, is_good(times, stream_times, target.objectives));
        if let (Some(outcome), Some(stream_times), Some(stream)) = (outcome, stream_times, &self.stream) {
            tally.add_stream(&outcome, stream_times, &stream.gaps);
        }
    }

    fn check(&self, checker: &Checker) -> Result<(), String> {
        if self.is_cut {
            return Err("the body is larger than 1 MiB and was not checked".to_owned());
        }
        checker.verify(&self.kept)
    }
}

impl Interest {
    fn in_body(head: AnswerHead, facts: &RequestFacts, target: &Target) -> Self {
        if !target.checker.is_success_status(head.status) {
            return Self { kept_bytes: SAMPLE_BYTES, is_stream: false, is_judged: false };
        }
        let is_event_stream = head.content == Content::EventStream;
        // What is compressed cannot be read here, and what the user takes for a success beyond 2xx is not an answer of
        // the API's own form.
        let is_judged = !head.is_encoded
            && (200..300).contains(&head.status)
            && match target.api {
                ApiChecks::Auto => is_event_stream || facts.is_llm,
                ApiChecks::On => true,
                ApiChecks::Off => false,
            };
        let is_stream = match head.content {
            _ if head.is_encoded => false,
            Content::EventStream => true,
            Content::JsonLines | Content::Other => is_judged,
            Content::Json => is_judged && facts.streams_json,
        };
        let is_judged_whole = is_judged && !is_stream && head.content == Content::Json;
        let keeps_whole = target.checker.wants_body() || is_judged_whole;
        Self { kept_bytes: if keeps_whole { MAX_CHECKED_BYTES } else { 0 }, is_stream, is_judged }
    }
}

fn may_have_body(head: AnswerHead, facts: &RequestFacts) -> bool {
    facts.answers == Answers::Other && !matches!(head.status, 204 | 304)
}

/// Tells whether a successful request met its objectives.
///
/// Where no stream came, the first token is there with the first byte of the body, and there is no time per token.
fn is_good(times: Times, stream: Option<StreamTimes>, objectives: Objectives) -> bool {
    let first_token_us = match stream {
        Some(stream) => stream.ttft_us,
        None => Some(times.since_intended(times.first_body_byte_ns.unwrap_or(times.end_ns)) as f64 / 1e3),
    };
    let meets = |limit_ms: Option<f64>, us: f64| limit_ms.is_none_or(|limit_ms| us <= limit_ms * 1e3);
    meets(objectives.ttft_ms, first_token_us.unwrap_or(f64::INFINITY))
        && meets(objectives.tpot_ms, stream.and_then(|stream| stream.tpot_us).unwrap_or(0.0))
        && meets(objectives.e2el_ms, times.since_intended(times.end_ns) as f64 / 1e3)
}
