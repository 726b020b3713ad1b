//! The APIs that the mock speaks: from a request to the texts of its answer. No timing, no sockets.
//!
//! The same request with the same running number gives the same bytes.

mod claude;
mod embeddings;
mod errors;
mod events;
mod gemini;
mod models;
mod openai;
mod responses;
mod route;

pub(super) use errors::{error_body, request_id};
pub(super) use events::{EventWriter, TokenTemplate};
pub(super) use models::models_body;
pub(super) use route::{Endpoint, Family, Route, route};

use serde::Deserialize;

use super::text::push_tokens;
use embeddings::EmbeddingsAsked;
use errors::stream_error;

/// `created` of every answer: a fixed time, so that answers do not depend on the clock.
const CREATED_UNIX_S: u64 = 1_700_000_000;

/// The model that is listed, and the one that answers when a request names none.
const DEFAULT_MODEL: &str = "slowpath-mock";

/// What of a request decides the texts of its answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exchange {
    pub(super) endpoint: Endpoint,
    /// The running number of the request.
    pub(super) number: u64,
    /// A JSON string, quotes included.
    model: String,
    /// Roughly four bytes make a token.
    n_prompt_tokens: u32,
    /// The longest answer that the request allows.
    max_tokens: Option<u32>,
    /// Tokens of the answer.
    pub(super) n_tokens: u32,
    pub(super) is_stream: bool,
    /// Whether a stream is server-sent events and not a JSON array in pieces.
    pub(super) is_sse: bool,
    includes_usage: bool,
    embeddings: EmbeddingsAsked,
}

/// The parts of all APIs' request bodies that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    max_output_tokens: Option<u32>,
    #[serde(rename = "generationConfig", alias = "generation_config")]
    generation_config: Option<GenerationConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GenerationConfig {
    #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
    max_output_tokens: Option<u32>,
}

impl Exchange {
    /// Reads a request's body. `model` is the one that the path names; `asks_sse` counts for Gemini's streams.
    ///
    /// # Errors
    /// What is wrong with the body, without quoting it.
    pub(super) fn read(
        endpoint: Endpoint,
        model: Option<&str>,
        asks_sse: bool,
        body: &[u8],
        number: u64,
    ) -> Result<Self, String> {
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err("the body is not a JSON object".to_owned());
        }
        let asked: Body = serde_json::from_slice(body).map_err(|error| describe(&error))?;
        let embeddings = if endpoint == Endpoint::OpenAiEmbeddings {
            EmbeddingsAsked::read(body)?
        } else {
            <_>::default()
        };
        let model = model.or(asked.model.as_deref()).unwrap_or(DEFAULT_MODEL);
        let max_tokens = asked
            .max_completion_tokens
            .or(asked.max_tokens)
            .or(asked.max_output_tokens)
            .or(asked.generation_config.and_then(|config| config.max_output_tokens));
        Ok(Self {
            endpoint,
            number,
            model: serde_json::Value::from(model).to_string(),
            n_prompt_tokens: (body.len() / 4).clamp(1, u32::MAX as usize) as u32,
            max_tokens: max_tokens.map(|n| n.max(1)),
            n_tokens: 0,
            is_stream: match endpoint {
                Endpoint::GeminiStream => true,
                Endpoint::GeminiGenerate | Endpoint::OpenAiEmbeddings => false,
                _ => asked.stream == Some(true),
            },
            is_sse: endpoint != Endpoint::GeminiStream || asks_sse,
            includes_usage: asked.stream_options.and_then(|options| options.include_usage) == Some(true),
            embeddings,
        })
    }

    /// Sets the length of the answer to `n`, or to the request's limit if that is smaller.
    pub(super) fn set_length(&mut self, n: u32) {
        self.n_tokens = self.max_tokens.map_or(n, |limit| limit.min(n));
    }

    /// Tells whether the answer ends where the request's limit is. One that would have ended there anyway counts: the
    /// API cannot know.
    fn is_cut_short(&self) -> bool {
        self.max_tokens.is_some_and(|limit| self.n_tokens >= limit)
    }

    /// Returns the number of prompt tokens, for the APIs that count them only.
    pub(super) fn count_body(&self) -> String {
        match self.endpoint.family() {
            Family::Gemini => format!(r#"{{"totalTokens":{}}}"#, self.n_prompt_tokens),
            _ => format!(r#"{{"input_tokens":{}}}"#, self.n_prompt_tokens),
        }
    }

    /// Returns the whole answer as one JSON text.
    pub(super) fn unary_body(&self) -> String {
        match self.endpoint {
            Endpoint::OpenAiResponses => responses::unary_body(self),
            Endpoint::ClaudeMessages => claude::unary_body(self),
            Endpoint::GeminiGenerate | Endpoint::GeminiStream => gemini::unary_body(self),
            Endpoint::OpenAiEmbeddings => {
                embeddings::body(&self.embeddings, &self.model, self.n_prompt_tokens)
            }
            _ => openai::unary_body(self),
        }
    }

    /// Writes the events that come before the first token.
    pub(super) fn write_opening(&self, events: &mut EventWriter<'_>) {
        match self.endpoint {
            Endpoint::OpenAiResponses => responses::write_opening(self, events),
            Endpoint::ClaudeMessages => claude::write_opening(self, events),
            Endpoint::GeminiGenerate | Endpoint::GeminiStream => gemini::write_opening(self, events),
            Endpoint::OpenAiChat => openai::write_role(self, events),
            _ => {}
        }
    }

    /// Returns the event of a token, with holes for what changes from one to the next.
    pub(super) fn token_template(&self) -> TokenTemplate {
        match self.endpoint {
            Endpoint::OpenAiResponses => responses::token_template(self),
            Endpoint::ClaudeMessages => claude::token_template(),
            Endpoint::GeminiGenerate | Endpoint::GeminiStream => gemini::token_template(self),
            _ => openai::token_template(self),
        }
    }

    /// Writes the events that come after the last token.
    pub(super) fn write_closing(&self, events: &mut EventWriter<'_>) {
        match self.endpoint {
            Endpoint::OpenAiResponses => responses::write_closing(self, events),
            Endpoint::ClaudeMessages => claude::write_closing(self, events),
            Endpoint::GeminiGenerate | Endpoint::GeminiStream => gemini::write_closing(self, events),
            _ => openai::write_closing(self, events),
        }
    }

    /// Writes the event of an error that happens after `n_sent` tokens.
    pub(super) fn write_error(&self, n_sent: u32, events: &mut EventWriter<'_>) {
        match self.endpoint {
            Endpoint::OpenAiResponses => responses::write_error(self, n_sent, events),
            Endpoint::ClaudeMessages => events.named("error", &stream_error(Family::Claude, self.number)),
            Endpoint::GeminiGenerate | Endpoint::GeminiStream => gemini::write_error(self, events),
            _ => events.data(&stream_error(Family::OpenAi, self.number)),
        }
    }

    /// Returns the text of the answer, as it stands in a JSON string.
    fn text(&self) -> String {
        let mut text = String::with_capacity(self.n_tokens as usize * 6);
        push_tokens(&mut text, self.n_tokens);
        text
    }
}

/// Says where the JSON is wrong, without quoting it.
fn describe(error: &serde_json::Error) -> String {
    let problem =
        if error.is_data() { "a field of the body has the wrong type" } else { "the body is not valid JSON" };
    format!("{problem} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
