//! What to send and how hard: the options of a load, and their validation. Sends nothing.

use std::time::Duration;

use crate::error::LoadError;
use crate::head::is_token;
use crate::redact::Redactor;
use crate::url::Url;

/// A closed load: `connections` connections, each sending its next request as soon as the last one is answered.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Where requests go.
    pub url: Url,
    /// Request method, sent as it is; `GET` by default.
    pub method: String,
    /// Request headers, sent in this order. They replace the generated `host`, `user-agent` and `accept`.
    pub headers: Vec<(String, String)>,
    /// Request body; its length is sent as `content-length`.
    pub body: Vec<u8>,
    /// Connections kept open over all threads; 10 by default.
    pub connections: u32,
    /// Generator threads; 1 by default, at most one per connection is used.
    pub threads: u32,
    /// How long a connection may go without a single byte in either direction before its request fails; 10 s by
    /// default. It is checked every 25 ms.
    pub timeout: Duration,
    /// How often a finished [`crate::Interval`] is delivered; 1 s by default.
    pub interval: Duration,
}

impl LoadPlan {
    /// Returns a plan of `GET` requests on 10 connections from one thread.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            connections: 10,
            threads: 1,
            timeout: Duration::from_secs(10),
            interval: Duration::from_secs(1),
        }
    }

    /// Checks every field; [`crate::start`] does so too.
    pub fn validate(&self) -> Result<(), LoadError> {
        let bad = |field, value: String, problem| Err(LoadError::BadPlan { field, value, problem });
        if !is_token(self.method.as_bytes()) {
            return bad("method", self.method.clone(), "a method is one word such as `GET`");
        }
        if self.connections == 0 {
            return bad("connections", "0".to_owned(), "at least one is needed");
        }
        if self.threads == 0 {
            return bad("threads", "0".to_owned(), "at least one is needed");
        }
        if self.timeout.is_zero() {
            return bad("timeout", "0".to_owned(), "no server answers in no time");
        }
        if self.interval < Duration::from_millis(1) {
            return bad("interval", format!("{:?}", self.interval), "the shortest interval is 1 ms");
        }
        self.headers.iter().try_for_each(|(name, value)| self.check_header(name, value))
    }

    fn check_header(&self, name: &str, value: &str) -> Result<(), LoadError> {
        check_header_text(name, value)?;
        let bad = |problem, hint| Err(LoadError::BadHeader { header: shown(name, value), problem, hint });
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return bad("the body is always sent with its length", "leave this header out");
        }
        if name.eq_ignore_ascii_case("content-length") && value != self.body.len().to_string() {
            return bad(
                "it differs from the length of the body",
                "leave it out, it is computed from the body",
            );
        }
        Ok(())
    }
}

/// Splits a header written as `Name: value` or, as autocannon allows, `Name=value`.
///
/// Whichever of `:` and `=` comes first separates. The parts are trimmed and checked.
///
/// # Errors
/// [`LoadError::BadHeader`] with the offending header, secrets redacted.
pub fn parse_header(text: &str) -> Result<(String, String), LoadError> {
    let Some((name, value)) = text.split_once([':', '=']) else {
        return Err(LoadError::BadHeader {
            header: Redactor::default().redact(text),
            problem: "it has no value",
            hint: "write it as `Name: value` or `Name=value`",
        });
    };
    let (name, value) = (name.trim(), value.trim());
    check_header_text(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn check_header_text(name: &str, value: &str) -> Result<(), LoadError> {
    let bad = |problem, hint| Err(LoadError::BadHeader { header: shown(name, value), problem, hint });
    if !is_token(name.as_bytes()) {
        return bad(
            "its name holds a character that no header name has",
            "a name is made of letters, digits and `-`; write the header as `Name: value`",
        );
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return bad("its value holds a line break or another control character", "remove it from the value");
    }
    Ok(())
}

/// Returns the header on one line and without its secrets.
fn shown(name: &str, value: &str) -> String {
    Redactor::default().redact(&format!("{name}: {value}")).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_both_separators() {
        fn check(text: &str, name: &str, value: &str) {
            assert_eq!(parse_header(text).unwrap(), (name.to_owned(), value.to_owned()), "{text}");
        }
        check("Accept: text/html", "Accept", "text/html");
        check("accept=text/html;q=0.8", "accept", "text/html;q=0.8");
        check("X-Time: a=b", "X-Time", "a=b");
        check("x-url=http://h", "x-url", "http://h");
        check("x-empty:", "x-empty", "");
        check("x-umlaut: ü", "x-umlaut", "ü");
    }

    #[test]
    fn names_the_offending_header_and_hides_its_secret() {
        fn check(text: &str, shown: &str, problem: &str) {
            let error = parse_header(text).expect_err(text);
            assert!(error.hint().is_some());
            let message = error.to_string();
            assert!(message.contains(shown) && message.contains(problem), "{text}: {message}");
        }
        check("Authorization", "`Authorization`", "no value");
        check("Bearer sk-12345678", "`Bearer [redacted]`", "no value");
        check("bad name: 1", "`bad name: 1`", "name");
        check(": 1", "`: 1`", "name");
        check("a: b\r\nc: d", r"`a: b\r\nc: d`", "line break");
    }

    #[test]
    fn refuses_plans_that_cannot_run() {
        fn check(change: impl Fn(&mut LoadPlan), expected: &str) {
            let mut plan = LoadPlan::new(Url::parse("http://h/").unwrap());
            change(&mut plan);
            let message = plan.validate().expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
        check(|plan| plan.connections = 0, "connections `0`");
        check(|plan| plan.threads = 0, "threads `0`");
        check(|plan| plan.timeout = Duration::ZERO, "timeout `0`");
        check(|plan| plan.interval = Duration::ZERO, "interval");
        check(|plan| plan.method = "GET /".to_owned(), "method `GET /`");
        check(|plan| plan.headers.push(("content-length".into(), "7".into())), "differs from the length");
        check(
            |plan| plan.headers.push(("Transfer-Encoding".into(), "chunked".into())),
            "always sent with its length",
        );
        check(|plan| plan.headers.push(("x\n".into(), "1".into())), "name");
    }
}
