//! Writes speedscope's JSON, a profile a thread: <https://www.speedscope.app/file-format-schema.json>.
//!
//! Time without samples is written as a sample without frames.
//!
//! Lost: tiers, lines, packages of native functions, process ids (but for those in names), and how many samples a row of
//! bytes stands for.

use super::ExportError;
use super::view::{ThreadView, View, file_or_module};
use crate::tables::{FunctionId, WeightUnit};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    line: u32,
    #[serde(skip_serializing_if = "is_zero")]
    col: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(super) fn write(view: &View<'_>, title: &str, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut frames = Frames::default();
    let busiest = view.busiest_first().first().map(|(key, _)| *key);
    let is_active = |thread: &ThreadView<'_>| Some((thread.samples.pid, thread.samples.thread)) == busiest;
    let active = view.threads.iter().position(is_active).unwrap_or(0);
    write!(
        out,
        r#"{{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"slowpath@{}","#,
        env!("CARGO_PKG_VERSION")
    )?;
    write!(out, r#""name":{},"activeProfileIndex":{active},"profiles":["#, json(title)?)?;
    for (index, thread) in view.threads.iter().enumerate() {
        out.write_all(if index == 0 { b"" } else { b"," })?;
        write_thread(view, thread, &mut frames, out)?;
    }
    let frames = frames.functions.iter().map(|function| {
        let function = view.profile.functions.get(*function);
        Frame {
            name: &function.name,
            file: file_or_module(function),
            line: function.line,
            col: function.column,
        }
    });
    let frames = serde_json::to_string(&frames.collect::<Vec<_>>()).map_err(io::Error::from)?;
    write!(out, r#"],"shared":{{"frames":{frames}}}}}"#)?;
    Ok(())
}

fn write_thread(
    view: &View<'_>,
    thread: &ThreadView<'_>,
    frames: &mut Frames,
    out: &mut dyn Write,
) -> io::Result<()> {
    let unit = match view.profile.unit {
        WeightUnit::Nanoseconds => "nanoseconds",
        WeightUnit::Bytes => "bytes",
        WeightUnit::Samples => "none",
    };
    let start = thread.timeline().next().map_or(0, |first| first.start.0);
    let (mut weights, mut end, mut is_first) = (String::new(), start, true);
    let name = json(&thread.label())?;
    write!(out, r#"{{"type":"sampled","name":{name},"unit":"{unit}","samples":["#)?;
    let mut text = String::new();
    for stretch in thread.timeline() {
        text.clear();
        text.push_str(if is_first { "[" } else { ",[" });
        weights.push_str(if is_first { "" } else { "," });
        is_first = false;
        for (depth, at) in
            stretch.stack.map(|stack| view.frames(stack)).unwrap_or_default().iter().enumerate()
        {
            text.push_str(if depth == 0 { "" } else { "," });
            text.push_str(&frames.index(view.profile.stacks.function[at.0 as usize]).to_string());
        }
        text.push(']');
        out.write_all(text.as_bytes())?;
        weights.push_str(&stretch.weight.to_string());
        end = stretch.start.0 + stretch.weight;
    }
    write!(out, r#"],"weights":[{weights}],"startValue":{start},"endValue":{end}}}"#)
}

/// Functions in the order in which they are first named.
#[derive(Default)]
struct Frames {
    functions: Vec<FunctionId>,
    index_of: FxHashMap<FunctionId, usize>,
}

impl Frames {
    fn index(&mut self, function: FunctionId) -> usize {
        let next = self.functions.len();
        let index = *self.index_of.entry(function).or_insert(next);
        if index == next {
            self.functions.push(function);
        }
        index
    }
}

fn json(text: &str) -> io::Result<String> {
    Ok(serde_json::to_string(text)?)
}
