//! The mock upstream's request reader on bytes from any client: never panics, and what it reads does not depend on how
//! the bytes are cut into reads.
//!
//! The first byte of the input says where to cut; the rest is what the client sends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_load::upstream::request::{BadRequest, Request, RequestReader};

/// Reads all requests from pieces of `n_bytes_a_piece`.
fn read(bytes: &[u8], n_bytes_a_piece: usize) -> (Vec<Request>, Option<BadRequest>) {
    let (mut reader, mut requests) = (RequestReader::new(), Vec::new());
    for piece in bytes.chunks(n_bytes_a_piece) {
        reader.push(piece);
        loop {
            match reader.next_request() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(bad) => return (requests, Some(bad)),
            }
        }
        reader.takes_continue();
    }
    (requests, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((n_bytes_a_piece, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let cut = read(bytes, usize::from(*n_bytes_a_piece).max(1));
    assert_eq!(whole, cut, "pieces of {n_bytes_a_piece} bytes");
});
