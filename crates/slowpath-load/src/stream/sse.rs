//! Splits an event stream into events as WHATWG's HTML standard, 9.2.6, has it. Knows nothing of what events hold.
//!
//! Bytes stay bytes: line ends are ASCII, so invalid UTF-8 or a character cut by a read does no harm. An event that lies
//! in one read is not copied. `id` and `retry` are for clients that reconnect, and ignored.

use memchr::memchr2;

/// The longest line, and the most data of one event, that are kept. An LLM's event is below 1 MB even with an image.
pub const MAX_EVENT_BYTES: usize = 16 << 20;

/// Buffers that grew beyond this for one event are given back after it.
pub(super) const KEPT_BUFFER_BYTES: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event or a line is larger than [`MAX_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than 16 MiB")]
pub struct EventTooLarge;

/// One event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// What the last `event` field says; empty without one, which means `message`.
    pub name: &'a [u8],
    /// The `data` lines, joined by line feeds.
    pub data: &'a [u8],
}

/// Splits pieces of any size; the result does not depend on how the stream is cut into them.
#[derive(Debug)]
pub struct EventSplitter {
    /// The beginning of a line whose end has not come yet.
    partial_line: Vec<u8>,
    /// What earlier reads, or several lines, brought of the event's data.
    data: Vec<u8>,
    name: Vec<u8>,
    /// Whether the event has data, if only an empty line of it.
    has_data: bool,
    /// The last byte was a carriage return, so that a line feed belongs to it.
    is_after_cr: bool,
    is_first_line: bool,
}

impl Default for EventSplitter {
    fn default() -> Self {
        Self {
            partial_line: Vec::new(),
            data: Vec::new(),
            name: Vec::new(),
            has_data: false,
            is_after_cr: false,
            is_first_line: true,
        }
    }
}

impl EventSplitter {
    /// Makes ready for the next stream; keeps buffers.
    pub fn reset(&mut self) {
        self.partial_line.clear();
        self.is_after_cr = false;
        self.is_first_line = true;
        self.clear_event();
    }

    /// Takes the next bytes and gives every event that they complete.
    ///
    /// # Errors
    /// [`EventTooLarge`], after which [`Self::reset`] must be called before more is fed.
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) -> Result<(), EventTooLarge> {
        let mut rest = bytes;
        if self.is_after_cr && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            self.is_after_cr = false;
        }
        // Data is borrowed from the read where it can be, and from the line that earlier reads began.
        let mut data = None;
        let mut joined_line = std::mem::take(&mut self.partial_line);
        if !joined_line.is_empty() {
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.partial_line = joined_line;
                return self.keep_partial_line(rest);
            };
            joined_line.extend_from_slice(&rest[..end]);
            rest = self.after_line_end(rest, end);
            self.take_line(&joined_line, &mut data, &mut on_event)?;
        }
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end];
            rest = self.after_line_end(rest, end);
            self.take_line(line, &mut data, &mut on_event)?;
        }
        if let Some(data) = data {
            self.append_data(data)?;
        }
        joined_line.clear();
        joined_line.shrink_to(KEPT_BUFFER_BYTES);
        self.partial_line = joined_line;
        self.keep_partial_line(rest)
    }

    /// Gives the event that the end of the stream cut short, if it had data by then.
    ///
    /// The standard drops it. Many LLM gateways leave out the last empty line, so the caller shall look whether the
    /// data is whole.
    pub fn finish(&mut self, mut on_event: impl FnMut(Event<'_>)) -> Result<(), EventTooLarge> {
        let line = std::mem::take(&mut self.partial_line);
        let mut data = None;
        if !line.is_empty() {
            self.take_line(&line, &mut data, &mut on_event)?;
        }
        self.dispatch(data, &mut on_event);
        self.reset();
        Ok(())
    }

    fn keep_partial_line(&mut self, bytes: &[u8]) -> Result<(), EventTooLarge> {
        self.partial_line.extend_from_slice(bytes);
        if self.partial_line.len() > MAX_EVENT_BYTES { Err(EventTooLarge) } else { Ok(()) }
    }

    /// Returns what follows the line end at `end`: a line feed, a carriage return, or both.
    fn after_line_end<'a>(&mut self, bytes: &'a [u8], end: usize) -> &'a [u8] {
        let rest = &bytes[end + 1..];
        if bytes[end] == b'\n' {
            return rest;
        }
        self.is_after_cr = rest.is_empty();
        rest.strip_prefix(b"\n").unwrap_or(rest)
    }

    /// Reads one line. `data` is the event's data as long as it is one line of the bytes at hand.
    fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        data: &mut Option<&'a [u8]>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), EventTooLarge> {
        if line.len() > MAX_EVENT_BYTES {
            return Err(EventTooLarge);
        }
        let mut line = line;
        if self.is_first_line {
            self.is_first_line = false;
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(data.take(), on_event);
        } else if let Some(value) = field(line, b"data") {
            if let Some(earlier) = data.take() {
                self.append_data(earlier)?;
            }
            if self.has_data {
                self.append_data(value)?;
            } else {
                *data = Some(value);
            }
        } else if let Some(value) = field(line, b"event") {
            self.name.clear();
            self.name.extend_from_slice(value);
        }
        Ok(())
    }

    fn append_data(&mut self, line: &[u8]) -> Result<(), EventTooLarge> {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(line);
        self.has_data = true;
        if self.data.len() > MAX_EVENT_BYTES { Err(EventTooLarge) } else { Ok(()) }
    }

    /// Ends an event; one without data is none.
    fn dispatch(&mut self, data: Option<&[u8]>, on_event: &mut impl FnMut(Event<'_>)) {
        if let Some(data) = data {
            on_event(Event { name: &self.name, data });
        } else if self.has_data {
            on_event(Event { name: &self.name, data: &self.data });
        }
        self.clear_event();
    }

    fn clear_event(&mut self) {
        self.name.clear();
        self.has_data = false;
        self.data.clear();
        self.data.shrink_to(KEPT_BUFFER_BYTES);
    }
}

/// Returns the value if the line is the field `name`: after the colon and one space, empty without a colon.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Events = Vec<(String, String)>;

    fn listed(events: &mut Events) -> impl FnMut(Event<'_>) {
        |event| {
            let shown = |bytes| String::from_utf8_lossy(bytes).into_owned();
            events.push((shown(event.name), shown(event.data)));
        }
    }

    fn split(pieces: &[&[u8]]) -> Events {
        let (mut splitter, mut events) = (EventSplitter::default(), Vec::new());
        for piece in pieces {
            splitter.feed(piece, listed(&mut events)).unwrap();
        }
        events
    }

    /// The standard's algorithm, word by word, on the whole stream.
    fn split_as_the_standard_says(stream: &str) -> Events {
        let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
        let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
        let (mut events, mut name, mut data) = (Vec::new(), String::new(), String::new());
        // What follows the last line end is no line.
        let lines = stream.rsplit_once('\n').map_or("", |(lines, _)| lines);
        for line in lines.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    if let Some(data) = data.strip_suffix('\n') {
                        events.push((name.clone(), data.to_owned()));
                    }
                    (name, data) = (String::new(), String::new());
                }
                "event" => value.clone_into(&mut name),
                "data" => data += &format!("{value}\n"),
                _ => {}
            }
        }
        events
    }

    #[test]
    fn splits_streams_as_the_standard_says() {
        fn check(stream: &str, expected: &[(&str, &str)]) {
            let expected: Events =
                expected.iter().map(|(name, data)| (name.to_string(), data.to_string())).collect();
            assert_eq!(split_as_the_standard_says(stream), expected, "reference on {stream:?}");
            assert_eq!(split(&[stream.as_bytes()]), expected, "{stream:?}");
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(split(&bytes), expected, "byte by byte: {stream:?}");
            for position in 0..=stream.len() {
                let (left, right) = stream.as_bytes().split_at(position);
                assert_eq!(split(&[left, right]), expected, "cut at {position}: {stream:?}");
            }
        }
        check("", &[]);
        check("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")]);
        check("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")]);
        check("data: a\r\n\ndata: b\n\r\n", &[("", "a"), ("", "b")]);
        check("data:a\n\ndata:  b\n\n", &[("", "a"), ("", " b")]);
        check("data: a\ndata\ndata: b\n\n", &[("", "a\n\nb")]);
        check("data\n\ndata:\n\n", &[("", ""), ("", "")]);
        check("event: ping\ndata: {}\n\ndata: x\n\n", &[("ping", "{}"), ("", "x")]);
        check("event: lost\n\ndata: x\n\n", &[("", "x")]);
        check("event: a\nevent: b\ndata: x\n\n", &[("b", "x")]);
        check(": keep-alive\n\n: OPENROUTER PROCESSING\n\ndata: x\n\n", &[("", "x")]);
        check(":\ndata: x\n:y\ndata: z\n\n", &[("", "x\nz")]);
        check("id: 7\nretry: 10\ndata: x\ndatas: y\nDATA: z\n\n", &[("", "x")]);
        check("\u{feff}data: x\n\n", &[("", "x")]);
        check("\u{feff}\u{feff}data: x\n\n", &[]);
        check("data: x\n\n\u{feff}data: y\n\n", &[("", "x")]);
        check("data: grün 🙂\n\n", &[("", "grün 🙂")]);
        check("data: unterminated", &[]);
        check("data: unterminated\n", &[]);
        check("<!doctype html>\n<p>data: x\n\n", &[]);
    }

    #[test]
    fn what_the_end_cuts_short_is_given_apart() {
        fn check(stream: &[u8], expected: Option<(&str, &str)>) {
            let (mut splitter, mut events) = (EventSplitter::default(), Vec::new());
            splitter.feed(stream, |_| panic!("no event is whole")).unwrap();
            splitter.finish(listed(&mut events)).unwrap();
            let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
            assert_eq!(events, Vec::from_iter(expected));
        }
        check(b"", None);
        check(b": comment", None);
        check(b"event: a", None);
        check(b"data: x", Some(("", "x")));
        check(b"event: a\ndata: x\ndata: y", Some(("a", "x\ny")));
        check(b"data: x\r\n", Some(("", "x")));
    }

    #[test]
    fn an_event_of_one_megabyte_is_one_event() {
        let data = "x".repeat(1 << 20);
        let stream = format!("data: {data}\n\ndata: y\n\n");
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(16 << 10).collect();
        assert_eq!(split(&pieces), [(String::new(), data), (String::new(), "y".to_owned())]);
    }

    #[test]
    fn endless_events_are_refused_however_they_are_cut() {
        let endless_line = vec![b'x'; MAX_EVENT_BYTES + 1];
        let many_lines = b"data: 0123456789\n".repeat(MAX_EVENT_BYTES / 10);
        for stream in [endless_line, many_lines] {
            for n_bytes_a_piece in [4 << 10, stream.len()] {
                let mut splitter = EventSplitter::default();
                let mut pieces = stream.chunks(n_bytes_a_piece);
                let outcome = pieces.try_for_each(|piece| splitter.feed(piece, |_| panic!("no event")));
                let ended = outcome.and_then(|()| splitter.feed(b"\n", |_| panic!("no event")));
                assert_eq!(ended, Err(EventTooLarge));
                splitter.reset();
                splitter.feed(b"data: x\n\n", |event| assert_eq!(event.data, b"x")).unwrap();
            }
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_events_of_the_standard(
            stream in "\u{feff}?((data|event|id|x)?(:| |ü|[a-c\r\n]){0,6}(\r|\n|\r\n)){0,12}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut positions: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            positions.extend([0, stream.len()]);
            positions.sort_unstable();
            let pieces: Vec<&[u8]> =
                positions.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&pieces), split_as_the_standard_says(&stream));
        }
    }
}
