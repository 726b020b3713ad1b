//! Draws recordings of a few stacks over scripts given as text.

use serde_json::json;
use slowpath_profile::import::cpuprofile::CallFrame;
use slowpath_profile::recording::{CpuSegment, Layout, MapSection, Source, ThreadCpu};
use slowpath_profile::tables::Profile;
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// A script whose functions are found by the marks that tests use: `function name(` up to the `}` that begins a line.
pub(crate) fn script(url: &str, text: &str) -> Source {
    let mut functions = vec![(String::new(), 0, text.len() as u32)];
    for (start, _) in text.match_indices("function ") {
        let name = text[start + 9..].split('(').next().unwrap_or_default().to_owned();
        let end = start + text[start..].find("\n}").map_or(text.len() - start, |at| at + 2);
        functions.push((name, start as u32, end as u32));
    }
    Source { url: url.into(), text: text.into(), functions, map: Vec::new() }
}

/// A stack, outermost first, as `name url line column` (from 1), and the line samples of its leaf.
pub(crate) type DrawnStack<'a> = (&'a [&'a str], &'a [(u32, u32)]);

fn frame(text: &str) -> CallFrame<'static> {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0) - 1_i64;
    CallFrame {
        function_name: words[0].to_owned().into(),
        url: words.get(1).copied().unwrap_or_default().to_owned().into(),
        line_number: number(2),
        column_number: number(3),
    }
}

/// Returns the profile of one thread; every tick of a stack is one sample, 1 ms long.
pub(crate) fn profile(sources: Vec<Source>, stacks: &[DrawnStack<'_>]) -> Profile {
    let mut segment = CpuSegment { start: Nanos(0), ..CpuSegment::default() };
    let mut now = 0;
    for (frames, lines) in stacks {
        let mut parent = None;
        for text in *frames {
            let frame = frame(text);
            let known = segment.nodes.iter().position(|node| *node == (parent, frame.clone()));
            let index = known.unwrap_or(segment.nodes.len()) as u32;
            if known.is_none() {
                segment.nodes.push((parent, frame));
            }
            parent = Some(index);
        }
        let Some(leaf) = parent else { continue };
        for (line, ticks) in *lines {
            segment.lines.push((leaf, *line, *ticks));
            for _ in 0..*ticks {
                segment.samples.push((Nanos(now), leaf));
                now += 1_000_000;
            }
        }
    }
    segment.end = Nanos(now);
    let manifest = serde_json::from_value(json!({
        "format_version": 1, "slowpath_version": "0.0.0", "start": 0, "started_at": "2026-01-01T00:00:00Z",
        "command": ["node", "app.js"], "cwd": "/srv", "title": "app", "load": null, "phases": [],
        "cpu_interval_us": 1000,
        "machine": { "cpus": 4, "cpu_model": "", "kernel": "", "memory_bytes": 0, "cgroup_cpu_limit": null },
    }));
    let cpu = BTreeMap::from([((1, 0), ThreadCpu { segments: vec![segment] })]);
    let empty = Recording::empty(Layout::new("drawn"), manifest.expect("a manifest of the format"));
    let recording = Recording { cpu, sources, ..empty };
    Profile::from_recording(&recording)
}

/// Returns `stack: samples` of a profile, `outer > inner`, each function as `name@file:line`.
pub(crate) fn samples(profile: &Profile) -> Vec<String> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for stack in &profile.threads[0].stack {
        let mut names: Vec<String> = profile
            .stacks
            .frames(*stack)
            .map(|id| {
                let function = profile.functions.get(id);
                format!("{}@{}:{}", function.name, function.file, function.line)
            })
            .collect();
        names.reverse();
        *counts.entry(names.join(" > ")).or_default() += 1;
    }
    counts.into_iter().map(|(stack, n)| format!("{stack}: {n}")).collect()
}

/// Returns `name line: ticks` of every hot line.
pub(crate) fn lines(profile: &Profile) -> Vec<String> {
    let mut lines: Vec<String> = profile
        .line_ticks
        .iter()
        .map(|((function, line), ticks)| format!("{} {line}: {ticks}", profile.functions.get(*function).name))
        .collect();
    lines.sort();
    lines
}

/// A map of one section.
pub(crate) fn map(sources: &[&str], names: &[&str], mappings: &str) -> Vec<MapSection> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    vec![MapSection {
        line: 0,
        column: 0,
        sources: owned(sources),
        names: owned(names),
        mappings: mappings.into(),
    }]
}
