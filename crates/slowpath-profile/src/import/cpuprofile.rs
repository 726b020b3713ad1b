//! Reads V8's `.cpuprofile` JSON (Chrome DevTools protocol, `Profiler.Profile`).
//!
//! Pitfalls: nodes link by `children` (V8) or by `parent` (some writers), so both are read; `hitCount` disagrees with
//! the number of samples, so it is ignored and samples are trusted; a few `timeDeltas` are negative (about −7 µs), so
//! times are sorted; `lineNumber` and `columnNumber` count from 0 and are −1 where unknown; `positionTicks` lines
//! count from 1; times are microseconds on `CLOCK_MONOTONIC` (on Linux).

use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// A `.cpuprofile` as V8 wrote it. Strings borrow from the input where they hold no escapes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuProfile<'a> {
    /// Call tree in V8's order.
    #[serde(borrow)]
    pub nodes: Vec<Node<'a>>,
    /// Microseconds.
    pub start_time: f64,
    /// Microseconds.
    pub end_time: f64,
    /// Ids of leaf nodes.
    #[serde(default)]
    pub samples: Vec<u32>,
    /// Microseconds since the sample before; the first since `start_time`.
    #[serde(default)]
    pub time_deltas: Vec<f64>,
    /// What slowpath's agent added.
    #[serde(default)]
    pub slowpath: PieceInfo,
}

/// What the agent says of a piece.
#[derive(Debug, Default, Deserialize)]
pub struct PieceInfo {
    /// Counts the pieces of one thread, from 1.
    #[serde(default)]
    pub sequence: u64,
    /// Whether the next piece began before this one ended, so that nothing is missing between them.
    #[serde(default)]
    pub overlaps: bool,
}

/// One node of the call tree.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node<'a> {
    /// Id, unique in the profile.
    pub id: u32,
    /// The function.
    #[serde(borrow)]
    pub call_frame: CallFrame<'a>,
    /// Ids of callees.
    #[serde(default)]
    pub children: Vec<u32>,
    /// Id of the caller, in the other form.
    #[serde(default)]
    pub parent: Option<u32>,
    /// Samples by source line.
    #[serde(default)]
    pub position_ticks: Vec<PositionTick>,
}

/// A function as V8 names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
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
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct PositionTick {
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

/// Why a `.cpuprofile` cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CpuProfileError {
    /// Not JSON, or not of this shape.
    #[error("not a .cpuprofile: {source} (byte offset {offset})")]
    Json {
        /// Where in the input.
        offset: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The tree is not a tree.
    #[error("not a .cpuprofile: node {node} {problem}")]
    Tree {
        /// Id of the offending node.
        node: u32,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// One delta a sample is required.
    #[error("not a .cpuprofile: {samples} samples but {deltas} time deltas")]
    Lengths {
        /// Length of `samples`.
        samples: usize,
        /// Length of `timeDeltas`.
        deltas: usize,
    },
}

impl<'a> CpuProfile<'a> {
    /// Parses and checks a profile: samples name nodes, and every node hangs on a root that comes before its callees.
    pub fn parse(json: &'a [u8]) -> Result<Self, CpuProfileError> {
        let profile: CpuProfile<'a> = serde_json::from_slice(json)
            .map_err(|source| CpuProfileError::Json { offset: byte_offset(json, &source), source })?;
        if profile.samples.len() != profile.time_deltas.len() {
            return Err(CpuProfileError::Lengths {
                samples: profile.samples.len(),
                deltas: profile.time_deltas.len(),
            });
        }
        Ok(profile)
    }

    /// Returns each node's index with its parent's index, callers before callees.
    pub fn parents_first(&self) -> Result<Vec<(usize, Option<usize>)>, CpuProfileError> {
        let mut index_of = HashMap::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            if index_of.insert(node.id, index).is_some() {
                return Err(CpuProfileError::Tree { node: node.id, problem: "appears twice" });
            }
        }
        let mut parent = vec![None; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for child in &node.children {
                let child = *index_of.get(child).ok_or(CpuProfileError::Tree {
                    node: *child,
                    problem: "is a child but does not exist",
                })?;
                parent[child] = Some(index);
            }
            if let Some(of) = node.parent {
                parent[index] = index_of.get(&of).copied();
            }
        }
        let mut callees = vec![Vec::new(); self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        for (index, parent) in parent.iter().enumerate() {
            match parent {
                Some(parent) => callees[*parent].push(index),
                None => order.push((index, None)),
            }
        }
        let mut next = 0;
        while next < order.len() {
            let (index, _) = order[next];
            order.extend(callees[index].iter().map(|callee| (*callee, Some(index))));
            next += 1;
        }
        if order.len() < self.nodes.len() {
            let mut reached = vec![false; self.nodes.len()];
            for (index, _) in &order {
                reached[*index] = true;
            }
            let lost = reached.iter().position(|reached| !reached).unwrap_or(0);
            return Err(CpuProfileError::Tree {
                node: self.nodes[lost].id,
                problem: "calls itself in a circle",
            });
        }
        Ok(order)
    }

    /// Returns `(time in µs, node id)` of every sample, in time order.
    pub fn timed_samples(&self) -> Vec<(f64, u32)> {
        let mut time = self.start_time;
        let mut samples: Vec<_> = self
            .samples
            .iter()
            .zip(&self.time_deltas)
            .map(|(node, delta)| {
                time += delta;
                (time, *node)
            })
            .collect();
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        samples
    }
}

/// Converts serde's line and column to a byte offset, which is what a person with a one-line file needs.
fn byte_offset(json: &[u8], error: &serde_json::Error) -> usize {
    let line_start = json
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    line_start + error.column().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"{"nodes":[
        {"id":1,"callFrame":{"functionName":"(root)","scriptId":"0","url":"","lineNumber":-1,"columnNumber":-1},"hitCount":0,"children":[2]},
        {"id":2,"callFrame":{"functionName":"handle","scriptId":"9","url":"file:///srv/a.mjs","lineNumber":4,"columnNumber":2},"hitCount":2,"positionTicks":[{"line":5,"ticks":2}]}],
        "startTime":1000,"endTime":4000,"samples":[2,2,1],"timeDeltas":[1000,1100,-7]}"#;

    #[test]
    fn reads_v8s_form_and_sorts_negative_deltas() {
        let profile = CpuProfile::parse(TREE.as_bytes()).unwrap();
        assert_eq!(profile.parents_first().unwrap(), [(0, None), (1, Some(0))]);
        assert_eq!(profile.timed_samples(), [(2000.0, 2), (3093.0, 1), (3100.0, 2)]);
        assert_eq!(profile.nodes[1].call_frame.line_number, 4);
    }

    #[test]
    fn reads_the_parent_form() {
        let text = TREE.replace(r#","children":[2]"#, "").replace(r#"{"id":2,"#, r#"{"id":2,"parent":1,"#);
        let profile = CpuProfile::parse(text.as_bytes()).unwrap();
        assert_eq!(profile.parents_first().unwrap(), [(0, None), (1, Some(0))]);
    }

    #[test]
    fn a_bad_file_is_an_error_with_its_byte_offset() {
        let text = TREE.replace("\"startTime\":1000", "\"startTime\":oops");
        let error = CpuProfile::parse(text.as_bytes()).unwrap_err();
        let CpuProfileError::Json { offset, .. } = error else { panic!("{error}") };
        assert_eq!(&text[offset..offset + 4], "oops");
    }

    #[test]
    fn a_circle_is_an_error() {
        let text = TREE.replace(r#""hitCount":2,"#, r#""hitCount":2,"children":[1],"#);
        let profile = CpuProfile::parse(text.as_bytes()).unwrap();
        assert!(matches!(profile.parents_first(), Err(CpuProfileError::Tree { .. })));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(profile) = CpuProfile::parse(&bytes) {
                let _ = profile.parents_first();
            }
        }
    }
}
