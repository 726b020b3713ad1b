//! Reads one event of a stream: whose dialect it is, whether it brings content, ends the answer, or is an error. Knows
//! nothing of the events before.

use super::Dialect;
use super::api_error::{ErrorMembers, bounded};
use super::json::{self, Walk};

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

/// The members of an event that several dialects have, or that mean something by the event's type only. Values are JSON;
/// empty where there is no such member.
#[derive(Debug, Default)]
struct Members<'a> {
    error: ErrorMembers<'a>,
    usage: &'a [u8],
    delta: &'a [u8],
    item: &'a [u8],
    response: &'a [u8],
    content_block: &'a [u8],
    done: &'a [u8],
    eval_count: &'a [u8],
    thinking: &'a [u8],
}

/// Reads an event's data; `None` if it is no JSON object. Members may come in any order.
///
/// `name` is what the stream calls the event; it stands in for the data's own `type`.
pub(super) fn read(name: &[u8], data: &[u8]) -> Option<Reading> {
    let mut event = Members::default();
    let mut reading = Reading::default();
    json::object(data, |name, value| {
        match name {
            b"choices" => openai_choices(value, &mut reading)?,
            b"candidates" => gemini_candidates(value, &mut reading)?,
            b"promptFeedback" => gemini_prompt_feedback(value, &mut reading)?,
            b"usageMetadata" => gemini_usage(value, &mut reading)?,
            b"usage" => event.usage = value.value()?,
            b"delta" => event.delta = value.value()?,
            b"item" => event.item = value.value()?,
            b"response" => event.response = value.value()?,
            b"content_block" => event.content_block = value.value()?,
            b"done" => event.done = value.value()?,
            b"eval_count" => event.eval_count = value.value()?,
            b"thinking" => event.thinking = value.value()?,
            _ => event.error.take(name, value.value()?),
        }
        Some(())
    })?;
    let kind = json::raw_text(event.error.kind).unwrap_or(name);
    match reading.dialect {
        Some(Dialect::OpenAiChat) => reading.n_output_tokens = tokens(event.usage, b"completion_tokens"),
        Some(_) => {}
        None if kind.starts_with(b"response.") => openai_responses(kind, &event, &mut reading),
        None if is_claude(kind) => claude(kind, &event, &mut reading),
        None if is_ollama(&event) => ollama(&event, &mut reading),
        None => reading.is_idle = kind == b"ping" || !json::is_filled(data.trim_ascii_start()),
    }
    // What the error itself says tells more than a finish reason.
    reading.error = event.error.describe().or(reading.error);
    if reading.error.is_none() && name == b"error" {
        reading.error = Some(event.error.in_one_line());
    }
    Some(reading)
}

impl Reading {
    fn add(&mut self, part: Part) {
        self.part = self.part.max(part);
    }

    fn add_alternative(&mut self, index: u64, is_ended: bool) {
        let bit = 1 << index.min(63);
        self.alternatives |= bit;
        if is_ended {
            self.ended |= bit;
        }
    }
}

impl Part {
    /// Returns this part if the value has anything in it: text, elements, members.
    fn if_filled(self, value: &[u8]) -> Self {
        if json::is_text(value) || json::is_filled(value) { self } else { Self::Nothing }
    }
}

/// Chunks of chat completions, and of the older text completions.
fn openai_choices(choices: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    if choices.peek()? == b'[' {
        reading.dialect = Some(Dialect::OpenAiChat);
    }
    choices.elements(|choice| {
        let (mut index, mut is_ended) = (0, false);
        choice.members(|name, value| {
            match name {
                b"index" => index = json::count(value.value()?).unwrap_or(0),
                // A whole answer has a `message` where a stream has a `delta`.
                b"delta" | b"message" => openai_delta(value, reading)?,
                b"text" => reading.add(Part::Output.if_filled(value.value()?)),
                b"finish_reason" => {
                    let reason = value.value()?;
                    // Some gateways send an empty one in every chunk.
                    is_ended = json::is_text(reason);
                    if reason == br#""error""# {
                        reading.error = Some("the finish reason is `error`".to_owned());
                    }
                }
                _ => value.skip()?,
            }
            Some(())
        })?;
        reading.add_alternative(index, is_ended);
        Some(())
    })
}

/// `reasoning_content` is DeepSeek's name and vLLM's older one, `reasoning` that of OpenRouter and newer vLLM.
fn openai_delta(delta: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    delta.members(|name, value| {
        match name {
            b"content" if value.peek()? == b'[' => openai_content_list(value, reading)?,
            b"content" | b"refusal" | b"audio" | b"images" => {
                reading.add(Part::Output.if_filled(value.value()?));
            }
            b"reasoning_content" | b"reasoning" => reading.add(Part::Reasoning.if_filled(value.value()?)),
            b"tool_calls" => tool_calls(value, reading)?,
            b"function_call" => tool_call(value, reading)?,
            _ => value.skip()?,
        }
        Some(())
    })
}

/// Content as a list (Mistral): `{"type":"text","text":…}`, `{"type":"thinking","thinking":[…]}`.
fn openai_content_list(list: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    list.elements(|element| {
        element.members(|name, value| {
            match name {
                b"text" => reading.add(Part::Output.if_filled(value.value()?)),
                b"thinking" => reading.add(Part::Reasoning.if_filled(value.value()?)),
                _ => value.skip()?,
            }
            Some(())
        })
    })
}

/// Calls, or pieces of them, of OpenAI and Ollama.
fn tool_calls(list: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    list.elements(|call| {
        call.members(|name, value| match name {
            b"function" | b"custom" => tool_call(value, reading),
            _ => value.skip(),
        })
    })
}

/// A piece of a call is content if it brings a name or arguments.
fn tool_call(call: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    call.members(|name, value| {
        match name {
            b"name" | b"arguments" | b"input" => reading.add(Part::Output.if_filled(value.value()?)),
            _ => value.skip()?,
        }
        Some(())
    })
}

/// Events of the Responses API. `response.incomplete` is an end like `finish_reason: length`: the model stopped at a
/// limit, the transport did what it should.
fn openai_responses(kind: &[u8], event: &Members<'_>, reading: &mut Reading) {
    reading.dialect = Some(Dialect::OpenAiResponses);
    reading.alternatives = 1;
    if kind.ends_with(b".delta") {
        let is_reasoning = kind.starts_with(b"response.reasoning");
        reading.part = if is_reasoning { Part::Reasoning } else { Part::Output }.if_filled(event.delta);
        return;
    }
    match kind {
        // `function_call`, `custom_tool_call`, `web_search_call`, …
        b"response.output_item.added" if member(event.item, b"type").ends_with(b"_call\"") => {
            reading.part = Part::Output;
        }
        b"response.image_generation_call.partial_image" => reading.part = Part::Output,
        b"response.completed" | b"response.incomplete" => reading.ended = 1,
        b"response.failed" | b"response.error" => {
            let error = ErrorMembers::of(event.response).and_then(|response| response.describe());
            reading.error = error.or_else(|| Some(bounded(&String::from_utf8_lossy(kind))));
        }
        _ => {}
    }
    if !event.response.is_empty() {
        reading.n_output_tokens = tokens(member(event.response, b"usage"), b"output_tokens");
    }
}

fn is_claude(kind: &[u8]) -> bool {
    matches!(kind, b"message_start" | b"message_delta" | b"message_stop")
        || kind.starts_with(b"content_block_")
}

/// Events of Claude's Messages API.
fn claude(kind: &[u8], event: &Members<'_>, reading: &mut Reading) {
    reading.dialect = Some(Dialect::Claude);
    reading.alternatives = 1;
    match kind {
        b"content_block_delta" => reading.part = claude_piece(event.delta),
        b"content_block_start" => reading.part = claude_piece(event.content_block),
        b"message_start" => {
            reading.n_output_tokens = tokens(member(event.error.message, b"usage"), b"output_tokens");
        }
        b"message_delta" => reading.n_output_tokens = tokens(event.usage, b"output_tokens"),
        b"message_stop" => reading.ended = 1,
        _ => {}
    }
}

/// A content block or a delta of one. A signature is no content, nor are citations: they belong to text that came.
fn claude_piece(piece: &[u8]) -> Part {
    let mut part = Part::Nothing;
    let is_object = json::object(piece, |name, value| {
        let value = value.value()?;
        part = part.max(match name {
            b"text" | b"partial_json" | b"name" => Part::Output.if_filled(value),
            b"thinking" => Part::Reasoning.if_filled(value),
            b"type" if value == br#""redacted_thinking""# => Part::Reasoning,
            _ => Part::Nothing,
        });
        Some(())
    });
    is_object.map_or(Part::Nothing, |()| part)
}

/// Chunks of `streamGenerateContent`.
fn gemini_candidates(candidates: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    if candidates.peek()? == b'[' {
        reading.dialect = Some(Dialect::Gemini);
    }
    candidates.elements(|candidate| {
        let (mut index, mut is_ended) = (0, false);
        candidate.members(|name, value| {
            match name {
                b"index" => index = json::count(value.value()?).unwrap_or(0),
                b"content" => gemini_content(value, reading)?,
                b"finishReason" => {
                    let reason = value.value()?;
                    is_ended = json::is_text(reason) && reason != br#""FINISH_REASON_UNSPECIFIED""#;
                }
                _ => value.skip()?,
            }
            Some(())
        })?;
        reading.add_alternative(index, is_ended);
        Some(())
    })
}

fn gemini_content(content: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    content.members(|name, value| match name {
        b"parts" => value.elements(|part| gemini_part(part, reading)),
        _ => value.skip(),
    })
}

/// A part with nothing but a signature is no content.
fn gemini_part(part: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    let (mut found, mut is_thought) = (Part::Nothing, false);
    part.members(|name, value| {
        let value = value.value()?;
        match name {
            b"thought" => is_thought = value == b"true",
            b"text"
            | b"functionCall"
            | b"executableCode"
            | b"codeExecutionResult"
            | b"inlineData"
            | b"fileData" => found = found.max(Part::Output.if_filled(value)),
            _ => {}
        }
        Some(())
    })?;
    reading.add(if is_thought { found.min(Part::Reasoning) } else { found });
    Some(())
}

/// A prompt that is blocked has no candidates: its block reason is the end.
fn gemini_prompt_feedback(feedback: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    feedback.members(|name, value| {
        let value = value.value()?;
        if name == b"blockReason" && json::is_text(value) {
            reading.dialect = Some(Dialect::Gemini);
            reading.add_alternative(0, true);
        }
        Some(())
    })
}

/// Thoughts are counted apart here, and as output by all other dialects.
fn gemini_usage(usage: &mut Walk<'_>, reading: &mut Reading) -> Option<()> {
    usage.members(|name, value| {
        let value = value.value()?;
        if matches!(name, b"candidatesTokenCount" | b"thoughtsTokenCount")
            && let Some(count) = json::count(value)
        {
            reading.dialect = Some(Dialect::Gemini);
            reading.n_output_tokens = Some(reading.n_output_tokens.unwrap_or(0).saturating_add(count));
        }
        Some(())
    })
}

fn is_ollama(event: &Members<'_>) -> bool {
    matches!(event.done, b"true" | b"false")
        && (event.error.message.first() == Some(&b'{') || event.response.first() == Some(&b'"'))
}

/// Lines of `/api/chat` (`message`) and `/api/generate` (`response`).
fn ollama(event: &Members<'_>, reading: &mut Reading) {
    reading.dialect = Some(Dialect::Ollama);
    reading.alternatives = 1;
    reading.ended = u64::from(event.done == b"true");
    reading.n_output_tokens = json::count(event.eval_count);
    reading.add(Part::Reasoning.if_filled(event.thinking));
    reading.add(Part::Output.if_filled(event.response));
    // `None` is no message: the line is one of `/api/generate`.
    let _: Option<()> = json::object(event.error.message, |name, value| {
        match name {
            b"content" => reading.add(Part::Output.if_filled(value.value()?)),
            b"thinking" => reading.add(Part::Reasoning.if_filled(value.value()?)),
            b"tool_calls" => tool_calls(value, reading)?,
            _ => value.skip()?,
        }
        Some(())
    });
}

/// Returns the value of a member; empty if `object` is none or has no such member.
fn member<'a>(object: &'a [u8], wanted: &[u8]) -> &'a [u8] {
    let mut found: &[u8] = &[];
    let is_object = json::object(object, |name, value| {
        let value = value.value()?;
        if name == wanted {
            found = value;
        }
        Some(())
    });
    is_object.map_or(&[], |()| found)
}

/// Returns the count `name` of a usage object.
fn tokens(usage: &[u8], name: &[u8]) -> Option<u64> {
    json::count(member(usage, name))
}
