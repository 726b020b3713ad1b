//! Reads HTTP/1.x requests from a byte stream: head, then a body by length or in chunks. Keeps the body, since the
//! upstream has to look into it; keeps of the head only what decides the answer, and never a header's value or the
//! query, which may hold keys. Public for the fuzz target.

use crate::chunked::ChunkDecoder;
use crate::head::{MAX_HEAD_BYTES, is_token, list_holds, parse_length, split_header_line};

/// The largest body that is read: several images in base64.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// A buffer larger than this is given back once it is empty, so that idle connections stay small.
const KEPT_BUFFER_BYTES: usize = 32 * 1024;

/// A complete request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The path with `%XX` decoded, without query, scheme and host.
    pub path: String,
    /// Which API's headers or query it has.
    pub marks: Marks,
    /// Whether the connection can serve another request.
    pub keeps_alive: bool,
    /// Whether the client knows chunked bodies: HTTP/1.1 does, HTTP/1.0 does not.
    pub takes_chunks: bool,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

/// What the names of headers and the query say about a request; their values are not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// It has `anthropic-version`.
    pub is_claude: bool,
    /// It has `x-goog-api-key` or a `key` in the query.
    pub is_gemini: bool,
    /// The query asks for `alt=sse`.
    pub asks_sse: bool,
}

/// The stream is not a valid request; the connection cannot go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRequest {
    /// The status to answer with before closing.
    pub status: u16,
    /// What is wrong.
    pub reason: &'static str,
}

const fn malformed(reason: &'static str) -> BadRequest {
    BadRequest { status: 400, reason }
}

const BODY_TOO_LARGE: BadRequest = BadRequest { status: 413, reason: "the body is larger than 64 MiB" };
const HEAD_TOO_LARGE: BadRequest = BadRequest { status: 431, reason: "the head is larger than 64 KiB" };

#[derive(Debug)]
enum State {
    Head,
    Length { request: Request, length: usize },
    Chunked { request: Request, decoder: ChunkDecoder },
}

/// Cuts a byte stream into requests; pipelined ones wait in it.
#[derive(Debug)]
pub struct RequestReader {
    input: Vec<u8>,
    /// Bytes of `input` that hold no end of a head.
    n_scanned: usize,
    state: State,
    owes_continue: bool,
}

/// How the body of a request is framed.
enum Framing {
    Length(usize),
    Chunked,
}

impl Default for RequestReader {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestReader {
    /// Returns a reader at the beginning of a stream.
    pub fn new() -> Self {
        Self { input: Vec::new(), n_scanned: 0, state: State::Head, owes_continue: false }
    }

    /// Takes bytes from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Returns the number of bytes that wait to be read.
    pub fn n_waiting(&self) -> usize {
        self.input.len()
    }

    /// Tells once whether the client waits for `100 Continue` before it sends the body.
    pub fn takes_continue(&mut self) -> bool {
        std::mem::take(&mut self.owes_continue)
    }

    /// Returns the next complete request, or `None` if bytes are missing.
    ///
    /// # Errors
    /// [`BadRequest`]; there is nothing to read after it.
    pub fn next_request(&mut self) -> Result<Option<Request>, BadRequest> {
        loop {
            match std::mem::replace(&mut self.state, State::Head) {
                State::Head => {
                    let Some(length) = self.head_length()? else {
                        return Ok(None);
                    };
                    let head = parse_head(&self.input[..length])?;
                    self.input.drain(..length);
                    self.n_scanned = 0;
                    self.owes_continue = head.expects_continue && self.input.is_empty();
                    let request = head.request;
                    self.state = match head.framing {
                        Framing::Length(length) => State::Length { request, length },
                        Framing::Chunked => State::Chunked { request, decoder: ChunkDecoder::new() },
                    };
                }
                State::Length { mut request, length } => {
                    if self.input.len() < length {
                        self.state = State::Length { request, length };
                        return Ok(None);
                    }
                    let rest = self.input.split_off(length);
                    request.body = std::mem::replace(&mut self.input, rest);
                    return Ok(Some(self.finish(request)));
                }
                State::Chunked { mut request, mut decoder } => {
                    let body = &mut request.body;
                    let consumed = decoder
                        .feed(&self.input, &mut |piece| body.extend_from_slice(piece))
                        .map_err(|_| malformed("the chunked body is not valid"))?;
                    self.input.drain(..consumed);
                    if request.body.len() as u64 > MAX_BODY_BYTES {
                        return Err(BODY_TOO_LARGE);
                    }
                    if decoder.is_done() {
                        return Ok(Some(self.finish(request)));
                    }
                    self.state = State::Chunked { request, decoder };
                    return Ok(None);
                }
            }
        }
    }

    fn finish(&mut self, request: Request) -> Request {
        self.owes_continue = false;
        if self.input.is_empty() && self.input.capacity() > KEPT_BUFFER_BYTES {
            self.input = Vec::new();
        }
        request
    }

    /// Returns the length of the head with the empty line that ends it, or `None` if that has not come yet.
    fn head_length(&mut self) -> Result<Option<usize>, BadRequest> {
        // Clients may send an empty line after a body (RFC 9112, 2.2).
        let n_breaks = self.input.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
        self.input.drain(..n_breaks);
        // A TLS handshake, for one, has no end of a head to wait for.
        if self.input.first().is_some_and(|&byte| !is_token(&[byte])) {
            return Err(malformed("this is not HTTP/1.1; does the client speak TLS here?"));
        }
        let from = self.n_scanned.saturating_sub(3);
        let end = self.input[from..].windows(4).position(|window| window == b"\r\n\r\n");
        self.n_scanned = self.input.len();
        let end = end.map(|start| from + start + 4);
        if end.unwrap_or(self.input.len()) > MAX_HEAD_BYTES { Err(HEAD_TOO_LARGE) } else { Ok(end) }
    }
}

/// What a head says.
struct Head {
    request: Request,
    framing: Framing,
    expects_continue: bool,
}

fn parse_head(head: &[u8]) -> Result<Head, BadRequest> {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = std::str::from_utf8(lines.next().unwrap_or_default())
        .map_err(|_| malformed("the request line is not UTF-8"))?;
    let mut words = request_line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed("the request line is not `METHOD /path HTTP/1.1`"));
    };
    let is_http_1_0 = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ => return Err(BadRequest { status: 505, reason: "only HTTP/1.1 and HTTP/1.0 are spoken here" }),
    };
    let (path, query) = split_target(target);
    let mut marks = query_marks(query);
    let (mut length, mut is_chunked, mut asks_close, mut asks_keep_alive) = (None, false, false, false);
    let mut expects_continue = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = split_header_line(line).ok_or(malformed("a header line is not valid"))?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let given = parse_length(value).ok_or(malformed("the content-length is not a number"))?;
            if length.is_some_and(|length| length != given) {
                return Err(malformed("there are two content-lengths"));
            }
            length = Some(given);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            is_chunked = list_holds(value, b"chunked");
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(BadRequest { status: 501, reason: "the only transfer-encoding here is chunked" });
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            asks_close |= list_holds(value, b"close");
            asks_keep_alive |= list_holds(value, b"keep-alive");
        } else if name.eq_ignore_ascii_case(b"expect") {
            expects_continue = !is_http_1_0 && value.eq_ignore_ascii_case(b"100-continue");
        } else if name.eq_ignore_ascii_case(b"anthropic-version") {
            marks.is_claude = true;
        } else if name.eq_ignore_ascii_case(b"x-goog-api-key") {
            marks.is_gemini = true;
        }
    }
    // One of them would be a lie, and who believes the other reads another request (RFC 9112, 6.3).
    if is_chunked && length.is_some() {
        return Err(malformed("there are both a content-length and a transfer-encoding"));
    }
    let length = length.unwrap_or(0);
    if length > MAX_BODY_BYTES {
        return Err(BODY_TOO_LARGE);
    }
    let request = Request {
        method: method.to_owned(),
        path,
        marks,
        keeps_alive: !asks_close && (!is_http_1_0 || asks_keep_alive),
        takes_chunks: !is_http_1_0,
        body: Vec::new(),
    };
    let framing = if is_chunked { Framing::Chunked } else { Framing::Length(length as usize) };
    Ok(Head { request, framing, expects_continue })
}

/// Splits a request target (RFC 9112, 3.2) into its path and its query.
fn split_target(target: &str) -> (String, &str) {
    let without_host = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let (path, query) = without_host.split_once('?').unwrap_or((without_host, ""));
    (decode_percent(path), query)
}

/// Decodes `%XX`; what is no such escape stays, and what does not make UTF-8 is replaced.
fn decode_percent(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn query_marks(query: &str) -> Marks {
    let mut marks = Marks::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        marks.asks_sse |= name == "alt" && value == "sse";
        marks.is_gemini |= name == "key";
    }
    marks
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
