//! Gives samples back to functions that V8 inlined.
//!
//! V8 names the innermost frame of a sample after the machine code that ran, which is that of the function into which
//! others were inlined; only for frames further out does it say what was inlined. Its line numbers, however, are those
//! of the inlined code (V8's `src/profiler/symbolizer.cc`: the inline stack is used for return addresses, not for the
//! program counter). So a loop that calls a small function has all the time, on lines that are not its own:
//!
//! ```text
//! V8 says                       what ran
//! handle  line 15:  10 ticks    handle         10
//!         line  5:  90 ticks    handle > mix   90      mix is lines 4 to 9 of the file
//! ```
//!
//! A line that only calls one function may get the inlined time as well, on its own line. Where that is most of a node's time,
//! which a mere call cannot take, it goes to the function called.
//!
//! Where each function begins and ends comes from the recording's sources. Which function a line belongs to is only
//! believed if that function is called, directly or through others, by the one that V8 names.

use crate::code::{Code, RangeId};
use crate::import::cpuprofile::CallFrame;
use crate::recording::Recording;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// How far calls are followed from the function that V8 names: it inlines at most a few levels deep.
const MAX_DEPTH: usize = 6;

/// Shorter names (minified ones) stand everywhere and tell nothing.
const MIN_NAME_LENGTH: usize = 3;

/// Index of a distinct frame.
type FrameIndex = u32;

/// Who calls whom, in all profiles of a recording, and where each function lies.
#[derive(Debug)]
pub(crate) struct Inlining<'a> {
    code: &'a Code<'a>,
    frames: Vec<CallFrame<'a>>,
    index_of: HashMap<CallFrame<'a>, FrameIndex>,
    callees: HashMap<FrameIndex, Vec<FrameIndex>>,
    ranges: Vec<Option<RangeId>>,
    /// Frames by function, to find the one of a line's owner.
    frame_of_range: HashMap<(String, RangeId), FrameIndex>,
    /// Functions of all scripts by name.
    by_name: HashMap<&'a str, Vec<(&'a str, RangeId)>>,
    /// Scripts whose text has been searched for the names of functions.
    searched: HashSet<&'a str>,
    found: HashMap<(FrameIndex, u32), Option<Vec<FrameIndex>>>,
    /// Line samples (from 0) of frames that V8 names itself.
    own_ticks: HashMap<(FrameIndex, u32), u64>,
}

impl<'a> Inlining<'a> {
    /// Collects the calls of a recording.
    pub(crate) fn of(recording: &'a Recording, code: &'a Code) -> Self {
        let mut inlining = Self {
            code,
            frames: Vec::new(),
            index_of: HashMap::new(),
            callees: HashMap::new(),
            ranges: Vec::new(),
            frame_of_range: HashMap::new(),
            by_name: HashMap::new(),
            searched: HashSet::new(),
            found: HashMap::new(),
            own_ticks: HashMap::new(),
        };
        let mut edges = HashSet::new();
        for segment in recording.cpu.values().flat_map(|cpu| &cpu.segments) {
            let mut index_of_node = Vec::with_capacity(segment.nodes.len());
            for (parent, frame) in &segment.nodes {
                let index = inlining.intern(frame);
                if let Some(parent) = parent {
                    edges.insert((index_of_node[*parent as usize], index));
                }
                index_of_node.push(index);
            }
            for (node, line, ticks) in &segment.lines {
                let at = (index_of_node[*node as usize], line.saturating_sub(1));
                *inlining.own_ticks.entry(at).or_default() += u64::from(*ticks);
            }
        }
        let mut edges: Vec<(FrameIndex, FrameIndex)> = edges.into_iter().collect();
        edges.sort_unstable();
        for (caller, callee) in edges {
            inlining.callees.entry(caller).or_default().push(callee);
        }
        for (url, script) in code.scripts() {
            for (range, name) in script.functions().filter(|(_, name)| name.len() >= MIN_NAME_LENGTH) {
                inlining.by_name.entry(name).or_default().push((url, range));
            }
        }
        inlining
    }

    fn intern(&mut self, frame: &CallFrame<'a>) -> FrameIndex {
        if let Some(index) = self.index_of.get(frame) {
            return *index;
        }
        let index = self.frames.len() as FrameIndex;
        let range =
            place(frame).and_then(|(line, column)| self.code.script(&frame.url)?.function_at(line, column));
        if let Some(range) = range {
            self.frame_of_range.entry((frame.url.clone().into_owned(), range)).or_insert(index);
        }
        self.frames.push(frame.clone());
        self.ranges.push(range);
        self.index_of.insert(frame.clone(), index);
        index
    }

    /// Returns the chain of inlined functions, outermost first, that ran on `line` (from 1) of samples that V8 gives to
    /// `frame`. `None` where it was `frame` itself, or nothing better is known.
    pub(crate) fn chain(&mut self, frame: &CallFrame<'_>, line: u32) -> Option<Vec<CallFrame<'a>>> {
        let named = *self.index_of.get(frame)?;
        if !self.found.contains_key(&(named, line)) {
            let chain = self.find(named, line.checked_sub(1)?);
            self.found.insert((named, line), chain);
        }
        let chain = self.found[&(named, line)].as_ref()?;
        Some(chain.iter().map(|index| self.frames[*index as usize].clone()).collect())
    }

    /// Does the work of [`Inlining::chain`]; `line` from 0.
    fn find(&mut self, named: FrameIndex, line: u32) -> Option<Vec<FrameIndex>> {
        let url = self.frames[named as usize].url.clone().into_owned();
        let code = self.code;
        let script = code.script(&url)?;
        let own = self.ranges[named as usize]?;
        let owner = script.owner_of_line(line);
        if script.touches(own, line) {
            // Its own line, or that of a closure within it.
            let closure = owner.filter(|owner| *owner != own && script.is_within(*owner, own))?;
            let closure = self.frame_of(&url, closure)?;
            return self.path(named, |index| index == closure).or(Some(vec![closure]));
        }
        if let Some(path) = self.path_to_line(named, &url, line) {
            return Some(path);
        }
        // No sample shows the call: V8 may have inlined it from the start. Then the text must.
        self.add_calls_of_text(named);
        self.path_to_line(named, &url, line)
    }

    /// Returns the function that a line calls, where it does nothing else that could take time: `select: (chat) =>
    /// pool.select(chat)`. V8 may give such a line all the time of what it inlined there. Only a callee that other
    /// samples show is believed.
    pub(crate) fn only_callee(&self, frame: &CallFrame<'_>, line: u32) -> Option<CallFrame<'a>> {
        let named = *self.index_of.get(frame)?;
        let own = self.ranges[named as usize]?;
        let calls = self.code.script(&frame.url)?.calls_on_line(own, line.checked_sub(1)?)?;
        let [name] = calls[..] else { return None };
        let callees = self.callees.get(&named)?.iter().copied();
        let mut of_that_name = callees.filter(|callee| {
            let frame = &self.frames[*callee as usize];
            let bare = frame.function_name.rsplit(['.', ' ']).next().unwrap_or_default();
            bare == name && self.ranges[*callee as usize].is_some()
        });
        let callee = of_that_name.next().filter(|_| of_that_name.next().is_none())?;
        Some(self.frames[callee as usize].clone())
    }

    /// Whether a line (from 1) has any part of a function; true where that is not known.
    pub(crate) fn has_line(&self, frame: &CallFrame<'_>, line: u32) -> bool {
        let script = self.code.script(&frame.url);
        let range = self.index_of.get(frame).and_then(|index| self.ranges[*index as usize]);
        match (script, range) {
            (Some(script), Some(range)) => line > 0 && script.touches(range, line - 1),
            _ => true,
        }
    }

    /// Adds what the text says of calls, of every script that can be reached from `from`: a function calls those whose
    /// names stand in it. That is too much, but of these only one that has the line in question will be believed.
    fn add_calls_of_text(&mut self, from: FrameIndex) {
        let mut queue = VecDeque::from([(from, 0)]);
        let mut seen = HashSet::from([from]);
        while let Some((at, depth)) = queue.pop_front() {
            let url = self.frames[at as usize].url.clone();
            self.search_text(&url);
            for callee in self.callees.get(&at).into_iter().flatten().copied() {
                if depth + 1 < MAX_DEPTH && seen.insert(callee) {
                    queue.push_back((callee, depth + 1));
                }
            }
        }
    }

    fn search_text(&mut self, url: &str) {
        let Some((url, script)) =
            self.code.script_with_url(url).filter(|(url, _)| !self.searched.contains(url))
        else {
            return;
        };
        self.searched.insert(url);
        let mut calls = BTreeSet::new();
        script.for_each_word(|caller, word| {
            for (callee_url, callee) in self.by_name.get(word).into_iter().flatten() {
                if (*callee_url, *callee) != (url, caller) {
                    calls.insert((caller, *callee_url, *callee));
                }
            }
        });
        for (caller, callee_url, callee) in calls {
            let ends = self.frame_of(url, caller).zip(self.frame_of(callee_url, callee));
            if let Some((caller, callee)) = ends {
                let callees = self.callees.entry(caller).or_default();
                if !callees.contains(&callee) {
                    callees.push(callee);
                }
            }
        }
    }

    /// Returns the path of calls to a function that has the line in its own file. Of several it is the one that V8 itself names on
    /// that line most, which it does as long as the function is not inlined yet; then the shortest; then that in the same file.
    fn path_to_line(&self, named: FrameIndex, url: &str, line: u32) -> Option<Vec<FrameIndex>> {
        let has_line = |index: FrameIndex| {
            let frame = &self.frames[index as usize];
            let range = self.ranges[index as usize];
            range.is_some_and(|range| {
                self.code.script(&frame.url).is_some_and(|script| script.owner_of_line(line) == Some(range))
            })
        };
        let in_file = |index: FrameIndex| self.frames[index as usize].url == url;
        let seen = |index: FrameIndex| self.own_ticks.get(&(index, line)).copied().unwrap_or(0);
        let near = self.path(named, |index| in_file(index) && has_line(index));
        let far = self.path(named, |index| !in_file(index) && has_line(index));
        let most = self.path_to_best(named, |index| if has_line(index) { seen(index) } else { 0 });
        match (near, far) {
            _ if most.is_some() => most,
            (Some(near), Some(far)) => Some(if near.len() <= far.len() { near } else { far }),
            (near, far) => near.or(far),
        }
    }

    /// Returns the shortest path of calls from `from` to the frame of which `value` is largest and above 0.
    fn path_to_best(&self, from: FrameIndex, value: impl Fn(FrameIndex) -> u64) -> Option<Vec<FrameIndex>> {
        let (mut largest, mut best) = (0, None);
        // No frame is the goal, so that all are looked at.
        self.path(from, |index| {
            if value(index) > largest {
                (largest, best) = (value(index), Some(index));
            }
            false
        });
        let best = best?;
        self.path(from, |index| index == best)
    }

    /// Returns the shortest path of calls from `from`, itself left out, to a frame that `is_goal`.
    fn path(&self, from: FrameIndex, mut is_goal: impl FnMut(FrameIndex) -> bool) -> Option<Vec<FrameIndex>> {
        let mut before: HashMap<FrameIndex, FrameIndex> = HashMap::new();
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((at, depth)) = queue.pop_front() {
            for callee in self.callees.get(&at).into_iter().flatten().copied() {
                if callee == from || before.contains_key(&callee) {
                    continue;
                }
                before.insert(callee, at);
                if is_goal(callee) {
                    let mut path = vec![callee];
                    while let Some(caller) =
                        before.get(&path[path.len() - 1]).filter(|caller| **caller != from)
                    {
                        path.push(*caller);
                    }
                    path.reverse();
                    return Some(path);
                }
                if depth + 1 < MAX_DEPTH {
                    queue.push_back((callee, depth + 1));
                }
            }
        }
        None
    }

    /// Returns the frame of a function, made up where no stack shows it.
    fn frame_of(&mut self, url: &str, range: RangeId) -> Option<FrameIndex> {
        if let Some(index) = self.frame_of_range.get(&(url.to_owned(), range)) {
            return Some(*index);
        }
        let frame = self.code.script(url)?.frame_of(range, url);
        Some(self.intern(&frame))
    }
}

fn place(frame: &CallFrame<'_>) -> Option<(u32, u32)> {
    Some((u32::try_from(frame.line_number).ok()?, u32::try_from(frame.column_number).ok()?))
}
