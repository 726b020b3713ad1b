//! The HTTP response parser on bytes from any server: never panics, and its result does not depend on how the bytes
//! are cut into reads.
//!
//! The first byte of the input says where to cut and what is answered; the rest is what the server sends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_load::response::{Answers, MalformedResponse, Progress, ResponseParser};

/// What a connection learns from one response.
#[derive(Debug, PartialEq)]
struct Reading {
    outcome: Result<bool, MalformedResponse>,
    n_consumed: usize,
    status: u16,
    keeps_alive: bool,
    body: Vec<u8>,
}

/// Reads one response from pieces of `n_bytes_a_piece`, then lets the server close the connection.
fn read(bytes: &[u8], answers: Answers, n_bytes_a_piece: usize) -> Reading {
    let mut parser = ResponseParser::new(answers);
    let (mut body, mut n_consumed, mut outcome) = (Vec::new(), 0, Ok(false));
    for piece in bytes.chunks(n_bytes_a_piece) {
        let progress = parser.feed(piece, |_, data| {
            assert!(!data.is_empty(), "a piece of a body is never empty");
            body.extend_from_slice(data);
        });
        match progress {
            Ok(Progress::NeedMore) => n_consumed += piece.len(),
            Ok(Progress::Done { consumed }) => {
                assert!(consumed <= piece.len());
                n_consumed += consumed;
                outcome = Ok(true);
                break;
            }
            Err(malformed) => {
                outcome = Err(malformed);
                break;
            }
        }
    }
    if outcome == Ok(false) {
        outcome = Ok(parser.finish());
    }
    // After an error only the error counts: how much was read until then depends on the pieces.
    let is_valid = outcome.is_ok();
    Reading {
        outcome,
        n_consumed: if is_valid { n_consumed } else { 0 },
        status: if is_valid { parser.status() } else { 0 },
        keeps_alive: is_valid && parser.keeps_alive(),
        body,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let answers = if choice & 1 == 0 { Answers::Other } else { Answers::Head };
    let n_bytes_a_piece = usize::from(choice >> 1).max(1);
    let whole = read(bytes, answers, bytes.len().max(1));
    let cut = read(bytes, answers, n_bytes_a_piece);
    assert_eq!(whole, cut, "pieces of {n_bytes_a_piece} bytes");
});
