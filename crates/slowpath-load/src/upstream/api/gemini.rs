//! Gemini's `generateContent` and `streamGenerateContent`: <https://ai.google.dev/api/generate-content>. A stream is
//! server-sent events with `alt=sse`, and without it one JSON array that comes in pieces.

use super::errors::stream_error;
use super::events::{EventWriter, NUMBER_1, NUMBER_2, TOKEN, TokenTemplate};
use super::{Exchange, Family};

pub(super) fn unary_body(exchange: &Exchange) -> String {
    let n_tokens = exchange.n_tokens;
    answer(
        exchange,
        &exchange.text(),
        Some(finish_reason(exchange)),
        &n_tokens.to_string(),
        &(exchange.n_prompt_tokens + n_tokens).to_string(),
    )
}

pub(super) fn token_template(exchange: &Exchange) -> TokenTemplate {
    let json = answer(exchange, &TOKEN.to_string(), None, &NUMBER_1.to_string(), &NUMBER_2.to_string());
    let text = if exchange.is_sse { format!("data: {json}\n\n") } else { format!("{json}\n,\r\n") };
    // The counts say how many there are so far, this one included.
    TokenTemplate::new(&text, [1, u64::from(exchange.n_prompt_tokens) + 1])
}

/// Writes what begins the array; server-sent events need nothing.
pub(super) fn write_opening(exchange: &Exchange, events: &mut EventWriter<'_>) {
    if !exchange.is_sse {
        events.raw("[");
    }
}

pub(super) fn write_closing(exchange: &Exchange, events: &mut EventWriter<'_>) {
    let n_tokens = exchange.n_tokens;
    let last = answer(
        exchange,
        "",
        Some(finish_reason(exchange)),
        &n_tokens.to_string(),
        &(exchange.n_prompt_tokens + n_tokens).to_string(),
    );
    write_last(exchange, &last, events);
}

pub(super) fn write_error(exchange: &Exchange, events: &mut EventWriter<'_>) {
    write_last(exchange, &stream_error(Family::Gemini, exchange.number), events);
}

fn write_last(exchange: &Exchange, json: &str, events: &mut EventWriter<'_>) {
    if exchange.is_sse {
        events.data(json);
    } else {
        events.piece(&[json, "\n]\n"]);
    }
}

fn answer(
    exchange: &Exchange,
    text: &str,
    finish_reason: Option<&str>,
    n_tokens: &str,
    n_total: &str,
) -> String {
    let finish = finish_reason.map_or_else(String::new, |reason| format!(r#","finishReason":"{reason}""#));
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}}{finish},"index":0}}],"usageMetadata":{{"promptTokenCount":{},"candidatesTokenCount":{n_tokens},"totalTokenCount":{n_total}}},"modelVersion":{},"responseId":"mock-{:012}"}}"#,
        exchange.n_prompt_tokens, exchange.model, exchange.number
    )
}

fn finish_reason(exchange: &Exchange) -> &'static str {
    if exchange.is_cut_short() { "MAX_TOKENS" } else { "STOP" }
}
