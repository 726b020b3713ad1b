//! Reads V8's `.cpuprofile` JSON (Chrome DevTools protocol, `Profiler.Profile`), in one walk over the text.
//!
//! Pitfalls: nodes link by `children` (V8) or by `parent` (some writers), so both are read; `hitCount` disagrees with
//! the number of samples, so samples are trusted and counts are read only where there are no samples; a few
//! `timeDeltas` are negative (about −7 µs), so times are sorted; `lineNumber` and `columnNumber` count from 0 and are −1
//! where unknown; `positionTicks` lines count from 1; times are microseconds on `CLOCK_MONOTONIC` (on Linux). Most of
//! a large file are call frames that say the same again, so a frame is parsed once for each of its spellings.

use super::call_frames::FrameFunctions;
use super::json::Json;
use super::{BadInput, Content};
use crate::Nanos;
use crate::classify::AppScope;
use crate::tables::{Profile, StackId, WeightUnit};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// A `.cpuprofile`, checked. Strings borrow from the input where they hold no escapes.
#[derive(Debug, Default)]
pub struct CpuProfile<'a> {
    /// Functions, each spelling once.
    pub frames: Vec<CallFrame<'a>>,
    /// Call tree, callers before callees.
    pub nodes: Vec<Node>,
    /// Samples by source line.
    pub ticks: Vec<PositionTick>,
    /// Microseconds.
    pub start_time: f64,
    /// Microseconds; not before the last sample.
    pub end_time: f64,
    /// Time in microseconds and index of the leaf node, in time order.
    pub samples: Vec<(f64, u32)>,
    /// What slowpath's agent added.
    pub slowpath: PieceInfo,
}

/// What the agent says of a piece.
#[derive(Debug, Default)]
pub struct PieceInfo {
    /// Counts the pieces of one thread, from 1.
    pub sequence: u64,
    /// Whether the next piece began before this one ended, so that nothing is missing between them.
    pub overlaps: bool,
}

/// One node of the call tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Index of its function in [`CpuProfile::frames`].
    pub frame: u32,
    /// Index of the caller's node; lower than its own.
    pub parent: Option<u32>,
    /// Samples that V8 counted; it does not agree with [`CpuProfile::samples`].
    pub hit_count: u32,
}

/// A function as V8 names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFrame<'a> {
    /// Name, empty when anonymous.
    #[serde(borrow, default)]
    pub function_name: Cow<'a, str>,
    /// Script, empty for native code.
    #[serde(borrow, default)]
    pub url: Cow<'a, str>,
    /// From 0, −1 where unknown.
    #[serde(default = "unknown", deserialize_with = "integer")]
    pub line_number: i64,
    /// From 0, −1 where unknown.
    #[serde(default = "unknown", deserialize_with = "integer")]
    pub column_number: i64,
}

/// Samples of a node whose innermost position was on `line`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionTick {
    /// Index of the node.
    pub node: u32,
    /// From 1.
    pub line: u32,
    /// Samples.
    pub ticks: u32,
}

fn unknown() -> i64 {
    -1
}

fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    f64::deserialize(deserializer).map(|number| number as i64)
}

impl<'a> CpuProfile<'a> {
    /// Parses and checks a profile: every node hangs on a root, every sample names a node.
    ///
    /// Cost: one walk over the text; besides it, memory for 40 bytes a node and 24 a sample.
    pub fn parse(json: &'a [u8]) -> Result<Self, BadInput> {
        let mut text = RawProfile::default();
        Json::new(json).each_key(|json, key| text.read_key(json, key))?;
        text.check()
    }
}

/// Adds a `.cpuprofile` to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let raw = CpuProfile::parse(bytes)?;
    let stacks = raw.stacks(profile);
    let has_samples = !raw.samples.is_empty();
    let mut content = Content::new(if has_samples { WeightUnit::Nanoseconds } else { WeightUnit::Samples });
    let thread = content.new_thread(0, "");
    // A sample of the root stands for nothing, but it ends the one before.
    let ends = raw.samples.iter().skip(1).map(|(time, _)| *time).chain([raw.end_time]);
    for ((time, node), end) in raw.samples.iter().zip(ends) {
        if let Some(stack) = stacks[*node as usize] {
            thread.push(nanos(*time), nanos(end).since(nanos(*time)), stack);
        }
    }
    if !has_samples {
        for (node, stack) in raw.nodes.iter().zip(&stacks) {
            if let Some(stack) = stack.filter(|_| node.hit_count > 0) {
                thread.push_sum(u64::from(node.hit_count), node.hit_count, stack);
            }
        }
        content
            .notes
            .push("it has no samples, only their number by call path, so nothing is known of time".into());
    }
    for tick in &raw.ticks {
        if let Some(stack) = stacks[tick.node as usize] {
            let function = profile.stacks.function[stack.0 as usize];
            *profile.line_ticks.entry((function, tick.line)).or_default() += u64::from(tick.ticks);
        }
    }
    Ok(content)
}

/// Converts V8's microseconds.
pub(super) fn nanos(us: f64) -> Nanos {
    Nanos((us.max(0.0) * 1e3).round() as u64)
}

impl CpuProfile<'_> {
    /// Returns each node's stack; `None` for the root.
    fn stacks(&self, profile: &mut Profile) -> Vec<Option<StackId>> {
        let scope = AppScope::default();
        let mut functions = FrameFunctions::default();
        let mut stacks: Vec<Option<StackId>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let parent = node.parent.and_then(|parent| stacks[parent as usize]);
            let frame = (node.frame, &self.frames[node.frame as usize]);
            stacks.push(functions.stack(profile, &scope, frame, parent));
        }
        stacks
    }
}

/// The profile as it is written.
#[derive(Default)]
struct RawProfile<'a> {
    frames: CallFrames<'a>,
    nodes: Vec<RawNode>,
    /// `(caller's position in `nodes`, callee's id)`.
    children: Vec<(u32, u32)>,
    ticks: Vec<PositionTick>,
    start_time: f64,
    end_time: f64,
    samples: Vec<u32>,
    time_deltas: Vec<f64>,
    slowpath: PieceInfo,
    /// Where these arrays begin, for errors.
    nodes_at: usize,
    samples_at: usize,
}

struct RawNode {
    id: u32,
    frame: u32,
    /// Id, `u32::MAX` for none.
    parent: u32,
    hit_count: u32,
}

const NONE: u32 = u32::MAX;

impl<'a> RawProfile<'a> {
    fn read_key(&mut self, json: &mut Json<'a>, key: &[u8]) -> Result<(), BadInput> {
        match key {
            b"nodes" => {
                json.peek();
                self.nodes_at = json.offset();
                json.each_element(|json| self.read_node(json))
            }
            b"startTime" => json.number().map(|time| self.start_time = time),
            b"endTime" => json.number().map(|time| self.end_time = time),
            b"samples" => {
                json.peek();
                self.samples_at = json.offset();
                json.indexes().map(|samples| self.samples = samples)
            }
            b"timeDeltas" => json.numbers().map(|deltas| self.time_deltas = deltas),
            b"slowpath" => json.each_key(|json, key| match key {
                b"sequence" => json.number().map(|number| self.slowpath.sequence = number as u64),
                b"overlaps" => json.skip().map(|text| self.slowpath.overlaps = text == b"true"),
                _ => json.skip().map(|_| ()),
            }),
            _ => json.skip().map(|_| ()),
        }
    }

    fn read_node(&mut self, json: &mut Json<'a>) -> Result<(), BadInput> {
        let position = self.nodes.len() as u32;
        let mut node = RawNode { id: NONE, frame: NONE, parent: NONE, hit_count: 0 };
        let start = json.offset();
        json.each_key(|json, key| match key {
            b"id" => json.index().map(|id| node.id = id),
            b"callFrame" => self.frames.read(json).map(|frame| node.frame = frame),
            b"parent" => json.index_or_none().map(|id| node.parent = id.unwrap_or(NONE)),
            b"hitCount" => json.number().map(|count| node.hit_count = count as u32),
            b"children" => json.each_element(|json| {
                self.children.push((position, json.index()?));
                Ok(())
            }),
            b"positionTicks" => json.each_element(|json| {
                let mut tick = PositionTick { node: position, line: 0, ticks: 0 };
                json.each_key(|json, key| match key {
                    b"line" => json.index().map(|line| tick.line = line),
                    b"ticks" => json.index().map(|ticks| tick.ticks = ticks),
                    _ => json.skip().map(|_| ()),
                })?;
                self.ticks.push(tick);
                Ok(())
            }),
            _ => json.skip().map(|_| ()),
        })?;
        if node.id == NONE || node.frame == NONE {
            let lacks = if node.id == NONE { "`id`" } else { "`callFrame`" };
            return Err(BadInput::at(start, format!("a node without {lacks}")));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn check(self) -> Result<CpuProfile<'a>, BadInput> {
        if self.samples.len() != self.time_deltas.len() {
            let (samples, deltas) = (self.samples.len(), self.time_deltas.len());
            return Err(BadInput::at(self.samples_at, format!("{samples} samples but {deltas} time deltas")));
        }
        let (order, parents) = self.callers_first()?;
        // From here on nodes are named by their place in `order`.
        let mut place = vec![0_u32; self.nodes.len()];
        for (index, position) in order.iter().enumerate() {
            place[*position as usize] = index as u32;
        }
        let nodes = order.iter().map(|position| {
            let (raw, parent) = (&self.nodes[*position as usize], parents[*position as usize]);
            let parent = (parent != NONE).then(|| place[parent as usize]);
            Node { frame: raw.frame, parent, hit_count: raw.hit_count }
        });
        let nodes = nodes.collect();
        let id_of: FxHashMap<u32, u32> =
            self.nodes.iter().zip(&place).map(|(node, place)| (node.id, *place)).collect();
        let mut time = self.start_time;
        let mut samples = Vec::with_capacity(self.samples.len());
        for (index, (id, delta)) in self.samples.iter().zip(&self.time_deltas).enumerate() {
            time += delta;
            let node = *id_of.get(id).ok_or_else(|| {
                let problem = format!("sample {index} is of node {id}, which does not exist");
                BadInput::at(self.samples_at, problem)
            })?;
            samples.push((time, node));
        }
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ticks = self.ticks.iter().map(|tick| PositionTick { node: place[tick.node as usize], ..*tick });
        let ticks = ticks.collect();
        let last = samples.last().map_or(self.start_time, |(time, _)| *time);
        let (start_time, end_time) = (self.start_time, self.end_time.max(last));
        let (frames, slowpath) = (self.frames.frames, self.slowpath);
        Ok(CpuProfile { frames, nodes, ticks, start_time, end_time, samples, slowpath })
    }

    /// Returns the positions of the nodes, callers before callees, and each position's caller.
    fn callers_first(&self) -> Result<(Vec<u32>, Vec<u32>), BadInput> {
        let n = self.nodes.len();
        let bad = |id: u32, problem: &str| BadInput::at(self.nodes_at, format!("node {id} {problem}"));
        let mut position_of = FxHashMap::with_capacity_and_hasher(n, rustc_hash::FxBuildHasher);
        for (position, node) in self.nodes.iter().enumerate() {
            if position_of.insert(node.id, position as u32).is_some() {
                return Err(bad(node.id, "appears twice"));
            }
        }
        let mut parents = vec![NONE; n];
        for (caller, callee) in &self.children {
            let position = position_of.get(callee);
            parents[*position.ok_or_else(|| bad(*callee, "is a child but does not exist"))? as usize] =
                *caller;
        }
        for (position, node) in self.nodes.iter().enumerate() {
            if node.parent != NONE {
                parents[position] = position_of.get(&node.parent).copied().unwrap_or(NONE);
            }
        }
        let order = order_callers_first(&parents)
            .map_err(|position| bad(self.nodes[position as usize].id, "calls itself in a circle"))?;
        Ok((order, parents))
    }
}

/// Returns all positions, callers before callees, callees of one caller in their order. `u32::MAX` is no parent.
///
/// The error is a position in a circle.
pub(super) fn order_callers_first(parents: &[u32]) -> Result<Vec<u32>, u32> {
    let n = parents.len();
    // Lists of siblings instead of a vector for each node: there may be hundreds of thousands.
    let (mut first_callee, mut next_sibling) = (vec![NONE; n], vec![NONE; n]);
    let mut order = Vec::with_capacity(n);
    for (position, parent) in parents.iter().enumerate().rev() {
        if *parent != NONE {
            next_sibling[position] = std::mem::replace(&mut first_callee[*parent as usize], position as u32);
        }
    }
    order.extend((0..n as u32).filter(|position| parents[*position as usize] == NONE));
    let mut next = 0;
    while next < order.len() {
        let mut callee = first_callee[order[next] as usize];
        while callee != NONE {
            order.push(callee);
            callee = next_sibling[callee as usize];
        }
        next += 1;
    }
    if order.len() < n {
        let mut is_reached = vec![false; n];
        for position in &order {
            is_reached[*position as usize] = true;
        }
        let lost = is_reached.iter().position(|is_reached| !is_reached).unwrap_or(0);
        return Err(lost as u32);
    }
    Ok(order)
}

/// Call frames, each spelling parsed once.
#[derive(Debug, Default)]
pub(super) struct CallFrames<'a> {
    /// The frames; an index into them is what [`Self::read`] gives.
    pub(super) frames: Vec<CallFrame<'a>>,
    index_of: FxHashMap<&'a [u8], u32>,
}

impl<'a> CallFrames<'a> {
    /// Takes a call frame and returns its index.
    pub(super) fn read(&mut self, json: &mut Json<'a>) -> Result<u32, BadInput> {
        json.peek();
        let start = json.clone();
        let text = json.skip()?;
        if let Some(index) = self.index_of.get(text) {
            return Ok(*index);
        }
        let frame = call_frame(start)?;
        let index = self.frames.len() as u32;
        self.frames.push(frame);
        self.index_of.insert(text, index);
        Ok(index)
    }
}

fn call_frame(mut json: Json<'_>) -> Result<CallFrame<'_>, BadInput> {
    let mut frame = CallFrame { line_number: unknown(), column_number: unknown(), ..CallFrame::default() };
    json.each_key(|json, key| match key {
        b"functionName" => json.string_or_null().map(|name| frame.function_name = name.unwrap_or_default()),
        b"url" => json.string_or_null().map(|url| frame.url = url.unwrap_or_default()),
        b"lineNumber" => json.number().map(|line| frame.line_number = line as i64),
        b"columnNumber" => json.number().map(|column| frame.column_number = column as i64),
        _ => json.skip().map(|_| ()),
    })?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"{"nodes":[
        {"id":1,"callFrame":{"functionName":"(root)","scriptId":"0","url":"","lineNumber":-1,"columnNumber":-1},"hitCount":0,"children":[2]},
        {"id":2,"callFrame":{"functionName":"handle","scriptId":"9","url":"file:///srv/a.mjs","lineNumber":4,"columnNumber":2},"hitCount":2,"positionTicks":[{"line":5,"ticks":2}]}],
        "startTime":1000,"endTime":4000,"samples":[2,2,1],"timeDeltas":[1000,1100,-7]}"#;

    fn parents(profile: &CpuProfile<'_>) -> Vec<Option<u32>> {
        profile.nodes.iter().map(|node| node.parent).collect()
    }

    #[test]
    fn reads_v8s_form_and_sorts_negative_deltas() {
        let profile = CpuProfile::parse(TREE.as_bytes()).unwrap();
        assert_eq!(parents(&profile), [None, Some(0)]);
        assert_eq!(profile.samples, [(2000.0, 1), (3093.0, 0), (3100.0, 1)]);
        assert_eq!(profile.frames[profile.nodes[1].frame as usize].line_number, 4);
        assert_eq!(profile.ticks, [PositionTick { node: 1, line: 5, ticks: 2 }]);
    }

    #[test]
    fn reads_the_parent_form() {
        let text = TREE.replace(r#","children":[2]"#, "").replace(r#"{"id":2,"#, r#"{"id":2,"parent":1,"#);
        assert_eq!(parents(&CpuProfile::parse(text.as_bytes()).unwrap()), [None, Some(0)]);
    }

    #[test]
    fn puts_callers_first_whatever_their_order() {
        let text = TREE.replace(r#","children":[2]"#, "").replace(r#"{"id":1,"#, r#"{"id":1,"parent":2,"#);
        let profile = CpuProfile::parse(text.as_bytes()).unwrap();
        assert_eq!(profile.frames[profile.nodes[0].frame as usize].function_name, "handle");
        assert_eq!(profile.samples[0], (2000.0, 0));
    }

    #[test]
    fn a_bad_file_is_an_error_with_its_byte_offset() {
        let text = TREE.replace("\"startTime\":1000", "\"startTime\":oops");
        let error = CpuProfile::parse(text.as_bytes()).unwrap_err();
        assert_eq!(&text[error.offset..error.offset + 4], "oops");
        assert!(error.to_string().starts_with("expected a number, found `o` (byte offset "), "{error}");
    }

    #[test]
    fn every_truncation_is_an_error() {
        for length in 0..TREE.len() {
            assert!(CpuProfile::parse(&TREE.as_bytes()[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn contradictions_are_errors() {
        let check = |from: &str, to: &str, says: &str| {
            let text = TREE.replace(from, to);
            let error = CpuProfile::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        check(r#""hitCount":2,"#, r#""hitCount":2,"children":[1],"#, "calls itself in a circle");
        check(r#""children":[2]"#, r#""children":[3]"#, "node 3 is a child but does not exist");
        check(r#"{"id":2"#, r#"{"id":1"#, "node 1 appears twice");
        check(r#""samples":[2,"#, r#""samples":[7,"#, "sample 0 is of node 7");
        check(r#","timeDeltas":[1000,1100,-7]"#, "", "3 samples but 0 time deltas");
        check(r#"{"id":2,"#, "{", "a node without `id`");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = CpuProfile::parse(&bytes);
        }
    }
}
