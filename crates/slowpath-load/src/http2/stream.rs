//! One request on its HTTP/2 stream and the answer to it. Knows nothing of connections and counts nothing.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::RecvStream;
use h2::client::ResponseFuture;

use crate::answer::AnswerReader;
use crate::context::Taken;
use crate::response::AnswerHead;
use crate::target::{RequestFacts, Target};

/// A request that was sent. Dropping it cancels it.
pub(super) struct Stream {
    pub(super) taken: Taken,
    /// Which of the plan's requests it is.
    pub(super) request: usize,
    /// When the last part of the answer came, or the request was sent.
    pub(super) last_byte_ns: u64,
    pub(super) head: AnswerHead,
    pub(super) answer: AnswerReader,
    state: State,
}

enum State {
    Sent(ResponseFuture),
    Answered { body: RecvStream, is_all_data_read: bool },
}

impl Stream {
    /// `answer` is one that is not in use any more, for its buffers.
    pub(super) fn new(
        taken: Taken,
        request: usize,
        response: ResponseFuture,
        mut answer: AnswerReader,
        now_ns: u64,
    ) -> Self {
        answer.reset();
        let state = State::Sent(response);
        Self { taken, request, last_byte_ns: now_ns, head: AnswerHead::UNKNOWN, answer, state }
    }

    /// Tells whether the head of the answer has come.
    pub(super) fn has_answer(&self) -> bool {
        !matches!(self.state, State::Sent(_))
    }

    /// Reads what has come of the answer; ready when it is complete or lost.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        now_ns: u64,
        facts: &RequestFacts,
        target: &Target,
    ) -> Poll<Result<(), h2::Error>> {
        loop {
            match &mut self.state {
                State::Sent(response) => {
                    let response = ready!(Pin::new(response).poll(context))?;
                    self.last_byte_ns = now_ns;
                    self.head = head_of(&response);
                    self.state = State::Answered { body: response.into_body(), is_all_data_read: false };
                }
                State::Answered { body, is_all_data_read: true } => {
                    return body.poll_trailers(context).map_ok(|_| ());
                }
                State::Answered { body, is_all_data_read } => match ready!(body.poll_data(context)) {
                    Some(piece) => {
                        let piece = piece?;
                        self.last_byte_ns = now_ns;
                        body.flow_control().release_capacity(piece.len())?;
                        if !piece.is_empty() {
                            self.answer.take(self.head, &piece, now_ns, facts, target);
                        }
                    }
                    None => *is_all_data_read = true,
                },
            }
        }
    }
}

fn head_of(response: &http::Response<RecvStream>) -> AnswerHead {
    let mut head = AnswerHead { status: response.status().as_u16(), ..AnswerHead::UNKNOWN };
    for (name, value) in response.headers() {
        head.take_header(name.as_str().as_bytes(), value.as_bytes());
    }
    head
}
