//! A pull reader for JSON in memory: importers walk over the text once and keep only what they need.
//!
//! It checks what it walks over, not the whole document: what an importer skips has to have its quotes and brackets in
//! order and nothing else. Nothing here calls itself, so nesting costs no stack. Pitfalls: keys are compared as they are
//! written, so a key spelt with escapes is an unknown key; half of a surrogate pair becomes `U+FFFD`.

use super::BadInput;
use std::borrow::Cow;

type Read<T> = Result<T, BadInput>;

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Json<'a> {
    /// Starts at the beginning, after a byte-order mark if there is one.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { bytes, at }
    }

    /// Starts at a byte offset that this reader once was at.
    pub(crate) fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, at: offset }
    }

    /// Returns where it is.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Returns the error that something else was wanted here.
    pub(crate) fn wanted(&self, what: &str) -> BadInput {
        let found = match self.bytes.get(self.at) {
            None => "the end".into(),
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", *byte as char),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        BadInput::at(self.at, format!("expected {what}, found {found}"))
    }

    /// Returns the next byte that is no white space, without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes `byte` if it comes next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the start of an object.
    pub(crate) fn open_object(&mut self) -> Read<()> {
        if self.take(b'{') { Ok(()) } else { Err(self.wanted("an object")) }
    }

    /// Takes the start of an array.
    pub(crate) fn open_array(&mut self) -> Read<()> {
        if self.take(b'[') { Ok(()) } else { Err(self.wanted("an array")) }
    }

    /// Takes the next key of an object up to its value, as it is written; `None` at the end of the object.
    /// `is_first` must be true at the first call for an object and is cleared.
    #[inline]
    pub(crate) fn next_key(&mut self, is_first: &mut bool) -> Read<Option<&'a [u8]>> {
        if self.take(b'}') {
            return Ok(None);
        }
        if !std::mem::take(is_first) && !self.take(b',') {
            return Err(self.wanted("`,` or `}`"));
        }
        if self.peek() != Some(b'"') {
            return Err(self.wanted("a key"));
        }
        let key = self.raw_string()?;
        if self.take(b':') { Ok(Some(key)) } else { Err(self.wanted("`:`")) }
    }

    /// Goes to the next element of an array; false at its end. `is_first` as for [`Self::next_key`].
    #[inline]
    pub(crate) fn next_element(&mut self, is_first: &mut bool) -> Read<bool> {
        if self.take(b']') {
            return Ok(false);
        }
        if !std::mem::take(is_first) && !self.take(b',') {
            return Err(self.wanted("`,` or `]`"));
        }
        Ok(true)
    }

    /// Calls `with` at the value of each key of the object that comes next; it must take or skip the value.
    #[inline]
    pub(crate) fn each_key(&mut self, mut with: impl FnMut(&mut Self, &'a [u8]) -> Read<()>) -> Read<()> {
        self.open_object()?;
        let mut is_first = true;
        while let Some(key) = self.next_key(&mut is_first)? {
            with(self, key)?;
        }
        Ok(())
    }

    /// Calls `with` at each element of the array that comes next; it must take or skip it. `null` counts as empty.
    #[inline]
    pub(crate) fn each_element(&mut self, mut with: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        if self.take_null() {
            return Ok(());
        }
        self.open_array()?;
        let mut is_first = true;
        while self.next_element(&mut is_first)? {
            with(self)?;
        }
        Ok(())
    }

    /// Takes `null` if it comes next.
    #[inline]
    pub(crate) fn take_null(&mut self) -> bool {
        let is_null = self.peek() == Some(b'n') && self.bytes[self.at..].starts_with(b"null");
        self.at += if is_null { 4 } else { 0 };
        is_null
    }

    /// Takes a string and returns what is between its quotes, as it is written.
    #[inline]
    pub(crate) fn raw_string(&mut self) -> Read<&'a [u8]> {
        if !self.take(b'"') {
            return Err(self.wanted("a string"));
        }
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                None => {
                    self.at = self.bytes.len();
                    return Err(self.wanted("the end of a string"));
                }
                Some(length) if rest[length] == b'"' => {
                    self.at += length + 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                // A backslash and what it escapes.
                Some(length) => self.at += length + 2,
            }
        }
    }

    /// Takes a string. It borrows from the text where it holds no escape.
    pub(crate) fn string(&mut self) -> Read<Cow<'a, str>> {
        self.raw_string().map(decode)
    }

    /// Takes a string, or nothing for `null`.
    pub(crate) fn string_or_null(&mut self) -> Read<Option<Cow<'a, str>>> {
        if self.take_null() { Ok(None) } else { self.string().map(Some) }
    }

    /// Takes a number.
    #[inline]
    pub(crate) fn number(&mut self) -> Read<f64> {
        let start = self.peek().map_or(self.at, |_| self.at);
        let is_negative = self.bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(is_negative);
        let digits = self.at;
        let mut value = 0_u64;
        while let Some(digit) = self.bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let n_digits = self.at - digits;
        let goes_on = matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        // Up to 15 digits are exact as a float.
        if (1..=15).contains(&n_digits) && !goes_on {
            return Ok(if is_negative { -(value as f64) } else { value as f64 });
        }
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        text.parse().map_err(|_| Self::at(self.bytes, start).wanted("a number"))
    }

    /// Takes a number that has to be a whole one from 0 to `u32::MAX`.
    #[inline]
    pub(crate) fn index(&mut self) -> Read<u32> {
        self.peek();
        let start = self.at;
        let number = self.number()?;
        if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
            Ok(number as u32)
        } else {
            Err(BadInput::at(start, "expected a whole number from 0 to 4294967295"))
        }
    }

    /// Takes an index, or nothing for `null` and for −1, which several formats write for "none".
    #[inline]
    pub(crate) fn index_or_none(&mut self) -> Read<Option<u32>> {
        if self.take_null() {
            return Ok(None);
        }
        if self.peek() == Some(b'-') {
            return self.number().map(|_| None);
        }
        self.index().map(Some)
    }

    /// Skips any value, however deep, and returns its text.
    pub(crate) fn skip(&mut self) -> Read<&'a [u8]> {
        let mut depth = 0_usize;
        self.peek();
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.raw_string()?;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.') => {
                    while matches!(
                        self.bytes.get(self.at),
                        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.')
                    ) {
                        self.at += 1;
                    }
                }
                _ => return Err(self.wanted("a value")),
            }
            if depth == 0 {
                return Ok(&self.bytes[start..self.at]);
            }
        }
    }

    /// Takes an array of numbers.
    pub(crate) fn numbers(&mut self) -> Read<Vec<f64>> {
        let mut numbers = Vec::new();
        self.each_element(|json| {
            numbers.push(json.number()?);
            Ok(())
        })?;
        Ok(numbers)
    }

    /// Takes an array of indexes.
    pub(crate) fn indexes(&mut self) -> Read<Vec<u32>> {
        let mut indexes = Vec::new();
        self.each_element(|json| {
            indexes.push(json.index()?);
            Ok(())
        })?;
        Ok(indexes)
    }

    /// Takes an array of indexes with holes; `u32::MAX` stands for none.
    pub(crate) fn optional_indexes(&mut self) -> Read<Vec<u32>> {
        let mut indexes = Vec::new();
        self.each_element(|json| {
            indexes.push(json.index_or_none()?.unwrap_or(u32::MAX));
            Ok(())
        })?;
        Ok(indexes)
    }
}

/// Decodes what stands between the quotes of a string.
pub(crate) fn decode(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        match escaped {
            b'n' => text.push(b'\n'),
            b't' => text.push(b'\t'),
            b'r' => text.push(b'\r'),
            b'b' => text.push(0x08),
            b'f' => text.push(0x0c),
            b'u' => {
                let character = unicode(&mut rest);
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => text.push(other),
        }
    }
    text.extend_from_slice(rest);
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
}

/// Takes the four hexadecimal digits after `\u`, and the second half of a pair.
fn unicode(rest: &mut &[u8]) -> char {
    let hex = |digits: Option<&[u8]>| {
        digits.and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
    };
    let Some(first) = hex(rest.get(..4)) else {
        return char::REPLACEMENT_CHARACTER;
    };
    *rest = &rest[4..];
    if (0xd800..0xdc00).contains(&first)
        && rest.starts_with(b"\\u")
        && let Some(second) = hex(rest.get(2..6)).filter(|second| (0xdc00..0xe000).contains(second))
    {
        *rest = &rest[6..];
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_escapes_and_pairs() {
        let check = |raw: &str, text: &str| assert_eq!(decode(raw.as_bytes()), text, "{raw}");
        check(r"plain", "plain");
        check(r#"a\"b\\c\/d\n"#, "a\"b\\c/d\n");
        check(r"\u00e9\ud83d\ude00", "é😀");
        check(r"half \ud83d.", "half \u{fffd}.");
        check(r"\uzz", "\u{fffd}zz");
    }

    #[test]
    fn reads_numbers_as_the_standard_library_does() {
        for text in ["0", "-7", "123456789012345", "12345678901234567890", "-1.5e3", "0.1", "1e300"] {
            let expected = text.parse::<f64>().unwrap();
            assert_eq!(Json::new(text.as_bytes()).number().unwrap().to_bits(), expected.to_bits(), "{text}");
        }
        assert_eq!(Json::new(b" oops").number().unwrap_err().offset, 1);
        assert!(Json::new(b"1.5").index().is_err());
        assert!(Json::new(b"4294967296").index().is_err());
    }

    #[test]
    fn skips_values_however_deep() {
        let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000], b", 1".to_vec()].concat();
        let mut json = Json::new(&deep);
        json.skip().unwrap();
        assert_eq!(json.offset(), 2_000_000);
        assert_eq!(Json::new(br#"{"a": "]\"", "b": [1, {}]} "#).skip().unwrap().len(), 26);
        assert!(Json::new(b"[1, ").skip().is_err());
        assert!(Json::new(b"\"\\").skip().is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_json_is_skipped_whole(strings: Vec<String>, number: f64) {
            let text = serde_json::json!({ "a": strings, "b": [number, null, true, {"c": {}}] }).to_string();
            let mut json = Json::new(text.as_bytes());
            json.skip().unwrap();
            proptest::prop_assert_eq!(json.offset(), text.len());
        }

        #[test]
        fn any_string_is_read_back(string: String) {
            let text = serde_json::to_string(&string).unwrap();
            proptest::prop_assert_eq!(Json::new(text.as_bytes()).string().unwrap(), string);
        }
    }
}
