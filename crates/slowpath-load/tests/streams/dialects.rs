//! Whole streams: dialect, times, content events and tokens.

use slowpath_load::stream::{Content, StreamOutcome};

use super::{
    CLAUDE, GEMINI, GEMINI_ARRAY, OLLAMA_CHAT, OLLAMA_GENERATE, OPENAI_CHAT, OPENAI_REASONING,
    OPENAI_RESPONSES, OPENAI_TOOLS, blocks, measure, shown_end, without_times,
};

/// Says in one line what was measured; times are the numbers of the blocks that were fed.
fn summary(outcome: &StreamOutcome, gaps: &[u64]) -> String {
    let shown = |time: Option<u64>| time.map_or("-".to_owned(), |time| time.to_string());
    format!(
        "{}: {} events from {}, {} with content from {} (output {}) to {}, gaps {gaps:?}, {} tokens, {}",
        outcome.dialect.as_str(),
        outcome.n_events,
        shown(outcome.first_event_ns),
        outcome.n_content_events,
        shown(outcome.first_content_ns),
        shown(outcome.first_output_ns),
        shown(outcome.last_content_ns),
        shown(outcome.n_output_tokens),
        shown_end(&outcome.end),
    )
}

fn check_events(stream: &str, expected: &str) {
    let (outcome, gaps) = measure(Content::EventStream, blocks(stream));
    assert_eq!(summary(&outcome, &gaps), expected);
}

fn check_lines(stream: &str, expected: &str) {
    let (outcome, gaps) = measure(Content::JsonLines, stream.split_inclusive('\n').map(str::as_bytes));
    assert_eq!(summary(&outcome, &gaps), expected);
}

#[test]
fn openai_chat_counts_neither_role_nor_usage_as_content() {
    check_events(
        OPENAI_CHAT,
        "openai-chat: 11 events from 1, 7 with content from 2 (output 2) to 8, gaps [1, 1, 1, 1, 1, 1], 7 tokens, complete",
    );
}

#[test]
fn openai_reasoning_is_content_but_not_output_and_comments_are_nothing() {
    check_events(
        OPENAI_REASONING,
        "openai-chat: 9 events from 3, 6 with content from 4 (output 9) to 10, gaps [1, 1, 1, 2, 1], 6 tokens, complete",
    );
    let renamed = OPENAI_REASONING.replace("reasoning_content", "reasoning");
    let (outcome, _) = measure(Content::EventStream, blocks(&renamed));
    assert_eq!((outcome.first_content_ns, outcome.first_output_ns), (Some(4), Some(9)));
}

#[test]
fn openai_tool_calls_are_output_from_their_name_on() {
    check_events(
        OPENAI_TOOLS,
        "openai-chat: 9 events from 1, 6 with content from 1 (output 1) to 7, gaps [2, 1, 1, 1, 1], - tokens, complete",
    );
}

#[test]
fn openai_responses_count_deltas_and_calls_but_not_what_repeats_them() {
    check_events(
        OPENAI_RESPONSES,
        "openai-responses: 19 events from 1, 7 with content from 5 (output 11) to 17, gaps [1, 5, 1, 3, 1, 1], 11 tokens, complete",
    );
}

#[test]
fn claude_counts_thinking_text_and_tool_input_but_neither_pings_nor_signatures() {
    check_events(
        CLAUDE,
        "claude: 17 events from 1, 6 with content from 4 (output 9) to 14, gaps [1, 4, 1, 2, 2], 89 tokens, complete",
    );
}

#[test]
fn gemini_counts_thoughts_and_calls_but_no_signatures() {
    check_events(
        GEMINI,
        "gemini: 5 events from 1, 4 with content from 1 (output 2) to 4, gaps [1, 1, 1], 21 tokens, complete",
    );
}

#[test]
fn gemini_without_sse_is_read_element_by_element() {
    let (outcome, gaps) = measure(Content::Json, GEMINI_ARRAY.split_inclusive("\n,\r\n").map(str::as_bytes));
    assert_eq!(
        summary(&outcome, &gaps),
        "gemini: 5 events from 1, 4 with content from 1 (output 2) to 4, gaps [1, 1, 1], 21 tokens, complete"
    );
}

#[test]
fn ollama_lines_count_thinking_text_and_calls() {
    check_lines(
        OLLAMA_CHAT,
        "ollama: 5 events from 1, 4 with content from 1 (output 3) to 4, gaps [1, 1, 1], 18 tokens, complete",
    );
    check_lines(
        OLLAMA_GENERATE,
        "ollama: 3 events from 1, 3 with content from 1 (output 1) to 3, gaps [1, 1], 3 tokens, complete",
    );
}

#[test]
fn streams_of_unknown_dialect_count_every_event_with_data() {
    check_events(
        "data: Hello\n\n: comment\n\nevent: ping\ndata: x\n\ndata: {\"type\":\"ping\"}\n\ndata:\n\ndata: {\"delta\":\"a\"}\n\ndata: {}\n\n",
        "sse: 6 events from 1, 2 with content from 1 (output 1) to 6, gaps [5], - tokens, complete",
    );
}

#[test]
fn the_older_text_completions_are_openai_chat() {
    check_events(
        "data: {\"object\":\"text_completion\",\"choices\":[{\"text\":\"Hi\",\"index\":0,\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":1}}\n\n",
        "openai-chat: 2 events from 1, 1 with content from 1 (output 1) to 1, gaps [], 1 tokens, complete",
    );
}

#[test]
fn neither_cuts_nor_line_ends_change_what_is_counted() {
    let event_streams = [OPENAI_CHAT, OPENAI_REASONING, OPENAI_TOOLS, OPENAI_RESPONSES, CLAUDE, GEMINI];
    let bodies = event_streams
        .into_iter()
        .flat_map(|stream| {
            ["\n", "\r\n", "\r"].map(|line_end| (Content::EventStream, stream.replace('\n', line_end)))
        })
        .chain([(Content::Json, GEMINI_ARRAY.to_owned())])
        .chain([OLLAMA_CHAT, OLLAMA_GENERATE].map(|lines| (Content::JsonLines, lines.to_owned())));
    for (content, body) in bodies {
        let (whole, gaps) = measure(content, [body.as_bytes()]);
        assert_eq!(shown_end(&whole.end), "complete", "{body}");
        assert!(gaps.iter().all(|gap| *gap == 0), "what comes at once has no gaps");
        for n_bytes_a_piece in [1, 2, 3, 7, 64, 1000] {
            let (cut, cut_gaps) = measure(content, body.as_bytes().chunks(n_bytes_a_piece));
            assert_eq!(without_times(&cut), without_times(&whole), "pieces of {n_bytes_a_piece}: {body}");
            assert_eq!(cut_gaps.len(), gaps.len());
            assert_eq!(
                cut_gaps.iter().sum::<u64>(),
                cut.last_content_ns.unwrap() - cut.first_content_ns.unwrap()
            );
        }
        let (mislabelled, _) = measure(Content::Other, body.as_bytes().chunks(5));
        assert_eq!(without_times(&mislabelled), without_times(&whole), "by what it begins with: {body}");
    }
}
