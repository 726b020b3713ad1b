//! `string-concat-growth`: a buffer or a text is gone through whole each time something is added to it.

use super::counted::{Cost, MIN_SHARE, bytes, counted, counters, number, of_cost};
use super::hot_code::{calls_per_request, hot_functions, hot_lines, sampled_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Finding};
use crate::words::{function_name, percent, place};

/// Additions per request from which on the copying grows with the square of what is gathered.
const MIN_PER_REQUEST: f64 = 4.0;

pub(super) const RULE: Rule = Rule {
    id: "string-concat-growth",
    summary: "a buffer or a text is gone through whole each time something is added to it",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
`all = Buffer.concat([all, chunk])` stands in the loop that receives a body or a stream: each piece copies everything before it. Or
`text += chunk` does, and all of `text` is split, searched or parsed for each piece.",
        why_it_hurts: "\
The bytes touched grow with the square of the size: 1 MB in pieces of 16 kB copies 32 MB, and each copy is garbage at once.",
        how_recognised: "\
The counters phase sees `Buffer.concat` whose first part is the last result. Fires from 5 % of busy time and four such calls per request
on. V8 joins `text += chunk` lazily, and joining costs nothing by itself; what costs is reading the whole. So for texts, the source of a
function that is called four times per request and more: a line with 5 % of the busy time splits, searches, matches or parses a
text that another line of the function adds to, and no line of it takes away what was read.",
        lookalikes: "\
One `Buffer.concat(chunks)` at the end is right. A reader that keeps only the rest of the last line (`rest = lines.pop()`) reads each
letter once.",
        what_to_do: "\
Gather the pieces in an array and join them once, at the end. Look for a line's end in the new piece only, not in all the text.",
        example: Example {
            language: "js",
            before: "let body = Buffer.alloc(0);\nrequest.on('data', (chunk) => { body = Buffer.concat([body, chunk]); });",
            after: "const chunks = [];\nrequest.on('data', (chunk) => chunks.push(chunk)).on('end', () => done(Buffer.concat(chunks)));",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell; four pieces copy twice what is needed.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = of_buffers(facts);
    findings.extend(of_texts(facts));
    findings
}

fn of_buffers(facts: Facts<'_>) -> Vec<Finding> {
    let Some(counters) = counters(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for sum in counters.by_function(|row| row.kind == "buffer.concat.growth") {
        let per_request = counters.per_request(sum.sum.n);
        let cost = Cost::of(facts, counters, &sum);
        if per_request < MIN_PER_REQUEST || !cost.matters(facts, MIN_SHARE) {
            continue;
        }
        let function = facts.profile.functions.get(sum.function);
        let name = function_name(function);
        let copied = bytes(counters.per_request(sum.sum.bytes));
        let text =
            format!("{} additions copy {copied} per request, at line {}", number(per_request), sum.line);
        let evidence = vec![counted(text, per_request, "per request", sum.sum.n)];
        let title = format!(
            "{name} copies a growing buffer for each piece: {} of the busy time",
            percent(cost.share)
        );
        let advice = format!("In {name} at {}: gather the pieces and join them once.", place(function));
        findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
    }
    findings
}

/// Calls that go through all of a text.
const READERS: &[&str] = &[
    ".split(",
    ".indexOf(",
    ".includes(",
    ".match(",
    ".matchAll(",
    ".replace(",
    ".replaceAll(",
    ".search(",
    ".lastIndexOf(",
    ".trim(",
    ".toLowerCase(",
    ".toUpperCase(",
    ".slice(0",
];

/// Functions that go through all of a text that they are given.
const TAKERS: &[&str] = &["JSON.parse(", "Buffer.from(", "Buffer.byteLength(", ".test(", ".exec("];

fn of_texts(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for hot in hot_functions(facts, MIN_SHARE) {
        let Some(calls) = calls_per_request(facts, hot.function).filter(|calls| *calls >= MIN_PER_REQUEST)
        else {
            continue;
        };
        let function = facts.profile.functions.get(hot.function);
        let known = facts.profile.excerpts.iter().filter(|excerpt| excerpt.file == function.file);
        let lines: Vec<&str> = known
            .filter(|excerpt| excerpt.first_line + excerpt.lines.len() as u32 >= function.line)
            .flat_map(|excerpt| {
                let skipped = function.line.saturating_sub(excerpt.first_line) as usize;
                excerpt.lines.iter().skip(skipped).map(String::as_str)
            })
            .collect();
        let Some(text) = growing_text(body_of(&lines)) else { continue };
        let reading: Vec<_> =
            hot_lines(facts, hot.function).into_iter().filter(|line| reads_whole(line.text, text)).collect();
        let share: f64 = reading.iter().map(|line| line.share).sum();
        let cost = sampled_cost(facts, hot.function, share);
        let Some(line) = reading.first().filter(|_| cost.matters(facts, MIN_SHARE)) else { continue };
        let name = function_name(function);
        let mut called = counted(
            format!("called {} times per request, each time with a longer `{text}`", number(calls)),
            calls,
            "per request",
            0.0,
        );
        (called.recorder, called.n_samples) = ("calls", None);
        let title = format!(
            "{name} goes through all of `{text}` for each piece that is added to it: {} of the busy time",
            percent(share)
        );
        let advice = format!(
            "In {name} at {} (line {}): look at the new piece and what was left over, not at all there is so far.",
            place(function),
            line.line
        );
        let mut finding = of_cost(facts, &RULE, cost, title, vec![called], advice);
        finding.confidence = finding.confidence.min(Confidence::Medium);
        finding.confidence_why.push_str("; that the text grows is read from the code");
        findings.push(finding);
    }
    findings
}

/// Returns the lines of the function that begins with the first one, as far as they are indented below it.
fn body_of<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let Some(first) = lines.first() else { return lines };
    let end = lines.iter().skip(1).position(|line| !line.trim().is_empty() && indent(line) <= indent(first));
    &lines[..end.map_or(lines.len(), |end| end + 1)]
}

/// Returns the name of a text that lines add to and never take from.
fn growing_text<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let added = lines.iter().find_map(|line| {
        let (name, what) = line.split_once("+=")?;
        let name = name.trim().rsplit([' ', '(', ';', '{']).next()?;
        // Numbers are added up, too.
        let is_number = what.trim().starts_with(|c: char| c.is_ascii_digit()) || what.contains(".length");
        (!name.is_empty() && !is_number).then_some(name)
    })?;
    let takes = |line: &&str| {
        let assigned = line.split_once(" = ").is_some_and(|(name, _)| name.trim().ends_with(added));
        assigned && !line.trim_start().starts_with("let ")
    };
    (!lines.iter().any(takes)).then_some(added)
}

/// Whether a line goes through all of `text`.
fn reads_whole(line: &str, text: &str) -> bool {
    let called_on = READERS.iter().any(|call| line.contains(&format!("{text}{call}")));
    called_on || TAKERS.iter().any(|call| line.contains(&format!("{call}{text})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_only_added_to_grows() {
        #[track_caller]
        fn check(code: &str, expected: Option<&str>) {
            let lines: Vec<&str> = code.lines().collect();
            assert_eq!(growing_text(body_of(&lines)), expected, "{code}");
        }
        check(
            "push(piece) {\n  this.all += piece;\n  this.all.split('x');\n}\nreset() {\n  this.all = '';\n}",
            Some("this.all"),
        );
        check(
            "push(piece) {\n  rest += piece;\n  const lines = rest.split('x');\n  rest = lines.pop();\n}",
            None,
        );
        check("count(piece) {\n  n += 1;\n  bytes += piece.length;\n}", None);
    }

    #[test]
    fn reading_all_of_a_text_is_told_from_adding_to_it() {
        assert!(reads_whole("const lines = this.all.split('x');", "this.all"));
        assert!(reads_whole("return JSON.parse(text);", "text"));
        assert!(!reads_whole("text += piece.trim();", "text"));
        assert!(!reads_whole("const lines = piece.split('x');", "text"));
    }
}
