//! Builds the tables from a recording: names what ran as the original files do, and sorts samples by phase.

use crate::Nanos;
use crate::classify::{AppScope, Category, classify, native_kind};
use crate::code::Code;
use crate::excerpts::{FileUrls, excerpts};
use crate::import::cpuprofile::CallFrame;
use crate::inlined::Inlining;
use crate::line_shares::Leaf;
use crate::native::{add_native, join_javascript};
use crate::recording::{AsyncFrame, CpuSegment, Recording};
use crate::tables::{ANONYMOUS, Function, Profile, StackId, ThreadSamples};
use crate::waiting::{AtomicsWaits, mark_waiting};
use std::collections::HashMap;

impl Profile {
    /// Builds the tables from the CPU logs of a recording.
    ///
    /// Only samples of phases count: those between them show recorders being switched. A thread without samples in a phase (the run ended early) keeps all that it has.
    pub fn from_recording(recording: &Recording) -> Self {
        let mut profile = Self::default();
        let phases = phase_intervals(recording);
        let code = Code::of(&recording.sources);
        let mut naming = Naming {
            code: &code,
            inlining: Inlining::of(recording, &code),
            files: FileUrls::default(),
            atomics: AtomicsWaits::default(),
        };
        let mut beside_native = Vec::new();
        for (&(pid, thread), cpu) in &recording.cpu {
            let scope = AppScope::of(recording, pid);
            let empty = || ThreadSamples { pid, thread, ..ThreadSamples::default() };
            let mut samples =
                BySort { own: empty(), with_async: empty(), of_levels: empty(), beside_native: empty() };
            let is_in_phase =
                |(t, _): &(Nanos, u32)| phases.iter().any(|phase| phase.start <= *t && *t < phase.end);
            let any_in_phase = cpu.segments.iter().flat_map(|segment| &segment.samples).any(is_in_phase);
            let whole = [Window { start: Nanos(0), end: Nanos(u64::MAX), sort: Sort::Own }];
            let windows = if any_in_phase { &phases[..] } else { &whole };
            for segment in &cpu.segments {
                profile.add_segment(&scope, segment, windows, &mut naming, &mut samples);
            }
            // Where there is no other phase with samples, those of the async phase are what there is.
            if samples.own.stack.is_empty() {
                std::mem::swap(&mut samples.own, &mut samples.with_async);
            }
            let BySort { own, with_async, of_levels, beside_native: beside } = samples;
            for (samples, threads) in [
                (own, &mut profile.threads),
                (with_async, &mut profile.async_threads),
                (of_levels, &mut profile.level_threads),
                (beside, &mut beside_native),
            ] {
                threads.extend(Some(samples).filter(|samples| !samples.stack.is_empty()));
            }
        }
        mark_waiting(&mut profile, recording, &naming.atomics);
        for (&pid, log) in &recording.asynchronous {
            let scope = AppScope::of(recording, pid);
            let frames = log.frames.iter().map(|frame| place_of(&scope, &code, frame));
            profile.async_frames.insert(pid, frames.collect());
        }
        profile.add_counted(recording, &code);
        profile.add_allocated(recording, &code);
        profile.add_deopts(recording, &code);
        profile.excerpts = excerpts(&profile, &code, &naming.files);
        let undisturbed = phases.iter().filter(|phase| matches!(phase.sort, Sort::Own | Sort::BesideNative));
        let undisturbed: Vec<_> = undisturbed.map(|phase| (phase.start, phase.end)).collect();
        let addresses = add_native(&mut profile, recording, &code, &undisturbed);
        join_javascript(&mut profile, recording, &addresses, &beside_native);
        profile.functions.name_by_role(|function| naming.files.role_of(&code, function));
        for frame in profile.async_frames.values_mut().flatten().filter(|frame| frame.name == ANONYMOUS) {
            if let Some(role) = naming.files.role_of(&code, frame) {
                frame.name = format!("({role})");
            }
        }
        profile
    }

    /// Adds the samples of a segment that lie in one of `windows`, which are in order and do not overlap.
    fn add_segment(
        &mut self,
        scope: &AppScope,
        segment: &CpuSegment,
        windows: &[Window],
        naming: &mut Naming<'_>,
        into: &mut BySort,
    ) {
        // The root node carries nothing: stacks start at its children.
        let mut stack_of: Vec<Option<StackId>> = Vec::with_capacity(segment.nodes.len());
        for (parent, frame) in &segment.nodes {
            let parent = parent.and_then(|parent| stack_of[parent as usize]);
            if frame.function_name == "(root)" && parent.is_none() {
                stack_of.push(None);
                continue;
            }
            stack_of.push(Some(self.add_frame(scope, naming, frame, parent)));
        }
        let mut leaves = self.add_inlined(scope, segment, &stack_of, naming);
        for (index, (start, node)) in segment.samples.iter().enumerate() {
            let Some(window) = windows.iter().find(|window| window.start <= *start && *start < window.end)
            else {
                continue;
            };
            let next = segment.samples.get(index + 1).map_or(segment.end, |(next, _)| *next).min(window.end);
            let leaf = leaves.get_mut(node).map(Leaf::next).or(stack_of[*node as usize]);
            let into = into.of(window);
            if let Some(stack) = leaf {
                into.start.push(*start);
                into.duration.push(next.since(*start));
                into.stack.push(stack);
            }
        }
        for window in windows {
            let (start, end) = (segment.start.max(window.start), segment.end.min(window.end));
            if start < end {
                into.of(window).segments.push((start, end));
            }
        }
    }

    /// Adds the function of a frame, as the original files name it, called from `parent`.
    fn add_frame(
        &mut self,
        scope: &AppScope,
        naming: &mut Naming<'_>,
        frame: &CallFrame<'_>,
        parent: Option<StackId>,
    ) -> StackId {
        let caller = parent.map(|parent| self.functions.get(self.stacks.function[parent.0 as usize]));
        let original = naming.code.original_frame(frame);
        let named = original.as_ref().unwrap_or(frame);
        let function = function_of(scope, named, caller);
        naming.files.note(&function.file, &named.url);
        let function = self.functions.intern(function);
        naming.atomics.note(naming.code, frame, function);
        self.stacks.intern(parent, function)
    }

    /// Counts the line samples of a segment, and returns for every node in which V8 hides inlined functions the stacks
    /// that its samples belong to.
    fn add_inlined(
        &mut self,
        scope: &AppScope,
        segment: &CpuSegment,
        stack_of: &[Option<StackId>],
        naming: &mut Naming<'_>,
    ) -> HashMap<u32, Leaf> {
        let mut leaves: HashMap<u32, Leaf> = HashMap::new();
        let mut ticks_of_node: HashMap<u32, u64> = HashMap::new();
        let mut ticks_of_line: HashMap<(u32, u32), u64> = HashMap::new();
        for (node, line, ticks) in &segment.lines {
            *ticks_of_node.entry(*node).or_default() += u64::from(*ticks);
            *ticks_of_line.entry((*node, *line)).or_default() += u64::from(*ticks);
        }
        for (node, line, ticks) in &segment.lines {
            let Some(mut stack) = stack_of[*node as usize] else { continue };
            let mut frame = &segment.nodes[*node as usize].1;
            let is_most = 2 * ticks_of_line[&(*node, *line)] > ticks_of_node[node];
            let inlining = &mut naming.inlining;
            let chain = inlining.chain(frame, *line).or_else(|| {
                let callee = inlining.only_callee(frame, *line).filter(|_| is_most)?;
                Some(vec![callee])
            });
            let chain = chain.unwrap_or_default();
            for inlined in &chain {
                stack = self.add_frame(scope, naming, inlined, Some(stack));
                frame = inlined;
            }
            leaves.entry(*node).or_default().add(stack, u64::from(*ticks));
            naming.atomics.note_line(naming.code, &frame.url, *line, self.stacks.function[stack.0 as usize]);
            if !chain.is_empty() && !naming.inlining.has_line(frame, *line) {
                // The line is that of the call, not one of the function that ran.
                continue;
            }
            let function = self.stacks.function[stack.0 as usize];
            let has_map = naming.code.original_frame(frame).is_some();
            let original = naming.code.original_line(&frame.url, *line).map(|(_, line)| line);
            if let Some(line) = if has_map { original } else { Some(*line) } {
                *self.line_ticks.entry((function, line)).or_default() += u64::from(*ticks);
            }
        }
        leaves
    }
}

/// What turns V8's frames into functions of the original files.
struct Naming<'a> {
    code: &'a Code<'a>,
    inlining: Inlining<'a>,
    files: FileUrls,
    atomics: AtomicsWaits<'a>,
}

/// A phase whose samples count.
struct Window {
    start: Nanos,
    end: Nanos,
    sort: Sort,
}

/// What the samples of a phase tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Own,
    WithAsync,
    OfLevel,
    /// Only for the JavaScript in native stacks: the phase before tells the same of the service.
    BesideNative,
}

/// Samples of one thread by the sort of phase.
struct BySort {
    own: ThreadSamples,
    with_async: ThreadSamples,
    of_levels: ThreadSamples,
    beside_native: ThreadSamples,
}

impl BySort {
    fn of(&mut self, window: &Window) -> &mut ThreadSamples {
        match window.sort {
            Sort::Own => &mut self.own,
            Sort::WithAsync => &mut self.with_async,
            Sort::OfLevel => &mut self.of_levels,
            Sort::BesideNative => &mut self.beside_native,
        }
    }
}

/// Returns when each phase ran, the warm-up left out.
fn phase_intervals(recording: &Recording) -> Vec<Window> {
    let measured = recording.phases().into_iter().filter(|(name, ..)| *name != "warm-up");
    let sort_of = |name: &str| match name {
        "async" => Sort::WithAsync,
        "native" => Sort::BesideNative,
        name if recording.manifest.level_of(name).is_some() => Sort::OfLevel,
        _ => Sort::Own,
    };
    measured.map(|(name, start, end)| Window { start, end, sort: sort_of(name) }).collect()
}

/// Describes the place that a frame of an async log is at.
fn place_of(scope: &AppScope, code: &Code<'_>, frame: &AsyncFrame) -> Function {
    let (line, column) = (frame.line.saturating_sub(1), frame.column.saturating_sub(1));
    let original = code.original(&frame.file, line, column);
    let (file, line, column) =
        original.map_or((frame.file.clone(), line, column), |place| (place.file, place.line, place.column));
    let frame = CallFrame {
        function_name: frame.name.as_str().into(),
        url: file.into(),
        line_number: i64::from(line),
        column_number: i64::from(column),
    };
    function_of(scope, &frame, None)
}

/// Describes a function as V8 names it, called from `caller`.
pub(crate) fn function_of(scope: &AppScope, frame: &CallFrame<'_>, caller: Option<&Function>) -> Function {
    let (category, package) = classify(scope, &frame.function_name, &frame.url);
    let kind = match category {
        Category::Native | Category::Gc => native_kind(&frame.function_name, caller.map_or("", |c| &c.file)),
        _ => None,
    };
    let name = if frame.function_name.is_empty() { ANONYMOUS } else { &frame.function_name };
    let from_one = |number: i64| u32::try_from(number.saturating_add(1)).unwrap_or(0);
    let is_code = !matches!(category, Category::Native | Category::Gc | Category::Program | Category::Idle);
    Function {
        name: name.to_owned(),
        file: scope.display_path(&frame.url),
        line: if is_code { from_one(frame.line_number) } else { 0 },
        column: if is_code { from_one(frame.column_number) } else { 0 },
        category,
        package,
        kind,
    }
}
