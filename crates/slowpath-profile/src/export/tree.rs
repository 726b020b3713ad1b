//! The call tree of the selected samples: one node a call path, however V8 ran the functions on it.

use super::view::View;
use crate::tables::{FunctionId, StackId};
use rustc_hash::FxHashMap;

/// Nodes, callers before callees.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Indexes of the outermost calls.
    pub(super) roots: Vec<u32>,
    /// By stack: the node, `u32::MAX` for those not selected.
    node_of: Vec<u32>,
}

/// One call path.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: Option<u32>,
    pub(super) function: FunctionId,
    pub(super) children: Vec<u32>,
    /// Weight and number of the samples that end here.
    pub(super) self_weight: u64,
    pub(super) self_count: u64,
    /// Weight of the samples that pass here.
    pub(super) total_weight: u64,
}

const NONE: u32 = u32::MAX;

impl Tree {
    /// Builds the tree of all selected threads together.
    pub(super) fn of(view: &View<'_>) -> Self {
        let mut tree = Self { node_of: vec![NONE; view.profile.stacks.len()], ..Self::default() };
        let mut known: FxHashMap<(Option<u32>, FunctionId), u32> = FxHashMap::default();
        for row in view.threads.iter().flat_map(super::view::ThreadView::rows) {
            if tree.node_of[row.stack.0 as usize] == NONE {
                tree.add(view, row.stack, &mut known);
            }
            let node = &mut tree.nodes[tree.node_of[row.stack.0 as usize] as usize];
            node.self_weight = node.self_weight.saturating_add(row.weight);
            node.self_count += u64::from(row.count);
        }
        for index in (0..tree.nodes.len()).rev() {
            let total = tree.nodes[index].total_weight.saturating_add(tree.nodes[index].self_weight);
            tree.nodes[index].total_weight = total;
            if let Some(parent) = tree.nodes[index].parent {
                let parent = &mut tree.nodes[parent as usize];
                parent.total_weight = parent.total_weight.saturating_add(total);
            }
        }
        tree
    }

    /// Returns the node of a selected sample's stack.
    pub(super) fn node(&self, stack: StackId) -> u32 {
        self.node_of[stack.0 as usize]
    }

    fn add(
        &mut self,
        view: &View<'_>,
        stack: StackId,
        known: &mut FxHashMap<(Option<u32>, FunctionId), u32>,
    ) {
        let mut parent = None;
        for at in view.frames(stack) {
            let at = at.0 as usize;
            if self.node_of[at] == NONE {
                let function = view.profile.stacks.function[at];
                let next = self.nodes.len() as u32;
                let node = *known.entry((parent, function)).or_insert(next);
                if node == next {
                    self.nodes.push(Node {
                        parent,
                        function,
                        children: Vec::new(),
                        self_weight: 0,
                        self_count: 0,
                        total_weight: 0,
                    });
                    match parent {
                        Some(parent) => self.nodes[parent as usize].children.push(node),
                        None => self.roots.push(node),
                    }
                }
                self.node_of[at] = node;
            }
            parent = Some(self.node_of[at]);
        }
    }
}
