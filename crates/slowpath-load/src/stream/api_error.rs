//! Recognises the error objects that LLM APIs send under HTTP 200, and puts each into one line.
//!
//! ```text
//! OpenAI            {"error":{"message":…,"type":…,"code":…}}
//! OpenAI Responses  {"type":"error","code":…,"message":…}   {"type":"response.failed","response":{"error":{…}}}
//! Claude            {"type":"error","error":{"type":…,"message":…}}
//! Gemini            {"error":{"code":503,"message":…,"status":"UNAVAILABLE"}}   or in an array
//! Ollama, others    {"error":"…"}   {"error":true,"message":…}   {"object":"error","message":…}
//! ```

use super::json;

/// The most bytes of an error message that are passed on.
const MAX_MESSAGE_BYTES: usize = 300;

/// What of an object's members speaks of an error. Values are JSON; empty where there is no such member.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ErrorMembers<'a> {
    pub(super) error: &'a [u8],
    pub(super) message: &'a [u8],
    pub(super) code: &'a [u8],
    pub(super) status: &'a [u8],
    /// `type`.
    pub(super) kind: &'a [u8],
    /// `object`.
    pub(super) object: &'a [u8],
}

impl<'a> ErrorMembers<'a> {
    /// Takes a member if it is one of these.
    pub(super) fn take(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"error" => self.error = value,
            b"message" => self.message = value,
            b"code" => self.code = value,
            b"status" => self.status = value,
            b"type" => self.kind = value,
            b"object" => self.object = value,
            _ => {}
        }
    }

    /// Reads an object; `None` if it is none.
    pub(super) fn of(object: &'a [u8]) -> Option<Self> {
        let mut members = Self::default();
        json::object(object, |name, value| {
            members.take(name, value.value()?);
            Some(())
        })?;
        Some(members)
    }

    /// Returns what the error says; `None` if the object is no error.
    pub(super) fn describe(&self) -> Option<String> {
        let is_named_error = self.kind == br#""error""# || self.object == br#""error""#;
        match self.error.first() {
            Some(b'{') if json::is_filled(self.error) => {
                Self::of(self.error).map(|error| error.in_one_line())
            }
            Some(b'"') if json::is_text(self.error) => {
                let kind = json::text(self.error)?;
                let message = json::text(self.message).filter(|message| !message.is_empty());
                Some(message.map_or_else(|| bounded(&kind), |message| bounded(&format!("{kind}: {message}"))))
            }
            Some(b't') => Some(self.in_one_line()),
            _ => is_named_error.then(|| self.in_one_line()),
        }
    }

    /// Returns the most telling of the short names, and the message.
    pub(super) fn in_one_line(&self) -> String {
        let name = [self.code, self.status, self.kind]
            .into_iter()
            // Gemini's `code` repeats the status line, and `type` of an error may be just `error`.
            .filter(|name| json::is_text(name) && *name != br#""error""#)
            .find_map(json::text);
        let message = json::text(self.message).filter(|message| !message.is_empty());
        match (name, message) {
            (Some(name), Some(message)) => bounded(&format!("{name}: {message}")),
            (Some(text), None) | (None, Some(text)) => bounded(&text),
            (None, None) => "an error without a message".to_owned(),
        }
    }
}

/// Returns the error of an answer that came under a good status; `None` if it is none, or no JSON.
///
/// Only the outermost object is looked at, or those of an outermost array: an `error` within what the model wrote is
/// content. `"error":null` is none.
pub fn api_error_in_json(body: &[u8]) -> Option<String> {
    if let Some(members) = ErrorMembers::of(body) {
        return members.describe();
    }
    let mut error = None;
    json::array(body, |element| {
        let element = element.value()?;
        if error.is_none() {
            error = ErrorMembers::of(element).and_then(|members| members.describe());
        }
        Some(())
    })?;
    error
}

/// Cuts a text to the length that is passed on.
///
/// Never within a run of printable ASCII: what is left of a key that was cut in two would no longer be recognised as
/// one that must not be shown.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= MAX_MESSAGE_BYTES {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let is_within_run = |end: usize| bytes[end - 1].is_ascii_graphic() && bytes[end].is_ascii_graphic();
    let mut end = MAX_MESSAGE_BYTES - '…'.len_utf8();
    while end > 0 && (!text.is_char_boundary(end) || is_within_run(end)) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_under_a_good_status_are_recognised() {
        fn check(body: &str, expected: &str) {
            assert_eq!(api_error_in_json(body.as_bytes()).as_deref(), Some(expected), "{body}");
        }
        check(
            r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
            "rate_limit_exceeded: Rate limit reached",
        );
        check(
            r#"{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}}"#,
            "invalid_request_error: bad",
        );
        check(
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#,
            "overloaded_error: Overloaded",
        );
        check(
            "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n",
            "UNAVAILABLE: The model is overloaded.",
        );
        check(
            r#"[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]"#,
            "RESOURCE_EXHAUSTED: Quota",
        );
        check(r#"[{"candidates":[]},{"error":{"code":500,"message":"x"}}]"#, "x");
        check(r#"{"error":"model 'x' not found"}"#, "model 'x' not found");
        check(r#"{"statusCode":502,"error":"Bad Gateway","message":"upstream"}"#, "Bad Gateway: upstream");
        check(r#"{"error":true,"message":"upstream died"}"#, "upstream died");
        check(
            r#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#,
            "BadRequestError: too long",
        );
        check(r#"{"type":"error","code":"ERR","message":"m","param":null,"sequence_number":1}"#, "ERR: m");
        check(
            r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"m"}}"#,
            "server_error: m",
        );
        check(r#"{"error":{"details":[1]}}"#, "an error without a message");
        check(r#"{"error":{"message":"a\n\"b\" \u00fc"}}"#, "a\n\"b\" ü");
    }

    #[test]
    fn answers_are_no_errors() {
        for body in [
            "",
            "null",
            "{}",
            "[]",
            "error",
            r#""error""#,
            r#"{"error":null,"choices":[]}"#,
            r#"{"error":"","choices":[]}"#,
            r#"{"error":{},"choices":[]}"#,
            r#"{"error":false}"#,
            r#"{"error":0}"#,
            r#"{"id":"resp_1","object":"response","status":"completed","error":null,"output":[]}"#,
            r#"{"choices":[{"message":{"content":"{\"error\":{\"message\":\"x\"}}"}}]}"#,
            r#"{"choices":[{"message":{"content":"x"},"error":{"message":"x"}}]}"#,
            r#"{"message":"error","code":"error"}"#,
            r#"{"data":{"error":{"message":"x"}}}"#,
            r#"{"error":{"message":"cut"#,
            r#"[[{"error":"x"}]]"#,
            "<html>error</html>",
        ] {
            assert_eq!(api_error_in_json(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn long_messages_are_cut_between_words() {
        let message = format!("{} sk-{}", "word ".repeat(55), "a".repeat(100));
        let body = serde_json::json!({ "error": { "message": message } }).to_string();
        let error = api_error_in_json(body.as_bytes()).unwrap();
        assert!(error.ends_with("word  …") && error.len() <= 300, "{error}");

        assert_eq!(bounded(&"x".repeat(301)), "…");
        assert_eq!(bounded(&"x".repeat(300)), "x".repeat(300));
        let chinese = bounded(&"错".repeat(200));
        assert!(chinese.len() > 290 && chinese.len() <= 300 && chinese.ends_with("错…"));
    }
}
