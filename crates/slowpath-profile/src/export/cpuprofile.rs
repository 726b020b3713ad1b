//! Writes V8's `.cpuprofile`, as `Profiler.stop` returns it: the samples of one thread in time order.
//!
//! Time without samples is written as samples of the root, which stand for nothing; the root's hits are as many as the
//! time would have had, for DevTools computes times from hits. Times are microseconds with
//! fractions, so that no nanosecond is lost. Lines are written with the first node of each function: V8 counts them
//! by node, the tables by function.
//!
//! Lost: names of threads, tiers, packages of native functions; lines where only a part of the profile is written. Rows of
//! unknown moments follow one another from zero.

use super::ExportError;
use super::tree::Tree;
use super::view::View;
use crate::tables::{Function, WeightUnit};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CpuProfile<'a> {
    nodes: Vec<Node<'a>>,
    start_time: f64,
    end_time: f64,
    samples: Vec<u32>,
    time_deltas: Vec<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    id: u32,
    call_frame: CallFrame<'a>,
    hit_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    position_ticks: Vec<PositionTick>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame<'a> {
    function_name: &'a str,
    script_id: &'static str,
    url: &'a str,
    line_number: i64,
    column_number: i64,
}

#[derive(Serialize)]
struct PositionTick {
    line: u32,
    ticks: u64,
}

/// The root's id; node `i` of the tree is `i + 2`.
const ROOT: u32 = 1;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    if view.profile.unit != WeightUnit::Nanoseconds {
        return Err(ExportError::NotTime(view.unit_name()));
    }
    let [thread] = &view.threads[..] else { return Err(ExportError::SeveralThreads(view.threads.len())) };
    let tree = Tree::of(view);
    let mut clock = Clock { now_us: 0.0 };
    let (mut samples, mut time_deltas) = (Vec::new(), Vec::new());
    let (mut start_time, mut end_ns, mut gap_ns) = (None, 0, 0_u64);
    for stretch in thread.timeline() {
        if start_time.is_none() {
            start_time = Some(clock.advance(stretch.start.0));
        }
        samples.push(stretch.stack.map_or(ROOT, |stack| tree.node(stack) + ROOT + 1));
        let at = if samples.len() == 1 { 0.0 } else { clock.advance(stretch.start.0) };
        time_deltas.push(at);
        end_ns = stretch.start.0 + stretch.weight;
        gap_ns += if stretch.stack.is_none() { stretch.weight } else { 0 };
    }
    let total = |of: fn(&super::tree::Node) -> u64| tree.nodes.iter().map(of).sum::<u64>();
    let hits_per_ns = total(|node| node.self_count) as f64 / total(|node| node.self_weight).max(1) as f64;
    let profile = CpuProfile {
        nodes: nodes(view, &tree, (gap_ns as f64 * hits_per_ns).round() as u64),
        start_time: start_time.unwrap_or_default(),
        end_time: end_ns as f64 / 1e3,
        samples,
        time_deltas,
    };
    serde_json::to_writer(out, &profile).map_err(std::io::Error::from)?;
    Ok(())
}

/// The sum of all deltas as a reader computes it, so that rounding does not add up.
struct Clock {
    now_us: f64,
}

impl Clock {
    /// Returns what to add to get to a moment, to a ten-thousandth of a microsecond.
    fn advance(&mut self, to_ns: u64) -> f64 {
        let delta = ((to_ns as f64 / 1e3 - self.now_us) * 1e4).round() / 1e4;
        self.now_us += delta;
        delta
    }
}

fn nodes<'a>(view: &View<'a>, tree: &Tree, root_hits: u64) -> Vec<Node<'a>> {
    let mut ticks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    if view.is_whole {
        for ((function, line), n) in &view.profile.line_ticks {
            ticks.entry(*function).or_default().push(PositionTick { line: *line, ticks: *n });
        }
    }
    let ids = |nodes: &[u32]| nodes.iter().map(|node| node + ROOT + 1).collect();
    let root_frame =
        CallFrame { function_name: "(root)", script_id: "0", url: "", line_number: -1, column_number: -1 };
    let root = Node {
        id: ROOT,
        call_frame: root_frame,
        hit_count: root_hits,
        children: ids(&tree.roots),
        position_ticks: vec![],
    };
    let mut told = HashSet::new();
    let node = |(index, node): (usize, &super::tree::Node)| {
        let mut position_ticks = Vec::new();
        if node.self_count > 0 && told.insert(node.function) {
            position_ticks = ticks.remove(&node.function).unwrap_or_default();
            position_ticks.sort_by_key(|tick| tick.line);
        }
        Node {
            id: index as u32 + ROOT + 1,
            call_frame: call_frame(view.profile.functions.get(node.function)),
            hit_count: node.self_count,
            children: ids(&node.children),
            position_ticks,
        }
    };
    std::iter::once(root).chain(tree.nodes.iter().enumerate().map(node)).collect()
}

fn call_frame(function: &Function) -> CallFrame<'_> {
    CallFrame {
        function_name: if function.is_nameless() { "" } else { &function.name },
        script_id: "0",
        url: &function.file,
        line_number: i64::from(function.line) - 1,
        column_number: i64::from(function.column) - 1,
    }
}
