//! Reads the records that the kernel writes into a ring, for events with `TID | TIME | CALLCHAIN` and `sample_id_all`.
//!
//! ```text
//! every record   type u32, misc u16, size u16, body, and (all but samples) a trailer: pid u32, tid u32, time u64
//! sample         pid u32, tid u32, time u64, n u64, n addresses: the leaf first, with marks between kernel and user part
//! ```

use perf_event_open_sys::bindings::{
    PERF_RECORD_COMM, PERF_RECORD_EXIT, PERF_RECORD_FORK, PERF_RECORD_LOST, PERF_RECORD_LOST_SAMPLES,
    PERF_RECORD_MISC_COMM_EXEC, PERF_RECORD_MMAP2, PERF_RECORD_SAMPLE,
};
use slowpath_profile::Nanos;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) t: Nanos,
    pub(super) body: Body,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// A thread was on a CPU for another period. Addresses as in the native log: exact for the leaf, inside the call for
    /// callers.
    Sample { pid: u32, tid: u32, stack: Box<[u64]> },
    /// Executable memory was mapped.
    Map { pid: u32, start: u64, length: u64, file_offset: u64, inode: u64, path: String },
    /// A thread was named; `exec` says that its process now runs another program.
    Name { pid: u32, tid: u32, name: String, exec: bool },
    /// A thread, or with `pid != parent_pid` a process, was started.
    Fork { pid: u32, tid: u32, parent_pid: u32, parent_tid: u32 },
    /// A thread ended.
    Exit { pid: u32, tid: u32 },
    /// Records did not fit into the ring.
    Lost { n: u64 },
}

/// Addresses from here on are marks of a call chain, not addresses (`PERF_CONTEXT_MAX`).
const MARKS: u64 = -4095_i64 as u64;

/// The mark before the user part.
const USER: u64 = -512_i64 as u64;

/// The mark before the kernel part.
const KERNEL: u64 = -128_i64 as u64;

/// Bytes of the trailer.
const TRAILER: usize = 16;

/// Reads one record with its head; `None` for kinds that are of no interest here, and for damaged ones.
pub(super) fn parse(record: &[u8]) -> Option<Record> {
    let mut body = Reader { rest: record };
    let (kind, misc, _) = (body.u32()?, body.u16()?, body.u16()?);
    if kind == PERF_RECORD_SAMPLE {
        let (pid, tid, t) = (body.u32()?, body.u32()?, Nanos(body.u64()?));
        return Some(Record { t, body: Body::Sample { pid, tid, stack: stack(&mut body)? } });
    }
    let (rest, trailer) = body.rest.split_at_checked(body.rest.len().checked_sub(TRAILER)?)?;
    let t = Nanos(Reader { rest: &trailer[8..] }.u64()?);
    let mut body = Reader { rest };
    let body = match kind {
        PERF_RECORD_MMAP2 => {
            let (pid, _) = (body.u32()?, body.u32()?);
            let (start, length, file_offset) = (body.u64()?, body.u64()?, body.u64()?);
            let (_, inode, _, _) = (body.u64()?, body.u64()?, body.u64()?, body.u64()?);
            Body::Map { pid, start, length, file_offset, inode, path: body.text() }
        }
        PERF_RECORD_COMM => {
            let exec = u32::from(misc) & PERF_RECORD_MISC_COMM_EXEC != 0;
            Body::Name { pid: body.u32()?, tid: body.u32()?, name: body.text(), exec }
        }
        PERF_RECORD_FORK | PERF_RECORD_EXIT => {
            let (pid, parent_pid, tid, parent_tid) = (body.u32()?, body.u32()?, body.u32()?, body.u32()?);
            if kind == PERF_RECORD_FORK {
                Body::Fork { pid, tid, parent_pid, parent_tid }
            } else {
                Body::Exit { pid, tid }
            }
        }
        PERF_RECORD_LOST => Body::Lost { n: (body.u64()?, body.u64()?).1 },
        PERF_RECORD_LOST_SAMPLES => Body::Lost { n: body.u64()? },
        _ => return None,
    };
    Some(Record { t, body })
}

/// Reads a call chain. Where a call returns to may lie behind the end of its function, so callers are looked up one byte
/// before. The first user address below the kernel is not such a place: the thread was interrupted there, or will
/// return there from a system call.
fn stack(body: &mut Reader<'_>) -> Option<Box<[u64]>> {
    let n = usize::try_from(body.u64()?).ok()?.min(body.rest.len() / 8);
    let mut stack = Vec::with_capacity(n);
    let mut is_exact = true;
    let mut is_known = true;
    for _ in 0..n {
        let address = body.u64()?;
        if address >= MARKS {
            is_known = matches!(address, USER | KERNEL);
            is_exact = true;
        } else if is_known && address != 0 {
            stack.push(if is_exact { address } else { address - 1 });
            is_exact = false;
        }
    }
    Some(stack.into())
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_ne_bytes)
    }

    /// Reads text up to its zero byte.
    fn text(&mut self) -> String {
        let end = self.rest.iter().position(|byte| *byte == 0).unwrap_or(self.rest.len());
        String::from_utf8_lossy(&self.rest[..end]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a record from words of 8 bytes.
    fn record(kind: u32, misc: u16, words: &[u64], text: &str) -> Vec<u8> {
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        if !text.is_empty() {
            body.extend_from_slice(text.as_bytes());
            body.resize(body.len() + 8 - text.len() % 8, 0);
        }
        if kind != PERF_RECORD_SAMPLE {
            body.extend_from_slice(&pair(4, 4).to_ne_bytes());
            body.extend_from_slice(&77_u64.to_ne_bytes());
        }
        let size = (body.len() + 8) as u16;
        let head = [&kind.to_ne_bytes()[..], &misc.to_ne_bytes(), &size.to_ne_bytes()].concat();
        [head, body].concat()
    }

    /// Two numbers of 4 bytes in one word.
    fn pair(first: u32, second: u32) -> u64 {
        let bytes = [first.to_ne_bytes(), second.to_ne_bytes()].concat();
        u64::from_ne_bytes(bytes.try_into().unwrap())
    }

    fn check(record: &[u8], t: u64, body: Body) {
        assert_eq!(parse(record), Some(Record { t: Nanos(t), body }));
    }

    #[test]
    fn callers_are_looked_up_inside_their_calls() {
        let chain =
            [pair(4, 5), 77, 6, KERNEL, 0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020, USER, 0x1010, 0x1020];
        let stack = vec![0xffff_ffff_8100_0010, 0xffff_ffff_8100_001f, 0x1010, 0x101f].into();
        check(&record(PERF_RECORD_SAMPLE, 2, &chain, ""), 77, Body::Sample { pid: 4, tid: 5, stack });
    }

    #[test]
    fn reads_maps_names_and_forks() {
        let words = [pair(4, 5), 0x1000, 0x2000, 0x100, pair(8, 1), 99, 0, pair(5, 2)];
        let path = "/usr/bin/node".to_owned();
        let map = Body::Map { pid: 4, start: 0x1000, length: 0x2000, file_offset: 0x100, inode: 99, path };
        check(&record(PERF_RECORD_MMAP2, 2, &words, "/usr/bin/node"), 77, map);
        let name = Body::Name { pid: 4, tid: 5, name: "node".into(), exec: true };
        check(&record(PERF_RECORD_COMM, 1 << 13, &[pair(4, 5)], "node"), 77, name);
        let fork = Body::Fork { pid: 6, tid: 6, parent_pid: 4, parent_tid: 5 };
        check(&record(PERF_RECORD_FORK, 0, &[pair(6, 4), pair(6, 5), 77], ""), 77, fork);
        check(&record(PERF_RECORD_LOST, 0, &[1, 12], ""), 77, Body::Lost { n: 12 });
    }

    #[test]
    fn a_cut_record_is_none() {
        let whole = record(PERF_RECORD_SAMPLE, 2, &[pair(4, 5), 77, 1, 0x1010], "");
        for length in 0..24 {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
    }
}
