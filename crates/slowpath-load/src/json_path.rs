//! Paths into JSON texts, `choices.0.finish_reason`, and what stands there. Reads past everything else without
//! keeping it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Keys and indices from the outermost value to the one that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    segments: Vec<String>,
}

impl JsonPath {
    /// Splits at dots. A backslash takes the character after it as it is: `a\.b` is the one key `a.b`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut segments = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '.' => segments.push(String::new()),
                '\\' => last(&mut segments).extend(characters.next()),
                _ => last(&mut segments).push(character),
            }
        }
        Self { segments }
    }

    /// Tells whether a key or index is missing, as in `a..b`.
    pub(crate) fn has_gap(&self) -> bool {
        self.segments.iter().any(String::is_empty)
    }

    /// Returns the innermost key.
    pub(crate) fn last_key(&self) -> &str {
        self.segments.last().expect("there is one from the start")
    }

    /// Returns the value at this path, or `None` if there is none. A number is a key of an object and an index of an
    /// array. Of several equal keys the last counts, as in JavaScript.
    ///
    /// # Errors
    /// If `json` is not one JSON value.
    pub(crate) fn find(&self, json: &[u8]) -> serde_json::Result<Option<Value>> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let found = Finder { segments: &self.segments }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(found)
    }
}

fn last(segments: &mut [String]) -> &mut String {
    segments.last_mut().expect("there is one from the start")
}

/// Goes down one segment for each nested value.
#[derive(Clone, Copy)]
struct Finder<'a> {
    segments: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        if self.segments.is_empty() {
            return serde::Deserialize::deserialize(deserializer).map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<Value>, M::Error> {
        let (wanted, segments) = self.segments.split_first().expect("a path's end has no visitor");
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(KeyIs(wanted))? {
            if is_wanted {
                found = map.next_value_seed(Finder { segments })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Option<Value>, S::Error> {
        let (wanted, segments) = self.segments.split_first().expect("a path's end has no visitor");
        let before = wanted.parse::<usize>().unwrap_or(usize::MAX);
        for _ in 0..before {
            if sequence.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = sequence.next_element_seed(Finder { segments })?.flatten();
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }
}

/// Reads a key and tells whether it is this one.
struct KeyIs<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn finds_what_stands_at_a_path() {
        let check = |json: &str, path: &str, expected: Option<Value>| {
            assert_eq!(JsonPath::parse(path).find(json.as_bytes()).unwrap(), expected, "{path} in {json}");
        };
        let answer =
            r#"{"id":1.5,"choices":[{"n":0},{"n":1,"finish_reason":"stop"}],"a.b":{"":true},"7":null}"#;
        check(answer, "choices.1.finish_reason", Some(json!("stop")));
        check(answer, "choices.0", Some(json!({"n": 0})));
        check(answer, "id", Some(json!(1.5)));
        check(answer, r"a\.b.", Some(json!(true)));
        check(answer, "7", Some(json!(null)));
        check(answer, "choices.2", None);
        check(answer, "choices.-1", None);
        check(answer, "choices.n", None);
        check(answer, "choices.99999999999999999999999", None);
        check(answer, "id.x", None);
        check(answer, "Id", None);
        check(r#"{"a":1,"a":2}"#, "a", Some(json!(2)));
        check(r#"{"a":{"b":1},"a":{}}"#, "a.b", None);
        check(r#"{"\u0061":"\n"}"#, "a", Some(json!("\n")));
        check(r#"{"a\\":1}"#, r"a\\", Some(json!(1)));
        check("[[1,2],[3]]", "0.1", Some(json!(2)));
        for scalar in ["true", "-1", "1", "1.5", "\"text\"", "null"] {
            check(scalar, "a", None);
        }
    }

    #[test]
    fn refuses_what_is_not_one_json_value() {
        for text in ["", "{", r#"{"a":1}{"#, r#"{"a":1,}"#, r#"{"b":tru,"a":1}"#, "data: {}", "[1,2"] {
            assert!(JsonPath::parse("a").find(text.as_bytes()).is_err(), "{text}");
            assert!(JsonPath::parse("0").find(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        /// `Value::pointer` is the oracle.
        #[test]
        fn finds_what_a_whole_parse_finds(keys in prop::collection::vec("[ab01]{1,2}", 1..4), json in values()) {
            let pointer: String = keys.iter().flat_map(|key| ["/", key]).collect();
            let text = json.to_string();
            let found = JsonPath::parse(&keys.join(".")).find(text.as_bytes()).unwrap();
            // A pointer's index has no leading zero; a path's may.
            if keys.iter().all(|key| !key.starts_with('0') || key == "0") {
                prop_assert_eq!(found.as_ref(), json.pointer(&pointer));
            }
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab01]{1,2}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }
}
