//! One client's connection to the mock upstream: requests in, answers out, one at a time. Time comes from the server,
//! which calls back when the next piece is due.

use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::UpstreamOptions;
use super::answer::{self, Answer, Chat};
use super::request::{Request, RequestReader};

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

/// The answer under way.
enum Pending {
    Nothing,
    Json { chat: Chat, keeps_alive: bool },
    Stream { chat: Chat, keeps_alive: bool, n_sent: u32, first_due_ns: u64 },
}

pub(super) struct Session {
    socket: OwnedFd,
    reader: RequestReader,
    pending: Pending,
    /// Bytes that wait for the client to read.
    output: Vec<u8>,
    closes_after_output: bool,
}

/// What the sessions of a server share.
pub(super) struct Surroundings<'a> {
    pub(super) options: &'a UpstreamOptions,
    pub(super) buffer: &'a mut [u8],
    pub(super) now_ns: u64,
    /// Requests received by all sessions so far.
    pub(super) n_requests: &'a mut u64,
}

impl Session {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            reader: RequestReader::new(),
            pending: Pending::Nothing,
            output: Vec::new(),
            closes_after_output: false,
        }
    }

    /// The socket is readable, writable again, or closed by the client.
    pub(super) fn on_event(&mut self, around: &mut Surroundings<'_>) -> Next {
        let is_open = self.receive(around);
        if !is_open {
            return Next::Close;
        }
        // An answer under way has its next call scheduled; the next request waits in the reader.
        if matches!(self.pending, Pending::Nothing) && !self.closes_after_output {
            let next = self.begin_answers(around);
            if next != Next::Wait {
                return next;
            }
        }
        self.flush()
    }

    /// The time has come for the next piece of the answer.
    pub(super) fn on_due(&mut self, around: &mut Surroundings<'_>) -> Next {
        let n_chunks = around.options.n_chunks;
        let keeps_alive = match &mut self.pending {
            Pending::Nothing => return Next::Wait,
            Pending::Json { chat, keeps_alive } => {
                self.output.extend(answer::with_length(200, *keeps_alive, &chat.json(n_chunks)).bytes());
                *keeps_alive
            }
            Pending::Stream { chat, keeps_alive, n_sent, first_due_ns } => {
                if *n_sent == 0 {
                    self.output.extend(answer::stream_head(*keeps_alive).bytes());
                    self.output.extend(chat.role_event().bytes());
                }
                if *n_sent < n_chunks {
                    self.output.extend(chat.content_event(*n_sent).bytes());
                    *n_sent += 1;
                }
                if *n_sent < n_chunks {
                    // Counted from the first chunk, so that delays do not add up.
                    let at_ns =
                        *first_due_ns + u64::from(*n_sent) * nanoseconds(around.options.chunk_interval);
                    return if self.flush() == Next::Close { Next::Close } else { Next::DueAt { at_ns } };
                }
                self.output.extend(chat.end_of_stream(n_chunks).bytes());
                *keeps_alive
            }
        };
        self.pending = Pending::Nothing;
        self.closes_after_output = !keeps_alive;
        match self.flush() {
            Next::Wait if !self.closes_after_output => self.begin_answers(around),
            next => next,
        }
    }

    /// Starts on the requests that are complete, up to the first that needs time.
    fn begin_answers(&mut self, around: &mut Surroundings<'_>) -> Next {
        loop {
            match self.reader.next() {
                Ok(Some(request)) => {
                    *around.n_requests += 1;
                    if let Some(next) = self.begin_answer(&request, around) {
                        return next;
                    }
                }
                Ok(None) => return self.flush(),
                Err(bad) => {
                    if let Answer::Now { status, body } =
                        answer::error(bad.status, "this is not a valid request")
                    {
                        self.output.extend(answer::with_length(status, false, &body).bytes());
                    }
                    self.closes_after_output = true;
                    return self.flush();
                }
            }
        }
    }

    /// Returns what to wait for, or `None` if the answer was given at once and the connection stays.
    fn begin_answer(&mut self, request: &Request, around: &Surroundings<'_>) -> Option<Next> {
        let keeps_alive = request.keeps_alive;
        let first_due_ns = around.now_ns + nanoseconds(around.options.latency);
        self.pending = match answer::answer_to(request, *around.n_requests) {
            Answer::Now { status, body } => {
                self.output.extend(answer::with_length(status, keeps_alive, &body).bytes());
                self.closes_after_output = !keeps_alive;
                return self.closes_after_output.then(|| self.flush());
            }
            Answer::Json(chat) => Pending::Json { chat, keeps_alive },
            Answer::Stream(chat) => Pending::Stream { chat, keeps_alive, n_sent: 0, first_due_ns },
        };
        Some(Next::DueAt { at_ns: first_due_ns })
    }

    /// Reads all there is; tells whether the client still listens.
    fn receive(&mut self, around: &mut Surroundings<'_>) -> bool {
        loop {
            match rustix::net::recv(&self.socket, &mut *around.buffer, RecvFlags::empty()) {
                Ok((0, _)) => return false,
                Ok((n_bytes, _)) => self.reader.push(&around.buffer[..n_bytes]),
                Err(Errno::AGAIN) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Writes as much as the client takes; the rest goes when the socket is writable again.
    fn flush(&mut self) -> Next {
        let mut n_written = 0;
        while n_written < self.output.len() {
            match rustix::net::send(&self.socket, &self.output[n_written..], SendFlags::NOSIGNAL) {
                Ok(n_bytes) => n_written += n_bytes,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return Next::Close,
            }
        }
        self.output.drain(..n_written);
        if self.closes_after_output && self.output.is_empty() { Next::Close } else { Next::Wait }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
