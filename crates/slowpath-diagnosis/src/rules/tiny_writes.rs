//! `tiny-writes`: an answer is written in very many very small pieces.

use super::counted::{Cost, MIN_SHARE, bytes, counted, counters, number, of_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, percent, place};

/// Writes per streamed answer from which on they are many: an answer of an LLM has some hundred tokens at most a second.
const MIN_WRITES: f64 = 20.0;

/// Share of writes below 64 bytes.
const MOSTLY_TINY: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    id: "tiny-writes",
    summary: "answers are written in very many very small pieces",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`res.write` is called for every character or few of them: simulated streaming, a template engine that writes each part, a
loop over rows.",
        why_it_hurts: "\
A write costs some 5 to 20 µs around its bytes: a chunk frame, a stream's state, a system call when the loop turns. A hundred
bytes at once cost no more than one.",
        how_recognised: "\
The counters phase counts `res.write` and its time, by the line that calls. Fires where half of the writes are below 64
bytes, there are 20 and more per streamed answer, and they, with the writes to the socket that they lead to, take 5 % of
the busy time.",
        lookalikes: "\
Passing on what an upstream sends, event by event, as it comes: events of a token are small but not under the service's
control, and rarely take 5 %. Work done for each piece: `per-chunk-work-in-stream`.",
        what_to_do: "\
Gather pieces and write them together: per turn of the loop, per 20 ms, or per kilobyte. `res.cork()` and `uncork()` join
system calls, not the work in JavaScript.",
        example: Example {
            language: "js",
            before: "for (const character of text) res.write(`data: ${character}\\n\\n`);",
            after: "res.write(`data: ${text}\\n\\n`);",
        },
        thresholds: "\
64 bytes is where a write costs several times more around than for its bytes; 20 writes are more than headers, body and end of
anything that is not streamed.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let writes = counters.total("response.write");
    let per_answer = writes.n / counters.total("response.streamed").n.max(1.0);
    if per_answer < MIN_WRITES || counters.total("response.write.tiny").n < MOSTLY_TINY * writes.n {
        return Vec::new();
    }
    let sent = counters
        .of_kind("socket.write")
        .find(|row| row.key == "inbound")
        .map_or_else(slowpath_analysis::CounterSum::default, |row| row.sum);
    // The clocks around calls do not see what the pieces cost later, on their way to the socket; samples do.
    let of_all_writes = writes.n / (writes.n + counters.total("http.request").n).max(1.0);
    let mut findings = Vec::new();
    for sum in counters.by_function(|row| row.kind == "response.write") {
        let each = sum.sum.bytes / sum.sum.n.max(1.0);
        // What the pieces cost when they reach the socket is charged to whoever ends the answer: no bound by samples here.
        let part = sum.sum.n / writes.n * (1.0 - 1.0 / per_answer);
        let sampled = facts.measurements.charges.sending_share * part * of_all_writes;
        let share = counters.share_of_busy(sum.sum.ms + sent.ms * part).max(sampled);
        let relative = (2.0 / (sum.n_sampled.max(1) as f64).sqrt()).max(0.15);
        let interval = (share * (1.0 - relative), (share * (1.0 + relative)).min(1.0));
        let cost = Cost { function: sum.function, share, interval, n_sampled: sum.n_sampled };
        if each >= 64.0 || !cost.matters(facts, MIN_SHARE) {
            continue;
        }
        let function = facts.profile.functions.get(sum.function);
        let name = function_name(function);
        let text = format!(
            "{} writes of {} each per streamed answer, at line {}",
            number(per_answer),
            bytes(each),
            sum.line
        );
        let evidence = vec![counted(text, per_answer, "per answer", sum.sum.n)];
        let title = format!(
            "{name} writes answers in pieces of {}: {} of the busy time",
            bytes(each),
            percent(cost.share)
        );
        let advice = format!("In {name} at {}: gather pieces and write them together.", place(function));
        findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
    }
    findings
}
