//! Heads of HTTP/1.1 answers, and whole answers of known length.

use std::fmt::Write as _;

use super::api::request_id;

/// How the client finds the end of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    /// The connection closes after it: HTTP/1.0 has no chunks.
    UntilClose,
}

/// What a head says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) framing: Framing,
    pub(super) keeps_alive: bool,
    /// The request's running number; answers of the mock itself have none.
    pub(super) number: Option<u64>,
    /// The method to use instead, for status 405.
    pub(super) allow: Option<&'static str>,
}

impl Head {
    /// Returns the head of a JSON answer; its length is set by [`push_answer`].
    pub(super) fn json(status: u16, keeps_alive: bool, number: Option<u64>) -> Self {
        let framing = Framing::Length(0);
        Self { status, content_type: "application/json", framing, keeps_alive, number, allow: None }
    }
}

/// Appends a head.
pub(super) fn push_head(output: &mut Vec<u8>, head: &Head) {
    let mut text = String::with_capacity(256);
    let Head { status, content_type, .. } = head;
    // A string takes all that is written to it.
    let _ = write!(text, "HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\n", reason(*status));
    let _ = match head.framing {
        Framing::Length(length) => write!(text, "content-length: {length}\r\n"),
        Framing::Chunked => write!(text, "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n"),
        Framing::UntilClose => write!(text, "cache-control: no-cache\r\n"),
    };
    if let Some(number) = head.number {
        // Claude's name of it, and OpenAI's.
        let id = request_id(number);
        let _ = write!(text, "request-id: {id}\r\nx-request-id: {id}\r\n");
    }
    if let Some(method) = head.allow {
        let _ = write!(text, "allow: {method}\r\n");
    }
    if *status == 429 {
        text.push_str("retry-after: 1\r\n");
    }
    text.push_str(if head.keeps_alive {
        "connection: keep-alive\r\n\r\n"
    } else {
        "connection: close\r\n\r\n"
    });
    output.extend_from_slice(text.as_bytes());
}

/// Appends a whole answer; one to a `HEAD` request is `without_body`.
pub(super) fn push_answer(output: &mut Vec<u8>, mut head: Head, body: &str, without_body: bool) {
    head.framing = Framing::Length(body.len());
    push_head(output, &head);
    if !without_body {
        output.extend_from_slice(body.as_bytes());
    }
}

/// Returns the reason phrase; statuses that no standard names get that of their class.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Overloaded",
        _ if status < 500 => "Client Error",
        _ => "Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_length_framing_and_number() {
        fn check(head: &Head, expected: &str) {
            let mut output = Vec::new();
            push_head(&mut output, head);
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        }
        let plain = Head::json(200, true, None);
        check(
            &plain,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
        );
        check(
            &Head { framing: Framing::Chunked, content_type: "text/event-stream", number: Some(7), ..plain },
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
             transfer-encoding: chunked\r\nrequest-id: req_000000000007\r\nx-request-id: req_000000000007\r\n\
             connection: keep-alive\r\n\r\n",
        );
        check(
            &Head { allow: Some("GET"), ..Head::json(405, false, None) },
            "HTTP/1.1 405 Method Not Allowed\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\
             allow: GET\r\nconnection: close\r\n\r\n",
        );
        check(
            &Head { framing: Framing::UntilClose, ..Head::json(429, false, None) },
            "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncache-control: no-cache\r\n\
             retry-after: 1\r\nconnection: close\r\n\r\n",
        );
    }

    #[test]
    fn a_head_request_gets_the_length_without_the_body() {
        let mut output = Vec::new();
        push_answer(&mut output, Head::json(200, true, None), "{}", true);
        let text = String::from_utf8(output).unwrap();
        assert!(text.contains("content-length: 2\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }
}
