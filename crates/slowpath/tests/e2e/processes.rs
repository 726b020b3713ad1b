//! Signals to processes, and the search for those that a run left behind.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;

/// Variable that marks every process of a run, however far it strays from its parents.
pub(crate) const MARK: &str = "SLOWPATH_E2E_RUN";

/// Sends a signal; a process that is gone already is fine.
pub(crate) fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Returns the living processes that were started in a run: those that carry its mark.
pub(crate) fn marked(scratch: &Path) -> Vec<(u32, String)> {
    let mark = format!("{MARK}={}", scratch.display());
    let pids = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            is_alive(*pid) && environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&command).replace('\0', " "))
        })
        .collect()
}
