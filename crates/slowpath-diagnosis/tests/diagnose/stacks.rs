//! Stacks drawn as text: `handle@3;render@12;native:writev 30`, outermost first.
//!
//! A line's number is how many of the hundred samples of each second have that stack, in the order drawn; what is
//! left of the second is idle. A frame is a function of `app.js`, at a line where `@` gives one, or of what its prefix
//! names: `dep:` and `lib:` packages, `native:`, `fs:`, `crypto:`, `child:`, `esm:`, `http:`, `client:` modules of Node. `gc`, `program` and `idle`
//! are V8's own.

use crate::drawing::at;
use slowpath_profile::import::cpuprofile::CallFrame;
use slowpath_profile::recording::CpuSegment;
use std::collections::HashMap;

/// Samples in a second: one each 10 ms.
pub(crate) const PER_SECOND: usize = 100;

/// Returns the stacks of one drawn second, sample by sample.
pub(crate) fn second(text: &str) -> Vec<&str> {
    let mut samples = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (stack, n) = line.rsplit_once(' ').expect("a line is `stack number`");
        samples.extend(std::iter::repeat_n(stack, n.parse().expect("a line ends in a number")));
    }
    assert!(samples.len() <= PER_SECOND, "more than {PER_SECOND} samples in a second:\n{text}");
    samples.resize(PER_SECOND, "idle");
    samples
}

/// Returns the segment of `samples`, each with its time in seconds, as V8 would give it between `start` and `end`.
pub(crate) fn segment(start: f64, end: f64, samples: &[(f64, &str)]) -> CpuSegment {
    let mut segment = CpuSegment { start: at(start), end: at(end), ..CpuSegment::default() };
    segment.nodes.push((None, frame("(root)")));
    let mut node_of: HashMap<&str, u32> = HashMap::new();
    for (time, sample) in samples {
        let (stack, line) = sample.rsplit_once('/').unwrap_or((sample, ""));
        let node = *node_of.entry(stack).or_insert_with(|| {
            stack.split(';').fold(0, |parent, name| {
                let wanted = (Some(parent), frame(name));
                let known = segment.nodes.iter().position(|node| *node == wanted);
                known.unwrap_or_else(|| {
                    segment.nodes.push(wanted);
                    segment.nodes.len() - 1
                }) as u32
            })
        });
        segment.samples.push((at(*time), node));
        if let Ok(line) = line.parse() {
            segment.lines.push((node, line, 1));
        }
    }
    segment
}

fn frame(text: &str) -> CallFrame<'static> {
    let (text, line) =
        text.split_once('@').map_or((text, 1), |(name, line)| (name, line.parse().expect("a line")));
    let (name, url) = match text.split_once(':') {
        None => match text {
            "gc" => ("(garbage collector)", ""),
            "program" | "idle" | "(root)" => (text, ""),
            "(anonymous)" => ("", "file:///srv/app.js"),
            _ => (text, "file:///srv/app.js"),
        },
        Some(("native", name)) => (name, ""),
        Some(("dep", name)) => (name, "file:///srv/node_modules/dep/index.js"),
        Some(("lib", name)) => (name, "file:///srv/node_modules/lib/index.js"),
        Some(("fs", name)) => (name, "node:fs"),
        Some(("crypto", name)) => (name, "node:internal/crypto/pbkdf2"),
        Some(("child", name)) => (name, "node:child_process"),
        Some(("esm", name)) => (name, "node:internal/modules/esm/loader"),
        Some(("http", name)) => (name, "node:_http_server"),
        Some(("client", name)) => (name, "node:_http_client"),
        Some((prefix, _)) => panic!("unknown prefix `{prefix}:`"),
    };
    let name = if matches!(name, "program" | "idle") { format!("({name})") } else { name.to_owned() };
    let line_number = if url.is_empty() { -1 } else { line - 1 };
    CallFrame { function_name: name.into(), url: url.into(), line_number, column_number: 0 }
}
