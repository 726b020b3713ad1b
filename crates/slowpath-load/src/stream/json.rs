//! Walks over JSON text without building anything: a member is visited as the bytes of its value, and what nobody asks
//! for is skipped.
//!
//! Structure is checked as RFC 8259 has it (commas, colons, brackets, literals), so a text that was cut is never taken
//! for a whole one. What lies within strings and numbers is not: bad escapes, control characters, invalid UTF-8 and
//! numbers such as `1-` pass.

use memchr::memchr2;

/// Arrays and objects within each other; deeper text is refused. The bound is that of `serde_json`.
const MAX_DEPTH: u32 = 128;

/// Strings are searched byte by byte up to here: most are short, and a call of `memchr` costs more than it saves.
const SHORT_STRING_BYTES: usize = 24;

/// Visits the members of an object, in order, as name (between its quotes, escapes left as they are) and value.
///
/// Returns whether `text` is one whole JSON object; what was visited before a fault was found must be forgotten.
pub(super) fn members<'a>(text: &'a [u8], mut visit: impl FnMut(&'a [u8], &'a [u8])) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    scanner.object(0, &mut visit).is_some() && scanner.is_at_end()
}

/// Visits the elements of an array, in order. Returns whether `text` is one whole JSON array, as [`members`] does.
pub(super) fn elements<'a>(text: &'a [u8], mut visit: impl FnMut(&'a [u8])) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    scanner.array(0, &mut visit).is_some() && scanner.is_at_end()
}

/// Returns whether a value is a string with anything in it.
pub(super) fn is_text(value: &[u8]) -> bool {
    value.first() == Some(&b'"') && value.len() > 2
}

/// Returns what a string holds between its quotes, escapes left as they are; `None` for other values.
pub(super) fn raw_text(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Returns a string's text with escapes resolved and what is no UTF-8 replaced; `None` for other values.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let raw = raw_text(value)?;
    Some(serde_json::from_slice(value).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned()))
}

/// Returns a whole number that is not negative; `None` for other values.
pub(super) fn count(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Returns whether a value is an array or object with anything in it.
pub(super) fn is_filled(value: &[u8]) -> bool {
    let has_brackets = matches!(value.first(), Some(b'[' | b'{'));
    has_brackets
        && value[1..].iter().find(|byte| !is_space(**byte)).is_some_and(|byte| !matches!(byte, b']' | b'}'))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// A position in a text. Every method starts and ends between two tokens, and gives `None` where a token is missing.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Skips white space and returns the byte after it.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !is_space(byte) {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn object(&mut self, depth: u32, visit: &mut impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.peek()?;
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            visit(name, value);
            if self.is_last(b'}')? {
                return Some(());
            }
        }
    }

    fn array(&mut self, depth: u32, visit: &mut impl FnMut(&'a [u8])) -> Option<()> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            let value = self.value(depth + 1)?;
            visit(value);
            if self.is_last(b']')? {
                return Some(());
            }
        }
    }

    /// Consumes a comma, which says that more follows, or the closing bracket.
    fn is_last(&mut self, closing: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(false),
            _ => (byte == closing).then_some(true),
        }
    }

    /// Skips a value and returns its bytes.
    fn value(&mut self, depth: u32) -> Option<&'a [u8]> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' if depth >= MAX_DEPTH => return None,
            b'{' => self.object(depth, &mut |_, _| ())?,
            b'[' => self.array(depth, &mut |_| ())?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            b'-' | b'0'..=b'9' => self.number(),
            _ => return None,
        }
        Some(&self.text[start..self.at])
    }

    /// Skips a string that begins here, and returns what is between its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        if *self.text.get(self.at)? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += quote_or_backslash(self.text.get(at..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Some(&self.text[start..at]);
            }
            at += 2;
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(literal).then(|| self.at += literal.len())
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        self.at += rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    }
}

/// Returns where the first `"` or `\` is.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    let is_found = |byte: &u8| matches!(byte, b'"' | b'\\');
    let (short, rest) = text.split_at(text.len().min(SHORT_STRING_BYTES));
    short
        .iter()
        .position(is_found)
        .or_else(|| memchr2(b'"', b'\\', rest).map(|position| position + short.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn members_of(text: &str) -> Option<Vec<(String, String)>> {
        let mut list = Vec::new();
        let shown = |bytes| String::from_utf8_lossy(bytes).into_owned();
        members(text.as_bytes(), |name, value| list.push((shown(name), shown(value)))).then_some(list)
    }

    #[test]
    fn visits_members_as_bytes() {
        fn check(text: &str, expected: &[(&str, &str)]) {
            let expected =
                expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(members_of(text), Some(expected), "{text}");
        }
        check("{}", &[]);
        check(" { } \n", &[]);
        check(r#"{"a":1,"b":"x"}"#, &[("a", "1"), ("b", r#""x""#)]);
        check("{ \"a\" : [ 1 , {\"b\":[]} ] }", &[("a", r#"[ 1 , {"b":[]} ]"#)]);
        check(r#"{"a":"\"}","b\\":null}"#, &[("a", r#""\"}""#), (r"b\\", "null")]);
        check(r#"{"a":true,"a":false}"#, &[("a", "true"), ("a", "false")]);
        check(r#"{"a":-1.5e+3,"":""}"#, &[("a", "-1.5e+3"), ("", r#""""#)]);
        let long = "ü".repeat(100);
        check(&format!(r#"{{"a":"{long}\\"}}"#), &[("a", &format!(r#""{long}\\""#))]);
    }

    #[test]
    fn refuses_what_is_no_whole_object() {
        for text in [
            "",
            " ",
            "1",
            "[]",
            "{",
            "}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":[1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":{]}"#,
            r#"{"a":"x}"#,
            r#"{"a":"x\"}"#,
            r#"{"a":tru}"#,
            "{a:1}",
            r#"{"a":1}}"#,
            r#"{"a":1} x"#,
            r#"{"a":x}"#,
            r#"{,"a":1}"#,
            r#"{"a":"\"#,
        ] {
            assert_eq!(members_of(text), None, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(members_of(&nested(100)).is_some());
        assert!(members_of(&nested(100_000)).is_none());
    }

    #[test]
    fn tells_filled_values_from_empty_ones() {
        assert!(is_text(br#""x""#) && is_text(br#"" ""#));
        assert!(!is_text(br#""""#) && !is_text(b"null") && !is_text(b"12345") && !is_text(b""));
        assert!(is_filled(b"[1]") && is_filled(b"[ [] ]") && is_filled(br#"{"a":1}"#));
        assert!(!is_filled(b"[]") && !is_filled(b"[ \n]") && !is_filled(b"{}") && !is_filled(b"null"));
        assert_eq!(text(br#""a\n\u00fc""#).as_deref(), Some("a\nü"));
        assert_eq!(text(b"\"a\xff\"").as_deref(), Some("a\u{fffd}"));
        assert_eq!(text(b"null"), None);
        assert_eq!(
            (count(b"17"), count(b"0"), count(b"-1"), count(b"1.5"), count(b"null")),
            (Some(17), Some(0), None, None, None)
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            r#"[a-c"\\{}\[\],:]{0,40}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|list| Value::Object(list.into_iter().collect())),
            ]
        })
    }

    /// Builds the value again from what the walk visits.
    fn rebuilt(text: &[u8]) -> Value {
        match text[0] {
            b'{' => {
                let mut list = serde_json::Map::new();
                assert!(members(text, |name, value| {
                    let quoted = [b"\"", name, b"\""].concat();
                    list.insert(serde_json::from_slice(&quoted).unwrap(), rebuilt(value));
                }));
                list.into()
            }
            b'[' => {
                let mut list = Vec::new();
                assert!(elements(text, |value| list.push(rebuilt(value))));
                list.into()
            }
            _ => serde_json::from_slice(text).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn sees_what_serde_json_sees(value in any_json(), is_pretty: bool) {
            let text = if is_pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            prop_assert_eq!(rebuilt(&text), serde_json::from_slice::<Value>(&text).unwrap());
        }

        #[test]
        fn takes_no_cut_object_for_a_whole_one(
            list in prop::collection::btree_map(any::<String>(), any_json(), 0..4),
            cut: prop::sample::Index,
        ) {
            let text = serde_json::to_vec(&list).unwrap();
            prop_assert!(members(&text, |_, _| ()));
            prop_assert!(!members(&text[..cut.index(text.len())], |_, _| ()));
        }

        #[test]
        fn refuses_what_serde_json_refuses_of_structure(text in r#"[\[\]{},: a"1]{0,12}"#) {
            let is_object = serde_json::from_str::<serde_json::Map<String, Value>>(&text).is_ok();
            // `01` is a number here and nowhere else.
            let has_odd_number = text.contains("11");
            prop_assert!(members(text.as_bytes(), |_, _| ()) == is_object || has_odd_number);
        }
    }
}
