//! Writes the events of a stream: server-sent events or elements of a JSON array, each as one HTTP chunk of its own.

use std::io::Write;

use super::super::text;

/// Stands for the token in the text of a [`TokenTemplate`]. JSON texts hold no control characters.
pub(super) const TOKEN: char = '\u{1}';
/// Stands for the number of the token plus the template's first base.
pub(super) const NUMBER_1: char = '\u{2}';
/// Stands for the number of the token plus the template's second base.
pub(super) const NUMBER_2: char = '\u{3}';

/// Appends events to the bytes that wait for a client.
pub(in super::super) struct EventWriter<'a> {
    output: &'a mut Vec<u8>,
    is_chunked: bool,
    /// Events written so far.
    pub(in super::super) n_events: u64,
}

impl<'a> EventWriter<'a> {
    pub(in super::super) fn new(output: &'a mut Vec<u8>, is_chunked: bool) -> Self {
        Self { output, is_chunked, n_events: 0 }
    }

    /// Writes a server-sent event without a name.
    pub(super) fn data(&mut self, data: &str) {
        self.piece(&["data: ", data, "\n\n"]);
    }

    /// Writes a server-sent event with a name.
    pub(super) fn named(&mut self, name: &str, data: &str) {
        self.piece(&["event: ", name, "\ndata: ", data, "\n\n"]);
    }

    /// Writes an event that consists of these parts.
    pub(super) fn piece(&mut self, parts: &[&str]) {
        self.begin(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.output.extend_from_slice(part.as_bytes());
        }
        self.end();
    }

    /// Writes what is no event of its own.
    pub(super) fn raw(&mut self, text: &str) {
        self.piece(&[text]);
        self.n_events -= 1;
    }

    /// Returns the number of bytes that wait for the client.
    pub(in super::super) fn n_waiting(&self) -> usize {
        self.output.len()
    }

    /// Ends the body.
    pub(in super::super) fn finish(self) {
        if self.is_chunked {
            self.output.extend_from_slice(b"0\r\n\r\n");
        }
    }

    fn begin(&mut self, length: usize) {
        self.n_events += 1;
        if self.is_chunked {
            write_number(self.output, format_args!("{length:x}\r\n"));
        }
    }

    fn end(&mut self) {
        if self.is_chunked {
            self.output.extend_from_slice(b"\r\n");
        }
    }
}

/// The event of a token, made once for each stream: what follows costs some copying and no formatting of JSON.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct TokenTemplate {
    parts: Vec<Part>,
    /// Bytes of all literal parts.
    n_literal_bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(Box<str>),
    Token,
    /// The number of the token plus this.
    Number(u64),
}

impl TokenTemplate {
    /// Takes the text of the event with [`TOKEN`], [`NUMBER_1`] and [`NUMBER_2`] in it.
    pub(super) fn new(text: &str, bases: [u64; 2]) -> Self {
        let mut parts = Vec::new();
        for piece in text.split_inclusive([TOKEN, NUMBER_1, NUMBER_2]) {
            let literal = piece.trim_end_matches([TOKEN, NUMBER_1, NUMBER_2]);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            match piece.chars().next_back() {
                Some(TOKEN) => parts.push(Part::Token),
                Some(NUMBER_1) => parts.push(Part::Number(bases[0])),
                Some(NUMBER_2) => parts.push(Part::Number(bases[1])),
                _ => {}
            }
        }
        let n_literal_bytes =
            parts.iter().map(|part| if let Part::Literal(text) = part { text.len() } else { 0 }).sum();
        Self { parts, n_literal_bytes }
    }

    /// Writes the event of token `i`.
    pub(in super::super) fn write(&self, i: u32, events: &mut EventWriter<'_>) {
        let token = text::token(i);
        let n_varying_bytes: usize = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(_) => 0,
                Part::Token => token.len(),
                Part::Number(base) => n_digits(base + u64::from(i)),
            })
            .sum();
        events.begin(self.n_literal_bytes + n_varying_bytes);
        for part in &self.parts {
            match part {
                Part::Literal(text) => events.output.extend_from_slice(text.as_bytes()),
                Part::Token => events.output.extend_from_slice(token.as_bytes()),
                Part::Number(base) => write_number(events.output, format_args!("{}", base + u64::from(i))),
            }
        }
        events.end();
    }
}

fn n_digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn write_number(output: &mut Vec<u8>, number: std::fmt::Arguments<'_>) {
    // A vector takes all that is written to it.
    let _ = output.write_fmt(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_the_holes_and_states_the_length() {
        let template = TokenTemplate::new("a\u{2}b\u{1}c\u{3}\u{2}", [9, 99]);
        let check = |i, is_chunked, expected: &str| {
            let mut output = Vec::new();
            template.write(i, &mut EventWriter::new(&mut output, is_chunked));
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        };
        check(0, false, "a9bThisc999");
        check(1, false, "a10b answerc10010");
        check(0, true, "b\r\na9bThisc999\r\n");
        check(1, true, "11\r\na10b answerc10010\r\n");
    }

    #[test]
    fn counts_events_and_ends_the_body() {
        let mut output = Vec::new();
        let mut events = EventWriter::new(&mut output, true);
        events.data("{}");
        events.named("ping", "{}");
        assert_eq!(events.n_events, 2);
        events.finish();
        assert_eq!(output, b"a\r\ndata: {}\n\n\r\n16\r\nevent: ping\ndata: {}\n\n\r\n0\r\n\r\n");
    }
}
