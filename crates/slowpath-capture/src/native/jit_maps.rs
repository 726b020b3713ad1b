//! Perf maps of processes that compile code as they run, and what V8 leaves behind besides.
//!
//! V8 writes `/tmp/perf-<pid>.map` in the process's own view of files and process ids, and (for the same option) an
//! `isolate-…-<pid>-v8.log` in the directory where the process was started. Neither place can be chosen through
//! `NODE_OPTIONS`.

use crate::now;
use rustix::fs::OFlags;
use slowpath_profile::native::Growth;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What Node.js needs at its start so that its JavaScript has names and frames of its own in native stacks.
pub const JIT_NODE_OPTIONS: &str = "--perf-basic-prof --interpreted-frames-native-stack";

/// Where V8 writes its maps.
const DIRECTORY: &str = "/tmp";

/// One process's map, kept open.
#[derive(Debug)]
pub(super) struct JitMap {
    pub(super) file: File,
    pub(super) growth: Growth,
}

/// The maps of all processes seen.
#[derive(Debug, Default)]
pub(super) struct JitMaps {
    pub(super) maps: BTreeMap<u32, JitMap>,
}

impl JitMaps {
    /// Notes how long the map of each process is now; opens those that are new.
    pub(super) fn mark(&mut self, pids: impl Iterator<Item = u32>) {
        for pid in pids {
            if !self.maps.contains_key(&pid)
                && let Some(file) = open(pid)
            {
                self.maps.insert(pid, JitMap { file, growth: Growth::default() });
            }
        }
        let t = now();
        for map in self.maps.values_mut() {
            if let Ok(metadata) = map.file.metadata() {
                map.growth.mark(t, metadata.len());
            }
        }
    }
}

/// Opens the map of a living process. A file older than the process is another one's that had the same number.
fn open(pid: u32) -> Option<File> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let own_pid = numbers.split_ascii_whitespace().next_back()?;
    let path = format!("/proc/{pid}/root{DIRECTORY}/perf-{own_pid}.map");
    // Anyone may put a link or a pipe there.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let process = fs::metadata(format!("/proc/{pid}")).ok()?;
    let is_its_own = metadata.uid() == process.uid();
    let is_younger = metadata.modified().ok()? + CLOCK_STEP >= started(pid)?;
    (metadata.is_file() && is_its_own && is_younger).then_some(file)
}

/// Steps of `btime` and of process start times.
const CLOCK_STEP: Duration = Duration::from_secs(2);

/// Returns the wall-clock time at which a process was started.
fn started(pid: u32) -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: u64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(boot) + Duration::from_millis(ticks * 10))
}

/// Removes what V8 wrote for [`JIT_NODE_OPTIONS`] in the processes of a run: the maps that name the agent in `run_dir`,
/// which no other program's do, and the logs of the same processes in `directories`.
///
/// Does nothing to files from before `since`.
pub fn remove_jit_files(run_dir: &Path, directories: &BTreeSet<PathBuf>, since: SystemTime) {
    let mark = run_dir.to_string_lossy().into_owned();
    let mut pids: BTreeSet<u32> = BTreeSet::new();
    for path in files_since(Path::new(DIRECTORY), since) {
        let pid =
            name_of(&path).strip_prefix("perf-").and_then(|rest| rest.strip_suffix(".map")?.parse().ok());
        if let Some(pid) = pid
            && mentions(&path, &mark)
        {
            pids.insert(pid);
            let _ = fs::remove_file(&path);
        }
    }
    for path in directories.iter().flat_map(|directory| files_since(directory, since)) {
        if v8_log_pid(&name_of(&path)).is_some_and(|pid| pids.contains(&pid)) {
            let _ = fs::remove_file(&path);
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the process of a name such as `isolate-0x38489000-6952-v8.log`.
fn v8_log_pid(name: &str) -> Option<u32> {
    let (isolate, pid) = name.strip_prefix("isolate-0x")?.strip_suffix("-v8.log")?.rsplit_once('-')?;
    let is_address = isolate.bytes().all(|byte| byte.is_ascii_hexdigit());
    pid.parse().ok().filter(|_| is_address)
}

/// Lists our own plain files that were changed at `since` or later.
fn files_since(directory: &Path, since: SystemTime) -> Vec<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_ours = |entry: &fs::DirEntry| {
        entry.metadata().is_ok_and(|metadata| {
            let is_new = metadata.modified().is_ok_and(|modified| modified >= since);
            metadata.is_file() && metadata.uid() == own && is_new
        })
    };
    entries.filter(is_ours).map(|entry| entry.path()).collect()
}

fn mentions(path: &Path, mark: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let mut lines = BufReader::with_capacity(1 << 16, file).split(b'\n').map_while(Result::ok);
    lines.any(|line| line.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_names_of_v8s_logs() {
        assert_eq!(v8_log_pid("isolate-0x38489000-6952-v8.log"), Some(6952));
        assert_eq!(v8_log_pid("isolate-0x38489000-x-v8.log"), None);
        assert_eq!(v8_log_pid("isolate-notes-6952-v8.log"), None);
        assert_eq!(v8_log_pid("v8.log"), None);
    }

    #[test]
    fn a_process_has_a_start_time_in_the_past() {
        let started = started(std::process::id()).unwrap();
        assert!(started < SystemTime::now() + CLOCK_STEP);
    }
}
