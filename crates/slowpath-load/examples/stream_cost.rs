//! Prints what `StreamMeter` costs per event, in CPU nanoseconds, for the streams of `tests/streams`: one read per event,
//! as a server sends them. Run it with `--release`.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use slowpath_load::stream::{Content, StreamEnd, StreamMeter};

/// Streams per measurement, and measurements of which the fastest counts: other programs can only add.
const N_STREAMS: u64 = 2_000;
const N_MEASUREMENTS: usize = 15;

fn main() {
    let streams: [(&str, Content, &str, &str); 7] = [
        ("openai-chat", Content::EventStream, "\n\n", include_str!("../tests/streams/openai-chat.sse")),
        ("openai-tools", Content::EventStream, "\n\n", include_str!("../tests/streams/openai-tools.sse")),
        (
            "openai-responses",
            Content::EventStream,
            "\n\n",
            include_str!("../tests/streams/openai-responses.sse"),
        ),
        ("claude", Content::EventStream, "\n\n", include_str!("../tests/streams/claude.sse")),
        ("gemini", Content::EventStream, "\n\n", include_str!("../tests/streams/gemini.sse")),
        ("gemini array", Content::Json, "\n,\r\n", include_str!("../tests/streams/gemini-array.json")),
        ("ollama", Content::JsonLines, "\n", include_str!("../tests/streams/ollama-chat.jsonl")),
    ];
    println!("{:<18}{:>8}{:>14}{:>12}", "stream", "events", "bytes/event", "ns/event");
    for (name, content, end_of_event, body) in streams {
        let reads: Vec<&[u8]> = body.split_inclusive(end_of_event).map(str::as_bytes).collect();
        let ns_per_stream =
            (0..N_MEASUREMENTS).map(|_| measure(content, &reads)).fold(f64::INFINITY, f64::min);
        let n_events = reads.len() as f64;
        println!(
            "{name:<18}{n_events:>8}{:>14.0}{:>12.0}",
            body.len() as f64 / n_events,
            ns_per_stream / n_events
        );
    }
}

/// Returns the CPU time of one stream.
fn measure(content: Content, reads: &[&[u8]]) -> f64 {
    let mut meter = StreamMeter::new();
    let start_ns = cpu_ns();
    for _ in 0..N_STREAMS {
        meter.begin(content);
        for (now_ns, read) in (0..).zip(reads) {
            meter.feed(black_box(read), now_ns, |gap| {
                black_box(gap);
            });
        }
        assert_eq!(black_box(meter.finish(0)).end, StreamEnd::Complete);
    }
    (cpu_ns() - start_ns) / N_STREAMS as f64
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
