//! What the events of a recording tell of its phases and threads.

use super::{Event, ProcessHello, Recording};
use crate::Nanos;
use std::collections::BTreeMap;

impl Recording {
    /// Returns each phase with its start and end; a phase without an end goes on for ever.
    pub fn phases(&self) -> Vec<(&str, Nanos, Nanos)> {
        let mut intervals: Vec<(&str, Nanos, Nanos)> = Vec::new();
        for timed in &self.events {
            match &timed.event {
                Event::PhaseStarted { phase } => intervals.push((phase, timed.t, Nanos(u64::MAX))),
                Event::PhaseEnded { phase } => {
                    if let Some(open) = intervals.iter_mut().rfind(|(name, ..)| name == phase) {
                        open.2 = timed.t;
                    }
                }
                _ => {}
            }
        }
        intervals
    }

    /// Returns the worker threads of a process: title and the kernel's id, where it was told, by Node's `threadId`. The last word counts.
    pub fn workers(&self, pid: u32) -> BTreeMap<u32, (String, Option<u32>)> {
        let started = self.events.iter().filter_map(|timed| match &timed.event {
            Event::ThreadStarted { pid: of, thread, title, tid } if *of == pid => {
                Some((*thread, (title.clone(), *tid)))
            }
            _ => None,
        });
        started.collect()
    }

    /// Returns the kernel's id of a Node thread: the process's for the main thread, what the agent told for workers.
    pub fn kernel_thread(&self, pid: u32, thread: u32) -> Option<u32> {
        if thread == 0 {
            return Some(pid);
        }
        self.events.iter().rev().find_map(|timed| match timed.event {
            Event::ThreadStarted { pid: of, thread: started, tid, .. } if (of, started) == (pid, thread) => {
                tid
            }
            _ => None,
        })
    }

    /// Returns Node's number of a kernel thread: 0 for the process's first, what the agent told for workers.
    pub fn node_thread(&self, pid: u32, tid: u32) -> Option<u32> {
        if pid == tid {
            return Some(0);
        }
        self.events.iter().rev().find_map(|timed| match timed.event {
            Event::ThreadStarted { pid: of, thread, tid: Some(known), .. } if (of, known) == (pid, tid) => {
                Some(thread)
            }
            _ => None,
        })
    }

    /// Returns what the agent told of a process when it connected; the last word counts.
    pub fn hello(&self, pid: u32) -> Option<&ProcessHello> {
        self.events.iter().rev().find_map(|timed| match &timed.event {
            Event::Process(hello) if hello.pid == pid => Some(hello),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{FORMAT_VERSION, Layout, TimedEvent};

    #[test]
    fn threads_are_found_by_node_s_number_and_by_the_kernel_s_and_the_last_word_counts() {
        let manifest = serde_json::json!({
            "format_version": FORMAT_VERSION, "slowpath_version": "0.0.0", "start": 0, "started_at": "2026-01-01T00:00:00Z",
            "command": [], "cwd": "/srv", "title": "", "load": null, "phases": [], "cpu_interval_us": 1000,
            "machine": { "cpus": 1, "cpu_model": "", "kernel": "", "memory_bytes": 0, "cgroup_cpu_limit": null },
        });
        let manifest = serde_json::from_value(manifest).expect("a manifest of the format");
        let mut recording = Recording::empty(Layout::new("drawn"), manifest);
        let started = |thread, tid| Event::ThreadStarted { pid: 7, thread, title: String::new(), tid };
        for event in [started(2, None), started(3, Some(31)), started(2, Some(21)), started(3, Some(32))] {
            recording.events.push(TimedEvent { t: Nanos(0), event });
        }
        assert_eq!([0, 2, 3, 4].map(|n| recording.kernel_thread(7, n)), [Some(7), Some(21), Some(32), None]);
        assert_eq!([7, 21, 32, 99].map(|n| recording.node_thread(7, n)), [Some(0), Some(2), Some(3), None]);
        let tids: Vec<_> = recording.workers(7).into_values().map(|(_, tid)| tid).collect();
        assert_eq!(tids, [Some(21), Some(32)]);
        assert_eq!(recording.node_thread(8, 21), None);
    }
}
