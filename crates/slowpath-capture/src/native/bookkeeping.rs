//! Turns records into the native log: which address space a process has, what is mapped there, what threads are called.

use super::images::Images;
use super::records::{Body, Record};
use crate::proc_fs::{directory_numbers, stat_of};
use slowpath_profile::Nanos;
use slowpath_profile::recording::{NativeLogWriter, NewMap};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// What the kernel calls executable memory without a file.
const ANONYMOUS: &str = "//anon";

/// The log under construction and what is known of the processes.
#[derive(Debug)]
pub(super) struct Bookkeeping {
    writer: NativeLogWriter,
    space_of: BTreeMap<u32, u32>,
    alive: BTreeSet<u32>,
    images: Images,
    n_lost: u64,
}

/// What remains of it when recording has ended.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) images: Images,
    pub(super) n_samples: u64,
    pub(super) n_lost: u64,
}

impl Bookkeeping {
    pub(super) fn new(writer: NativeLogWriter) -> Self {
        let (space_of, alive) = (BTreeMap::new(), BTreeSet::new());
        Self { writer, space_of, alive, images: Images::default(), n_lost: 0 }
    }

    /// Learns what a process that already runs has mapped and what its threads are called.
    pub(super) fn learn(&mut self, pid: u32, t: Nanos) {
        if self.space_of.contains_key(&pid) {
            return;
        }
        let space = self.new_space(pid, None);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        for map in maps.lines().filter_map(parse_map) {
            self.add_map(pid, space, &map, t);
        }
        for tid in directory_numbers(Path::new(&format!("/proc/{pid}/task"))) {
            let name = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
            self.writer.name_thread(pid, tid, name.trim_end());
        }
    }

    /// Takes the next record; they come in order of time.
    pub(super) fn take(&mut self, record: Record) {
        let Record { t, body } = record;
        match body {
            Body::Sample { pid, tid, stack } => {
                let space = self.space(pid, t);
                if self.writer.thread_name(pid, tid).is_none() {
                    let name = stat_of(tid).map_or_else(|| format!("thread {tid}"), |stat| stat.name);
                    self.writer.name_thread(pid, tid, &name);
                }
                self.writer.add_sample(t, space, (pid, tid), &stack);
            }
            Body::Map { pid, start, length, file_offset, inode, path } => {
                let space = self.space(pid, t);
                let map = NewMap { start, length, file_offset, path: &path, inode };
                self.add_map(pid, space, &map, t);
            }
            Body::Name { pid, tid, name, exec } => {
                if exec {
                    self.new_space(pid, None);
                }
                self.writer.name_thread(pid, tid, &name);
            }
            Body::Fork { pid, tid, parent_pid, parent_tid } => {
                if pid != parent_pid && !self.alive.contains(&pid) {
                    let parent = self.space_of.get(&parent_pid).copied();
                    self.new_space(pid, parent);
                }
                if let Some(name) = self.writer.thread_name(parent_pid, parent_tid).map(str::to_owned) {
                    self.writer.name_thread(pid, tid, &name);
                }
            }
            Body::Exit { pid, tid } if pid == tid => {
                self.alive.remove(&pid);
            }
            Body::Exit { .. } => {}
            Body::Lost { n } => {
                self.n_lost += n;
                self.writer.add_lost(n);
            }
        }
    }

    /// Returns the processes that have not ended.
    pub(super) fn alive(&self) -> impl Iterator<Item = u32> + '_ {
        self.alive.iter().copied()
    }

    pub(super) fn n_samples(&self) -> u64 {
        self.writer.n_samples()
    }

    /// Writes what has come since the last piece.
    pub(super) fn end_piece(&mut self, now: Nanos) -> io::Result<()> {
        self.writer.end_piece(now)
    }

    /// Closes the log.
    pub(super) fn finish(self, now: Nanos) -> io::Result<Books> {
        let books = Books { images: self.images, n_samples: self.writer.n_samples(), n_lost: self.n_lost };
        self.writer.finish(now)?;
        Ok(books)
    }

    /// Returns the space of a process; one whose start was lost is learnt now.
    fn space(&mut self, pid: u32, t: Nanos) -> u32 {
        if !self.space_of.contains_key(&pid) {
            self.learn(pid, t);
        }
        self.space_of[&pid]
    }

    fn new_space(&mut self, pid: u32, parent: Option<u32>) -> u32 {
        let space = self.writer.add_space(pid, parent);
        self.space_of.insert(pid, space);
        self.alive.insert(pid);
        space
    }

    fn add_map(&mut self, pid: u32, space: u32, map: &NewMap<'_>, t: Nanos) {
        let image = self.writer.add_map(space, map, t);
        self.images.add(image, map.path, map.inode, pid, (map.start, map.start + map.length));
    }
}

/// Parses a line of `/proc/<pid>/maps`; `None` where it is not executable.
///
/// `00e37000-032e7000 r-xp 00a37000 fe:00 5377976        /usr/bin/node`
fn parse_map(line: &str) -> Option<NewMap<'_>> {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after.trim_start_matches(' ');
        word
    };
    let (range, access, offset, _, inode) = (word(), word(), word(), word(), word());
    let path = rest;
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    access.contains('x').then_some(NewMap {
        start,
        length: end.checked_sub(start)?,
        file_offset: number(offset)?,
        path: if path.is_empty() { ANONYMOUS } else { path },
        inode: inode.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_executable_of_a_process() {
        let map = |path, inode| NewMap { start: 0x1000, length: 0x2000, file_offset: 0x300, path, inode };
        let check = |line, expected| assert_eq!(parse_map(line), expected, "{line}");
        check(
            "00001000-00003000 r-xp 00000300 fe:00 99     /opt/my app/node",
            Some(map("/opt/my app/node", 99)),
        );
        check("00001000-00003000 rwxp 00000300 00:00 0 ", Some(map("//anon", 0)));
        check("00001000-00003000 r-xp 00000300 00:00 0   [vdso]", Some(map("[vdso]", 0)));
        check("00001000-00003000 rw-p 00000300 fe:00 99  /usr/bin/node", None);
        check("nonsense", None);
    }
}
