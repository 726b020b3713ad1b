//! Reads trace events of Chrome (performance panel, `--trace-event-categories v8.cpu_profiler`) and slowpath's own CPU logs: the
//! `Profile` and `ProfileChunk` events in them, and the older `CpuProfile`.
//!
//! Pitfalls: the file is an object with `traceEvents` or a bare array, whose `]` may be missing; a profile comes in
//! chunks, told apart by process and id, while thread and start are those of its `Profile` event, which may stand behind
//! them (chunks come from the sampler's own thread); nodes name their parent and come after it; deltas go on from chunk
//! to chunk and may be negative; two profiles of one thread may overlap, and what both saw counts once; names of threads
//! are events too, before or after; everything else in the file is skipped.

use super::call_frames::FrameFunctions;
use super::cpuprofile::{self, CallFrames, nanos};
use super::json::{Json, decode};
use super::{BadInput, Content};
use crate::Nanos;
use crate::classify::AppScope;
use crate::tables::{Profile, StackId, WeightUnit};
use rustc_hash::FxHashMap;

/// Adds the CPU profiles of a trace to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let mut trace = Trace { bytes, content: Content::new(WeightUnit::Nanoseconds), ..Trace::default() };
    let mut json = Json::new(bytes);
    let outcome = if json.peek() == Some(b'[') {
        json.each_element(|json| trace.read_event(json, profile))
    } else {
        json.each_key(|json, key| match key {
            b"traceEvents" => json.each_element(|json| trace.read_event(json, profile)),
            _ => json.skip().map(|_| ()),
        })
    };
    match outcome {
        // What was written before the end is whole.
        Err(error) if error.offset >= bytes.len() && !trace.streams.is_empty() => {
            trace.content.notes.push("the file was cut; what it holds until there is shown".into());
        }
        outcome => outcome?,
    }
    if trace.streams.is_empty() && trace.content.threads.is_empty() {
        let problem =
            "no CPU profile among the events: record with category `disabled-by-default-v8.cpu_profiler`";
        return Err(BadInput::at(0, problem));
    }
    Ok(trace.finish())
}

#[derive(Default)]
struct Trace<'a> {
    bytes: &'a [u8],
    content: Content,
    frames: CallFrames<'a>,
    functions: FrameFunctions,
    scope: AppScope,
    /// By process and id.
    streams: FxHashMap<(u32, &'a [u8]), Stream>,
    names: FxHashMap<(u32, u32), String>,
}

/// One profile that comes in chunks.
#[derive(Default)]
struct Stream {
    tid: u32,
    /// Microseconds on the clock of the file; `None` until the `Profile` event was read.
    start: Option<f64>,
    /// Microseconds on the clock of the file; 0 where no chunk tells it.
    end: f64,
    stacks: FxHashMap<u32, Option<StackId>>,
    /// Microseconds since the start up to the last sample read.
    elapsed: f64,
    /// By such times.
    samples: Vec<(f64, StackId)>,
}

/// What an event says of itself.
#[derive(Default)]
struct Event<'a> {
    name: &'a [u8],
    id: &'a [u8],
    pid: u32,
    tid: u32,
    ts: f64,
    args_at: Option<usize>,
}

impl<'a> Trace<'a> {
    fn read_event(&mut self, json: &mut Json<'a>, profile: &mut Profile) -> Result<(), BadInput> {
        let mut event = Event::default();
        json.each_key(|json, key| match key {
            b"name" => json.raw_string().map(|name| event.name = name),
            b"id" => json.skip().map(|id| event.id = id),
            b"pid" => json.number().map(|pid| event.pid = pid as u32),
            b"tid" => json.number().map(|tid| event.tid = tid as u32),
            b"ts" => json.number().map(|ts| event.ts = ts),
            b"args" => {
                json.peek();
                event.args_at = Some(json.offset());
                json.skip().map(|_| ())
            }
            _ => json.skip().map(|_| ()),
        })?;
        let Some(at) = event.args_at else { return Ok(()) };
        let mut args = Json::at(self.bytes, at);
        match event.name {
            b"Profile" | b"ProfileChunk" => args.each_key(|json, key| match key {
                b"data" => self.read_chunk(json, &event, profile),
                _ => json.skip().map(|_| ()),
            }),
            b"CpuProfile" => args.each_key(|json, key| match key {
                b"data" => json.each_key(|json, key| match key {
                    b"cpuProfile" => self.read_whole(json, &event, profile),
                    _ => json.skip().map(|_| ()),
                }),
                _ => json.skip().map(|_| ()),
            }),
            b"thread_name" => args.each_key(|json, key| match key {
                b"name" => {
                    let name = decode(json.raw_string()?).into_owned();
                    self.names.insert((event.pid, event.tid), name);
                    Ok(())
                }
                _ => json.skip().map(|_| ()),
            }),
            _ => Ok(()),
        }
    }

    /// Reads a profile that is whole in one event.
    fn read_whole(
        &mut self,
        json: &mut Json<'a>,
        event: &Event<'_>,
        profile: &mut Profile,
    ) -> Result<(), BadInput> {
        json.peek();
        let base = json.offset();
        let text = json.skip()?;
        let whole = cpuprofile::import(text, profile)
            .map_err(|error| BadInput { offset: error.offset + base, ..error })?;
        for mut thread in whole.threads {
            let index = self.content.thread(event.pid, event.tid);
            let into = &mut self.content.threads[index];
            into.start.append(&mut thread.start);
            into.duration.append(&mut thread.duration);
            into.stack.append(&mut thread.stack);
        }
        Ok(())
    }

    fn read_chunk(
        &mut self,
        json: &mut Json<'a>,
        event: &Event<'a>,
        profile: &mut Profile,
    ) -> Result<(), BadInput> {
        let stream = self.streams.entry((event.pid, event.id)).or_default();
        if event.name == b"Profile" {
            (stream.tid, stream.start) = (event.tid, Some(event.ts));
        }
        json.peek();
        let data_at = json.offset();
        let (mut samples, mut deltas, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        json.each_key(|json, key| match key {
            b"startTime" => json.number().map(|start| stream.start = Some(start)),
            b"endTime" | b"slowpathEnd" => json.number().map(|end| stream.end = end),
            b"timeDeltas" => json.numbers().map(|numbers| deltas = numbers),
            b"lines" => json.optional_indexes().map(|indexes| lines = indexes),
            b"slowpathLines" => json.each_element(|json| {
                let row = json.indexes()?;
                if let ([node, line, ticks], true) = (&row[..], row.len() == 3)
                    && let Some(Some(stack)) = stream.stacks.get(node)
                {
                    add_ticks(profile, *stack, *line, *ticks);
                }
                Ok(())
            }),
            b"cpuProfile" => json.each_key(|json, key| match key {
                b"nodes" => json.each_element(|json| {
                    read_node(json, stream, (&mut self.frames, &mut self.functions, &self.scope), profile)
                }),
                b"samples" => json.indexes().map(|indexes| samples = indexes),
                _ => json.skip().map(|_| ()),
            }),
            _ => json.skip().map(|_| ()),
        })?;
        if samples.len() != deltas.len() {
            let (samples, deltas) = (samples.len(), deltas.len());
            return Err(BadInput::at(
                data_at,
                format!("a chunk of {samples} samples but {deltas} time deltas"),
            ));
        }
        for (index, (node, delta)) in samples.iter().zip(&deltas).enumerate() {
            stream.elapsed += delta;
            let stack = stream.stacks.get(node).ok_or_else(|| {
                BadInput::at(
                    data_at,
                    format!("sample {index} of the chunk is of node {node}, which does not exist"),
                )
            })?;
            if let Some(stack) = stack {
                stream.samples.push((stream.elapsed, *stack));
                if let Some(line) = lines.get(index).filter(|line| **line > 0 && **line < u32::MAX) {
                    add_ticks(profile, *stack, *line, 1);
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Content {
        let mut streams: Vec<_> = self.streams.into_iter().collect();
        streams.sort_by(|((pid, id), a), ((other_pid, other_id), b)| {
            let start = |stream: &Stream| stream.start.unwrap_or(0.0);
            (pid, a.tid).cmp(&(other_pid, b.tid)).then(start(a).total_cmp(&start(b))).then(id.cmp(other_id))
        });
        let mut before = None;
        for ((pid, _), mut stream) in streams {
            stream.samples.sort_by(|a, b| a.0.total_cmp(&b.0));
            let start = stream.start.unwrap_or(0.0);
            let time = |elapsed: f64| nanos(start + elapsed);
            let last = stream.samples.last().map_or(Nanos(0), |(elapsed, _)| time(*elapsed));
            let end = nanos(stream.end).max(last);
            // Where the profile before on the same thread had not ended yet, its samples stand.
            let from = match before {
                Some((thread, until)) if thread == (pid, stream.tid) => until,
                _ => Nanos(0),
            };
            let index = self.content.thread(pid, stream.tid);
            let thread = &mut self.content.threads[index];
            let next = stream.samples.iter().skip(1).map(|(elapsed, _)| time(*elapsed)).chain([end]);
            for ((elapsed, stack), next) in stream.samples.iter().zip(next) {
                let at = time(*elapsed).max(from);
                if next > at || time(*elapsed) >= from {
                    thread.push(at, next.since(at), *stack);
                }
            }
            before = Some(((pid, stream.tid), end.max(from)));
        }
        for thread in &mut self.content.threads {
            thread.name = self.names.get(&(thread.pid, thread.thread)).cloned().unwrap_or_default();
        }
        self.content
    }
}

fn add_ticks(profile: &mut Profile, stack: StackId, line: u32, ticks: u32) {
    let function = profile.stacks.function[stack.0 as usize];
    *profile.line_ticks.entry((function, line)).or_default() += u64::from(ticks);
}

fn read_node<'a>(
    json: &mut Json<'a>,
    stream: &mut Stream,
    (frames, functions, scope): (&mut CallFrames<'a>, &mut FrameFunctions, &AppScope),
    profile: &mut Profile,
) -> Result<(), BadInput> {
    let (mut id, mut parent, mut frame) = (None, None, None);
    json.peek();
    let start = json.offset();
    json.each_key(|json, key| match key {
        b"id" => json.index().map(|number| id = Some(number)),
        b"parent" => json.index_or_none().map(|number| parent = number),
        b"callFrame" => frames.read(json).map(|index| frame = Some(index)),
        _ => json.skip().map(|_| ()),
    })?;
    let (Some(id), Some(frame)) = (id, frame) else {
        return Err(BadInput::at(start, "a node without `id` or `callFrame`"));
    };
    let parent = match parent {
        Some(parent) => *stream.stacks.get(&parent).ok_or_else(|| {
            BadInput::at(start, format!("node {id} has parent {parent}, which does not come before it"))
        })?,
        None => None,
    };
    let described = (frame, &frames.frames[frame as usize]);
    let stack = functions.stack(profile, scope, described, parent);
    stream.stacks.insert(id, stack);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns start, duration (both in microseconds) and function of each sample.
    fn samples(events: &[&str]) -> Vec<(u64, u64, String)> {
        let mut profile = Profile::default();
        let content = import(format!("[{}]", events.join(",")).as_bytes(), &mut profile).unwrap();
        let name =
            |stack: StackId| profile.functions.get(profile.stacks.function[stack.0 as usize]).name.clone();
        let rows = content
            .threads
            .iter()
            .flat_map(|thread| thread.start.iter().zip(&thread.duration).zip(&thread.stack));
        rows.map(|((start, weight), stack)| (start.0 / 1000, weight.0 / 1000, name(*stack))).collect()
    }

    fn begin(id: u32, start: u64) -> String {
        format!(
            r#"{{"name":"Profile","id":"{id}","pid":7,"tid":3,"ts":1,"args":{{"data":{{"startTime":{start}}}}}}}"#
        )
    }

    fn chunk(id: u32, function: &str, deltas: &str, end: u64) -> String {
        let samples = vec!["2"; deltas.split(',').count()].join(",");
        format!(
            r#"{{"name":"ProfileChunk","id":"{id}","pid":7,"tid":9,"ts":2,"args":{{"data":{{"cpuProfile":{{"nodes":[
            {{"id":1,"callFrame":{{"functionName":"(root)"}}}},{{"id":2,"parent":1,"callFrame":{{"functionName":"{function}","url":"/srv/a.js"}}}}],
            "samples":[{samples}]}},"timeDeltas":[{deltas}],"endTime":{end}}}}}}}"#
        )
    }

    #[test]
    fn the_start_of_a_profile_may_stand_behind_its_chunks() {
        let expected = [(1010, 20, "f".into()), (1030, 70, "f".into())];
        assert_eq!(samples(&[&begin(1, 1000), &chunk(1, "f", "10,20", 1100)]), expected);
        assert_eq!(samples(&[&chunk(1, "f", "10,20", 1100), &begin(1, 1000)]), expected);
    }

    #[test]
    fn what_two_profiles_of_one_thread_saw_counts_once() {
        let (a, b) = (chunk(1, "f", "10,20", 1100), chunk(2, "g", "0,20,40", 1200));
        let found = samples(&[&begin(2, 1050), &b, &begin(1, 1000), &a]);
        let expected = [(1010, 20, "f"), (1030, 70, "f"), (1100, 10, "g"), (1110, 90, "g")];
        assert_eq!(found, expected.map(|(start, weight, name)| (start, weight, name.to_owned())));
    }
}
