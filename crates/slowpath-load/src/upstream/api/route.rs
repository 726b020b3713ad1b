//! Which API a path belongs to. Only its end counts: gateways mount these APIs below prefixes of their own.

use super::super::request::Marks;

/// A maker of APIs; decides the shape of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Family {
    OpenAi,
    Claude,
    Gemini,
}

/// What a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Endpoint {
    OpenAiChat,
    OpenAiCompletions,
    OpenAiResponses,
    OpenAiEmbeddings,
    OpenAiModels,
    ClaudeMessages,
    ClaudeCountTokens,
    ClaudeModels,
    GeminiGenerate,
    GeminiStream,
    GeminiCountTokens,
    GeminiModels,
}

impl Endpoint {
    /// All of them, in the order of their declaration.
    pub(in super::super) const ALL: [Self; 12] = [
        Self::OpenAiChat,
        Self::OpenAiCompletions,
        Self::OpenAiResponses,
        Self::OpenAiEmbeddings,
        Self::OpenAiModels,
        Self::ClaudeMessages,
        Self::ClaudeCountTokens,
        Self::ClaudeModels,
        Self::GeminiGenerate,
        Self::GeminiStream,
        Self::GeminiCountTokens,
        Self::GeminiModels,
    ];

    /// Returns its name in the counters.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiCompletions => "openai_completions",
            Self::OpenAiResponses => "openai_responses",
            Self::OpenAiEmbeddings => "openai_embeddings",
            Self::OpenAiModels => "openai_models",
            Self::ClaudeMessages => "claude_messages",
            Self::ClaudeCountTokens => "claude_count_tokens",
            Self::ClaudeModels => "claude_models",
            Self::GeminiGenerate => "gemini_generate",
            Self::GeminiStream => "gemini_stream",
            Self::GeminiCountTokens => "gemini_count_tokens",
            Self::GeminiModels => "gemini_models",
        }
    }

    pub(in super::super) fn family(self) -> Family {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiResponses
            | Self::OpenAiEmbeddings
            | Self::OpenAiModels => Family::OpenAi,
            Self::ClaudeMessages | Self::ClaudeCountTokens | Self::ClaudeModels => Family::Claude,
            Self::GeminiGenerate | Self::GeminiStream | Self::GeminiCountTokens | Self::GeminiModels => {
                Family::Gemini
            }
        }
    }

    /// Returns the method that it answers; `HEAD` goes with `GET`.
    fn method(self) -> &'static str {
        match self {
            Self::OpenAiModels | Self::ClaudeModels | Self::GeminiModels => "GET",
            _ => "POST",
        }
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Route<'a> {
    /// To this endpoint; `model` is the one that the path names.
    To { endpoint: Endpoint, model: Option<&'a str> },
    /// To the mock itself, with what follows `/_mock`.
    Control { rest: &'a str },
    /// The path is known and the method is not.
    WrongMethod { family: Family, allowed: &'static str },
    /// Nowhere.
    Unknown { family: Family },
}

/// Finds where a request goes.
pub(in super::super) fn route<'a>(method: &str, path: &'a str, marks: Marks) -> Route<'a> {
    if let Some(rest) = path.strip_prefix("/_mock")
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return Route::Control { rest: rest.trim_end_matches('/') };
    }
    let path = path.trim_end_matches('/');
    let Some((endpoint, model)) = find(path, marks) else {
        return Route::Unknown { family: family_of(path, marks) };
    };
    let allowed = endpoint.method();
    if method == allowed || (method, allowed) == ("HEAD", "GET") {
        Route::To { endpoint, model }
    } else {
        Route::WrongMethod { family: endpoint.family(), allowed }
    }
}

fn find(path: &str, marks: Marks) -> Option<(Endpoint, Option<&str>)> {
    let (before, last) = path.rsplit_once('/')?;
    if let Some((model, action)) = last.rsplit_once(':') {
        let endpoint = match action {
            "generateContent" => Endpoint::GeminiGenerate,
            "streamGenerateContent" => Endpoint::GeminiStream,
            "countTokens" => Endpoint::GeminiCountTokens,
            _ => return None,
        };
        return Some((endpoint, Some(model)));
    }
    let endpoint = match last {
        "completions" if before.ends_with("/chat") => Endpoint::OpenAiChat,
        "completions" => Endpoint::OpenAiCompletions,
        "responses" => Endpoint::OpenAiResponses,
        "embeddings" => Endpoint::OpenAiEmbeddings,
        "messages" => Endpoint::ClaudeMessages,
        "count_tokens" if before.ends_with("/messages") => Endpoint::ClaudeCountTokens,
        _ => {
            // A model's name may hold slashes.
            let at = path.find("/models")?;
            let model = match &path[at + "/models".len()..] {
                "" => None,
                rest => Some(rest.strip_prefix('/')?),
            };
            let endpoint = match family_of(path, marks) {
                Family::OpenAi => Endpoint::OpenAiModels,
                Family::Claude => Endpoint::ClaudeModels,
                Family::Gemini => Endpoint::GeminiModels,
            };
            return Some((endpoint, model));
        }
    };
    Some((endpoint, None))
}

/// Guesses the family of a path that several have, or none.
fn family_of(path: &str, marks: Marks) -> Family {
    if marks.is_claude || path.contains("/messages") {
        Family::Claude
    } else if marks.is_gemini || path.contains("/v1beta") || path.contains(':') {
        Family::Gemini
    } else {
        Family::OpenAi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Marks = Marks { is_claude: false, is_gemini: false, asks_sse: false };

    #[test]
    fn finds_the_endpoint_below_any_prefix() {
        fn check(method: &str, path: &str, expected: Endpoint, model: Option<&str>) {
            assert_eq!(route(method, path, NONE), Route::To { endpoint: expected, model }, "{method} {path}");
        }
        check("POST", "/v1/chat/completions", Endpoint::OpenAiChat, None);
        check("POST", "/chat/completions/", Endpoint::OpenAiChat, None);
        check("POST", "/openai/deployments/gpt/chat/completions", Endpoint::OpenAiChat, None);
        check("POST", "/v1/completions", Endpoint::OpenAiCompletions, None);
        check("POST", "/openai-custom/v1/responses", Endpoint::OpenAiResponses, None);
        check("POST", "/v1/embeddings", Endpoint::OpenAiEmbeddings, None);
        check("GET", "/v1/models", Endpoint::OpenAiModels, None);
        check("HEAD", "/v1/models", Endpoint::OpenAiModels, None);
        check("GET", "/v1/models/org/name", Endpoint::OpenAiModels, Some("org/name"));
        check("POST", "/claude-kiro-oauth/v1/messages", Endpoint::ClaudeMessages, None);
        check("POST", "/v1/messages/count_tokens", Endpoint::ClaudeCountTokens, None);
        check("POST", "/v1beta/models/g-2.5:generateContent", Endpoint::GeminiGenerate, Some("g-2.5"));
        check("POST", "/v1/models/g:streamGenerateContent", Endpoint::GeminiStream, Some("g"));
        check("POST", "/v1beta/models/g:countTokens", Endpoint::GeminiCountTokens, Some("g"));
        check("GET", "/v1beta/models", Endpoint::GeminiModels, None);
        check("GET", "/v1beta/models/g", Endpoint::GeminiModels, Some("g"));
    }

    #[test]
    fn headers_tell_the_lists_of_models_apart() {
        let list = |marks| match route("GET", "/v1/models", marks) {
            Route::To { endpoint, .. } => endpoint,
            other => panic!("{other:?}"),
        };
        assert_eq!(list(Marks { is_claude: true, ..NONE }), Endpoint::ClaudeModels);
        assert_eq!(list(Marks { is_gemini: true, ..NONE }), Endpoint::GeminiModels);
    }

    #[test]
    fn the_rest_is_unknown_in_the_likeliest_family() {
        let check = |method: &str, path: &str, expected: Route<'_>| {
            assert_eq!(route(method, path, NONE), expected, "{method} {path}");
        };
        check("GET", "/", Route::Unknown { family: Family::OpenAi });
        check("GET", "*", Route::Unknown { family: Family::OpenAi });
        check("POST", "/v1/images/generations", Route::Unknown { family: Family::OpenAi });
        check("POST", "/v1/messages/batches", Route::Unknown { family: Family::Claude });
        check("POST", "/v1beta/models/g:predict", Route::Unknown { family: Family::Gemini });
        check("GET", "/v1/modelsx", Route::Unknown { family: Family::OpenAi });
        check("GET", "/v1/messages", Route::WrongMethod { family: Family::Claude, allowed: "POST" });
        check("POST", "/v1/models", Route::WrongMethod { family: Family::OpenAi, allowed: "GET" });
        check("PATCH", "/_mock", Route::Control { rest: "" });
        check("POST", "/_mock/reset", Route::Control { rest: "/reset" });
        check("GET", "/_mockery", Route::Unknown { family: Family::OpenAi });
    }
}
