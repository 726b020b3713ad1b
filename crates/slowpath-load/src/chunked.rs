//! Decodes chunked transfer coding (RFC 9112, 7.1) piece by piece, for responses and for requests. Skips chunk
//! extensions and trailers; copies nothing.

use crate::head::MAX_HEAD_BYTES;

/// The chunked framing is not what RFC 9112 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadChunk;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Reading hexadecimal digits; at least one is needed.
    Size {
        n_digits: u8,
    },
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    /// At the start of a trailer line, or of the empty line that ends all.
    LineStart,
    TrailerLine,
    LastLineFeed,
    Done,
}

/// Where in a chunked body the reader is.
#[derive(Debug, Clone)]
pub(crate) struct ChunkDecoder {
    state: State,
    /// While reading a size: its value so far. While reading data: bytes left in this chunk.
    remaining: u64,
    /// Bytes of extensions and trailers seen, which are bounded.
    n_skipped: usize,
}

impl ChunkDecoder {
    pub(crate) fn new() -> Self {
        Self { state: State::Size { n_digits: 0 }, remaining: 0, n_skipped: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Consumes `bytes` up to the end of the body, calls `on_data` with each piece of data (never empty), and returns
    /// the number of bytes consumed: all of them unless the body ended.
    pub(crate) fn feed(&mut self, bytes: &[u8], on_data: &mut impl FnMut(&[u8])) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let length = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len() - at);
                on_data(&bytes[at..at + length]);
                at += length;
                self.remaining -= length as u64;
                if self.remaining == 0 {
                    self.state = State::DataReturn;
                }
                continue;
            }
            self.state = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Takes one byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        Ok(match (self.state, byte) {
            (State::Size { n_digits }, _) if byte.is_ascii_hexdigit() => {
                if n_digits == 16 {
                    return Err(BadChunk);
                }
                let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
                self.remaining = self.remaining << 4 | u64::from(digit);
                State::Size { n_digits: n_digits + 1 }
            }
            (State::Size { n_digits: 1.. }, b';' | b' ' | b'\t') => State::Extension,
            (State::Size { n_digits: 1.. } | State::Extension, b'\r') => State::SizeLineFeed,
            (State::Extension, _) if byte != b'\n' => self.skip(State::Extension)?,
            (State::SizeLineFeed, b'\n') if self.remaining == 0 => State::LineStart,
            (State::SizeLineFeed, b'\n') => State::Data,
            (State::DataReturn, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Size { n_digits: 0 },
            (State::LineStart, b'\r') => State::LastLineFeed,
            (State::LastLineFeed, b'\n') => State::Done,
            (State::TrailerLine, b'\n') => self.skip(State::LineStart)?,
            (State::LineStart | State::TrailerLine, _) => self.skip(State::TrailerLine)?,
            _ => return Err(BadChunk),
        })
    }

    fn skip(&mut self, next: State) -> Result<State, BadChunk> {
        self.n_skipped += 1;
        if self.n_skipped > MAX_HEAD_BYTES { Err(BadChunk) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` whole and split at every position; all must agree.
    fn check(input: &str, expected: Result<(&str, usize), BadChunk>) {
        for split in 0..=input.len() {
            let mut decoder = ChunkDecoder::new();
            let mut data = Vec::new();
            let mut consumed = 0;
            let mut outcome = Ok(());
            for part in [&input.as_bytes()[..split], &input.as_bytes()[split..]] {
                match decoder.feed(part, &mut |piece| data.extend_from_slice(piece)) {
                    Ok(n) => consumed += n,
                    Err(bad) => {
                        outcome = Err(bad);
                        break;
                    }
                }
            }
            match expected {
                Ok((text, length)) => {
                    assert_eq!(outcome, Ok(()), "{input:?} split at {split}");
                    assert!(decoder.is_done(), "{input:?} split at {split}");
                    assert_eq!(
                        (data.as_slice(), consumed),
                        (text.as_bytes(), length),
                        "{input:?} split at {split}"
                    );
                }
                Err(bad) => assert_eq!(outcome, Err(bad), "{input:?} split at {split}"),
            }
        }
    }

    #[test]
    fn joins_chunks_and_stops_at_the_end() {
        check("0\r\n\r\n", Ok(("", 5)));
        check("3\r\nabc\r\n0\r\n\r\n", Ok(("abc", 13)));
        check("3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n000\r\n\r\n", Ok(("abc0123456789", 36)));
        check("1 \r\na\r\n0\r\nTrailer: 1\r\nB: 2\r\n\r\nHTTP/1.1", Ok(("a", 30)));
    }

    #[test]
    fn refuses_bad_framing() {
        for input in [
            "\r\n",
            "x",
            ";\r\n",
            "3\nabc",
            "3\r\nabcd",
            "3\r\nabc\n",
            "3\rx",
            "10000000000000000\r\n",
            "0\r\n\rx",
            "1;\n",
        ] {
            check(input, Err(BadChunk));
        }
    }
}
