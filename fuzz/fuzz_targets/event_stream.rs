//! Any bytes as the body of an LLM's answer: `EventSplitter` and `StreamMeter` never panic, and what they find does not
//! depend on how the bytes are cut into reads.
//!
//! The first byte says what the body is said to be, the second how it is cut; the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_load::stream::{Content, EventSplitter, StreamMeter, StreamOutcome, api_error_in_json};

/// Name and data.
type OwnedEvent = (Vec<u8>, Vec<u8>);

/// Returns every event, and the data of the one that the end cuts short.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<OwnedEvent>, Option<Vec<u8>>) {
    let mut splitter = EventSplitter::default();
    let (mut events, mut cut) = (Vec::new(), None);
    for piece in pieces {
        splitter
            .feed(piece, |event| events.push((event.name.to_vec(), event.data.to_vec())))
            .expect("inputs are small");
    }
    splitter.finish(|event| cut = Some(event.data.to_vec())).expect("inputs are small");
    (events, cut)
}

/// Returns the outcome and the number of gaps. All pieces come at one time, so that times say only what was seen.
fn measure<'a>(content: Content, pieces: impl Iterator<Item = &'a [u8]>) -> (StreamOutcome, u64) {
    let (mut meter, mut n_gaps) = (StreamMeter::new(), 0);
    meter.begin(content);
    for piece in pieces {
        meter.feed(piece, 7, |gap| {
            assert_eq!(gap, 0);
            n_gaps += 1;
        });
    }
    (meter.finish(7), n_gaps)
}

/// Cuts into pieces whose lengths follow from `seed`; some are empty.
fn pieces(body: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut state) = (body, u32::from(seed));
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (state >> 24) as usize % (usize::from(seed) / 8 + 2);
        let (piece, others) = rest.split_at(length.min(rest.len()));
        rest = others;
        Some(piece)
    })
}

fuzz_target!(|input: &[u8]| {
    let [choice, seed, body @ ..] = input else { return };
    let content = match choice % 4 {
        0 => Content::EventStream,
        1 => Content::JsonLines,
        2 => Content::Json,
        _ => Content::Other,
    };
    let (whole, n_gaps) = measure(content, std::iter::once(body));
    assert_eq!((whole.clone(), n_gaps), measure(content, pieces(body, *seed)), "cut by {seed}");
    assert_eq!((whole.clone(), n_gaps), measure(content, body.chunks(1)), "byte by byte");
    assert!(whole.n_content_events <= whole.n_events);
    assert_eq!(whole.first_content_ns.is_some(), whole.n_content_events > 0);

    let whole_events = events(std::iter::once(body));
    assert_eq!(whole_events, events(pieces(body, *seed)), "cut by {seed}");
    assert_eq!(whole_events, events(body.chunks(1)), "byte by byte");

    assert!(api_error_in_json(body).is_none_or(|message| message.len() <= 300));
});
