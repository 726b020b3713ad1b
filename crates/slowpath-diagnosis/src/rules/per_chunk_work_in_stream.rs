//! `per-chunk-work-in-stream`: work is done anew for every piece of a streamed answer.

use super::counted::{MIN_SHARE, counted, counters, number, of_cost};
use super::hot_code::{avoidable_share, calls_per_request, hot_functions, sampled_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};

/// Writes per streamed answer from which on it is a stream of pieces.
const MIN_WRITES: f64 = 20.0;

/// How far calls per answer may lie from a whole number of calls per piece, as a share: the two are counted in different
/// phases. What is called for each message or tool of a request can come as close as a fifth by chance.
const TOLERANCE: f64 = 0.05;

/// Pieces at the begin and end of an answer that may be made without it, or calls without a piece.
const EDGE_PIECES: f64 = 3.0;

/// Calls per piece beyond which it is a loop within the piece.
const MAX_PER_PIECE: f64 = 4.0;

/// Least share: a stream has to do something for each piece.
const MIN_SHARE_HERE: f64 = 0.15;

pub(super) const RULE: Rule = Rule {
    id: "per-chunk-work-in-stream",
    summary: "work is done anew for every piece of a streamed answer",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
For each piece of a streamed answer a function does work that costs more than passing the piece on: counting the tokens of all
text so far, parsing and formatting the event anew, looking up settings.",
        why_it_hurts: "\
The work is multiplied by the number of pieces: 1 ms for each of 500 tokens is half a second of the main thread per answer. Work
on all the text so far grows with the square of its length.",
        how_recognised: "\
An application function takes 15 % of the busy time, without passing the piece on (Node's HTTP and sockets, JSON once), and is called once per piece (one to four times, but for 5 % and
three pieces at the edges, by V8's counts), in answers of 20 writes and more.",
        lookalikes: "\
The cost of writing itself: `tiny-writes`. A loop within the handling of one piece is called more often.",
        what_to_do: "\
Do it once: before the stream begins, or at its end. Keep running sums. Pass pieces on as bytes where nothing in them changes.",
        example: Example {
            language: "js",
            before: "for await (const piece of stream) { text += piece; usage = countTokens(text); res.write(format(piece)); }",
            after: "for await (const piece of stream) { text += piece; res.write(format(piece)); }\nconst usage = countTokens(text);",
        },
        thresholds: "\
Formatting an event costs some µs; 15 % of the busy time is more than any passing on was measured at.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let writes = counters.total("response.write");
    let streamed = counters.total("response.streamed").n;
    let per_answer = writes.n / streamed.max(1.0);
    if streamed == 0.0 || per_answer < MIN_WRITES {
        return Vec::new();
    }
    let writes_per_request = counters.per_request(writes.n);
    let mut findings = Vec::new();
    for function in hot_functions(facts, MIN_SHARE_HERE) {
        let share = avoidable_share(facts, function);
        if share < MIN_SHARE_HERE {
            continue;
        }
        let Some(calls) = calls_per_request(facts, function.function) else { continue };
        let per_piece = calls / writes_per_request;
        let whole = per_piece.round();
        let expected = whole * writes_per_request;
        let is_per_piece = (1.0..=MAX_PER_PIECE).contains(&whole)
            && (calls - expected).abs() <= TOLERANCE * expected + EDGE_PIECES * whole;
        let cost = sampled_cost(facts, function.function, share);
        if !is_per_piece || !cost.matters(facts, MIN_SHARE) {
            continue;
        }
        let row = facts.profile.functions.get(function.function);
        let name = function_name(row);
        let mut called = counted(
            format!("{} calls per request, for {} pieces written", number(calls), number(writes_per_request)),
            calls,
            "per request",
            writes.n,
        );
        called.recorder = "calls";
        let title = format!("{name} works for every piece of an answer: {} of the busy time", percent(share));
        let advice = format!("In {name} at {}: do it once per answer, or keep running sums.", place(row));
        findings.push(of_cost(facts, &RULE, cost, title, vec![called], advice));
    }
    findings
}
