//! The native log: stacks of addresses as the kernel sampled them, and what lay where in each process.
//!
//! JSON lines, gzipped; the first holds the [`NativeHeader`], each further one a piece of about a second. Stacks are a
//! prefix tree of addresses whose nodes are written once; all numbers are differences where that makes them small. The
//! compressor is flushed after each piece, so that a crash cuts at most the last one.
//!
//! ```text
//! {"native":1,"frequency_hz":99,"period_ns":10101010,"event":"cpu-clock","kernel":true,"max_depth":127}
//! {"t":…,"spaces":[[pid,parent]],"images":["/usr/bin/node"],"maps":[[space,start,length,offset,image]],
//!  "threads":[[pid,tid,"node"]],"nodes":[up,address,…],"samples":[dt,thread,node,…]}
//! ```
//!
//! The leaf's address is exact. Those of callers are one less than where they return to, which lies inside the call.

use crate::Nanos;
use flate2::bufread::GzDecoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Version of the native log that this build writes, and the newest that it reads.
pub const NATIVE_LOG_VERSION: u32 = 1;

/// Addresses from here on are the kernel's, on every 64-bit Linux.
pub const KERNEL_START: u64 = 1 << 63;

/// First line of the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NativeHeader {
    /// See [`NATIVE_LOG_VERSION`].
    pub native: u32,
    /// Asked-for samples a second and thread, of the time that the thread is on a CPU.
    pub frequency_hz: u32,
    /// CPU time that each sample stands for.
    pub period_ns: u64,
    /// What is sampled.
    pub event: String,
    /// Whether kernel frames were recorded.
    pub kernel: bool,
    /// Frames that the kernel walks at most; longer stacks lose their outer frames.
    pub max_depth: u32,
}

/// About a second of recording, as one line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Piece {
    /// Time of the first sample, or of the piece without samples.
    pub(super) t: u64,
    /// The nodes before this piece are no longer referred to: node numbers start over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) reset: bool,
    /// New address spaces: process id, and the space that it began as a copy of, or −1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) spaces: Vec<(u32, i64)>,
    /// New images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<String>,
    /// New mappings of code: space, start, length, offset in the image, image; and when they came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) maps: Vec<(u32, u64, u64, u64, u32, u64)>,
    /// New threads, or new names of known ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) threads: Vec<(u32, u32, String)>,
    /// New nodes. With a caller: how many numbers before it that one is, and the address less the caller's. Without: 0,
    /// the space, and the address less that of the outermost frame before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nodes: Vec<i64>,
    /// Time since the sample before, thread, node of the leaf.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) samples: Vec<i64>,
    /// Samples that the kernel could not hand over.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) lost: u64,
    /// Samples whose stack was as deep as the kernel walks.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) truncated: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// An address space: a process from its start or `exec` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressSpace {
    /// Process id.
    pub pid: u32,
    /// The space that it began as a copy of.
    pub parent: Option<u32>,
    /// When it began, to the second.
    pub from: Nanos,
}

/// A mapping of executable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeMap {
    /// Index of the address space.
    pub space: u32,
    /// First address.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// Where `start` lies in the image.
    pub file_offset: u64,
    /// Index into [`NativeLog::images`].
    pub image: u32,
    /// When it was mapped.
    pub from: Nanos,
}

/// A kernel thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeThread {
    /// Process id.
    pub pid: u32,
    /// Kernel thread id.
    pub tid: u32,
    /// Name from `comm`.
    pub name: String,
}

/// A node of the prefix tree of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressNode {
    /// The caller's node, which comes before.
    pub parent: Option<u32>,
    /// Address in the space, or of the kernel.
    pub address: u64,
    /// Index of the address space.
    pub space: u32,
    /// Start of the piece in which it was first seen.
    pub seen: Nanos,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeSample {
    /// When it was taken.
    pub t: Nanos,
    /// Index into [`NativeLog::threads`].
    pub thread: u32,
    /// Index into [`NativeLog::nodes`], of the leaf.
    pub node: u32,
}

/// A native log, read back.
#[derive(Debug, Default)]
pub struct NativeLog {
    /// How it was recorded.
    pub header: NativeHeader,
    /// Address spaces in the order in which they were seen.
    pub spaces: Vec<AddressSpace>,
    /// Paths of images; `[vdso]`, `//anon` and the like among them.
    pub images: Vec<String>,
    /// Mappings in the order in which they came.
    pub maps: Vec<CodeMap>,
    /// Threads; a renamed one again.
    pub threads: Vec<NativeThread>,
    /// The tree, callers first.
    pub nodes: Vec<AddressNode>,
    /// Samples in order of time.
    pub samples: Vec<NativeSample>,
    /// Samples that the kernel could not hand over.
    pub n_lost: u64,
    /// Samples whose stack was as deep as the kernel walks.
    pub n_truncated: u64,
    /// Mappings by space.
    maps_of: Vec<Vec<u32>>,
}

/// Largest length of a line that is read: a second of 10,000 samples has some hundred kilobytes.
const MAX_LINE: u64 = 64 << 20;

impl NativeLog {
    /// Reads every whole piece. The flag says that the end was cut (a crash, or still being written), or that a
    /// piece contradicts those before it; what came before that stands.
    pub fn read(path: &Path) -> io::Result<(Self, bool)> {
        let mut reader = BufReader::new(GzDecoder::new(BufReader::new(File::open(path)?)));
        let mut log = Self::default();
        let mut line = Vec::new();
        let mut base = 0;
        let mut is_first = true;
        loop {
            line.clear();
            // A cut stream ends in an error; what was flushed before it stands.
            let read = io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line);
            let (n_bytes, is_cut) = (line.len(), read.is_err());
            if n_bytes == 0 || !line.ends_with(b"\n") {
                log.samples.sort_by_key(|sample| sample.t);
                return Ok((log, is_cut || n_bytes > 0 || is_first));
            }
            let understood = if is_first {
                is_first = false;
                serde_json::from_slice(&line).is_ok_and(|header| log.begin(header))
            } else {
                serde_json::from_slice(&line).is_ok_and(|piece| log.add(piece, &mut base).is_some())
            };
            if !understood {
                log.samples.sort_by_key(|sample| sample.t);
                return Ok((log, true));
            }
        }
    }

    fn begin(&mut self, header: NativeHeader) -> bool {
        let known = (1..=NATIVE_LOG_VERSION).contains(&header.native);
        self.header = header;
        known
    }

    /// Adds a piece; `None` where it contradicts what came before.
    fn add(&mut self, piece: Piece, base: &mut usize) -> Option<()> {
        let t = Nanos(piece.t);
        if piece.reset {
            *base = self.nodes.len();
        }
        for (pid, parent) in piece.spaces {
            let parent = u32::try_from(parent).ok();
            if parent.is_some_and(|parent| parent as usize >= self.spaces.len()) {
                return None;
            }
            self.spaces.push(AddressSpace { pid, parent, from: t });
            self.maps_of.push(Vec::new());
        }
        self.images.extend(piece.images);
        for (space, start, length, file_offset, image, from) in piece.maps {
            if space as usize >= self.spaces.len() || image as usize >= self.images.len() {
                return None;
            }
            let from = Nanos(from);
            self.maps_of[space as usize].push(self.maps.len() as u32);
            self.maps.push(CodeMap { space, start, length, file_offset, image, from });
        }
        let threads = piece.threads.into_iter();
        self.threads.extend(threads.map(|(pid, tid, name)| NativeThread { pid, tid, name }));
        self.add_nodes(&piece.nodes, *base, t)?;
        let mut at = piece.t;
        for row in piece.samples.chunks(3) {
            let &[dt, thread, node] = row else { return None };
            at = at.checked_add_signed(dt)?;
            let (thread, node) =
                (u32::try_from(thread).ok()?, usize::try_from(node).ok()?.checked_add(*base)?);
            if thread as usize >= self.threads.len() || node >= self.nodes.len() {
                return None;
            }
            self.samples.push(NativeSample { t: Nanos(at), thread, node: node as u32 });
        }
        self.n_lost = self.n_lost.saturating_add(piece.lost);
        self.n_truncated = self.n_truncated.saturating_add(piece.truncated);
        Some(())
    }

    fn add_nodes(&mut self, numbers: &[i64], base: usize, seen: Nanos) -> Option<()> {
        let mut numbers = numbers.iter();
        let mut outermost = 0_u64;
        while let Some(up) = numbers.next() {
            let node = if *up == 0 {
                let space = u32::try_from(*numbers.next()?).ok()?;
                if space as usize >= self.spaces.len() {
                    return None;
                }
                outermost = outermost.wrapping_add_signed(*numbers.next()?);
                AddressNode { parent: None, address: outermost, space, seen }
            } else {
                let up = usize::try_from(*up).ok()?;
                let parent = self.nodes.len().checked_sub(up).filter(|parent| *parent >= base)?;
                let AddressNode { address, space, .. } = self.nodes[parent];
                let address = address.wrapping_add_signed(*numbers.next()?);
                AddressNode { parent: Some(parent as u32), address, space, seen }
            };
            self.nodes.push(node);
        }
        Some(())
    }

    /// Returns the nodes of a stack, the leaf first.
    pub fn frames(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(node), |at| self.nodes[*at as usize].parent)
    }

    /// Returns the mapping that an address of a space lay in at time `t`; the newest counts.
    pub fn map_at(&self, space: u32, address: u64, t: Nanos) -> Option<&CodeMap> {
        let mut space = Some(space);
        while let Some(index) = space {
            let maps = self.maps_of[index as usize].iter().rev().map(|map| &self.maps[*map as usize]);
            let mut covering = maps.filter(|map| map.start <= address && address - map.start < map.length);
            // One that came later is better than none: when a thread's first sample came is known to the second only.
            let found = covering.clone().find(|map| map.from <= t).or_else(|| covering.next_back());
            if found.is_some() {
                return found;
            }
            space = self.spaces[index as usize].parent;
        }
        None
    }
}
