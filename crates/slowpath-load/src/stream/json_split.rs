//! Splits bodies that hold several JSON values: one a line (Ollama), or the elements of one array (Gemini without
//! `alt=sse`). Whether what lies between the cuts is JSON is for the reader of the values.

use memchr::{memchr, memchr2};

use super::sse::{EventTooLarge, KEPT_BUFFER_BYTES, MAX_EVENT_BYTES};

/// Brackets and quotes.
const IS_STRUCTURAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < 5 {
        table[b"[]{}\""[index] as usize] = true;
        index += 1;
    }
    table
};

/// Bytes of a value that earlier reads brought.
#[derive(Debug, Default)]
struct Partial(Vec<u8>);

impl Partial {
    fn add(&mut self, bytes: &[u8]) -> Result<(), EventTooLarge> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MAX_EVENT_BYTES { Err(EventTooLarge) } else { Ok(()) }
    }

    /// Gives the value that ends with `bytes`, which is copied only if an earlier read brought its beginning.
    fn complete(&mut self, bytes: &[u8], on_value: &mut impl FnMut(&[u8])) -> Result<(), EventTooLarge> {
        if self.0.is_empty() {
            if bytes.len() > MAX_EVENT_BYTES {
                return Err(EventTooLarge);
            }
            on_value(bytes);
        } else {
            self.add(bytes)?;
            on_value(&self.0);
            self.clear();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(KEPT_BUFFER_BYTES);
    }
}

/// Splits JSON lines; the result does not depend on how the body is cut into pieces. Blank lines are left out.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    partial: Partial,
}

impl LineSplitter {
    pub(super) fn reset(&mut self) {
        self.partial.clear();
    }

    pub(super) fn feed(&mut self, bytes: &[u8], mut on_line: impl FnMut(&[u8])) -> Result<(), EventTooLarge> {
        let mut on_any_line = unless_blank(&mut on_line);
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            self.partial.complete(&rest[..end], &mut on_any_line)?;
            rest = &rest[end + 1..];
        }
        self.partial.add(rest)
    }

    /// Gives the last line if no line feed ends it, which is allowed.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(&[u8])) -> Result<(), EventTooLarge> {
        self.partial.complete(&[], &mut unless_blank(&mut on_line))
    }
}

fn unless_blank(on_line: &mut impl FnMut(&[u8])) -> impl FnMut(&[u8]) {
    |line| {
        if !line.trim_ascii().is_empty() {
            on_line(line);
        }
    }
}

/// Splits a body into its outermost values, or into the elements of an array if that is what it begins with; the
/// result does not depend on how the body is cut into pieces.
///
/// Only arrays and objects count as values. Brackets are counted, not matched.
#[derive(Debug, Default)]
pub(super) struct ValueSplitter {
    partial: Partial,
    /// Brackets that are open.
    depth: u32,
    /// Values begin at this depth: 1 within the outer array.
    value_depth: u32,
    is_in_string: bool,
    is_after_backslash: bool,
    has_array: bool,
}

impl ValueSplitter {
    pub(super) fn reset(&mut self) {
        self.partial.clear();
        *self = Self { partial: std::mem::take(&mut self.partial), ..Self::default() };
    }

    /// Whether every bracket and string that was opened is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.depth == 0 && !self.is_in_string
    }

    /// Whether values came, or may come, as elements of an array.
    pub(super) fn has_array(&self) -> bool {
        self.has_array
    }

    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut on_value: impl FnMut(&[u8]),
    ) -> Result<(), EventTooLarge> {
        let mut at = 0;
        let mut value_start = 0;
        while let Some(byte) = self.next_structural(bytes, &mut at) {
            match byte {
                b'[' if self.depth == 0 => {
                    (self.depth, self.value_depth, self.has_array) = (1, 1, true);
                }
                b'{' | b'[' => {
                    if self.depth == self.value_depth {
                        value_start = at;
                    }
                    self.depth += 1;
                }
                // A bracket too many closes nothing.
                _ if self.depth == 0 => {}
                _ => {
                    self.depth -= 1;
                    if self.depth < self.value_depth {
                        self.value_depth = 0;
                    } else if self.depth == self.value_depth {
                        self.partial.complete(&bytes[value_start..=at], &mut on_value)?;
                    }
                }
            }
            at += 1;
        }
        if self.depth > self.value_depth { self.partial.add(&bytes[value_start..]) } else { Ok(()) }
    }

    /// Moves `at` to the next bracket outside strings.
    fn next_structural(&mut self, bytes: &[u8], at: &mut usize) -> Option<u8> {
        loop {
            if self.is_in_string {
                self.skip_string(bytes, at)?;
            }
            *at += bytes.get(*at..)?.iter().position(|byte| IS_STRUCTURAL[usize::from(*byte)])?;
            if bytes[*at] != b'"' {
                return Some(bytes[*at]);
            }
            self.is_in_string = true;
            *at += 1;
        }
    }

    /// Moves `at` behind the string's closing quote; `None` if that has not come yet.
    fn skip_string(&mut self, bytes: &[u8], at: &mut usize) -> Option<()> {
        loop {
            if self.is_after_backslash {
                bytes.get(*at)?;
                self.is_after_backslash = false;
                *at += 1;
            }
            *at += memchr2(b'"', b'\\', bytes.get(*at..)?)? + 1;
            if bytes[*at - 1] == b'"' {
                self.is_in_string = false;
                return Some(());
            }
            self.is_after_backslash = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut list) = (LineSplitter::default(), Vec::new());
        let mut take = |line: &[u8]| list.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            splitter.feed(piece, &mut take).unwrap();
        }
        splitter.finish(&mut take).unwrap();
        list
    }

    /// Returns the values, and whether all is closed at the end.
    fn values(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let (mut splitter, mut list) = (ValueSplitter::default(), Vec::new());
        for piece in pieces {
            splitter.feed(piece, |value| list.push(String::from_utf8_lossy(value).into_owned())).unwrap();
        }
        (list, splitter.is_closed())
    }

    #[test]
    fn lines_end_with_a_line_feed_or_the_body() {
        fn check(body: &str, expected: &[&str]) {
            assert_eq!(lines(&[body.as_bytes()]), expected, "{body:?}");
            assert_eq!(lines(&body.as_bytes().chunks(1).collect::<Vec<_>>()), expected, "{body:?}");
        }
        check("", &[]);
        check("{}\n{}\n", &["{}", "{}"]);
        check("{}\r\n\n \r\n{}", &["{}\r", "{}"]);
        check("\n\n", &[]);
    }

    #[test]
    fn values_are_elements_of_one_array_or_stand_alone() {
        fn check(body: &str, expected: &[&str], is_closed: bool) {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(values(&[body.as_bytes()]), (expected, is_closed), "{body:?}");
            assert_eq!(values(&body.as_bytes().chunks(1).collect::<Vec<_>>()), values(&[body.as_bytes()]));
        }
        check("", &[], true);
        check(r#"[{"a":1}"#, &[r#"{"a":1}"#], false);
        check("[{\"a\":1}\n,\r\n{\"b\":[2]}]\n", &[r#"{"a":1}"#, r#"{"b":[2]}"#], true);
        check("[]", &[], true);
        check("[[1],[2]]", &["[1]", "[2]"], true);
        check(r#"{"a":{"b":1}}"#, &[r#"{"a":{"b":1}}"#], true);
        check("{}\n{}", &["{}", "{}"], true);
        check("[{}][{}]{}", &["{}", "{}", "{}"], true);
        check(r#"[{"a":"]}\"["},{}]"#, &[r#"{"a":"]}\"["}"#, "{}"], true);
        check(r#"["[", {"a":"\\"}]"#, &[r#"{"a":"\\"}"#], true);
        check("]}{}", &["{}"], true);
        check(r#"{"a":1"#, &[], false);
        check(r#"[{"a":"x"#, &[], false);
        check("<html>", &[], true);
    }

    #[test]
    fn endless_values_are_refused() {
        let endless = [b"[{\"a\":\"".to_vec(), vec![b'x'; MAX_EVENT_BYTES]].concat();
        for n_bytes_a_piece in [4 << 10, endless.len()] {
            let mut splitter = ValueSplitter::default();
            let outcome = endless.chunks(n_bytes_a_piece).try_for_each(|piece| splitter.feed(piece, |_| ()));
            assert_eq!(outcome, Err(EventTooLarge));
            splitter.reset();
            splitter.feed(b"{}", |value| assert_eq!(value, b"{}")).unwrap();
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_values(
            body in r#"[\[\]{}",a\\\n]{0,40}"#,
            cut in any::<prop::sample::Index>(),
        ) {
            let (left, right) = body.as_bytes().split_at(cut.index(body.len() + 1));
            prop_assert_eq!(values(&[left, right]), values(&[body.as_bytes()]));
            prop_assert_eq!(lines(&[left, right]), lines(&[body.as_bytes()]));
        }
    }
}
