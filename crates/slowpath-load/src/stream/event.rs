//! Reads one event of a stream: whose dialect it is, whether it brings content, ends the answer, or is an error. Knows
//! nothing of the events before.

use super::api_error::{ErrorMembers, bounded};
use super::{Dialect, json};

/// What an event brings, in order of weight: of an event with several parts the weightiest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A role, a ping, usage, an empty delta.
    #[default]
    Nothing,
    /// Thinking that precedes the answer.
    Reasoning,
    /// Text, refusal, tool call, image or sound of the answer.
    Output,
}

/// What is read from one event.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// `None` if the event could be anybody's.
    pub(super) dialect: Option<Dialect>,
    pub(super) part: Part,
    /// Alternatives of the answer that the event is of, as bits; bit 0 where the dialect has only one.
    pub(super) alternatives: u64,
    /// Which of them the event ends.
    pub(super) ended: u64,
    /// `usage`, if the event has it.
    pub(super) n_output_tokens: Option<u64>,
    pub(super) error: Option<String>,
    /// Nobody's content: `{"type":"ping"}`, `{}`.
    pub(super) is_idle: bool,
}

/// The members of an event that some dialect gives a meaning. Values are JSON; empty where there is no such member.
#[derive(Debug, Default)]
struct Members<'a> {
    error: ErrorMembers<'a>,
    choices: &'a [u8],
    usage: &'a [u8],
    delta: &'a [u8],
    item: &'a [u8],
    response: &'a [u8],
    content_block: &'a [u8],
    candidates: &'a [u8],
    usage_metadata: &'a [u8],
    prompt_feedback: &'a [u8],
    done: &'a [u8],
    eval_count: &'a [u8],
    thinking: &'a [u8],
}

/// Reads an event's data; `None` if it is no JSON object.
///
/// `name` is what the stream calls the event; it stands in for the data's own `type`.
pub(super) fn read(name: &[u8], data: &[u8]) -> Option<Reading> {
    let mut event = Members::default();
    let is_object = json::members(data, |name, value| match name {
        b"choices" => event.choices = value,
        b"usage" => event.usage = value,
        b"delta" => event.delta = value,
        b"item" => event.item = value,
        b"response" => event.response = value,
        b"content_block" => event.content_block = value,
        b"candidates" => event.candidates = value,
        b"usageMetadata" => event.usage_metadata = value,
        b"promptFeedback" => event.prompt_feedback = value,
        b"done" => event.done = value,
        b"eval_count" => event.eval_count = value,
        b"thinking" => event.thinking = value,
        _ => event.error.take(name, value),
    });
    if !is_object {
        return None;
    }
    let kind = json::raw_text(event.error.kind).unwrap_or(name);
    let mut reading = if event.choices.first() == Some(&b'[') {
        openai_chat(&event)
    } else if kind.starts_with(b"response.") {
        openai_responses(kind, &event)
    } else if is_claude(kind) {
        claude(kind, &event)
    } else if [event.candidates, event.usage_metadata, event.prompt_feedback]
        .iter()
        .any(|value| json::is_filled(value))
    {
        gemini(&event)
    } else if is_ollama(&event) {
        ollama(&event)
    } else {
        let is_idle = kind == b"ping" || !json::is_filled(data.trim_ascii_start());
        Reading { is_idle, ..Reading::default() }
    };
    if reading.error.is_none() {
        reading.error = event.error.describe();
    }
    if reading.error.is_none() && name == b"error" {
        reading.error = Some(event.error.in_one_line());
    }
    Some(reading)
}

/// Chat completions, and the older text completions.
fn openai_chat(event: &Members<'_>) -> Reading {
    let mut reading = Reading {
        dialect: Some(Dialect::OpenAiChat),
        n_output_tokens: tokens(event.usage, b"completion_tokens"),
        ..Reading::default()
    };
    json::elements(event.choices, |choice| {
        let mut index = 0;
        let mut is_ended = false;
        json::members(choice, |name, value| match name {
            b"index" => index = json::count(value).unwrap_or(0),
            // A whole answer has a `message` where a stream has a `delta`.
            b"delta" | b"message" => reading.part = reading.part.max(openai_delta(value)),
            b"text" if json::is_text(value) => reading.part = Part::Output,
            // Some gateways send an empty one in every chunk.
            b"finish_reason" if json::is_text(value) => {
                is_ended = true;
                if value == br#""error""# {
                    reading.error = Some("the finish reason is `error`".to_owned());
                }
            }
            _ => {}
        });
        reading.add_alternative(index, is_ended);
    });
    // What the error itself says tells more than a finish reason.
    reading.error = event.error.describe().or(reading.error);
    reading
}

/// `reasoning_content` is DeepSeek's and vLLM's name, `reasoning` OpenRouter's and newer vLLM's.
fn openai_delta(delta: &[u8]) -> Part {
    let mut part = Part::Nothing;
    json::members(delta, |name, value| {
        let found = match name {
            b"content" if json::is_filled(value) => content_parts(value),
            b"content" | b"refusal" if json::is_text(value) => Part::Output,
            b"reasoning_content" | b"reasoning" if json::is_text(value) => Part::Reasoning,
            b"tool_calls" if is_any_call(value) => Part::Output,
            b"function_call" if is_call(value) => Part::Output,
            b"audio" | b"images" if json::is_filled(value) => Part::Output,
            _ => Part::Nothing,
        };
        part = part.max(found);
    });
    part
}

/// Content as a list (Mistral): `{"type":"text","text":…}`, `{"type":"thinking","thinking":[…]}`.
fn content_parts(list: &[u8]) -> Part {
    let mut part = Part::Nothing;
    json::elements(list, |element| {
        json::members(element, |name, value| match name {
            b"text" if json::is_text(value) => part = Part::Output,
            b"thinking" if json::is_filled(value) || json::is_text(value) => part = part.max(Part::Reasoning),
            _ => {}
        });
    });
    part
}

fn is_any_call(list: &[u8]) -> bool {
    let mut is_any = false;
    json::elements(list, |call| {
        json::members(call, |name, value| {
            is_any |= matches!(name, b"function" | b"custom") && is_call(value);
        });
    });
    is_any
}

/// Returns whether a piece of a call brings a name or arguments (an object, in Ollama's).
fn is_call(call: &[u8]) -> bool {
    let mut is_any = false;
    json::members(call, |name, value| {
        is_any |= matches!(name, b"name" | b"arguments" | b"input")
            && (json::is_text(value) || json::is_filled(value));
    });
    is_any
}

/// Events of the Responses API. `response.incomplete` is an end like `finish_reason: length`: the model stopped at a
/// limit, the transport did what it should.
fn openai_responses(kind: &[u8], event: &Members<'_>) -> Reading {
    let mut reading =
        Reading { dialect: Some(Dialect::OpenAiResponses), alternatives: 1, ..Reading::default() };
    if kind.ends_with(b".delta") {
        if json::is_text(event.delta) || json::is_filled(event.delta) {
            let is_reasoning = kind.starts_with(b"response.reasoning");
            reading.part = if is_reasoning { Part::Reasoning } else { Part::Output };
        }
        return reading;
    }
    match kind {
        b"response.output_item.added" => {
            // `function_call`, `custom_tool_call`, `web_search_call`, …
            json::members(event.item, |name, value| {
                if name == b"type" && value.ends_with(b"_call\"") {
                    reading.part = Part::Output;
                }
            });
        }
        b"response.image_generation_call.partial_image" => reading.part = Part::Output,
        b"response.completed" | b"response.incomplete" => reading.ended = 1,
        b"response.failed" | b"response.error" => {
            let mut error = ErrorMembers::default();
            json::members(event.response, |name, value| error.take(name, value));
            let name = String::from_utf8_lossy(kind);
            reading.error =
                error.describe().or_else(|| event.error.describe()).or_else(|| Some(bounded(&name)));
        }
        _ => {}
    }
    json::members(event.response, |name, value| {
        if name == b"usage" {
            reading.n_output_tokens = tokens(value, b"output_tokens");
        }
    });
    reading
}

fn is_claude(kind: &[u8]) -> bool {
    matches!(kind, b"message_start" | b"message_delta" | b"message_stop")
        || kind.starts_with(b"content_block_")
}

/// Events of Claude's Messages API.
fn claude(kind: &[u8], event: &Members<'_>) -> Reading {
    let mut reading = Reading { dialect: Some(Dialect::Claude), alternatives: 1, ..Reading::default() };
    match kind {
        b"content_block_delta" => reading.part = claude_piece(event.delta),
        b"content_block_start" => reading.part = claude_piece(event.content_block),
        b"message_start" => {
            json::members(event.error.message, |name, value| {
                if name == b"usage" {
                    reading.n_output_tokens = tokens(value, b"output_tokens");
                }
            });
        }
        b"message_delta" => reading.n_output_tokens = tokens(event.usage, b"output_tokens"),
        b"message_stop" => reading.ended = 1,
        _ => {}
    }
    reading
}

/// A content block or a delta of one. A signature is no content, nor are citations: they belong to text that came.
fn claude_piece(piece: &[u8]) -> Part {
    let mut part = Part::Nothing;
    let mut is_redacted = false;
    json::members(piece, |name, value| {
        let found = match name {
            b"text" | b"partial_json" | b"name" if json::is_text(value) => Part::Output,
            b"thinking" if json::is_text(value) => Part::Reasoning,
            b"type" => {
                is_redacted = value == br#""redacted_thinking""#;
                Part::Nothing
            }
            _ => Part::Nothing,
        };
        part = part.max(found);
    });
    if is_redacted { Part::Reasoning } else { part }
}

/// Chunks of `streamGenerateContent`. A prompt that is blocked has no candidates: its block reason is the end.
fn gemini(event: &Members<'_>) -> Reading {
    let mut reading = Reading { dialect: Some(Dialect::Gemini), ..Reading::default() };
    json::elements(event.candidates, |candidate| {
        let mut index = 0;
        let mut is_ended = false;
        json::members(candidate, |name, value| match name {
            b"index" => index = json::count(value).unwrap_or(0),
            b"content" => reading.part = reading.part.max(gemini_content(value)),
            b"finishReason" => is_ended = json::is_text(value) && value != br#""FINISH_REASON_UNSPECIFIED""#,
            _ => {}
        });
        reading.add_alternative(index, is_ended);
    });
    json::members(event.prompt_feedback, |name, value| {
        if name == b"blockReason" && json::is_text(value) {
            reading.add_alternative(0, true);
        }
    });
    // Thoughts are counted apart here, and as output by all other dialects.
    let answer = tokens(event.usage_metadata, b"candidatesTokenCount");
    let thoughts = tokens(event.usage_metadata, b"thoughtsTokenCount");
    if answer.is_some() || thoughts.is_some() {
        reading.n_output_tokens = Some(answer.unwrap_or(0).saturating_add(thoughts.unwrap_or(0)));
    }
    reading
}

fn gemini_content(content: &[u8]) -> Part {
    let mut part = Part::Nothing;
    json::members(content, |name, value| {
        if name == b"parts" {
            json::elements(value, |piece| part = part.max(gemini_part(piece)));
        }
    });
    part
}

fn gemini_part(piece: &[u8]) -> Part {
    let mut is_filled = false;
    let mut is_thought = false;
    json::members(piece, |name, value| match name {
        b"thought" => is_thought = value == b"true",
        b"text" => is_filled |= json::is_text(value),
        b"functionCall" | b"executableCode" | b"codeExecutionResult" | b"inlineData" | b"fileData" => {
            is_filled |= json::is_filled(value);
        }
        _ => {}
    });
    match (is_filled, is_thought) {
        (true, false) => Part::Output,
        (true, true) => Part::Reasoning,
        (false, _) => Part::Nothing,
    }
}

fn is_ollama(event: &Members<'_>) -> bool {
    matches!(event.done, b"true" | b"false")
        && (event.error.message.first() == Some(&b'{') || event.response.first() == Some(&b'"'))
}

/// Lines of `/api/chat` (`message`) and `/api/generate` (`response`).
fn ollama(event: &Members<'_>) -> Reading {
    let mut part = if json::is_text(event.thinking) { Part::Reasoning } else { Part::Nothing };
    if json::is_text(event.response) {
        part = Part::Output;
    }
    json::members(event.error.message, |name, value| {
        let found = match name {
            b"content" if json::is_text(value) => Part::Output,
            b"thinking" if json::is_text(value) => Part::Reasoning,
            b"tool_calls" if is_any_call(value) => Part::Output,
            _ => Part::Nothing,
        };
        part = part.max(found);
    });
    Reading {
        dialect: Some(Dialect::Ollama),
        part,
        alternatives: 1,
        ended: u64::from(event.done == b"true"),
        n_output_tokens: json::count(event.eval_count),
        ..Reading::default()
    }
}

impl Reading {
    fn add_alternative(&mut self, index: u64, is_ended: bool) {
        let bit = 1 << index.min(63);
        self.alternatives |= bit;
        if is_ended {
            self.ended |= bit;
        }
    }
}

/// Returns the count `name` of a usage object.
fn tokens(usage: &[u8], name: &[u8]) -> Option<u64> {
    let mut count = None;
    json::members(usage, |member, value| {
        if member == name {
            count = json::count(value);
        }
    });
    count
}
