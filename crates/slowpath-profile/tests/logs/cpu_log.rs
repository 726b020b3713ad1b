//! Call trees and samples of any shape, given to the writer in the overlapping pieces that V8 gives.

use proptest::prelude::*;
use serde_json::json;
use slowpath_profile::import::cpuprofile::CpuProfile;
use slowpath_profile::recording::{CpuLogReader, CpuLogWriter, CpuSegment};
use std::path::Path;

/// What a thread did in one stretch of recording.
#[derive(Debug, Clone)]
struct Stretch {
    /// Caller and name of each node; the first is the root, callers come before callees.
    nodes: Vec<(usize, String)>,
    /// `(µs since the sample before, node)`.
    samples: Vec<(u64, usize)>,
    /// How many samples each piece brings.
    piece_lengths: Vec<usize>,
    /// How many samples of its predecessor each piece repeats.
    overlap: usize,
}

/// Time in µs and names from the outermost in.
type Sampled = (u64, Vec<String>);

impl Stretch {
    fn sampled(&self, start: u64) -> Vec<Sampled> {
        let mut time = start;
        let of = |(delta, node): &(u64, usize)| {
            time += delta;
            (time, self.names(*node))
        };
        self.samples.iter().map(of).collect()
    }

    fn names(&self, node: usize) -> Vec<String> {
        let callers = std::iter::successors(Some(node), |at| (*at > 0).then(|| self.nodes[*at].0));
        let mut names: Vec<_> = callers.map(|at| self.nodes[at].1.clone()).collect();
        names.reverse();
        names
    }

    /// Returns which samples each piece brings that the one before it did not have.
    fn ranges(&self) -> Vec<(usize, usize)> {
        let mut from = 0;
        let of = |length: &usize| {
            let to = (from + length).min(self.samples.len());
            (std::mem::replace(&mut from, to), to)
        };
        self.piece_lengths.iter().map(of).filter(|(from, to)| from < to).collect()
    }

    /// Returns the pieces as V8 gives them: node ids differ from piece to piece, samples at the seams come twice.
    fn pieces(&self, start: u64) -> Vec<String> {
        let times: Vec<u64> = self.sampled(start).into_iter().map(|(time, _)| time).collect();
        let ranges = self.ranges();
        let mut pieces = Vec::new();
        for (sequence, &(from, to)) in ranges.iter().enumerate() {
            let first = from.saturating_sub(self.overlap);
            let piece_start = if sequence == 0 { start } else { times[first] - 1 };
            let mut before = piece_start;
            let deltas: Vec<u64> =
                times[first..to].iter().map(|time| time - std::mem::replace(&mut before, *time)).collect();
            let id = |node: usize| (node * 2 + sequence + 1) as u32;
            let node = |(index, (parent, name)): (usize, &(usize, String))| {
                let frame =
                    json!({ "functionName": name, "url": "a.js", "lineNumber": index, "columnNumber": 0 });
                match index {
                    0 => json!({ "id": id(0), "callFrame": frame }),
                    _ => json!({ "id": id(index), "callFrame": frame, "parent": id(*parent) }),
                }
            };
            let piece = json!({
                "nodes": self.nodes.iter().enumerate().map(node).collect::<Vec<_>>(),
                "startTime": piece_start,
                "endTime": before + 5,
                "samples": self.samples[first..to].iter().map(|(_, node)| id(*node)).collect::<Vec<_>>(),
                "timeDeltas": deltas,
                "slowpath": { "sequence": sequence, "overlaps": sequence + 1 < ranges.len() },
            });
            pieces.push(piece.to_string());
        }
        pieces
    }
}

prop_compose! {
    fn stretch()(
        nodes in prop::collection::vec((any::<prop::sample::Index>(), "[a-z<\"\\\\\n é]{0,6}"), 1..12),
        samples in prop::collection::vec((1_u64..2_000, any::<prop::sample::Index>()), 1..60),
        piece_lengths in prop::collection::vec(1_usize..20, 1..6),
        overlap in 0_usize..8,
    ) -> Stretch {
        let n_nodes = nodes.len();
        let tree = nodes.into_iter().enumerate().map(|(at, (parent, name))| {
            if at == 0 { (0, "(root)".to_owned()) } else { (parent.index(at), name) }
        });
        let samples = samples.into_iter().map(|(delta, node)| (delta, node.index(n_nodes)));
        Stretch { nodes: tree.collect(), samples: samples.collect(), piece_lengths, overlap }
    }
}

fn write(path: &Path, pieces: &[String]) -> CpuLogWriter {
    let mut writer = CpuLogWriter::create(path, 7, 0).unwrap();
    for piece in pieces {
        writer.append(&CpuProfile::parse(piece.as_bytes()).unwrap()).unwrap();
    }
    writer
}

fn sampled(segment: &CpuSegment) -> Vec<Sampled> {
    let names = |node: u32| {
        let callers = std::iter::successors(Some(node), |at| segment.nodes[*at as usize].0);
        let mut names: Vec<_> =
            callers.map(|at| segment.nodes[at as usize].1.function_name.to_string()).collect();
        names.reverse();
        names
    };
    segment.samples.iter().map(|(time, node)| (time.0 / 1000, names(*node))).collect()
}

/// Stretches start this far apart, in µs: further than any is long.
const APART: u64 = 1_000_000;

/// Real clocks read large numbers.
const BOOT: u64 = 40_000_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sample_comes_back_once_with_its_time_and_its_stack(stretches in prop::collection::vec(stretch(), 1..4)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cpu.gz");
        let start = |index: usize| BOOT + index as u64 * APART;
        let pieces: Vec<_> = stretches.iter().enumerate().flat_map(|(at, s)| s.pieces(start(at))).collect();
        write(&path, &pieces).finish().unwrap();
        let (segments, cut) = CpuLogReader::read(&path).unwrap();
        prop_assert!(!cut);
        prop_assert_eq!(segments.len(), stretches.len());
        for (index, (segment, stretch)) in segments.iter().zip(&stretches).enumerate() {
            let n_given = stretch.ranges().last().map_or(0, |(_, to)| *to);
            let expected = &stretch.sampled(start(index))[..n_given];
            prop_assert_eq!(&sampled(segment)[..], expected);
            prop_assert_eq!(segment.start.0, start(index) * 1000);
            prop_assert_eq!(segment.end.0, (expected[n_given - 1].0 + 5) * 1000);
            prop_assert!(segment.nodes.len() <= stretch.nodes.len(), "a node is written once");
        }
    }

    #[test]
    fn a_log_cut_anywhere_gives_what_came_before(stretch in stretch(), at in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cpu.gz");
        write(&path, &stretch.pieces(BOOT)).finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..at.index(whole.len())]).unwrap();
        let (segments, _) = CpuLogReader::read(&path).unwrap();
        let found: Vec<Sampled> = segments.iter().flat_map(sampled).collect();
        prop_assert!(stretch.sampled(BOOT).starts_with(&found));
    }

    #[test]
    fn a_log_with_a_wrong_byte_does_no_harm(stretch in stretch(), at in any::<prop::sample::Index>(), byte: u8) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cpu.gz");
        write(&path, &stretch.pieces(BOOT)).finish().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        std::fs::write(&path, bytes).unwrap();
        let (segments, _) = CpuLogReader::read(&path).unwrap();
        let _ = segments.iter().map(sampled).count();
    }
}

#[test]
fn a_piece_can_be_read_as_soon_as_it_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cpu.gz");
    let nodes = vec![(0, "(root)".to_owned()), (0, "a".to_owned())];
    let stretch = Stretch { nodes, samples: vec![(1000, 1); 6], piece_lengths: vec![2, 2, 2], overlap: 1 };
    let _still_open = write(&path, &stretch.pieces(BOOT));
    let (segments, cut) = CpuLogReader::read(&path).unwrap();
    assert!(cut);
    assert_eq!(segments.iter().flat_map(sampled).collect::<Vec<_>>(), stretch.sampled(BOOT));
}

/// Appends three pieces of two samples each, and returns the milliseconds of the samples read back. From `broken` on
/// pieces have and sample a new node, but `broken` itself samples one that it does not have.
fn with_broken_piece(broken: usize) -> Vec<u64> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cpu.gz");
    let nodes = vec![(0, "(root)".to_owned()), (0, "a".to_owned())];
    let stretch = Stretch { nodes, samples: vec![(1000, 1); 6], piece_lengths: vec![2, 2, 2], overlap: 0 };
    let mut writer = CpuLogWriter::create(&path, 7, 0).unwrap();
    for (index, piece) in stretch.pieces(BOOT).into_iter().enumerate() {
        let mut piece: serde_json::Value = serde_json::from_str(&piece).unwrap();
        if index >= broken {
            let nodes = piece["nodes"].as_array_mut().unwrap();
            nodes.push(json!({ "id": 88, "parent": nodes[0]["id"], "callFrame": { "functionName": "new" } }));
            piece["samples"][0] = json!(if index == broken { 99 } else { 88 });
        }
        let piece = piece.to_string();
        match CpuProfile::parse(piece.as_bytes()) {
            Ok(piece) => assert!(writer.append(&piece).is_ok()),
            Err(_) => assert_eq!(index, broken),
        }
    }
    writer.finish().unwrap();
    let (segments, _) = CpuLogReader::read(&path).unwrap();
    segments.iter().flat_map(sampled).map(|(time, _)| (time - BOOT) / 1000).collect()
}

#[test]
fn a_piece_with_a_sample_of_an_unknown_node_loses_only_itself() {
    assert_eq!(with_broken_piece(2), [1, 2, 3, 4]);
    assert_eq!(with_broken_piece(1), [1, 2, 5, 6]);
    assert_eq!(with_broken_piece(0), [3, 4, 5, 6]);
}
