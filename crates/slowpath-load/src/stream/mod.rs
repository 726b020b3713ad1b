//! Reads the streams of LLM APIs: when content came, how many tokens, whether the stream ended as it must. Takes bytes
//! and times, and gives numbers; no clock, no I/O.
//!
//! ```text
//! bytes ──sse / json_split──> events ──event (json)──> readings ──meter──> StreamOutcome
//!         cut at line ends             walked over,                adds up over the stream
//!         or brackets                  nothing is built
//! ```
//!
//! Definitions of the times, and the table of dialects, are in `docs/llm-metrics.md`.

mod api_error;
mod content;
mod event;
mod json;
mod json_split;
mod meter;
mod sse;

pub use api_error::api_error_in_json;
pub use content::{Content, is_llm_path};
pub use meter::StreamMeter;
pub use sse::{Event, EventSplitter, EventTooLarge, MAX_EVENT_BYTES};

/// Whose API speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions and all that are compatible; the older text completions, too.
    OpenAiChat,
    /// OpenAI's Responses API.
    OpenAiResponses,
    /// Anthropic's Messages API.
    Claude,
    /// Google's `streamGenerateContent`, as events or as one array.
    Gemini,
    /// Ollama's `/api/chat` and `/api/generate`.
    Ollama,
    /// Any other stream.
    Sse,
}

impl Dialect {
    /// Returns the name used in results: `openai-chat`, `openai-responses`, `claude`, `gemini`, `ollama`, `sse`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::Claude => "claude",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Sse => "sse",
        }
    }
}

/// What a stream was. Times are those that were passed to [`StreamMeter::feed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOutcome {
    /// Found from the events.
    pub dialect: Dialect,
    /// The first event, whatever it holds; comments are no events.
    pub first_event_ns: Option<u64>,
    /// The first content event: text, reasoning or tool call that is not empty. In a stream of unknown dialect
    /// ([`Dialect::Sse`]) every event with data is one, save pings.
    pub first_content_ns: Option<u64>,
    /// The first content event that is not reasoning.
    pub first_output_ns: Option<u64>,
    /// The last content event.
    pub last_content_ns: Option<u64>,
    /// Events of any kind.
    pub n_events: u64,
    /// Content events.
    pub n_content_events: u64,
    /// Events whose data is no JSON object; `[DONE]` is not among them.
    pub n_unparsed_events: u64,
    /// Output tokens, reasoning included, as the last usage in the stream says; may be 0.
    pub n_output_tokens: Option<u64>,
    /// Whether the stream ended as it must.
    pub end: StreamEnd,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// With its dialect's end mark, or as an unknown one may.
    Complete,
    /// Without it.
    Broken {
        /// What is missing.
        why: &'static str,
    },
    /// With the API's own error, anywhere in the stream.
    Error {
        /// What the first error says, in at most 300 bytes. Not redacted.
        message: String,
    },
}
