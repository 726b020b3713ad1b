//! What the collector knows of the processes that are connected, and the commands that it sends them.

use super::ProcessInfo;
use crate::frames::write_command;
use crate::source_recorder::SourceRecorder;
use crate::{CpuSampling, RecorderKind};
use slowpath_profile::classify::is_readable_script;
use slowpath_profile::import::cpuprofile::CpuProfile;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) wanted: BTreeSet<RecorderKind>,
    /// How long they will be on, where that is known.
    pub(super) length: Option<Duration>,
    pub(super) next_command: u64,
    pub(super) processes: BTreeMap<u32, Connected>,
    /// Processes that were attached to: whichever user's they are, they may connect.
    pub(super) attached: BTreeSet<u32>,
    /// Line samples by script and process: whose text is worth having.
    pub(super) sampled: BTreeMap<u32, BTreeMap<String, u64>>,
    /// There from the moment that sources are asked for.
    pub(super) sources: Option<SourceRecorder>,
}

#[derive(Debug)]
pub(super) struct Connected {
    pub(super) info: ProcessInfo,
    pub(super) commands: UnixStream,
    pub(super) unanswered: BTreeSet<u64>,
    pub(super) loop_delay_p99_ms: Option<f64>,
}

impl Connected {
    pub(super) fn is_waited_for(&self) -> bool {
        self.info.connected && !self.unanswered.is_empty()
    }
}

impl State {
    pub(super) fn command(
        &mut self,
        pid: u32,
        command: &str,
        recorder: RecorderKind,
        cpu_sampling: CpuSampling,
    ) {
        let recorder = recorder.as_str();
        let CpuSampling { interval_us, max_share } = cpu_sampling;
        let mut message =
            serde_json::json!({ "command": command, "recorder": recorder, "interval_us": interval_us });
        if let Some(share) = max_share {
            message["max_share"] = share.into();
        }
        if let Some(length) = self.length {
            message["ms"] = u64::try_from(length.as_millis()).unwrap_or(0).into();
        }
        self.send(pid, message);
    }

    /// Sends a command to a process that is connected, and takes note that it owes an answer.
    pub(super) fn send(&mut self, pid: u32, mut message: serde_json::Value) {
        let id = self.next_command;
        self.next_command += 1;
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.info.connected) else {
            return;
        };
        message["id"] = id.into();
        // A process that is gone shows as a closed connection; nothing to do here.
        if write_command(&mut process.commands, &message).is_ok() {
            process.unanswered.insert(id);
        }
    }
}

impl State {
    /// Returns the scripts of each process, those with most samples first.
    pub(super) fn scripts_by_process(&self) -> BTreeMap<u32, Vec<String>> {
        let by_samples = |scripts: &BTreeMap<String, u64>| {
            let mut urls: Vec<&String> = scripts.keys().collect();
            urls.sort_by_key(|url| std::cmp::Reverse(scripts[*url]));
            urls.into_iter().cloned().collect()
        };
        self.sampled.iter().map(|(pid, scripts)| (*pid, by_samples(scripts))).collect()
    }

    pub(super) fn n_line_samples(&self, pid: u32) -> u64 {
        self.sampled.get(&pid).map_or(0, |scripts| scripts.values().sum())
    }

    /// Asks for the text of scripts that counted calls were made in.
    pub(super) fn want_sources(&mut self, pid: u32, urls: impl Iterator<Item = String>) {
        let scripts = self.sampled.entry(pid).or_default();
        for url in urls.filter(|url| is_readable_script(url)) {
            scripts.entry(url).or_insert(0);
        }
    }

    pub(super) fn has_source(&self, url: &str) -> bool {
        self.sources.as_ref().is_some_and(|recorder| recorder.has(url))
    }

    /// Takes note of the scripts in a piece of a profile.
    pub(super) fn note_scripts(&mut self, pid: u32, piece: &CpuProfile<'_>) {
        let scripts = self.sampled.entry(pid).or_default();
        for frame in piece.frames.iter().filter(|frame| is_readable_script(&frame.url)) {
            if !scripts.contains_key(&*frame.url) {
                scripts.insert(frame.url.clone().into_owned(), 0);
            }
        }
        for tick in &piece.ticks {
            let frame = &piece.frames[piece.nodes[tick.node as usize].frame as usize];
            if let Some(samples) = scripts.get_mut(&*frame.url) {
                *samples += u64::from(tick.ticks);
            }
        }
    }
}
