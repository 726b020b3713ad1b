//! Reads V8's `.heapprofile` JSON (`HeapProfiler.SamplingHeapProfile`, `node --heap-prof`): who allocated what is still alive.
//!
//! Pitfalls: the tree nests by `children` inside each node, as deep as the stacks, so it is walked with a stack of its
//! own; `selfSize` is already scaled up from what was sampled, `samples` are not, so sizes come from the nodes and
//! only the number of samples from the list; there are no moments, `ordinal` is an order only.

use super::call_frames::FrameFunctions;
use super::cpuprofile::CallFrames;
use super::json::Json;
use super::{BadInput, Content};
use crate::classify::AppScope;
use crate::tables::{Profile, StackId, WeightUnit};
use rustc_hash::FxHashMap;

/// Adds a `.heapprofile` to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let mut nodes = Vec::new();
    let mut frames = CallFrames::default();
    let mut n_by_id: FxHashMap<u32, u32> = FxHashMap::default();
    Json::new(bytes).each_key(|json, key| match key {
        b"head" => read_tree(json, &mut frames).map(|tree| nodes = tree),
        b"samples" => json.each_element(|json| {
            json.each_key(|json, key| match key {
                b"nodeId" => {
                    let n = n_by_id.entry(json.index()?).or_default();
                    *n = n.saturating_add(1);
                    Ok(())
                }
                _ => json.skip().map(|_| ()),
            })
        }),
        _ => json.skip().map(|_| ()),
    })?;
    let scope = AppScope::default();
    let mut functions = FrameFunctions::default();
    let mut content = Content::new(WeightUnit::Bytes);
    let thread = content.new_thread(0, "");
    let mut stacks: Vec<Option<StackId>> = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let parent = node.parent.and_then(|parent| stacks[parent]);
        let frame = (node.frame, &frames.frames[node.frame as usize]);
        let stack = functions.stack(profile, &scope, frame, parent);
        stacks.push(stack);
        if let Some(stack) = stack.filter(|_| node.self_size > 0) {
            // Without a list of samples each node counts as one.
            let count = node.id.and_then(|id| n_by_id.get(&id)).copied().unwrap_or(1);
            thread.push_sum(node.self_size, count, stack);
        }
    }
    content.notes.push(
        "bytes of objects that were alive at the end, estimated by V8 from a sample of allocations".into(),
    );
    Ok(content)
}

struct Node {
    parent: Option<usize>,
    frame: u32,
    self_size: u64,
    id: Option<u32>,
}

/// A node whose end has not come yet.
struct Open {
    /// Its index; it gets one with the first of `callFrame` and `children`, so callers come before callees.
    index: usize,
    is_first_key: bool,
    /// Whether its `children` are being read, and the next would be the first.
    in_children: Option<bool>,
    start: usize,
}

/// Reads a node and all below it, callers before callees.
fn read_tree<'a>(json: &mut Json<'a>, frames: &mut CallFrames<'a>) -> Result<Vec<Node>, BadInput> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    begin(json, &mut nodes, &mut open)?;
    while let Some(node) = open.last_mut() {
        if let Some(is_first) = &mut node.in_children {
            if json.next_element(is_first)? {
                begin(json, &mut nodes, &mut open)?;
            } else {
                node.in_children = None;
            }
            continue;
        }
        let index = node.index;
        match json.next_key(&mut node.is_first_key)? {
            Some(b"children") => {
                json.open_array()?;
                node.in_children = Some(true);
            }
            Some(b"callFrame") => nodes[index].frame = frames.read(json)?,
            Some(b"selfSize") => nodes[index].self_size = json.number()?.max(0.0) as u64,
            Some(b"id") => nodes[index].id = Some(json.index()?),
            Some(_) => {
                json.skip()?;
            }
            None => {
                if nodes[index].frame == u32::MAX {
                    return Err(BadInput::at(node.start, "a node without `callFrame`"));
                }
                open.pop();
            }
        }
    }
    Ok(nodes)
}

fn begin(json: &mut Json<'_>, nodes: &mut Vec<Node>, open: &mut Vec<Open>) -> Result<(), BadInput> {
    json.peek();
    let start = json.offset();
    json.open_object()?;
    let parent = open.last().map(|node| node.index);
    open.push(Open { index: nodes.len(), is_first_key: true, in_children: None, start });
    nodes.push(Node { parent, frame: u32::MAX, self_size: 0, id: None });
    Ok(())
}
