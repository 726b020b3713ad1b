//! Writes the native log; see [`super::native_log`] for its form.

use super::native_log::{NativeHeader, Piece};
use crate::Nanos;
use flate2::{Compression, write::GzEncoder};
use rustc_hash::FxHashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Nodes that are remembered at most, some 10 MB; then the tree starts over. An hour of a busy server has fewer.
const MAX_NODES: usize = 1 << 18;

/// Appends samples to the log of a recording.
#[derive(Debug)]
pub struct NativeLogWriter {
    file: GzEncoder<File>,
    piece: Piece,
    line: Vec<u8>,
    max_depth: usize,
    n_spaces: u32,
    image_of: FxHashMap<(String, u64), u32>,
    thread_of: FxHashMap<(u32, u32), (u32, String)>,
    n_threads: u32,
    node_of: FxHashMap<(u32, u64), u32>,
    last_outermost: u64,
    last_t: u64,
    n_samples: u64,
}

/// A mapping of executable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMap<'a> {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// Where `start` lies in the image.
    pub file_offset: u64,
    /// Path of the image, or what the kernel says in its place, such as `[vdso]`.
    pub path: &'a str,
    /// Inode of the image, 0 where there is no file.
    pub inode: u64,
}

/// Marks the key of an outermost frame, whose first half is its space instead of its caller.
const OUTERMOST: u32 = 1 << 31;

impl NativeLogWriter {
    /// Creates the log; fails where it exists already.
    pub fn create(path: &Path, header: &NativeHeader) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        let mut writer = Self {
            file: GzEncoder::new(file, Compression::new(4)),
            piece: Piece::default(),
            line: Vec::new(),
            max_depth: header.max_depth as usize,
            n_spaces: 0,
            image_of: FxHashMap::default(),
            thread_of: FxHashMap::default(),
            n_threads: 0,
            node_of: FxHashMap::default(),
            last_outermost: 0,
            last_t: 0,
            n_samples: 0,
        };
        serde_json::to_writer(&mut writer.line, header).map_err(io::Error::other)?;
        writer.write_line()?;
        Ok(writer)
    }

    /// Adds the address space of a process, and returns its index. One that was forked begins with the mappings of its
    /// parent.
    pub fn add_space(&mut self, pid: u32, parent: Option<u32>) -> u32 {
        self.piece.spaces.push((pid, parent.map_or(-1, i64::from)));
        self.n_spaces += 1;
        self.n_spaces - 1
    }

    /// Adds a mapping of executable code, and returns the index of its image. Images are told apart by path and inode.
    pub fn add_map(&mut self, space: u32, map: &NewMap<'_>, from: Nanos) -> u32 {
        let next = self.image_of.len() as u32;
        let key = (map.path.to_owned(), map.inode);
        let image = *self.image_of.entry(key).or_insert(next);
        if image == next {
            self.piece.images.push(map.path.to_owned());
        }
        self.piece.maps.push((space, map.start, map.length, map.file_offset, image, from.0));
        image
    }

    /// Names a thread.
    pub fn name_thread(&mut self, pid: u32, tid: u32, name: &str) {
        if self.thread_of.get(&(pid, tid)).is_none_or(|(_, known)| known != name) {
            self.thread_of.insert((pid, tid), (self.n_threads, name.to_owned()));
            self.piece.threads.push((pid, tid, name.to_owned()));
            self.n_threads += 1;
        }
    }

    /// Returns the name of a thread.
    pub fn thread_name(&self, pid: u32, tid: u32) -> Option<&str> {
        self.thread_of.get(&(pid, tid)).map(|(_, name)| name.as_str())
    }

    /// Adds a sample with its stack, the leaf first. A thread without a name is called after its number.
    pub fn add_sample(&mut self, t: Nanos, space: u32, (pid, tid): (u32, u32), stack: &[u64]) {
        if stack.is_empty() {
            return;
        }
        let thread = if let Some((thread, _)) = self.thread_of.get(&(pid, tid)) {
            *thread
        } else {
            self.name_thread(pid, tid, &format!("thread {tid}"));
            self.n_threads - 1
        };
        if self.node_of.len() + stack.len() > MAX_NODES && self.piece.samples.is_empty() {
            self.node_of.clear();
            self.piece.reset = true;
        }
        let mut caller = space | OUTERMOST;
        let mut caller_address = 0;
        for address in stack.iter().rev() {
            let next = self.node_of.len() as u32;
            let key = (caller, *address);
            let node = *self.node_of.entry(key).or_insert(next);
            if node == next {
                if caller & OUTERMOST == 0 {
                    self.piece.nodes.push(i64::from(next - caller));
                    self.piece.nodes.push(address.wrapping_sub(caller_address) as i64);
                } else {
                    self.piece.nodes.extend([0, i64::from(space)]);
                    self.piece.nodes.push(address.wrapping_sub(self.last_outermost) as i64);
                    self.last_outermost = *address;
                }
            }
            (caller, caller_address) = (node, *address);
        }
        if self.piece.samples.is_empty() {
            (self.piece.t, self.last_t) = (t.0, t.0);
        }
        let dt = t.0.wrapping_sub(self.last_t) as i64;
        self.piece.samples.extend([dt, i64::from(thread), i64::from(caller)]);
        self.last_t = t.0;
        self.n_samples += 1;
        self.piece.truncated += u64::from(stack.len() >= self.max_depth);
    }

    /// Counts samples that the kernel could not hand over.
    pub fn add_lost(&mut self, n: u64) {
        self.piece.lost += n;
    }

    /// Samples written so far.
    pub fn n_samples(&self) -> u64 {
        self.n_samples
    }

    /// Writes what has come since the last piece; nothing where nothing has.
    pub fn end_piece(&mut self, now: Nanos) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        let is_empty = piece.samples.is_empty()
            && piece.lost == 0
            && piece.spaces.is_empty()
            && piece.maps.is_empty()
            && piece.threads.is_empty();
        if is_empty {
            return Ok(());
        }
        self.last_outermost = 0;
        let t = if piece.samples.is_empty() { now.0 } else { piece.t };
        serde_json::to_writer(&mut self.line, &Piece { t, ..piece }).map_err(io::Error::other)?;
        self.write_line()
    }

    /// Writes the rest and closes the stream.
    pub fn finish(mut self, now: Nanos) -> io::Result<()> {
        self.end_piece(now)?;
        self.file.finish().map(|_| ())
    }

    /// Writes through to the disk.
    fn write_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.file.write_all(&self.line)?;
        self.line.clear();
        self.file.flush()
    }
}
