//! The async log: what followed requests ran and waited for, and where in the code that was begun; gzipped JSON lines.
//!
//! Each batch of lines is a gzip member of its own, so that a crash cuts at most the last one. Numbers of frames, sites
//! and sources count within one thread, from each `begin` line on; [`read_async_log`] makes them indices into tables.

use crate::Nanos;
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AsyncLine {
    /// The recorder was switched on in a thread; numbers start over.
    Begin {
        /// Node's `threadId`.
        thread: u32,
        /// Threads of libuv's pool.
        pool_size: u32,
    },
    /// A place in the code.
    Frame {
        /// Node's `threadId`.
        thread: u32,
        /// Its number, from 1.
        id: u32,
        /// Function name, may be empty.
        name: String,
        /// Script as V8 names it.
        file: String,
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
    },
    /// A stack: a frame called from another stack.
    Site {
        /// Node's `threadId`.
        thread: u32,
        /// Its number, from 2.
        id: u32,
        /// The caller's site, 0 where it is the outermost kept.
        outer: u32,
        /// The innermost frame.
        frame: u32,
    },
    /// What the event loop called back for.
    Source {
        /// Node's `threadId`.
        thread: u32,
        /// Its number, from 0.
        id: u32,
        /// What it is.
        #[serde(flatten)]
        source: AsyncSource,
    },
    /// What a service was heard to speak.
    Protocol {
        /// Host and port, as in [`AsyncSource`].
        remote: String,
        /// `redis`, `postgres`, `mysql`, `mongo` or `http`.
        protocol: String,
    },
    /// A followed request that was answered.
    Request(RawRequest),
    /// About a second of one thread.
    Second(AsyncSecond),
    /// What the hooks cost in about a second of one thread.
    Hooks(AsyncHooks),
    /// A turn of the loop that many promise jobs or ticks made long.
    Jobs(AsyncJobs),
}

/// What the event loop called back for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AsyncSource {
    /// Type of the resource as `async_hooks` names it.
    pub r#type: String,
    /// Host and port at the other end of a socket, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Whether the other end opened the connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inbound: bool,
}

/// `[start, length, ran, since, queued, site, source, waker]`, times in ns since the request's start; see [`Slice`].
pub type RawSlice = (u64, u64, u64, i64, u64, u32, u32, u32);

/// A request as the log has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawRequest {
    /// Node's `threadId`.
    pub thread: u32,
    /// HTTP method.
    pub method: String,
    /// Path without query, parts that look like ids replaced by `:id`.
    pub path: String,
    /// Port that it came to, 0 where unknown.
    #[serde(default)]
    pub port: u16,
    /// Status code.
    pub status: u16,
    /// When its head had been read.
    pub start: Nanos,
    /// When its last byte was handed to the system.
    pub end: Nanos,
    /// How long its head was ready but not read, ns; an estimate.
    pub queued: u64,
    /// Whether it was still under way at `end`, when following ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// In time order.
    pub slices: Vec<RawSlice>,
    /// Slices that began with what had been called back before, by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<u32>,
    /// `[start, length, site]` of long runs, ns since `start`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<(u64, u64, u32)>,
}

/// About a second of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AsyncSecond {
    /// Node's `threadId`.
    pub thread: u32,
    /// Its end.
    pub t: Nanos,
    /// Requests that came.
    pub n_requests: u64,
    /// Those of them that are followed.
    pub n_followed: u64,
    /// Share of the thread's time that taking stacks took.
    pub spent: f64,
    /// Integral of the tasks in libuv's thread pool, queued ones included, ms.
    pub pool_task_ms: f64,
    /// Time with more tasks than the pool has threads, ms.
    pub pool_full_ms: f64,
    /// Tasks that ended.
    pub n_pool_tasks: u64,
    /// Time in which hooks were on and tasks were counted, ms.
    #[serde(default = "whole_second")]
    pub open_ms: f64,
}

/// Recordings made before hooks had pauses.
fn whole_second() -> f64 {
    1000.0
}

/// A turn of the loop that many promise jobs or ticks made long, one after the other, none of them by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AsyncJobs {
    /// Node's `threadId`.
    pub thread: u32,
    /// When the turn began.
    pub start: Nanos,
    /// When the last job that was seen began.
    pub end: Nanos,
    /// Promise jobs and ticks.
    pub n_jobs: u64,
    /// Ticks among them.
    pub n_ticks: u64,
    /// Site that made one of them; in the log its number, in [`AsyncLog`] an index.
    pub site: u32,
}

/// CPU time and requests of one thread with the hooks on and off, in about a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AsyncHooks {
    /// Node's `threadId`.
    pub thread: u32,
    /// Its end.
    pub t: Nanos,
    /// With the hooks on.
    pub on: HooksSide,
    /// With the hooks off.
    pub off: HooksSide,
}

/// One side of [`AsyncHooks`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HooksSide {
    /// Time, ms.
    pub ms: f64,
    /// CPU time, ms: of the whole process for the main thread, of the thread for a worker.
    pub cpu_ms: f64,
    /// Mean of the requests that came and those that were answered.
    pub n_requests: f64,
}

/// All that was recorded of the requests of one process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AsyncLog {
    /// Places in the code.
    pub frames: Vec<AsyncFrame>,
    /// Stacks as frames, innermost first; Node's own only where it is the innermost. The first one is empty: unknown.
    pub sites: Vec<Vec<u32>>,
    /// What the loop called back for.
    pub sources: Vec<AsyncSource>,
    /// What services were heard to speak, by host and port: see [`AsyncLine::Protocol`].
    pub protocols: BTreeMap<String, String>,
    /// Answered requests in the order of their ends.
    pub requests: Vec<FollowedRequest>,
    /// Seconds of all threads in order.
    pub seconds: Vec<AsyncSecond>,
    /// What the hooks cost, of all threads in order.
    pub hooks: Vec<AsyncHooks>,
    /// Turns that many promise jobs or ticks made long, of all threads in order.
    pub jobs: Vec<AsyncJobs>,
    /// Threads of libuv's pool.
    pub pool_size: u32,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AsyncFrame {
    /// Function name, may be empty.
    pub name: String,
    /// Script as V8 names it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// One request that was followed from its head to the last byte of its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowedRequest {
    /// Node's `threadId`.
    pub thread: u32,
    /// Method and path.
    pub route: String,
    /// Port that it came to, 0 where unknown.
    pub port: u16,
    /// Status code.
    pub status: u16,
    /// When its head had been read.
    pub start: Nanos,
    /// When its last byte was handed to the system; of one that was cut, when following ended.
    pub end: Nanos,
    /// Whether it was still under way then.
    pub cut: bool,
    /// How long its head was ready but not read; an estimate.
    pub queued: Nanos,
    /// In time order, without overlap.
    pub slices: Vec<Slice>,
    /// Long runs within the slices: start, end, site.
    pub runs: Vec<(Nanos, Nanos, u32)>,
}

/// A turn of the loop in which code of the request ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// When its code began to run in that turn.
    pub start: Nanos,
    /// When it last ran.
    pub end: Nanos,
    /// How long it ran in between; the rest belongs to others.
    pub ran: Nanos,
    /// When what it began with was made, or was called back last; `None` where nobody saw that.
    pub since: Option<Nanos>,
    /// How long it was ready before it was called; an estimate.
    pub queued: Nanos,
    /// Index into [`AsyncLog::sites`]: where what it began with was made.
    pub site: u32,
    /// Index into [`AsyncLog::sources`]: what the turn began with.
    pub source: u32,
    /// Whether what it began with had been called back before, as a socket is for each part that comes.
    pub again: bool,
    /// Number of the other request whose code resolved what was awaited, or 0.
    pub waker: u32,
}

/// Appends to the async log of one process.
#[derive(Debug)]
pub struct AsyncLogWriter {
    file: File,
    batch: Vec<u8>,
}

/// Bytes of lines that make a batch: some 10 kB compressed.
const BATCH: usize = 64 << 10;

impl AsyncLogWriter {
    /// Opens the log, creating it when absent.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).create(true).open(path)?, batch: Vec::new() })
    }

    /// Adds a line; writes when enough have come.
    pub fn push(&mut self, line: &AsyncLine) -> io::Result<()> {
        serde_json::to_writer(&mut self.batch, line).map_err(io::Error::other)?;
        self.batch.push(b'\n');
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Writes what there is.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut member = GzEncoder::new(Vec::new(), Compression::new(6));
        member.write_all(&self.batch)?;
        self.batch.clear();
        self.file.write_all(&member.finish()?)
    }
}

/// Reads an async log; the flag says that the end was cut.
pub fn read_async_log(path: &Path) -> io::Result<(AsyncLog, bool)> {
    let file = File::open(path)?;
    let mut reader = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
    let mut tables = Tables::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok((tables.finish(), false)),
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(line) => tables.take(line),
                Err(_) => return Ok((tables.finish(), true)),
            },
            Err(_) => return Ok((tables.finish(), true)),
        }
    }
}

/// Makes indices of the numbers of each thread.
struct Tables {
    log: AsyncLog,
    threads: HashMap<u32, Numbers>,
    frame_of: HashMap<AsyncFrame, u32>,
    site_of: HashMap<Vec<u32>, u32>,
    source_of: HashMap<AsyncSource, u32>,
}

#[derive(Default)]
struct Numbers {
    frames: HashMap<u32, u32>,
    sites: HashMap<u32, u32>,
    sources: HashMap<u32, u32>,
}

impl Tables {
    fn new() -> Self {
        let mut tables = Self {
            log: AsyncLog::default(),
            threads: HashMap::new(),
            frame_of: HashMap::new(),
            site_of: HashMap::new(),
            source_of: HashMap::new(),
        };
        intern(&mut tables.log.sites, &mut tables.site_of, Vec::new());
        intern(&mut tables.log.sources, &mut tables.source_of, AsyncSource::default());
        tables
    }

    fn take(&mut self, line: AsyncLine) {
        match line {
            AsyncLine::Begin { thread, pool_size } => {
                self.threads.insert(thread, Numbers::default());
                self.log.pool_size = pool_size;
            }
            AsyncLine::Frame { thread, id, name, file, line, column } => {
                let frame = AsyncFrame { name, file, line, column };
                let index = intern(&mut self.log.frames, &mut self.frame_of, frame);
                self.threads.entry(thread).or_default().frames.insert(id, index);
            }
            AsyncLine::Site { thread, id, outer, frame } => {
                let numbers = self.threads.entry(thread).or_default();
                let Some(frame) = numbers.frames.get(&frame) else { return };
                let outer = numbers.sites.get(&outer).copied().unwrap_or(0);
                let mut frames = vec![*frame];
                frames.extend(&self.log.sites[outer as usize]);
                let index = intern(&mut self.log.sites, &mut self.site_of, frames);
                numbers.sites.insert(id, index);
            }
            AsyncLine::Source { thread, id, source } => {
                let index = intern(&mut self.log.sources, &mut self.source_of, source);
                self.threads.entry(thread).or_default().sources.insert(id, index);
            }
            AsyncLine::Protocol { remote, protocol } => {
                self.log.protocols.insert(remote, protocol);
            }
            AsyncLine::Request(raw) => self.request(&raw),
            AsyncLine::Second(second) => self.log.seconds.push(second),
            AsyncLine::Hooks(hooks) => self.log.hooks.push(hooks),
            AsyncLine::Jobs(jobs) => {
                let numbers = self.threads.entry(jobs.thread).or_default();
                let site = numbers.sites.get(&jobs.site).copied().unwrap_or(0);
                self.log.jobs.push(AsyncJobs { site, end: jobs.end.max(jobs.start), ..jobs });
            }
        }
    }

    fn request(&mut self, raw: &RawRequest) {
        let numbers = self.threads.entry(raw.thread).or_default();
        let at = |offset: u64| Nanos(raw.start.0.saturating_add(offset));
        let site_of = |site: u32| numbers.sites.get(&site).copied().unwrap_or(0);
        let mut slices: Vec<Slice> = raw
            .slices
            .iter()
            .map(|&(start, length, ran, since, queued, site, source, waker)| Slice {
                start: at(start),
                end: at(start.saturating_add(length)),
                ran: Nanos(ran.min(length)),
                since: since_of(raw.start, since),
                queued: Nanos(queued),
                site: site_of(site),
                source: numbers.sources.get(&source).copied().unwrap_or(0),
                again: false,
                waker,
            })
            .collect();
        for index in &raw.again {
            if let Some(slice) = slices.get_mut(*index as usize) {
                slice.again = true;
            }
        }
        // Whatever a damaged line says, slices are in order and lie within the request.
        slices.sort_by_key(|slice| slice.start);
        let mut after = raw.start;
        for slice in &mut slices {
            slice.start = slice.start.clamp(after, raw.end.max(after));
            slice.end = slice.end.clamp(slice.start, raw.end.max(slice.start));
            slice.ran = slice.ran.min(slice.end.since(slice.start));
            after = slice.end;
        }
        let runs = raw
            .runs
            .iter()
            .map(|&(start, length, site)| (at(start), at(start.saturating_add(length)), site_of(site)));
        self.log.requests.push(FollowedRequest {
            thread: raw.thread,
            port: raw.port,
            route: format!("{} {}", raw.method, raw.path),
            status: raw.status,
            start: raw.start,
            end: raw.end.max(raw.start),
            cut: raw.cut,
            queued: Nanos(raw.queued),
            runs: runs.collect(),
            slices,
        });
    }

    fn finish(self) -> AsyncLog {
        self.log
    }
}

/// A time before the request began was another request's: only what lies in it counts. −1 stands for unknown.
fn since_of(start: Nanos, since: i64) -> Option<Nanos> {
    u64::try_from(since).ok().map(|since| Nanos(start.0.saturating_add(since)))
}

fn intern<T: Clone + Eq + std::hash::Hash>(
    table: &mut Vec<T>,
    index_of: &mut HashMap<T, u32>,
    value: T,
) -> u32 {
    *index_of.entry(value).or_insert_with_key(|value| {
        table.push(value.clone());
        table.len() as u32 - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<AsyncLine> {
        let source = AsyncSource { r#type: "TCPWRAP".into(), remote: Some("db:6379".into()), inbound: false };
        let frame = |id, name: &str| AsyncLine::Frame {
            thread: 0,
            id,
            name: name.into(),
            file: "/srv/a.js".into(),
            line: id,
            column: 1,
        };
        let request = RawRequest {
            thread: 0,
            method: "GET".into(),
            path: "/x".into(),
            port: 3000,
            status: 200,
            start: Nanos(1000),
            end: Nanos(2000),
            queued: 5,
            cut: false,
            slices: vec![(0, 100, 90, -1, 0, 0, 7, 0), (600, 100, 100, 50, 10, 3, 7, 9)],
            again: vec![1],
            runs: vec![(600, 80, 3)],
        };
        vec![
            AsyncLine::Begin { thread: 0, pool_size: 4 },
            AsyncLine::Source { thread: 0, id: 7, source },
            frame(1, "handle"),
            AsyncLine::Site { thread: 0, id: 2, outer: 0, frame: 1 },
            frame(2, "load"),
            AsyncLine::Site { thread: 0, id: 3, outer: 2, frame: 2 },
            AsyncLine::Request(request),
        ]
    }

    #[test]
    fn reads_back_what_was_written_up_to_a_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("async");
        let mut log = AsyncLogWriter::append_to(&path).unwrap();
        for line in lines() {
            log.push(&line).unwrap();
        }
        log.flush().unwrap();
        let (read, cut) = read_async_log(&path).unwrap();
        assert!(!cut);
        let request = &read.requests[0];
        assert_eq!(request.route, "GET /x");
        let slice = request.slices[1];
        assert_eq!((slice.start, slice.end, slice.since), (Nanos(1600), Nanos(1700), Some(Nanos(1050))));
        let names: Vec<_> =
            read.sites[slice.site as usize].iter().map(|f| &*read.frames[*f as usize].name).collect();
        assert_eq!(names, ["load", "handle"]);
        assert_eq!(read.sources[slice.source as usize].remote.as_deref(), Some("db:6379"));

        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read_async_log(&path).unwrap().0.requests.len() <= 1, "{length}");
        }
    }

    #[test]
    fn a_second_beginning_numbers_anew() {
        let mut tables = Tables::new();
        lines().into_iter().chain(lines()).for_each(|line| tables.take(line));
        let log = tables.finish();
        assert_eq!((log.frames.len(), log.sites.len(), log.requests.len()), (2, 3, 2));
    }
}
