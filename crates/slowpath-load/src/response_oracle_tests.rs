//! Property tests of the response parser on whole conversations: answers put together from parts that are known, one
//! after the other on one connection, cut anywhere; and httparse as the oracle for chunk sizes.

use proptest::prelude::*;

use crate::response::{Answers, Progress, ResponseParser};

/// An answer and what must be read of it.
#[derive(Debug, Clone)]
struct Answer {
    bytes: Vec<u8>,
    answers: Answers,
    status: u16,
    body: Vec<u8>,
    keeps_alive: bool,
}

#[derive(Debug, Clone)]
enum Framing {
    Length,
    Chunked { cuts: Vec<usize>, extension: &'static str, trailer: &'static str },
}

fn header_lines() -> impl Strategy<Value = String> {
    let value = prop_oneof!["[ -~\t]{0,30}", "[ -~\u{80}-\u{ff}]{0,10}"];
    prop::collection::vec(("X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", value), 0..5).prop_map(|lines| {
        let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        lines.concat()
    })
}

/// What comes before the answer itself.
fn interim() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just(""),
        1 => Just("HTTP/1.1 100 Continue\r\n\r\n"),
        1 => Just("HTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"),
    ]
}

fn framing() -> impl Strategy<Value = Framing> {
    let chunked = (
        prop::collection::vec(0_usize..200, 0..5),
        prop::sample::select(vec!["", ";a", ";a=\"b c\"", " ;x"]),
        prop::sample::select(vec!["", "Trailer: 1\r\n", "A: 1\r\nB:\r\n"]),
    )
        .prop_map(|(cuts, extension, trailer)| Framing::Chunked { cuts, extension, trailer });
    prop_oneof![Just(Framing::Length), chunked]
}

fn chunked(body: &[u8], cuts: &[usize], extension: &str, trailer: &str) -> Vec<u8> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).chain([body.len()]).collect();
    ends.sort_unstable();
    let (mut bytes, mut start) = (Vec::new(), 0);
    for end in ends {
        if end > start {
            let size =
                if start % 2 == 0 { format!("{:x}", end - start) } else { format!("00{:X}", end - start) };
            bytes.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
            bytes.extend_from_slice(&body[start..end]);
            bytes.extend_from_slice(b"\r\n");
            start = end;
        }
    }
    bytes.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
    bytes
}

fn answer() -> impl Strategy<Value = Answer> {
    let status = prop::sample::select(vec![200_u16, 201, 204, 301, 304, 404, 418, 500, 503, 999]);
    let body = prop::collection::vec(any::<u8>(), 0..300);
    (interim(), status, header_lines(), framing(), body, any::<bool>(), any::<bool>()).prop_map(
        |(interim, status, headers, framing, body, is_head, closes)| {
            let has_body = !is_head && status != 204 && status != 304;
            let framing_line = match &framing {
                Framing::Length => format!("Content-Length: {}\r\n", body.len()),
                Framing::Chunked { .. } => "Transfer-Encoding: chunked\r\n".to_owned(),
            };
            let connection = if closes { "Connection: close\r\n" } else { "" };
            let head =
                format!("{interim}HTTP/1.1 {status} Some Reason\r\n{headers}{framing_line}{connection}\r\n");
            let mut bytes = head.into_bytes();
            match &framing {
                _ if !has_body => {}
                Framing::Length => bytes.extend_from_slice(&body),
                Framing::Chunked { cuts, extension, trailer } => {
                    bytes.extend_from_slice(&chunked(&body, cuts, extension, trailer));
                }
            }
            Answer {
                bytes,
                answers: if is_head { Answers::Head } else { Answers::Other },
                status,
                body: if has_body { body } else { Vec::new() },
                keeps_alive: !closes,
            }
        },
    )
}

/// Cuts `bytes` into pieces of these lengths, over and over.
fn pieces<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            return pieces;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #[test]
    fn a_conversation_is_read_as_it_was_written_however_it_is_cut(
        conversation in prop::collection::vec(answer(), 1..5),
        lengths in prop::collection::vec(1_usize..400, 1..6),
    ) {
        let bytes: Vec<u8> = conversation.iter().flat_map(|answer| answer.bytes.clone()).collect();
        let mut expected = conversation.iter();
        let mut parser = ResponseParser::new(conversation[0].answers);
        let mut body = Vec::new();
        for mut piece in pieces(&bytes, &lengths) {
            while !piece.is_empty() {
                let progress = parser.feed(piece, |_, data| body.extend_from_slice(data)).unwrap();
                let Progress::Done { consumed } = progress else { break };
                let answer = expected.next().unwrap();
                prop_assert_eq!(parser.status(), answer.status);
                prop_assert_eq!(parser.keeps_alive(), answer.keeps_alive);
                prop_assert_eq!(&body, &answer.body);
                piece = &piece[consumed..];
                body.clear();
                // A connection knows what it asked next.
                parser = ResponseParser::new(expected.as_slice().first().map_or(Answers::Other, |next| next.answers));
            }
        }
        prop_assert!(expected.next().is_none());
        prop_assert!(!parser.has_started());
    }

    /// A conversation that ends early is never taken for complete, and the missing part is all that is missing.
    #[test]
    fn a_cut_answer_is_never_complete(answer in answer(), share in 0.0..1.0_f64) {
        let end = (answer.bytes.len() as f64 * share) as usize;
        let mut parser = ResponseParser::new(answer.answers);
        let mut body = Vec::new();
        prop_assert_eq!(parser.feed(&answer.bytes[..end], |_, data| body.extend_from_slice(data)), Ok(Progress::NeedMore));
        prop_assert!(!parser.finish());
        prop_assert!(answer.body.starts_with(&body));
    }

    /// httparse reads the size of each chunk; data and sizes by turns give the body.
    #[test]
    fn chunk_sizes_are_those_that_httparse_reads(
        body in prop::collection::vec(any::<u8>(), 0..100),
        cuts in prop::collection::vec(0_usize..100, 0..4),
        extension in prop::sample::select(vec!["", ";a", ";a=b"]),
        damage in prop::option::of((0_usize..200, prop::sample::select(b"0f;\r\n x".to_vec()))),
    ) {
        let mut bytes = chunked(&body, &cuts, extension, "");
        if let Some((at, byte)) = damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let mut parser = ResponseParser::new(Answers::Other);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        prop_assert_eq!(parser.feed(head, |_, _| {}), Ok(Progress::NeedMore));
        let mut data = Vec::new();
        let ours = parser.feed(&bytes, |_, piece| data.extend_from_slice(piece));
        if let Some((expected, n_consumed)) = oracle_body(&bytes) {
            prop_assert_eq!(ours, Ok(Progress::Done { consumed: n_consumed }));
            prop_assert_eq!(data, expected);
        }
    }
}

/// Decodes a body without trailers by httparse's chunk sizes; `None` if it is not valid or not complete.
fn oracle_body(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Ok(httparse::Status::Complete((n_line, size))) = httparse::parse_chunk_size(&bytes[at..]) else {
            return None;
        };
        // httparse takes a bare line feed for a part of an extension, and no digit at all for 0; RFC 9112 and we do not.
        let line = &bytes[at..at + n_line - 1];
        if line.contains(&b'\n') || !line[0].is_ascii_hexdigit() {
            return None;
        }
        at += n_line;
        let size = usize::try_from(size).ok()?;
        let end = at.checked_add(size)?;
        if bytes.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        body.extend_from_slice(bytes.get(at..end)?);
        at = end + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}
