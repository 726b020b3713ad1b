//! Errors in the shape of each API, as an answer and as an event in a stream.

use super::route::Family;

/// Returns the body of an error answer.
///
/// Shapes: <https://platform.openai.com/docs/guides/error-codes>, <https://docs.claude.com/en/api/errors>,
/// <https://cloud.google.com/apis/design/errors>.
pub(in super::super) fn error_body(family: Family, status: u16, message: &str, number: u64) -> String {
    let message = serde_json::Value::from(message);
    match family {
        Family::OpenAi => {
            let (kind, code) = match status {
                401 => ("invalid_request_error", r#""invalid_api_key""#),
                429 => ("requests", r#""rate_limit_exceeded""#),
                500.. => ("server_error", "null"),
                _ => ("invalid_request_error", "null"),
            };
            format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":null,"code":{code}}}}}"#)
        }
        Family::Claude => {
            let kind = match status {
                401 => "authentication_error",
                402 => "billing_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                504 => "timeout_error",
                529 => "overloaded_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            };
            format!(
                r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"{}"}}"#,
                request_id(number)
            )
        }
        Family::Gemini => {
            let kind = match status {
                401 => "UNAUTHENTICATED",
                403 => "PERMISSION_DENIED",
                404 => "NOT_FOUND",
                409 => "ABORTED",
                429 => "RESOURCE_EXHAUSTED",
                499 => "CANCELLED",
                501 => "UNIMPLEMENTED",
                503 => "UNAVAILABLE",
                504 => "DEADLINE_EXCEEDED",
                500.. => "INTERNAL",
                _ => "INVALID_ARGUMENT",
            };
            format!(r#"{{"error":{{"code":{status},"message":{message},"status":"{kind}"}}}}"#)
        }
    }
}

/// Returns the data of the event that reports an error in a stream: the service is overloaded.
pub(super) fn stream_error(family: Family, number: u64) -> String {
    let status = match family {
        Family::OpenAi => 500,
        Family::Claude => 529,
        Family::Gemini => 503,
    };
    error_body(family, status, "The mock upstream was told to fail in this stream.", number)
}

/// Returns the id that every answer has in a header.
pub(in super::super) fn request_id(number: u64) -> String {
    format!("req_{number:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_error_as_the_api_does() {
        let check = |family, status, path: &str, expected: &str| {
            let body = error_body(family, status, "say \"no\"\n", 7);
            let json: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(json["error"]["message"], "say \"no\"\n");
            assert_eq!(json.pointer(path).unwrap(), expected, "{body}");
        };
        check(Family::OpenAi, 404, "/error/type", "invalid_request_error");
        check(Family::OpenAi, 429, "/error/code", "rate_limit_exceeded");
        check(Family::OpenAi, 503, "/error/type", "server_error");
        check(Family::Claude, 529, "/error/type", "overloaded_error");
        check(Family::Claude, 500, "/error/type", "api_error");
        check(Family::Claude, 418, "/type", "error");
        check(Family::Claude, 418, "/request_id", "req_000000000007");
        check(Family::Gemini, 503, "/error/status", "UNAVAILABLE");
        check(Family::Gemini, 400, "/error/status", "INVALID_ARGUMENT");
    }
}
