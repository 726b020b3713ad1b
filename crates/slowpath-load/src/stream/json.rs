//! Walks over JSON text once without building anything: who walks says of each value whether to go into it, take its
//! bytes, or skip it.
//!
//! Structure is checked as RFC 8259 has it (commas, colons, brackets, literals), so a text that was cut is never taken
//! for a whole one. What lies within strings and numbers is not: bad escapes, control characters, invalid UTF-8 and
//! numbers such as `1-` pass.

use memchr::memchr2;

/// Arrays and objects within each other; deeper text is refused. The bound is that of `serde_json`.
const MAX_DEPTH: u32 = 128;

/// Strings are searched by words up to here: most are short, and a call of `memchr` costs more than it saves.
const SHORT_STRING_BYTES: usize = 64;

/// A position in a text, before a value or behind it. Every method gives `None` where the text is no JSON; what was
/// learnt by then must be forgotten.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

/// Walks over the members of an object, as [`Walk::members`]; gives `None` unless `text` is one whole object.
pub(super) fn object<'a>(
    text: &'a [u8],
    visit: impl FnMut(&'a [u8], &mut Walk<'a>) -> Option<()>,
) -> Option<()> {
    whole(text, b'{', |walk| walk.members(visit))
}

/// Walks over the elements of an array, as [`Walk::elements`]; gives `None` unless `text` is one whole array.
pub(super) fn array<'a>(text: &'a [u8], visit: impl FnMut(&mut Walk<'a>) -> Option<()>) -> Option<()> {
    whole(text, b'[', |walk| walk.elements(visit))
}

fn whole<'a>(text: &'a [u8], first: u8, walk_over: impl FnOnce(&mut Walk<'a>) -> Option<()>) -> Option<()> {
    let mut walk = Walk { text, at: 0, depth: 0 };
    if walk.peek()? != first {
        return None;
    }
    walk_over(&mut walk)?;
    walk.peek().is_none().then_some(())
}

impl<'a> Walk<'a> {
    /// Skips the value.
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.members(|_, value| value.skip()),
            b'[' => self.elements(Self::skip),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'-' | b'0'..=b'9' => {
                self.number();
                Some(())
            }
            _ => None,
        }
    }

    /// Skips the value and returns its bytes.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Some(&self.text[start..self.at])
    }

    /// Visits the members if the value is an object, and skips it otherwise.
    ///
    /// A member is its name (between the quotes, escapes left as they are) and a position before its value, which the
    /// visitor must move behind it.
    pub(super) fn members(&mut self, mut visit: impl FnMut(&'a [u8], &mut Self) -> Option<()>) -> Option<()> {
        if self.peek()? != b'{' {
            return self.skip();
        }
        self.each(b'}', |walk| {
            walk.peek()?;
            let name = walk.string()?;
            if walk.peek()? != b':' {
                return None;
            }
            walk.at += 1;
            visit(name, walk)
        })
    }

    /// Visits the elements if the value is an array, and skips it otherwise. The visitor must move behind the element.
    pub(super) fn elements(&mut self, visit: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.peek()? != b'[' {
            return self.skip();
        }
        self.each(b']', visit)
    }

    /// Takes what stands between an opening bracket, which is here, and the closing one, separated by commas.
    fn each(&mut self, closing: u8, mut take: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.at += 1;
        self.depth += 1;
        if self.peek()? == closing {
            self.at += 1;
        } else {
            loop {
                take(self)?;
                let byte = self.peek()?;
                self.at += 1;
                if byte == closing {
                    break;
                }
                if byte != b',' {
                    return None;
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Skips white space and returns the byte after it, by which values tell their kind.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !is_space(byte) {
                return Some(byte);
            }
            self.at += 1;
        }
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

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Returns where the first `"` or `\` is.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    let (words, rest) = text[..text.len().min(SHORT_STRING_BYTES)].as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = bytes_equal(word, b'"') | bytes_equal(word, b'\\');
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let n_searched = words.len() * 8;
    let rest = if text.len() > SHORT_STRING_BYTES { &text[n_searched..] } else { rest };
    memchr2(b'"', b'\\', rest).map(|position| n_searched + position)
}

/// Returns a word whose lowest set bit is the highest bit of the first byte that equals `byte`; 0 if none does.
///
/// Bits above that one mean nothing. (Mycroft's test for a zero byte.)
fn bytes_equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zero_where_equal = word ^ u64::from_le_bytes([byte; 8]);
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & (ONES << 7)
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
    let Some((b'[' | b'{', rest)) = value.split_first() else { return false };
    rest.iter().find(|byte| !is_space(**byte)).is_some_and(|byte| !matches!(byte, b']' | b'}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn members_of(text: &str) -> Option<Vec<(String, String)>> {
        let mut list = Vec::new();
        let shown = |bytes| String::from_utf8_lossy(bytes).into_owned();
        object(text.as_bytes(), |name, value| {
            list.push((shown(name), shown(value.value()?)));
            Some(())
        })?;
        Some(list)
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
    fn rebuilt(value: &mut Walk<'_>) -> Option<Value> {
        Some(match value.peek()? {
            b'{' => {
                let mut list = serde_json::Map::new();
                value.members(|name, member| {
                    let quoted = [b"\"", name, b"\""].concat();
                    list.insert(serde_json::from_slice(&quoted).unwrap(), rebuilt(member)?);
                    Some(())
                })?;
                list.into()
            }
            b'[' => {
                let mut list = Vec::new();
                value.elements(|element| {
                    list.push(rebuilt(element)?);
                    Some(())
                })?;
                list.into()
            }
            _ => serde_json::from_slice(value.value()?).unwrap(),
        })
    }

    fn is_object(text: &[u8]) -> bool {
        object(text, |_, value| value.skip()).is_some()
    }

    #[test]
    fn finds_the_end_of_a_string_wherever_it_is() {
        for length in 0..200 {
            let mut text = vec![b'!'; length];
            assert_eq!(quote_or_backslash(&text), None, "{length}");
            for byte in [b'"', b'\\'] {
                for position in 0..length {
                    text[position] = byte;
                    assert_eq!(quote_or_backslash(&text), Some(position), "{length}");
                    text[position] = b'!';
                }
            }
        }
    }

    proptest! {
        #[test]
        fn sees_what_serde_json_sees(value in any_json(), is_pretty: bool) {
            let text = if is_pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            let mut walk = Walk { text: &text, at: 0, depth: 0 };
            prop_assert_eq!(rebuilt(&mut walk), serde_json::from_slice(&text).ok());
            prop_assert_eq!(walk.peek(), None);
        }

        #[test]
        fn takes_no_cut_object_for_a_whole_one(
            list in prop::collection::btree_map(any::<String>(), any_json(), 0..4),
            cut: prop::sample::Index,
        ) {
            let text = serde_json::to_vec(&list).unwrap();
            prop_assert!(is_object(&text));
            prop_assert!(!is_object(&text[..cut.index(text.len())]));
        }

        #[test]
        fn refuses_what_serde_json_refuses_of_structure(text in r#"[\[\]{},: a"1]{0,12}"#) {
            let is_expected = serde_json::from_str::<serde_json::Map<String, Value>>(&text).is_ok();
            // `01` is a number here and nowhere else.
            let has_odd_number = text.contains("11");
            prop_assert!(is_object(text.as_bytes()) == is_expected || has_odd_number);
        }
    }
}
