//! Reads HTTP/1.x requests from a byte stream: head, then a body by length or in chunks. Keeps the body, since the
//! upstream has to look into it; keeps of the head only what decides the answer.

use crate::chunked::ChunkDecoder;
use crate::head::{MAX_HEAD_BYTES, list_holds, parse_length, split_header_line};

/// The largest body that is read: several images in base64.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// A complete request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without query.
    pub(super) path: String,
    pub(super) keeps_alive: bool,
    pub(super) body: Vec<u8>,
}

/// The stream is not a valid request; the status to answer with before closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadRequest {
    pub(super) status: u16,
}

const MALFORMED: BadRequest = BadRequest { status: 400 };

#[derive(Debug)]
enum State {
    Head,
    Length { request: Request, length: usize },
    Chunked { request: Request, decoder: ChunkDecoder },
}

/// Cuts a byte stream into requests; pipelined ones wait in it.
#[derive(Debug)]
pub(super) struct RequestReader {
    input: Vec<u8>,
    state: State,
}

/// How the body of a request is framed.
enum Framing {
    Length(usize),
    Chunked,
}

impl RequestReader {
    pub(super) fn new() -> Self {
        Self { input: Vec::new(), state: State::Head }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Returns the next complete request, or `None` if bytes are missing.
    pub(super) fn next(&mut self) -> Result<Option<Request>, BadRequest> {
        loop {
            match std::mem::replace(&mut self.state, State::Head) {
                State::Head => {
                    let Some(length) = head_length(&self.input)? else {
                        return Ok(None);
                    };
                    let (request, framing) = parse_head(&self.input[..length])?;
                    self.input.drain(..length);
                    self.state = match framing {
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
                    return Ok(Some(request));
                }
                State::Chunked { mut request, mut decoder } => {
                    let body = &mut request.body;
                    let consumed = decoder
                        .feed(&self.input, &mut |piece| body.extend_from_slice(piece))
                        .map_err(|_| MALFORMED)?;
                    self.input.drain(..consumed);
                    if request.body.len() as u64 > MAX_BODY_BYTES {
                        return Err(BadRequest { status: 413 });
                    }
                    if decoder.is_done() {
                        return Ok(Some(request));
                    }
                    self.state = State::Chunked { request, decoder };
                    return Ok(None);
                }
            }
        }
    }
}

/// Returns the length of the head with the empty line that ends it, or `None` if that has not come yet.
fn head_length(input: &[u8]) -> Result<Option<usize>, BadRequest> {
    let end = input.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4);
    if end.unwrap_or(input.len()) > MAX_HEAD_BYTES { Err(BadRequest { status: 431 }) } else { Ok(end) }
}

fn parse_head(head: &[u8]) -> Result<(Request, Framing), BadRequest> {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = std::str::from_utf8(lines.next().unwrap_or_default()).map_err(|_| MALFORMED)?;
    let mut words = request_line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(MALFORMED);
    };
    let is_http_1_0 = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ => return Err(BadRequest { status: 505 }),
    };
    let (mut length, mut is_chunked, mut asks_close, mut asks_keep_alive) = (0, false, false, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = split_header_line(line).ok_or(MALFORMED)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            length = parse_length(value).ok_or(MALFORMED)?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            is_chunked = list_holds(value, b"chunked");
        } else if name.eq_ignore_ascii_case(b"connection") {
            asks_close |= list_holds(value, b"close");
            asks_keep_alive |= list_holds(value, b"keep-alive");
        }
    }
    if length > MAX_BODY_BYTES {
        return Err(BadRequest { status: 413 });
    }
    let request = Request {
        method: method.to_owned(),
        path: target.split('?').next().unwrap_or_default().to_owned(),
        keeps_alive: !asks_close && (!is_http_1_0 || asks_keep_alive),
        body: Vec::new(),
    };
    Ok((request, if is_chunked { Framing::Chunked } else { Framing::Length(length as usize) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all requests of `input`, whole and cut at every position; all must agree.
    fn check(input: &str, expected: Result<&[(&str, &str, bool, &str)], u16>) {
        for position in 0..=input.len() {
            let mut reader = RequestReader::new();
            let mut seen = Vec::new();
            let mut outcome = Ok(());
            for piece in [&input[..position], &input[position..]] {
                reader.push(piece.as_bytes());
                loop {
                    match reader.next() {
                        Ok(Some(request)) => seen.push(request),
                        Ok(None) => break,
                        Err(bad) => {
                            outcome = Err(bad.status);
                            break;
                        }
                    }
                }
                if outcome.is_err() {
                    break;
                }
            }
            let seen: Vec<_> = seen
                .iter()
                .map(|r| {
                    (r.method.as_str(), r.path.as_str(), r.keeps_alive, std::str::from_utf8(&r.body).unwrap())
                })
                .collect();
            assert_eq!(outcome.map(|()| seen.as_slice()), expected, "{input:?} cut at {position}");
        }
    }

    #[test]
    fn cuts_the_stream_into_requests() {
        check("GET /v1/models?x=1 HTTP/1.1\r\nHost: h\r\n\r\n", Ok(&[("GET", "/v1/models", true, "")]));
        check(
            "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
             1\r\nx\r\n2\r\nyz\r\n0\r\n\r\nGET /c HTTP/1.1\r\nConnection: close\r\n\r\n",
            Ok(&[("POST", "/a", true, "hi"), ("POST", "/b", true, "xyz"), ("GET", "/c", false, "")]),
        );
        check("GET / HTTP/1.0\r\n\r\n", Ok(&[("GET", "/", false, "")]));
        check("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", Ok(&[("GET", "/", true, "")]));
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nhi", Ok(&[]));
    }

    #[test]
    fn refuses_what_is_no_request() {
        check("nonsense\r\n\r\n", Err(400));
        check("GET / HTTP/2\r\n\r\n", Err(505));
        check("GET / HTTP/1.1\r\nno colon\r\n\r\n", Err(400));
        check("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", Err(400));
        check("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", Err(413));
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Err(400));
    }
}
