//! What an answer must look like to count as successful: status, exact body, values in JSON. Does not know the errors
//! of LLM APIs, nor whether a body is complete.

use serde_json::Value;

use crate::error::LoadError;
use crate::json_path::JsonPath;
use crate::plan::Checks;
use crate::redact::Redactor;

/// Values in messages are cut to this many characters.
const SHOWN_CHARS: usize = 60;

/// Checks answers against one plan.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    statuses: Vec<u16>,
    body: Option<Vec<u8>>,
    json: Vec<JsonCheck>,
}

#[derive(Debug, Clone)]
struct JsonCheck {
    text: String,
    path: JsonPath,
    expected: Value,
}

impl Checker {
    pub(crate) fn new(checks: &Checks) -> Self {
        let json = checks.json.iter().map(|(path, expected)| JsonCheck {
            text: path.clone(),
            path: JsonPath::parse(path),
            expected: expected.clone(),
        });
        Self { statuses: checks.statuses.clone(), body: checks.body.clone(), json: json.collect() }
    }

    /// Tells whether bodies must be kept for [`Checker::verify`]; without, they may pass by.
    pub(crate) fn wants_body(&self) -> bool {
        self.body.is_some() || !self.json.is_empty()
    }

    /// Tells whether the status is one of the expected ones, or 2xx or 3xx if none are given.
    pub(crate) fn is_success_status(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..400).contains(&status) } else { self.statuses.contains(&status) }
    }

    /// Checks a complete body, transfer coding removed.
    ///
    /// # Errors
    /// What differs, in words; values of the body are shortened and secrets redacted.
    pub(crate) fn verify(&self, body: &[u8]) -> Result<(), String> {
        if let Some(expected) = &self.body {
            verify_body(body, expected)?;
        }
        self.json.iter().try_for_each(|check| check.verify(body))
    }
}

fn verify_body(body: &[u8], expected: &[u8]) -> Result<(), String> {
    if body == expected {
        return Ok(());
    }
    let n_equal = body.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let lengths = format!("{} bytes where {} are expected", body.len(), expected.len());
    Err(if n_equal == body.len().min(expected.len()) {
        format!("the body has {lengths}")
    } else {
        format!("the body differs from byte {} on ({lengths})", n_equal + 1)
    })
}

impl JsonCheck {
    fn verify(&self, body: &[u8]) -> Result<(), String> {
        let Self { text, path, expected } = self;
        match path.find(body) {
            // serde_json's own words may quote the body.
            Err(error) if error.is_eof() => Err("the body is not JSON: it ends early".to_owned()),
            Err(error) => {
                Err(format!("the body is not JSON: line {}, column {}", error.line(), error.column()))
            }
            Ok(None) => Err(format!("the body has no `{text}`, {} is expected", self.shown(expected))),
            Ok(Some(found)) if is_same(&found, expected) => Ok(()),
            Ok(Some(found)) => {
                Err(format!("`{text}` is {} where {} is expected", self.shown(&found), self.shown(expected)))
            }
        }
    }

    /// Returns a value at the path as it may be shown: shortened, and redacted as what its key says it is.
    fn shown(&self, value: &Value) -> String {
        let assignment = format!("{}={value}", self.path.last_key().replace('=', ""));
        let redacted = Redactor::default().redact(&assignment);
        let text = redacted.split_once('=').map_or("", |(_, value)| value);
        match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }
}

/// `1` and `1.0` are the same number, here as in JavaScript.
fn is_same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => found == expected,
    }
}

/// Splits `PATH=VALUE`, for [`Checks::json`].
///
/// The path is made of keys and array indices joined by dots, `choices.0.finish_reason`; a backslash takes the next
/// character as part of a key (`a\.b`, `a\=b`). The value is JSON, or else a string: `stop` and `"stop"` are the same,
/// `5` is a number and `"5"` a string.
///
/// # Errors
/// [`LoadError::BadText`] without `=`, or with an empty key.
pub fn parse_json_check(text: &str) -> Result<(String, Value), LoadError> {
    let bad = |problem: &str| LoadError::BadText {
        what: "expectation",
        text: Redactor::default().redact(text),
        problem: problem.to_owned(),
        hint: "write it as `PATH=VALUE`, such as `choices.0.finish_reason=stop`".to_owned(),
    };
    let mut is_escaped = false;
    let equals = text.bytes().position(|byte| {
        let is_end = byte == b'=' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    let (path, value) = text.split_at(equals.ok_or_else(|| bad("it has no `=`"))?);
    let path = path.trim();
    if JsonPath::parse(path).has_gap() {
        return Err(bad("a key of its path is empty"));
    }
    let value = value[1..].trim();
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((path.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expecting(checks: &[&str]) -> Checker {
        let json = checks.iter().map(|text| parse_json_check(text).unwrap()).collect();
        Checker::new(&Checks { json, ..Checks::default() })
    }

    #[test]
    fn without_expectations_2xx_and_3xx_are_successes_and_bodies_pass_by() {
        let checker = Checker::new(&Checks::default());
        assert!(!checker.wants_body());
        assert_eq!(checker.verify(b"anything"), Ok(()));
        for (status, is_success) in
            [(199, false), (200, true), (204, true), (399, true), (400, false), (500, false)]
        {
            assert_eq!(checker.is_success_status(status), is_success, "{status}");
        }
    }

    #[test]
    fn expected_statuses_replace_the_usual_ones() {
        let checker = Checker::new(&Checks { statuses: vec![404, 429], ..Checks::default() });
        assert!(checker.is_success_status(404) && checker.is_success_status(429));
        assert!(!checker.is_success_status(200));
    }

    #[test]
    fn says_where_a_body_differs() {
        fn check(body: &str, expected: Result<(), &str>) {
            let checker = Checker::new(&Checks { body: Some(b"hello".to_vec()), ..Checks::default() });
            assert!(checker.wants_body());
            assert_eq!(checker.verify(body.as_bytes()), expected.map_err(str::to_owned));
        }
        check("hello", Ok(()));
        check("hell", Err("the body has 4 bytes where 5 are expected"));
        check("hello\n", Err("the body has 6 bytes where 5 are expected"));
        check("hullo", Err("the body differs from byte 2 on (5 bytes where 5 are expected)"));
    }

    #[test]
    fn says_which_value_of_the_json_differs() {
        fn check(expectation: &str, expected: Result<(), &str>) {
            let body =
                br#"{"n":1,"list":[{"x":1.0}],"reason":"stop","key":"sk-12345678","user":{"password":"hunter"}}"#;
            assert_eq!(
                expecting(&[expectation]).verify(body),
                expected.map_err(str::to_owned),
                "{expectation}"
            );
        }
        check("reason=stop", Ok(()));
        check(r#"reason="stop""#, Ok(()));
        check("n=1.0", Ok(()));
        check(r#"list=[{"x":1}]"#, Ok(()));
        check("reason=length", Err(r#"`reason` is "stop" where "length" is expected"#));
        check(r#"n="1""#, Err(r#"`n` is 1 where "1" is expected"#));
        check("key=x", Err(r#"`key` is "[redacted]" where "[redacted]" is expected"#));
        check("user.password=x", Err(r#"`user.password` is "[redacted]" where "[redacted]" is expected"#));
        check("usage.total=3", Err("the body has no `usage.total`, 3 is expected"));
    }

    #[test]
    fn a_body_that_is_no_json_fails_without_being_quoted() {
        let checker = expecting(&["a=1"]);
        assert!(checker.wants_body());
        assert_eq!(checker.verify(b"<html>secret"), Err("the body is not JSON: line 1, column 1".to_owned()));
        assert_eq!(checker.verify(b"{\"a\":"), Err("the body is not JSON: it ends early".to_owned()));
    }

    #[test]
    fn every_expectation_counts_and_long_values_are_cut() {
        let checker = expecting(&["a=1", "b=2"]);
        assert_eq!(checker.verify(br#"{"b":2,"a":1}"#), Ok(()));
        assert!(checker.verify(br#"{"b":3,"a":1}"#).is_err());
        let long = format!(r#"{{"a":"{}"}}"#, "ü".repeat(500));
        let message = checker.verify(long.as_bytes()).unwrap_err();
        assert!(message.chars().count() < 100, "{message}");
    }

    #[test]
    fn splits_path_and_value() {
        fn check(text: &str, path: &str, value: &Value) {
            assert_eq!(parse_json_check(text).unwrap(), (path.to_owned(), value.clone()), "{text}");
        }
        check("choices.0.finish_reason=stop", "choices.0.finish_reason", &json!("stop"));
        check("a = 5 ", "a", &json!(5));
        check(r#"a="5""#, "a", &json!("5"));
        check("a=", "a", &json!(""));
        check("a=x=y", "a", &json!("x=y"));
        check(r"a\=b=null", r"a\=b", &json!(null));
        check(r#"a={"b":[true]}"#, "a", &json!({"b": [true]}));
        check("a=[broken", "a", &json!("[broken"));
    }

    #[test]
    fn refuses_an_expectation_without_path_or_value() {
        fn check(text: &str, problem: &str) {
            let error = parse_json_check(text).expect_err(text);
            assert!(error.to_string().contains(problem), "{error}");
            assert!(error.hint().unwrap().contains("PATH=VALUE"));
        }
        check("a.b", "no `=`");
        check(r"a\=b", "no `=`");
        check("=5", "a key of its path is empty");
        check("a..b=5", "a key of its path is empty");
    }
}
