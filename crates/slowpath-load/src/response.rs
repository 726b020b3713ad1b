//! An incremental HTTP/1.x response parser that neither copies bodies nor allocates per response.
//!
//! It reads as much as a load generator must know: status, where the body ends, whether the connection lives on. It
//! does not keep headers, decode content encodings, or accept obsolete line folding. Public for the fuzz target.

use crate::chunked::ChunkDecoder;
use crate::head::{MAX_HEAD_BYTES, list_holds, parse_length, split_header_line};
use crate::stream::Content;

/// What is wrong with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedResponse {
    /// The first line is not `HTTP/1.0` or `HTTP/1.1` and a three-digit status.
    #[error("the answer does not begin with an HTTP/1 status line")]
    StatusLine,
    /// A header line has no valid name, no colon, or a control character.
    #[error("a header line is not valid")]
    HeaderLine,
    /// `content-length` is no number, or there are two that differ.
    #[error("the content-length is not valid")]
    ContentLength,
    /// Chunk sizes and line breaks do not follow the chunked coding.
    #[error("the chunked body is not valid")]
    Chunk,
    /// Head or interim answers are larger than 64 KiB.
    #[error("the head is larger than 64 KiB")]
    HeadTooLarge,
}

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Everything was consumed and more is needed.
    NeedMore,
    /// The response ended; `consumed` bytes of the piece belong to it.
    Done {
        /// Bytes of the last piece that belong to this response.
        consumed: usize,
    },
}

/// What the head of a response says, beyond how it is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerHead {
    /// Three digits; 0 before the status line was read.
    pub status: u16,
    /// From its `content-type`.
    pub content: Content,
    /// Its `content-encoding` is not `identity`: the body is compressed.
    pub is_encoded: bool,
}

impl AnswerHead {
    /// Returns what is assumed before anything was read.
    pub(crate) const UNKNOWN: Self = Self { status: 0, content: Content::Other, is_encoded: false };

    /// Takes note of a header; the name may be in any case.
    pub(crate) fn take_header(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            12 if name.eq_ignore_ascii_case(b"content-type") => self.content = Content::of(value),
            16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                self.is_encoded = !value.eq_ignore_ascii_case(b"identity");
            }
            _ => {}
        }
    }
}

/// What kind of request the response answers, which decides whether a body follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// A `HEAD` request: no body follows whatever the head says.
    Head,
    /// Any other request.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// What `transfer-encoding` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Chunked,
    /// Something else is outermost: the body ends with the connection.
    Other,
}

#[derive(Debug, Clone)]
enum State {
    StatusLine,
    HeaderLine,
    Length { remaining: u64 },
    Chunked(ChunkDecoder),
    UntilClose,
    Done,
}

/// Parses one response at a time from pieces of any size.
///
/// The result does not depend on how the input is cut into pieces. After [`Progress::Done`] or an error call
/// [`ResponseParser::reset`] before the next response.
#[derive(Debug)]
pub struct ResponseParser {
    answers: Answers,
    state: State,
    /// The beginning of a line whose end has not come yet; empty unless a head is cut by a read.
    partial_line: Vec<u8>,
    n_head_bytes: usize,
    head: AnswerHead,
    version: Version,
    content_length: Option<u64>,
    coding: Coding,
    asks_close: bool,
    asks_keep_alive: bool,
    is_framed: bool,
}

impl ResponseParser {
    /// Returns a parser for the answers to one kind of request.
    pub fn new(answers: Answers) -> Self {
        Self {
            answers,
            state: State::StatusLine,
            partial_line: Vec::new(),
            n_head_bytes: 0,
            head: AnswerHead::UNKNOWN,
            version: Version::Http11,
            content_length: None,
            coding: Coding::None,
            asks_close: false,
            asks_keep_alive: false,
            is_framed: false,
        }
    }

    /// Makes ready for the next response; keeps buffers.
    pub fn reset(&mut self) {
        self.partial_line.clear();
        self.n_head_bytes = 0;
        self.begin_head();
    }

    /// Says what kind of request the next response answers; called between responses.
    pub fn expect(&mut self, answers: Answers) {
        self.answers = answers;
    }

    /// Forgets a head, but not how many bytes of heads were read: interim answers share the limit.
    fn begin_head(&mut self) {
        self.state = State::StatusLine;
        self.head = AnswerHead::UNKNOWN;
        self.version = Version::Http11;
        self.content_length = None;
        self.coding = Coding::None;
        self.asks_close = false;
        self.asks_keep_alive = false;
        self.is_framed = false;
    }

    /// Returns the status of the response; 0 before its status line was read.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// Returns what the head of the response says; meaningful when the response is done.
    pub fn head(&self) -> AnswerHead {
        self.head
    }

    /// Tells whether any byte of a response was read since the last reset.
    pub fn has_started(&self) -> bool {
        self.n_head_bytes > 0 || !self.partial_line.is_empty()
    }

    /// Tells whether the connection may be used again; meaningful when the response is done.
    pub fn keeps_alive(&self) -> bool {
        // With both framings a message may have been smuggled; RFC 9112, 6.3 says to close.
        let is_ambiguous =
            self.coding != Coding::None && (self.content_length.is_some() || self.version == Version::Http10);
        let wants = match self.version {
            Version::Http10 => self.asks_keep_alive && !self.asks_close,
            Version::Http11 => !self.asks_close,
        };
        wants && self.is_framed && !is_ambiguous
    }

    /// Reads `bytes` and calls `on_body` with the head and each piece of the body (never empty, chunk framing
    /// removed).
    ///
    /// # Errors
    /// A [`MalformedResponse`]; the connection is of no use then.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut on_body: impl FnMut(AnswerHead, &[u8]),
    ) -> Result<Progress, MalformedResponse> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Done => return Ok(Progress::Done { consumed: at }),
                _ if rest.is_empty() => return Ok(Progress::NeedMore),
                State::StatusLine | State::HeaderLine => at += self.feed_line(rest)?,
                State::Length { remaining } => {
                    let length = usize::try_from(*remaining).unwrap_or(usize::MAX).min(rest.len());
                    on_body(self.head, &rest[..length]);
                    at += length;
                    *remaining -= length as u64;
                    if *remaining == 0 {
                        self.state = State::Done;
                    }
                }
                State::Chunked(decoder) => {
                    let head = self.head;
                    at += decoder
                        .feed(rest, &mut |piece| on_body(head, piece))
                        .map_err(|_| MalformedResponse::Chunk)?;
                    if decoder.is_done() {
                        self.state = State::Done;
                    }
                }
                State::UntilClose => {
                    on_body(self.head, rest);
                    at = bytes.len();
                }
            }
        }
    }

    /// Takes note that the server closed the connection; tells whether that completes the response.
    pub fn finish(&mut self) -> bool {
        if matches!(self.state, State::UntilClose) {
            self.state = State::Done;
        }
        matches!(self.state, State::Done)
    }

    /// Consumes up to one line of the head.
    fn feed_line(&mut self, bytes: &[u8]) -> Result<usize, MalformedResponse> {
        let Some(line_feed) = bytes.iter().position(|&byte| byte == b'\n') else {
            if self.n_head_bytes + self.partial_line.len() + bytes.len() > MAX_HEAD_BYTES {
                return Err(self.too_large(bytes));
            }
            self.partial_line.extend_from_slice(bytes);
            self.check_beginning(&self.partial_line)?;
            return Ok(bytes.len());
        };
        let n_consumed = line_feed + 1;
        if self.n_head_bytes + self.partial_line.len() + n_consumed > MAX_HEAD_BYTES {
            return Err(self.too_large(bytes));
        }
        if self.partial_line.is_empty() {
            self.n_head_bytes += n_consumed;
            self.take_line(&bytes[..line_feed])?;
        } else {
            let mut line = std::mem::take(&mut self.partial_line);
            line.extend_from_slice(&bytes[..line_feed]);
            self.n_head_bytes += line.len() + 1;
            let taken = self.take_line(&line);
            line.clear();
            self.partial_line = line;
            taken?;
        }
        Ok(n_consumed)
    }

    /// A peer that does not speak HTTP is told apart from one that speaks it at length, however it is cut.
    fn too_large(&self, bytes: &[u8]) -> MalformedResponse {
        let beginning: Vec<u8> = self.partial_line.iter().chain(bytes).take(16).copied().collect();
        self.check_beginning(&beginning).err().unwrap_or(MalformedResponse::HeadTooLarge)
    }

    /// Refuses a peer that speaks another protocol before it ends its first line, if it ever does.
    fn check_beginning(&self, line: &[u8]) -> Result<(), MalformedResponse> {
        const BEGINNING: &[u8] = b"HTTP/1.";
        let length = line.len().min(BEGINNING.len());
        let is_blank = line == b"\r";
        if matches!(self.state, State::StatusLine) && !is_blank && line[..length] != BEGINNING[..length] {
            return Err(MalformedResponse::StatusLine);
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), MalformedResponse> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if matches!(self.state, State::StatusLine) {
            // Empty lines before a status line are skipped, as RFC 9112, 2.2 advises for requests.
            if !line.is_empty() {
                self.take_status_line(line)?;
                self.state = State::HeaderLine;
            }
            return Ok(());
        }
        if line.is_empty() {
            self.end_head();
            return Ok(());
        }
        let (name, value) = split_header_line(line).ok_or(MalformedResponse::HeaderLine)?;
        self.take_header(name, value)
    }

    fn take_status_line(&mut self, line: &[u8]) -> Result<(), MalformedResponse> {
        let bad = MalformedResponse::StatusLine;
        self.version = match line.get(..9).ok_or(bad)? {
            b"HTTP/1.1 " => Version::Http11,
            b"HTTP/1.0 " => Version::Http10,
            _ => return Err(bad),
        };
        let digits = line.get(9..12).ok_or(bad)?;
        let ends_well = matches!(line.get(12), None | Some(b' '));
        let has_control = line.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t');
        if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' || !ends_well || has_control {
            return Err(bad);
        }
        self.head.status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        Ok(())
    }

    fn take_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), MalformedResponse> {
        // The lengths tell most headers apart from those that matter.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = parse_length(value).ok_or(MalformedResponse::ContentLength)?;
                if self.content_length.is_some_and(|earlier| earlier != length) {
                    return Err(MalformedResponse::ContentLength);
                }
                self.content_length = Some(length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
                let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                self.coding = if is_chunked { Coding::Chunked } else { Coding::Other };
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.asks_close |= list_holds(value, b"close");
                self.asks_keep_alive |= list_holds(value, b"keep-alive");
            }
            _ => self.head.take_header(name, value),
        }
        Ok(())
    }

    /// Decides how the body ends: RFC 9112, 6.3.
    fn end_head(&mut self) {
        // 101 ends HTTP on this connection, so it is the last answer, unlike the other interim ones.
        let is_interim = (100..200).contains(&self.head.status) && self.head.status != 101;
        if is_interim {
            self.begin_head();
            return;
        }
        let has_body = self.answers == Answers::Other && !matches!(self.head.status, 101 | 204 | 304);
        self.is_framed = self.head.status != 101;
        self.state = match self.content_length {
            _ if !has_body => State::Done,
            _ if self.coding == Coding::Chunked => State::Chunked(ChunkDecoder::new()),
            Some(0) if self.coding == Coding::None => State::Done,
            Some(remaining) if self.coding == Coding::None => State::Length { remaining },
            _ => {
                self.is_framed = false;
                State::UntilClose
            }
        };
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
