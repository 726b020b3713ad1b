//! The CPU log of one thread: Chrome trace events `Profile` and `ProfileChunk` in the JSON array form, gzipped, so that
//! DevTools and speedscope open the file. The compressor is flushed after each piece, so that a crash cuts at most the
//! last one.
//!
//! The pieces that V8 gives overlap and repeat their call tree; the writer keeps each node once and each moment once.
//! What is not of the trace format: `slowpathLines` (`[node, line, ticks]`) and `slowpathEnd` (µs).

use crate::Nanos;
use crate::import::cpuprofile::{CallFrame, CpuProfile};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// A hole between pieces longer than this starts a new segment, in microseconds. Overlapping pieces have none; the
/// value is two orders above the sampling interval and below anything that a timeline shows.
const SEGMENT_GAP_US: f64 = 100_000.0;

/// Appends pieces of one thread to its log.
#[derive(Debug)]
pub struct CpuLogWriter {
    file: GzEncoder<File>,
    pid: u32,
    thread: u32,
    node_of: HashMap<(u32, CallFrame<'static>), u32>,
    /// Time of the last sample written, µs.
    last_us: Option<f64>,
    end_us: f64,
    /// Whether the piece before said that the next one overlaps it.
    is_open: bool,
    n_events: usize,
    n_segments: u32,
}

#[derive(Serialize, Deserialize)]
struct TraceEvent<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    cat: Cow<'a, str>,
    #[serde(borrow)]
    ph: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    pid: u32,
    tid: u32,
    ts: f64,
    #[serde(borrow)]
    args: TraceArgs<'a>,
}

#[derive(Serialize, Deserialize)]
struct TraceArgs<'a> {
    #[serde(borrow)]
    data: TraceData<'a>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TraceData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<f64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    cpu_profile: Option<ChunkTree<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    time_deltas: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slowpath_lines: Vec<(u32, u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slowpath_end: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct ChunkTree<'a> {
    #[serde(borrow, default)]
    nodes: Vec<ChunkNode<'a>>,
    #[serde(default)]
    samples: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChunkNode<'a> {
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    #[serde(borrow)]
    call_frame: CallFrame<'a>,
}

impl CpuLogWriter {
    /// Creates the log of one thread; fails where it exists already.
    pub fn create(path: &Path, pid: u32, thread: u32) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        let file = GzEncoder::new(file, Compression::new(4));
        let (node_of, last_us) = (HashMap::new(), None);
        Ok(Self {
            file,
            pid,
            thread,
            node_of,
            last_us,
            end_us: 0.0,
            is_open: false,
            n_events: 0,
            n_segments: 0,
        })
    }

    /// Appends what is new in `piece` and returns the number of samples written.
    pub fn append(&mut self, piece: &CpuProfile<'_>) -> io::Result<usize> {
        let continues = self.is_open && piece.start_time - self.end_us < SEGMENT_GAP_US;
        let mut text = Vec::with_capacity(1 << 14);
        if !continues {
            self.n_segments += 1;
            self.last_us = None;
            // Node ids are per segment in the trace format.
            self.node_of.clear();
            let data = TraceData { start_time: Some(piece.start_time), ..TraceData::default() };
            self.push_event(&mut text, "Profile", piece.start_time, data)?;
        }
        let mut id_of: Vec<u32> = Vec::with_capacity(piece.nodes.len());
        let mut nodes = Vec::new();
        for node in &piece.nodes {
            let parent = node.parent.map(|parent| id_of[parent as usize]);
            let frame = &piece.frames[node.frame as usize];
            let fresh = self.node_of.len() as u32 + 1;
            let id = *self.node_of.entry((parent.unwrap_or(0), owned(frame))).or_insert_with(|| {
                nodes.push(ChunkNode { id: fresh, parent, call_frame: frame.clone() });
                fresh
            });
            id_of.push(id);
        }
        let lines = piece.ticks.iter().map(|tick| (id_of[tick.node as usize], tick.line, tick.ticks));
        let lines = lines.collect();
        let mut before = self.last_us.unwrap_or(piece.start_time);
        let (mut samples, mut time_deltas) = (Vec::new(), Vec::new());
        for &(time, node) in &piece.samples {
            if self.last_us.is_none_or(|last| time > last) {
                samples.push(id_of[node as usize]);
                time_deltas.push(time - before);
                before = time;
            }
        }
        let n_samples = samples.len();
        let data = TraceData {
            cpu_profile: Some(ChunkTree { nodes, samples }),
            time_deltas,
            slowpath_lines: lines,
            slowpath_end: Some(piece.end_time),
            ..TraceData::default()
        };
        self.push_event(&mut text, "ProfileChunk", piece.end_time, data)?;
        self.write_through(&text)?;
        self.last_us = Some(before);
        self.end_us = piece.end_time;
        self.is_open = piece.slowpath.overlaps;
        Ok(n_samples)
    }

    /// Closes the JSON array. A log without this end is read all the same.
    pub fn finish(mut self) -> io::Result<()> {
        let end: &[u8] = if self.n_events == 0 {
            b"[]
"
        } else {
            b"
]
"
        };
        self.file.write_all(end)?;
        self.file.finish().map(|_| ())
    }

    fn push_event(&mut self, text: &mut Vec<u8>, name: &str, ts: f64, data: TraceData<'_>) -> io::Result<()> {
        text.extend_from_slice(if self.n_events == 0 { b"[\n" } else { b",\n" });
        self.n_events += 1;
        let event = TraceEvent {
            name: name.into(),
            cat: "disabled-by-default-v8.cpu_profiler".into(),
            ph: "P".into(),
            id: format!("0x{:x}", self.n_segments).into(),
            pid: self.pid,
            tid: self.thread,
            ts,
            args: TraceArgs { data },
        };
        serde_json::to_writer(text, &event).map_err(io::Error::other)
    }

    /// Writes through to the disk.
    fn write_through(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.write_all(text).and_then(|()| self.file.flush())
    }
}

fn owned(frame: &CallFrame<'_>) -> CallFrame<'static> {
    CallFrame {
        function_name: frame.function_name.clone().into_owned().into(),
        url: frame.url.clone().into_owned().into(),
        line_number: frame.line_number,
        column_number: frame.column_number,
    }
}

/// Samples of one uninterrupted stretch of recording.
#[derive(Debug, Default)]
pub struct CpuSegment {
    /// When recording began.
    pub start: Nanos,
    /// When it ended.
    pub end: Nanos,
    /// `(parent, function)` of each node, callers first; node ids of the log minus one.
    pub nodes: Vec<(Option<u32>, CallFrame<'static>)>,
    /// `(time, node)`, in time order.
    pub samples: Vec<(Nanos, u32)>,
    /// `(node, line, ticks)`.
    pub lines: Vec<(u32, u32, u32)>,
}

/// Reads the CPU log of one thread.
#[derive(Debug)]
pub struct CpuLogReader;

impl CpuLogReader {
    /// Reads every whole event of `path`. The flag says that the end was cut (a crash, or still being written).
    pub fn read(path: &Path) -> io::Result<(Vec<CpuSegment>, bool)> {
        let mut reader = BufReader::new(GzDecoder::new(BufReader::new(File::open(path)?)));
        let mut segments: Vec<CpuSegment> = Vec::new();
        let mut line = Vec::new();
        let mut closed = false;
        let mut at_end = false;
        while !at_end {
            line.clear();
            // A cut stream ends in an error; what was flushed before it stands, an event without its newline as well.
            at_end = reader.read_until(b'\n', &mut line).map_or(true, |n_bytes| n_bytes == 0);
            let text = line.trim_ascii();
            let text = text.strip_suffix(b",").unwrap_or(text);
            match text {
                b"[" | b"" => {}
                b"[]" | b"]" => closed = true,
                _ => {
                    let event = serde_json::from_slice::<TraceEvent<'_>>(text);
                    if !event.is_ok_and(|event| add_event(&mut segments, event)) {
                        break;
                    }
                }
            }
        }
        Ok((segments, !closed))
    }
}

/// Adds one event; false where it contradicts what came before, which ends the readable part.
fn add_event(segments: &mut Vec<CpuSegment>, event: TraceEvent<'_>) -> bool {
    let data = event.args.data;
    if event.name == "Profile" {
        let start = micros(data.start_time.unwrap_or(event.ts));
        segments.push(CpuSegment { start, end: start, ..CpuSegment::default() });
        return true;
    }
    let (Some(segment), Some(tree)) = (segments.last_mut(), data.cpu_profile) else {
        return false;
    };
    for node in tree.nodes {
        let parent = node.parent.map(|parent| parent.wrapping_sub(1));
        let in_order = node.id as usize == segment.nodes.len() + 1;
        if !in_order || parent.is_some_and(|parent| parent as usize >= segment.nodes.len()) {
            return false;
        }
        segment.nodes.push((parent, owned(&node.call_frame)));
    }
    let n_nodes = segment.nodes.len() as u32;
    let mut time = segment.samples.last().map_or(segment.start.0, |(time, _)| time.0) as f64 / 1e3;
    for (node, delta) in tree.samples.iter().zip(&data.time_deltas) {
        time += delta;
        if *node == 0 || *node > n_nodes {
            return false;
        }
        segment.samples.push((micros(time), node - 1));
    }
    let lines = data.slowpath_lines.into_iter().filter(|(node, ..)| *node > 0 && *node <= n_nodes);
    segment.lines.extend(lines.map(|(node, line, ticks)| (node - 1, line, ticks)));
    let last = segment.samples.last().map_or(segment.start, |(time, _)| *time);
    segment.end = data.slowpath_end.map_or(last, micros).max(last);
    true
}

fn micros(us: f64) -> Nanos {
    Nanos((us.max(0.0) * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: u64, overlaps: bool, samples: &[(u64, u32)]) -> String {
        let mut time = start;
        let deltas: Vec<_> = samples
            .iter()
            .map(|(at, _)| {
                let d = at - time;
                time = *at;
                d
            })
            .collect();
        let ids: Vec<_> = samples.iter().map(|(_, id)| id).collect();
        format!(
            r#"{{"nodes":[{{"id":1,"callFrame":{{"functionName":"(root)","url":"","lineNumber":-1,"columnNumber":-1}},"children":[2,3]}},
            {{"id":2,"callFrame":{{"functionName":"a","url":"a.js","lineNumber":0,"columnNumber":0}},"positionTicks":[{{"line":1,"ticks":1}}]}},
            {{"id":3,"callFrame":{{"functionName":"b","url":"b.js","lineNumber":0,"columnNumber":0}}}}],
            "startTime":{start},"endTime":{time},"samples":{ids:?},"timeDeltas":{deltas:?},"slowpath":{{"sequence":0,"overlaps":{overlaps}}}}}"#
        )
    }

    fn write(path: &Path, pieces: &[String]) -> CpuLogWriter {
        let mut writer = CpuLogWriter::create(path, 7, 0).unwrap();
        for piece in pieces {
            writer.append(&CpuProfile::parse(piece.as_bytes()).unwrap()).unwrap();
        }
        writer
    }

    #[test]
    fn overlapping_pieces_count_each_moment_once_and_each_node_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cpu.gz");
        let pieces =
            [piece(1000, true, &[(1500, 2), (2500, 3)]), piece(2000, false, &[(2500, 3), (3500, 2)])];
        write(&path, &pieces).finish().unwrap();
        let (segments, cut) = CpuLogReader::read(&path).unwrap();
        assert!(!cut);
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].nodes.len(), 3);
        let times: Vec<_> = segments[0].samples.iter().map(|(t, node)| (t.0 / 1000, *node)).collect();
        assert_eq!(times, [(1500, 1), (2500, 2), (3500, 1)]);
        assert_eq!(segments[0].end, Nanos(3_500_000));
    }

    #[test]
    fn a_pause_between_pieces_starts_a_new_segment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cpu.gz");
        write(&path, &[piece(1000, false, &[(1500, 2)]), piece(900_000, false, &[(900_500, 2)])]);
        let (segments, cut) = CpuLogReader::read(&path).unwrap();
        assert!(cut, "no end was written");
        assert_eq!(segments.len(), 2);
    }

    #[test]
    fn a_cut_file_keeps_the_pieces_before_the_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cpu.gz");
        write(&path, &[piece(1000, true, &[(1500, 2)]), piece(1400, false, &[(2500, 3)])]);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (segments, cut) = CpuLogReader::read(&path).unwrap();
            assert!(cut);
            assert!(segments.iter().map(|s| s.samples.len()).sum::<usize>() <= 2);
        }
    }
}
