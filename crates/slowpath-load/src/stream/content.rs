//! Tells from content type and path how an answer is to be read.

/// The form of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Server-sent events.
    EventStream,
    /// One JSON value a line.
    JsonLines,
    /// One JSON value, which may be an array that grows element by element.
    Json,
    /// Anything else, or unknown.
    Other,
}

impl Content {
    /// Returns the form that a `content-type` header stands for; parameters and case do not matter.
    pub fn of(content_type: &[u8]) -> Self {
        let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
        let media_type = content_type[..end].trim_ascii();
        let is_one_of =
            |list: &[&str]| list.iter().any(|name| media_type.eq_ignore_ascii_case(name.as_bytes()));
        if is_one_of(&["text/event-stream"]) {
            Self::EventStream
        } else if is_one_of(&[
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-jsonlines",
            "application/jsonlines",
            "application/stream+json",
            "application/x-json-stream",
        ]) {
            Self::JsonLines
        } else if is_one_of(&["application/json", "text/json"]) || ends_with_json(media_type) {
            Self::Json
        } else {
            Self::Other
        }
    }
}

/// Structured syntax suffix of RFC 6839, as in `application/problem+json`.
fn ends_with_json(media_type: &[u8]) -> bool {
    let suffix = b"+json";
    media_type.len() > suffix.len()
        && media_type[media_type.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// Ends of the paths of LLM APIs, as OpenAI, Anthropic, Google and Ollama define them.
const LLM_PATHS: [&str; 9] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/v1/messages",
    ":generateContent",
    ":streamGenerateContent",
    "/api/chat",
    "/api/generate",
];

/// Returns whether a request path (with or without query) is an LLM API's that generates text or embeddings.
///
/// Anything may stand before, since gateways mount providers under prefixes.
pub fn is_llm_path(path: &str) -> bool {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = path[..end].trim_end_matches('/');
    LLM_PATHS.iter().any(|known| path.ends_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_stand_for_forms() {
        fn check(content_type: &str, expected: Content) {
            assert_eq!(Content::of(content_type.as_bytes()), expected, "{content_type:?}");
        }
        check("text/event-stream", Content::EventStream);
        check(" Text/Event-Stream ; charset=utf-8", Content::EventStream);
        check("application/x-ndjson", Content::JsonLines);
        check("application/jsonl; charset=utf-8", Content::JsonLines);
        check("application/stream+json", Content::JsonLines);
        check("application/json; charset=UTF-8", Content::Json);
        check("application/problem+JSON", Content::Json);
        check("text/html", Content::Other);
        check("application/octet-stream", Content::Other);
        check("+json", Content::Other);
        check("", Content::Other);
        check(";", Content::Other);
    }

    #[test]
    fn paths_of_llm_apis_are_known_under_any_prefix() {
        for path in [
            "/v1/chat/completions",
            "/chat/completions",
            "/v1/completions",
            "/v1/responses",
            "/v1/embeddings",
            "/v1/messages",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=x",
            "/v1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent",
            "/api/chat",
            "/api/generate",
            "/anthropic/v1/messages",
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            "/proxy/7/openai/v1/responses/",
        ] {
            assert!(is_llm_path(path), "{path}");
        }
        for path in [
            "/",
            "/v1/models",
            "/messages",
            "/v1/messages/count_tokens",
            "/v1/chat/completions/abc",
            "/autocompletions",
            "/api/chats",
            "/search?path=/v1/responses",
            "/v1beta/models/gemini-2.5-flash:countTokens",
            "",
        ] {
            assert!(!is_llm_path(path), "{path}");
        }
    }
}
