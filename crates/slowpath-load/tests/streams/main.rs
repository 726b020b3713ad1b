//! Streams of every dialect, in the shapes that the APIs document, through `StreamMeter`: whole, cut anywhere, with
//! other line ends, truncated, and with errors in them.

mod dialects;
mod ends;
mod odd;

use slowpath_load::stream::{Content, StreamEnd, StreamMeter, StreamOutcome};

pub(crate) const OPENAI_CHAT: &str = include_str!("openai-chat.sse");
pub(crate) const OPENAI_REASONING: &str = include_str!("openai-reasoning.sse");
pub(crate) const OPENAI_TOOLS: &str = include_str!("openai-tools.sse");
pub(crate) const OPENAI_RESPONSES: &str = include_str!("openai-responses.sse");
pub(crate) const CLAUDE: &str = include_str!("claude.sse");
pub(crate) const GEMINI: &str = include_str!("gemini.sse");
pub(crate) const GEMINI_ARRAY: &str = include_str!("gemini-array.json");
pub(crate) const OLLAMA_CHAT: &str = include_str!("ollama-chat.jsonl");
pub(crate) const OLLAMA_GENERATE: &str = include_str!("ollama-generate.jsonl");

/// Feeds pieces, the first at 1 ns, each 1 ns after the one before, and returns the outcome and the gaps.
pub(crate) fn measure<'a>(
    content: Content,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (StreamOutcome, Vec<u64>) {
    let (mut meter, mut gaps, mut now_ns) = (StreamMeter::new(), Vec::new(), 0);
    meter.begin(content);
    for piece in pieces {
        now_ns += 1;
        meter.feed(piece, now_ns, |gap| gaps.push(gap));
    }
    (meter.finish(now_ns), gaps)
}

/// Cuts an event stream behind each empty line, so that times are numbers of blocks, from 1.
pub(crate) fn blocks(stream: &str) -> impl Iterator<Item = &[u8]> {
    stream.split_inclusive("\n\n").map(str::as_bytes)
}

/// Says what came of a stream that was fed whole.
pub(crate) fn end_of(content: Content, body: &str) -> String {
    shown_end(&measure(content, [body.as_bytes()]).0.end)
}

pub(crate) fn shown_end(end: &StreamEnd) -> String {
    match end {
        StreamEnd::Complete => "complete".to_owned(),
        StreamEnd::Broken { why } => format!("broken: {why}"),
        StreamEnd::Error { message } => format!("error: {message}"),
    }
}

/// Returns an outcome with all that depends on when pieces came taken out.
pub(crate) fn without_times(outcome: &StreamOutcome) -> StreamOutcome {
    let is_some = |time: Option<u64>| time.map(|_| 0);
    StreamOutcome {
        first_event_ns: is_some(outcome.first_event_ns),
        first_content_ns: is_some(outcome.first_content_ns),
        first_output_ns: is_some(outcome.first_output_ns),
        last_content_ns: is_some(outcome.last_content_ns),
        ..outcome.clone()
    }
}
