//! Attaches samplers to every thread of a process tree, one a CPU, without missing or doubling any.
//!
//! Threads and processes that start later inherit their samplers. Between listing threads and attaching to them new ones
//! may start; the kernel tells of those whose parent was attached already, so the rest are attached in another round.

use super::event::{Sampling, disable, open_ring_owner, open_sampler, redirect};
use super::records::{Body, Record, parse};
use super::ring::Ring;
use crate::proc_fs::directory_numbers;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Pages of a ring: half a megabyte of 4 KiB pages, which holds seconds of the deepest stacks at 99 Hz and is what an
/// ordinary user may lock for each CPU (`kernel.perf_event_mlock_kb`).
const RING_PAGES: usize = 128;

/// A smaller ring than this loses samples at any load.
const MIN_RING_PAGES: usize = 8;

/// Rounds of looking for threads that were started meanwhile.
const MAX_ROUNDS: usize = 5;

/// The kernel's numbers for "no such process" and "no such device".
const ESRCH: i32 = 3;
const ENODEV: i32 = 19;

/// The samplers of a tree and their rings.
#[derive(Debug)]
pub(super) struct Attached {
    /// By CPU: the owner of its ring, and the ring.
    rings: Vec<(u32, OwnedFd, Ring)>,
    samplers: Vec<OwnedFd>,
    /// Threads that are sampled: attached to, or started by one that is.
    known: BTreeSet<u32>,
}

/// Why nothing could be attached.
#[derive(Debug)]
pub(super) enum AttachError {
    /// The kernel refused to sample this process.
    Refused(u32, io::Error),
    /// No memory for the rings may be locked.
    Ring(io::Error),
}

impl Attached {
    /// Prepares rings for all CPUs, nothing being sampled yet.
    pub(super) fn prepare() -> Result<Self, AttachError> {
        raise_descriptor_limit();
        let mut rings = Vec::new();
        for cpu in online_cpus() {
            match prepare_ring(cpu) {
                Ok((owner, ring)) => rings.push((cpu, owner, ring)),
                // Taken offline meanwhile.
                Err(AttachError::Refused(_, error)) if error.raw_os_error() == Some(ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { rings, samplers: Vec::new(), known: BTreeSet::new() })
    }

    /// Attaches to all threads of `pids`; what is recorded meanwhile goes to `take`. Threads that end meanwhile are left
    /// out. Returns how many threads were attached.
    pub(super) fn attach(
        &mut self,
        pids: &BTreeSet<u32>,
        sampling: Sampling,
        take: &mut dyn FnMut(Record),
    ) -> Result<usize, AttachError> {
        let mut n_attached = 0;
        for _ in 0..MAX_ROUNDS {
            let before = n_attached;
            for pid in pids {
                for tid in directory_numbers(Path::new(&format!("/proc/{pid}/task"))) {
                    if self.known.contains(&tid) {
                        continue;
                    }
                    match self.attach_thread(tid, sampling) {
                        Ok(true) => n_attached += 1,
                        Ok(false) => {}
                        Err(error) => return Err(AttachError::Refused(*pid, error)),
                    }
                }
            }
            if n_attached == before {
                break;
            }
            self.drain(take);
        }
        Ok(n_attached)
    }

    /// Attaches to one thread; false where it is gone.
    fn attach_thread(&mut self, tid: u32, sampling: Sampling) -> io::Result<bool> {
        let n_before = self.samplers.len();
        for (cpu, owner, _) in &self.rings {
            match open_sampler(tid, *cpu, sampling) {
                Ok(sampler) => {
                    redirect(&sampler, owner)?;
                    self.samplers.push(sampler);
                }
                Err(error) if error.raw_os_error() == Some(ESRCH) => break,
                Err(error) if error.raw_os_error() == Some(ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        self.known.insert(tid);
        Ok(self.samplers.len() > n_before)
    }

    /// Waits until a ring is filled to a good part, or `patience` is over.
    pub(super) fn wait(&self, patience: Duration) {
        let mut owners: Vec<_> =
            self.rings.iter().map(|(_, owner, _)| PollFd::new(owner, PollFlags::IN)).collect();
        let patience = rustix::time::Timespec {
            tv_sec: patience.as_secs() as i64,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        // A signal or a refusal only means to look now.
        let _ = poll(&mut owners, Some(&patience));
    }

    /// Hands over what has come in all rings; in order of time only within a ring.
    pub(super) fn drain(&mut self, take: &mut dyn FnMut(Record)) {
        let Self { rings, known, .. } = self;
        for (_, _, ring) in rings {
            ring.drain(&mut |bytes| {
                if let Some(record) = parse(bytes) {
                    if let Body::Fork { tid, .. } = record.body {
                        known.insert(tid);
                    }
                    take(record);
                }
            });
        }
    }

    /// Ends all sampling. What has come until then can still be drained.
    pub(super) fn stop(&mut self) {
        for sampler in self.samplers.drain(..) {
            // Closing it ends it as well.
            let _ = disable(&sampler);
        }
    }

    /// Starts over, as after a refusal.
    pub(super) fn forget(&mut self) {
        self.stop();
        self.known.clear();
    }
}

/// Maps a ring of `cpu`, as large as is permitted.
fn prepare_ring(cpu: u32) -> Result<(OwnedFd, Ring), AttachError> {
    let mut n_pages = RING_PAGES;
    loop {
        let watermark = n_pages * rustix::param::page_size() / 4;
        let own = std::process::id();
        let owner =
            open_ring_owner(cpu, watermark as u32).map_err(|error| AttachError::Refused(own, error))?;
        match Ring::map(owner.as_fd(), n_pages) {
            Ok(ring) => return Ok((owner, ring)),
            Err(_) if n_pages > MIN_RING_PAGES => n_pages /= 2,
            Err(error) => return Err(AttachError::Ring(error)),
        }
    }
}

/// Raises our own limit of descriptors as far as it goes: there is an event a thread and CPU.
fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Without it, large trees on large machines are refused, which is said then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

fn online_cpus() -> Vec<u32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let cpus = parse_cpus(&text);
    if !cpus.is_empty() {
        return cpus;
    }
    let n = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    (0..n).collect()
}

/// Parses `0-3,8`.
fn parse_cpus(text: &str) -> Vec<u32> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list_of_cpus() {
        assert_eq!(parse_cpus("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(parse_cpus("0\n"), [0]);
        assert_eq!(parse_cpus(""), [0_u32; 0]);
    }
}
