//! Measures one answer of an LLM API as its bytes arrive: when content came, how many tokens, whether it ended as it
//! must. Takes the time as an argument.

use super::event::{self, Part};
use super::json_split::{LineSplitter, ValueSplitter};
use super::sse::{EventSplitter, EventTooLarge};
use super::{Content, Dialect, StreamEnd, StreamOutcome, api_error};

/// Measures stream after stream; keeps its buffers. An event costs no allocation unless reads cut it.
///
/// Call [`begin`](Self::begin) at each head of an answer, [`feed`](Self::feed) with each piece of its body, and
/// [`finish`](Self::finish) when the body has ended as HTTP has it. Bodies that HTTP cuts are not for `finish`: they
/// are broken whatever they hold.
#[derive(Debug)]
pub struct StreamMeter {
    form: Form,
    events: EventSplitter,
    lines: LineSplitter,
    values: ValueSplitter,
    progress: Progress,
}

/// How the body is split into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The content type does not say; the first byte will.
    Unknown,
    Events,
    Lines,
    Values,
    /// Neither events nor JSON.
    Foreign,
    /// An event was too large; what follows is not read.
    TooLarge,
}

/// What is known of the stream so far.
#[derive(Debug, Default)]
struct Progress {
    dialect: Option<Dialect>,
    n_events: u64,
    n_unparsed_events: u64,
    first_event_ns: Option<u64>,
    content: ContentTimes,
    n_output_tokens: Option<u64>,
    /// Alternatives of the answer that were seen, and that were ended, as bits.
    alternatives: u64,
    ended: u64,
    /// `[DONE]` came.
    is_done: bool,
    /// The last event or line was not whole.
    is_cut: bool,
    error: Option<String>,
}

/// When content came.
#[derive(Debug, Clone, Copy, Default)]
struct ContentTimes {
    first_ns: Option<u64>,
    first_output_ns: Option<u64>,
    last_ns: Option<u64>,
    n_events: u64,
}

impl Default for StreamMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamMeter {
    /// Returns a meter that awaits a stream of unknown form.
    pub fn new() -> Self {
        Self {
            form: Form::Unknown,
            events: EventSplitter::default(),
            lines: LineSplitter::default(),
            values: ValueSplitter::default(),
            progress: Progress::default(),
        }
    }

    /// Makes ready for a stream. [`Content::Other`] is read by what it begins with, since some gateways give event
    /// streams no content type or a wrong one.
    pub fn begin(&mut self, content: Content) {
        self.form = match content {
            Content::EventStream => Form::Events,
            Content::JsonLines => Form::Lines,
            Content::Json => Form::Values,
            Content::Other => Form::Unknown,
        };
        self.events.reset();
        self.lines.reset();
        self.values.reset();
        self.progress = Progress::default();
    }

    /// Takes a piece of the body that arrived at `now_ns`, and gives the nanoseconds between each content event that it
    /// completes and the one before; 0 between events of one piece.
    ///
    /// Except for times, the outcome does not depend on how the body is cut into pieces.
    pub fn feed(&mut self, bytes: &[u8], now_ns: u64, mut on_gap: impl FnMut(u64)) {
        let mut bytes = bytes;
        if self.form == Form::Unknown {
            bytes = bytes.trim_ascii_start();
            self.form = form_by_first_byte(bytes);
        }
        let Self { form, events, lines, values, progress } = self;
        let fed = match form {
            Form::Events => {
                events.feed(bytes, |event| progress.take_event(event.name, event.data, now_ns, &mut on_gap))
            }
            Form::Lines => lines.feed(bytes, |line| progress.take_event(b"", line, now_ns, &mut on_gap)),
            Form::Values => values.feed(bytes, |value| progress.take_event(b"", value, now_ns, &mut on_gap)),
            Form::Unknown | Form::Foreign | Form::TooLarge => Ok(()),
        };
        if fed == Err(EventTooLarge) {
            *form = Form::TooLarge;
        }
    }

    /// Ends the stream, whose body came to its end at `now_ns`, and says what it was.
    ///
    /// A last event without the empty line that ends it counts if it is whole JSON, `[DONE]` or named `error`: many
    /// gateways leave the line out, and what was cut is not whole. The gap before it is not given.
    pub fn finish(&mut self, now_ns: u64) -> StreamOutcome {
        let Self { form, events, lines, progress, .. } = self;
        let mut take_if_whole = |name: &[u8], data: &[u8]| {
            if data.trim_ascii() == DONE || name == b"error" || event::read(name, data).is_some() {
                progress.take_event(name, data, now_ns, &mut |_| ());
            } else {
                progress.is_cut = true;
            }
        };
        let fed = match form {
            Form::Events => events.finish(|event| take_if_whole(event.name, event.data)),
            Form::Lines => lines.finish(|line| take_if_whole(b"", line)),
            _ => Ok(()),
        };
        if fed == Err(EventTooLarge) {
            *form = Form::TooLarge;
        }
        let end = self.end();
        let Progress {
            dialect, n_events, n_unparsed_events, first_event_ns, content, n_output_tokens, ..
        } = std::mem::take(&mut self.progress);
        StreamOutcome {
            dialect: dialect.unwrap_or(Dialect::Sse),
            first_event_ns,
            first_content_ns: content.first_ns,
            first_output_ns: content.first_output_ns,
            last_content_ns: content.last_ns,
            n_events,
            n_content_events: content.n_events,
            n_unparsed_events,
            n_output_tokens,
            end,
        }
    }

    fn end(&mut self) -> StreamEnd {
        if let Some(message) = self.progress.error.take() {
            return StreamEnd::Error { message };
        }
        match self.why_broken() {
            Some(why) => StreamEnd::Broken { why },
            None => StreamEnd::Complete,
        }
    }

    fn why_broken(&self) -> Option<&'static str> {
        let progress = &self.progress;
        match self.form {
            Form::TooLarge => return Some("an event is larger than 16 MiB"),
            Form::Foreign => return Some("the answer is neither an event stream nor JSON"),
            Form::Values if !self.values.is_closed() => return Some("the JSON of the answer is cut"),
            Form::Lines if progress.is_cut => return Some("the JSON of the answer is cut"),
            _ => {}
        }
        if progress.n_events == 0 {
            return Some("the stream has no event");
        }
        // One JSON object is a whole answer, not a stream: that it is closed is all there is to see.
        let is_one_answer = self.form == Form::Values && !self.values.has_array();
        let is_ended = progress.ended != 0 && progress.alternatives & !progress.ended == 0;
        match progress.dialect {
            _ if is_ended => None,
            Some(Dialect::Ollama) => Some("the stream has no `\"done\":true`"),
            _ if is_one_answer => None,
            Some(Dialect::OpenAiChat) if progress.is_done => None,
            Some(Dialect::OpenAiChat) => Some("the stream has neither a finish reason nor `[DONE]`"),
            Some(Dialect::OpenAiResponses) => Some("the stream has no `response.completed`"),
            Some(Dialect::Claude) => Some("the stream has no `message_stop`"),
            Some(Dialect::Gemini) => Some("the stream has no `finishReason`"),
            Some(Dialect::Sse) | None => None,
        }
    }
}

/// OpenAI's end of a stream.
const DONE: &[u8] = b"[DONE]";

/// A field, a comment or the byte order mark of an event stream begins with one of these.
fn form_by_first_byte(bytes: &[u8]) -> Form {
    match bytes.first() {
        None => Form::Unknown,
        Some(b'd' | b'e' | b'i' | b'r' | b':' | 0xef) => Form::Events,
        Some(b'{' | b'[') => Form::Values,
        Some(_) => Form::Foreign,
    }
}

impl Progress {
    fn take_event(&mut self, name: &[u8], data: &[u8], now_ns: u64, on_gap: &mut impl FnMut(u64)) {
        self.n_events += 1;
        self.first_event_ns.get_or_insert(now_ns);
        if data.trim_ascii() == DONE {
            self.is_done = true;
            return;
        }
        let Some(reading) = event::read(name, data) else {
            self.take_unparsed(name, data, now_ns, on_gap);
            return;
        };
        if let Some(dialect) = reading.dialect
            && self.dialect.is_none()
        {
            self.dialect = Some(dialect);
            // What came before was no content of this dialect.
            self.content = ContentTimes::default();
        }
        self.alternatives |= reading.alternatives;
        self.ended |= reading.ended;
        self.n_output_tokens = reading.n_output_tokens.or(self.n_output_tokens);
        if let Some(error) = reading.error {
            self.error.get_or_insert(error);
        } else if self.dialect.is_some() {
            self.content.add(reading.part, now_ns, on_gap);
        } else if !reading.is_idle {
            self.content.add(Part::Output, now_ns, on_gap);
        }
    }

    /// Takes an event that is no JSON object: content of a stream of unknown dialect, noise in all others.
    fn take_unparsed(&mut self, name: &[u8], data: &[u8], now_ns: u64, on_gap: &mut impl FnMut(u64)) {
        if name == b"error" {
            self.error.get_or_insert_with(|| api_error::bounded(String::from_utf8_lossy(data).trim()));
            return;
        }
        self.n_unparsed_events += 1;
        if self.dialect.is_none() && !data.is_empty() && name != b"ping" {
            self.content.add(Part::Output, now_ns, on_gap);
        }
    }
}

impl ContentTimes {
    fn add(&mut self, part: Part, now_ns: u64, on_gap: &mut impl FnMut(u64)) {
        if part == Part::Nothing {
            return;
        }
        if let Some(last_ns) = self.last_ns {
            on_gap(now_ns.saturating_sub(last_ns));
        }
        self.first_ns.get_or_insert(now_ns);
        if part == Part::Output {
            self.first_output_ns.get_or_insert(now_ns);
        }
        self.last_ns = Some(now_ns);
        self.n_events += 1;
    }
}
