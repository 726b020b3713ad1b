//! Tests of the response parser: tables of answers, every way to cut them, and httparse as the oracle for heads.

use proptest::prelude::*;

use super::*;

/// What a parser says about an input: the outcome, the body, and what it knows at the end.
#[derive(Debug, PartialEq)]
struct Reading {
    outcome: Result<Progress, MalformedResponse>,
    body: Vec<u8>,
    status: u16,
    keeps_alive: bool,
}

/// Feeds `pieces` one after the other; `consumed` counts from the beginning of the first.
fn read(answers: Answers, pieces: &[&[u8]]) -> Reading {
    let mut parser = ResponseParser::new(answers);
    let mut body = Vec::new();
    let mut outcome = Ok(Progress::NeedMore);
    let mut n_before = 0;
    for piece in pieces {
        outcome = parser.feed(piece, |_, bytes| body.extend_from_slice(bytes));
        match &mut outcome {
            Ok(Progress::NeedMore) => n_before += piece.len(),
            Ok(Progress::Done { consumed }) => {
                *consumed += n_before;
                break;
            }
            Err(_) => break,
        }
    }
    let is_done = matches!(outcome, Ok(Progress::Done { .. }));
    Reading { outcome, body, status: parser.status(), keeps_alive: is_done && parser.keeps_alive() }
}

/// Reads the input whole, cut in two at every position, and byte by byte; all must agree.
fn read_every_way(answers: Answers, input: &[u8]) -> Reading {
    let whole = read(answers, &[input]);
    for position in 0..=input.len() {
        let cut = read(answers, &[&input[..position], &input[position..]]);
        assert_eq!(cut, whole, "{:?} cut at {position}", String::from_utf8_lossy(input));
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(read(answers, &bytes), whole, "{:?} byte by byte", String::from_utf8_lossy(input));
    whole
}

fn check(input: &str, status: u16, body: &str, keeps_alive: bool) {
    check_answer(Answers::Other, input, status, body, keeps_alive);
}

/// `¦` in the input marks where the answer ends.
fn check_answer(answers: Answers, input: &str, status: u16, body: &str, keeps_alive: bool) {
    let end = input.find('¦').unwrap_or(input.len());
    let reading = read_every_way(answers, input.replacen('¦', "", 1).as_bytes());
    let expected =
        Reading { outcome: Ok(Progress::Done { consumed: end }), body: body.into(), status, keeps_alive };
    assert_eq!(reading, expected, "{input:?}");
}

#[test]
fn finds_the_end_of_the_answer() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    check("HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello¦HTTP/1.1 200", 200, "hello", true);
    check("HTTP/1.1 404 Not Found\nContent-Length: 0\n\n", 404, "", true);
    check("\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true);
    check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\nx", 200, "x", true);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n¦x", 200, "hi", true);
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n",
        200,
        "x",
        true,
    );
    check("HTTP/1.1 204 No Content\r\n\r\n¦x", 204, "", true);
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", true);
    check("HTTP/1.1 200 OK\r\nX-Content-Length: 7\r\nContent-Length: 1\r\n\r\nx", 200, "x", true);
}

#[test]
fn knows_whether_the_connection_stays() {
    let with = |version: &str, headers: &str, keeps_alive| {
        check(&format!("HTTP/{version} 200 OK\r\n{headers}Content-Length: 0\r\n\r\n"), 200, "", keeps_alive);
    };
    with("1.1", "", true);
    with("1.1", "Connection: close\r\n", false);
    with("1.1", "connection: Upgrade , CLOSE\r\n", false);
    with("1.1", "Connection: closed\r\n", true);
    with("1.0", "", false);
    with("1.0", "Connection: keep-alive\r\n", true);
    with("1.0", "Connection: keep-alive, close\r\n", false);
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        200,
        "",
        false,
    );
    check("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n¦\0\0", 101, "", false);
}

#[test]
fn skips_interim_answers() {
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true);
    check(
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 7\r\nConnection: close\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        204,
        "",
        true,
    );
}

#[test]
fn answers_to_head_have_no_body() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    check_answer(Answers::Head, head, 200, "", true);
    check_answer(Answers::Head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", true);
    check_answer(Answers::Head, "HTTP/1.1 200 OK\r\n\r\n", 200, "", true);
}

#[test]
fn the_end_of_the_stream_ends_bodies_without_length() {
    fn check_close(input: &str, is_complete: bool, body: &str) {
        let mut parser = ResponseParser::new(Answers::Other);
        let mut seen = Vec::new();
        assert_eq!(
            parser.feed(input.as_bytes(), |_, piece| seen.extend_from_slice(piece)),
            Ok(Progress::NeedMore)
        );
        assert_eq!(parser.finish(), is_complete, "{input:?}");
        assert_eq!(seen, body.as_bytes());
        assert!(!is_complete || !parser.keeps_alive());
    }
    check_close("HTTP/1.1 200 OK\r\n\r\nall of it", true, "all of it");
    check_close("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nall", true, "all");
    check_close("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nabc", true, "abc");
    check_close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", false, "part");
    check_close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npart", false, "part");
    check_close("HTTP/1.1 200 OK\r\nContent-Le", false, "");
    check_close("", false, "");
}

#[test]
fn refuses_what_is_not_http() {
    fn check_bad(input: &[u8], expected: MalformedResponse) {
        assert_eq!(read_every_way(Answers::Other, input).outcome, Err(expected), "{}", input.escape_ascii());
    }
    use MalformedResponse as Bad;
    check_bad(b"\x15\x03\x01\x00\x02\x02\x46", Bad::StatusLine);
    check_bad(b"SSH-2.0-OpenSSH\r\n", Bad::StatusLine);
    check_bad(b"HTTP/2 200\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.2 200 OK\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.1  200 OK\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.1 20 OK\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.1 099 OK\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.1 2000 OK\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.1 200 O\0K\r\n", Bad::StatusLine);
    check_bad(b"HTTP/1.1 200 OK\r\nno colon\r\n", Bad::HeaderLine);
    check_bad(b"HTTP/1.1 200 OK\r\n: x\r\n", Bad::HeaderLine);
    check_bad(b"HTTP/1.1 200 OK\r\nA : x\r\n", Bad::HeaderLine);
    check_bad(b"HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n", Bad::HeaderLine);
    check_bad(b"HTTP/1.1 200 OK\r\nA: x\rB: y\r\n", Bad::HeaderLine);
    check_bad(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", Bad::ContentLength);
    check_bad(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", Bad::ContentLength);
    check_bad(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n", Bad::ContentLength);
    check_bad(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", Bad::ContentLength);
    check_bad(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Bad::Chunk);
}

#[test]
fn bounds_the_head_however_it_is_cut() {
    let long_line = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &vec![b'x'; MAX_HEAD_BYTES]].concat();
    let many_lines = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"A: x\r\n".repeat(MAX_HEAD_BYTES / 6)].concat();
    let many_interims = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD_BYTES / 25 + 1);
    for input in [long_line, many_lines, many_interims] {
        for piece_bytes in [1, 1000, input.len()] {
            let pieces: Vec<&[u8]> = input.chunks(piece_bytes).collect();
            assert_eq!(read(Answers::Other, &pieces).outcome, Err(MalformedResponse::HeadTooLarge));
        }
    }
}

#[test]
fn a_reset_parser_reads_the_next_answer() {
    let mut parser = ResponseParser::new(Answers::Other);
    let input = b"HTTP/1.0 500 No\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    assert!(!parser.has_started());
    for _ in 0..3 {
        assert_eq!(parser.feed(input, |_, _| {}), Ok(Progress::Done { consumed: input.len() }));
        assert!(parser.has_started() && !parser.keeps_alive());
        parser.reset();
        assert!(!parser.has_started());
        let other = b"HTTP/1.1 204 \r\n\r\n";
        assert_eq!(parser.feed(other, |_, _| {}), Ok(Progress::Done { consumed: other.len() }));
        assert!(parser.keeps_alive());
        parser.reset();
    }
}

/// Texts that look enough like an answer to get beyond its first line.
fn almost_answers() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.0 404 \n".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"3\r\nabc\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
        "[A-Za-z-]{1,9}: [ -~]{0,9}\r\n".prop_map(String::into_bytes),
    ];
    prop::collection::vec(fragment, 0..9).prop_map(|fragments| fragments.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_no_cut_changes_the_result(
        input in prop_oneof![prop::collection::vec(any::<u8>(), 0..80), almost_answers()],
        is_head in any::<bool>(),
    ) {
        read_every_way(if is_head { Answers::Head } else { Answers::Other }, &input);
    }

    /// A head that httparse accepts is accepted, with the same status, unless its framing cannot be trusted.
    #[test]
    fn agrees_with_httparse(input in almost_answers()) {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut oracle = httparse::Response::new(&mut headers);
        let verdict = oracle.parse(&input);
        let ours = read(Answers::Head, &[&input]);
        if let (Ok(httparse::Status::Complete(length)), Some(status)) = (verdict, oracle.code) {
            let is_interim = (100..200).contains(&status) && status != 101;
            match ours.outcome {
                Ok(Progress::Done { consumed }) if !is_interim => prop_assert_eq!((consumed, ours.status), (length, status)),
                Err(MalformedResponse::ContentLength) => {}
                Err(_) => prop_assert!(is_interim || status < 100, "refused: {:?}", ours),
                Ok(_) => prop_assert!(is_interim),
            }
        }
        if let Err(error) = verdict {
            prop_assert!(!matches!(ours.outcome, Ok(Progress::Done { .. })), "httparse says {}: {:?}", error, ours);
        }
    }
}
