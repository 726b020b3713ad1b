//! Writes the Firefox Profiler's processed JSON, for <https://profiler.firefox.com> (version 55 of the format, as samply writes
//! it).
//!
//! Times are milliseconds since the clock's zero; time weighs as `tracing-ms`, so that each sample keeps its own.
//!
//! Lost: tiers, lines, packages of native functions, and how many samples a row stands for.

use super::ExportError;
use super::view::{KERNEL_MODULE, ThreadView, View};
use crate::classify::Category;
use crate::tables::{FunctionId, StackId, Timing, WeightUnit};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use std::io::Write;

/// Categories with a colour of those that the Firefox Profiler knows; the order is that of [`category_index`].
const CATEGORIES: &[(&str, &str)] = &[
    ("Other", "grey"),
    ("Application", "orange"),
    ("Dependency", "purple"),
    ("Node.js", "lightblue"),
    ("Native", "brown"),
    ("Kernel", "blue"),
    ("WebAssembly", "yellow"),
    ("GC", "green"),
    ("Idle", "transparent"),
];

fn category_index(category: Category) -> usize {
    match category {
        Category::Program => 0,
        Category::App => 1,
        Category::Dependency => 2,
        Category::Node => 3,
        Category::Native => 4,
        Category::Kernel => 5,
        Category::Wasm => 6,
        Category::Gc => 7,
        Category::Idle => 8,
    }
}

pub(super) fn write(view: &View<'_>, title: &str, out: &mut dyn Write) -> Result<(), ExportError> {
    let interval = view.threads.iter().filter_map(|thread| thread.samples.effective_interval()).max();
    let interval_ms = interval.filter(|_| view.profile.unit == WeightUnit::Nanoseconds);
    let categories: Vec<Value> = CATEGORIES
        .iter()
        .map(|(name, color)| json!({ "name": name, "color": color, "subcategories": ["Other"] }))
        .collect();
    let threads: Vec<Value> =
        view.threads.iter().map(|thread| Tables::default().thread(view, thread)).collect();
    let profile = json!({
        "meta": {
            "categories": categories,
            "debug": false,
            "extensions": { "baseURL": [], "id": [], "length": 0, "name": [] },
            "interval": interval_ms.map_or(1.0, |interval| interval.0 as f64 / 1e6),
            "preprocessedProfileVersion": 55,
            "processType": 0,
            "product": title,
            "importedFrom": "slowpath",
            "sampleUnits": { "eventDelay": "ms", "threadCPUDelta": "ns", "time": "ms" },
            "startTime": 0.0,
            "symbolicated": true,
            "pausedRanges": [],
            "version": 24,
            "usesOnlyOneStackType": true,
            "sourceCodeIsNotOnSearchfox": true,
            "markerSchema": [],
        },
        "libs": [],
        "pages": [],
        "profilerOverhead": [],
        "counters": [],
        "threads": threads,
    });
    serde_json::to_writer(out, &profile).map_err(std::io::Error::from)?;
    Ok(())
}

/// The tables of one thread.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    string_index: FxHashMap<String, usize>,
    /// One frame a function.
    functions: Vec<FunctionId>,
    function_index: FxHashMap<FunctionId, usize>,
    prefixes: Vec<Option<usize>>,
    frames: Vec<usize>,
    stack_index: FxHashMap<StackId, usize>,
}

impl Tables {
    fn thread(mut self, view: &View<'_>, thread: &ThreadView<'_>) -> Value {
        let is_recorded = thread.samples.timing == Timing::Recorded;
        let (mut stacks, mut times, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for row in thread.rows() {
            stacks.push(self.stack(view, row.stack));
            // Sums have no moments: they are laid out as if each took a millisecond.
            times.push(if is_recorded { row.start.0 as f64 / 1e6 } else { times.len() as f64 });
            weights.push(match view.profile.unit {
                WeightUnit::Nanoseconds => json!(row.weight as f64 / 1e6),
                WeightUnit::Bytes | WeightUnit::Samples => json!(row.weight),
            });
        }
        let weight_type = match view.profile.unit {
            WeightUnit::Nanoseconds => "tracing-ms",
            WeightUnit::Bytes => "bytes",
            WeightUnit::Samples => "samples",
        };
        let (n_samples, name) = (stacks.len(), thread.samples.display_name());
        let (functions, frames, resources) =
            (self.function_table(view), self.frame_table(view), self.resources(view));
        json!({
            "name": name,
            "isMainThread": thread.samples.thread == 0 || thread.samples.thread == thread.samples.pid,
            "processType": "default",
            "processName": format!("process {}", thread.samples.pid),
            "processStartupTime": 0.0,
            "processShutdownTime": null,
            "registerTime": 0.0,
            "unregisterTime": null,
            "pausedRanges": [],
            "pid": thread.samples.pid.to_string(),
            "tid": thread.samples.thread,
            "showMarkersInTimeline": false,
            "markers": { "length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [], "startTime": [] },
            "nativeSymbols": { "length": 0, "address": [], "functionSize": [], "libIndex": [], "name": [] },
            "samples": { "length": n_samples, "weightType": weight_type, "stack": stacks, "time": times, "weight": weights },
            "stackTable": { "length": self.frames.len(), "prefix": self.prefixes, "frame": self.frames },
            "frameTable": frames,
            "funcTable": functions,
            "resourceTable": resources,
            "stringArray": self.strings,
        })
    }

    fn stack(&mut self, view: &View<'_>, stack: StackId) -> usize {
        if let Some(known) = self.stack_index.get(&stack) {
            return *known;
        }
        let mut prefix = None;
        for at in view.frames(stack) {
            let index = if let Some(known) = self.stack_index.get(&at) {
                *known
            } else {
                let frame = self.function(view.profile.stacks.function[at.0 as usize]);
                self.prefixes.push(prefix);
                self.frames.push(frame);
                self.stack_index.insert(at, self.frames.len() - 1);
                self.frames.len() - 1
            };
            prefix = Some(index);
        }
        prefix.unwrap_or(0)
    }

    fn function(&mut self, function: FunctionId) -> usize {
        let next = self.functions.len();
        let index = *self.function_index.entry(function).or_insert(next);
        if index == next {
            self.functions.push(function);
        }
        index
    }

    fn text(&mut self, text: &str) -> usize {
        if let Some(index) = self.string_index.get(text) {
            return *index;
        }
        self.strings.push(text.to_owned());
        self.string_index.insert(text.to_owned(), self.strings.len() - 1);
        self.strings.len() - 1
    }

    fn function_table(&mut self, view: &View<'_>) -> Value {
        let (mut names, mut files, mut lines, mut columns) = (vec![], vec![], vec![], vec![]);
        let (mut are_js, mut resources) = (vec![], vec![]);
        for function in self.functions.clone() {
            let function = view.profile.functions.get(function);
            names.push(self.text(&function.name));
            files.push((!function.file.is_empty()).then(|| self.text(&function.file)));
            lines.push((function.line > 0).then_some(function.line));
            columns.push((function.column > 0).then_some(function.column));
            are_js.push(!function.file.is_empty());
            let is_kernel = function.category == Category::Kernel && function.file.is_empty();
            resources.push(if is_kernel { 0 } else { -1 });
        }
        json!({
            "length": names.len(), "name": names, "isJS": are_js, "relevantForJS": vec![false; are_js.len()],
            "resource": resources, "fileName": files, "lineNumber": lines, "columnNumber": columns,
        })
    }

    fn frame_table(&self, view: &View<'_>) -> Value {
        let n = self.functions.len();
        let category = |function: &FunctionId| category_index(view.profile.functions.get(*function).category);
        let categories: Vec<usize> = self.functions.iter().map(category).collect();
        let nothing = vec![Value::Null; n];
        json!({
            "length": n, "address": vec![-1; n], "inlineDepth": vec![0; n], "category": categories,
            "subcategory": vec![0; n], "func": (0..n).collect::<Vec<_>>(), "nativeSymbol": nothing,
            "innerWindowID": vec![0; n], "line": nothing, "column": nothing,
        })
    }

    /// The kernel is the one resource; its type 0 is "unknown" to the viewer.
    fn resources(&mut self, view: &View<'_>) -> Value {
        let has_kernel = self
            .functions
            .iter()
            .any(|function| view.profile.functions.get(*function).category == Category::Kernel);
        if !has_kernel {
            return json!({ "length": 0, "lib": [], "name": [], "host": [], "type": [] });
        }
        let name = self.text(KERNEL_MODULE);
        json!({ "length": 1, "lib": [null], "name": [name], "host": [null], "type": [0] })
    }
}
