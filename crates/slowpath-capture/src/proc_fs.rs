//! Reads `/proc`: process trees, per-thread times, memory, descriptors, the machine, the cgroup.
//!
//! A process may vanish between two reads: every function answers with what is there, never with an error.

use slowpath_profile::Nanos;
use slowpath_profile::recording::{CgroupSample, MachineCpu, ProcessSample, TaskSample};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Clock tick of `/proc/*/stat`: the kernel's `USER_HZ` is 100 on every Linux architecture that Node runs on.
const TICK_NS: u64 = 10_000_000;

/// Unit of `/proc/*/statm`.
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// Returns `root` and all its descendants, and the descendants of `adopter` (orphans that were handed to it).
pub(crate) fn tree_of(root: u32, adopter: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    let mut to_visit = vec![root];
    to_visit.extend(children_of(adopter).into_iter().filter(|pid| found.insert(*pid)));
    while let Some(pid) = to_visit.pop() {
        to_visit.extend(children_of(pid).into_iter().filter(|child| found.insert(*child)));
    }
    found.retain(|pid| stat_of(*pid).is_some_and(|stat| stat.state != 'Z'));
    found
}

/// Returns the children of all threads of a process.
fn children_of(pid: u32) -> Vec<u32> {
    let tasks = format!("/proc/{pid}/task");
    let mut children = Vec::new();
    for task in directory_numbers(Path::new(&tasks)) {
        let text = fs::read_to_string(format!("{tasks}/{task}/children")).unwrap_or_default();
        children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    children
}

pub(crate) fn directory_numbers(path: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The fields of `stat` that are used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) ppid: u32,
    pub(crate) user: Nanos,
    pub(crate) system: Nanos,
}

pub(crate) fn stat_of(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses a `stat` line. The name stands in parentheses and may itself hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        ppid: number(1)? as u32,
        user: Nanos(number(11)? * TICK_NS),
        system: Nanos(number(12)? * TICK_NS),
    })
}

/// Returns the command line of a process, empty for kernel threads.
pub(crate) fn command_of(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let args = bytes.split(|byte| *byte == 0).filter(|arg| !arg.is_empty());
    args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

/// Samples one process with all its threads.
pub(crate) fn sample_process(pid: u32) -> Option<ProcessSample> {
    let stat = stat_of(pid)?;
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let rss_pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    let (n_fds, n_sockets) = count_fds(pid);
    let tasks = directory_numbers(Path::new(&format!("/proc/{pid}/task")));
    Some(ProcessSample {
        pid,
        ppid: stat.ppid,
        name: stat.name,
        rss: rss_pages * page_size(),
        n_fds,
        n_sockets,
        tasks: tasks.into_iter().filter_map(|tid| sample_task(pid, tid)).collect(),
    })
}

fn sample_task(pid: u32, tid: u32) -> Option<TaskSample> {
    let dir = format!("/proc/{pid}/task/{tid}");
    let stat = parse_stat(&fs::read_to_string(format!("{dir}/stat")).ok()?)?;
    let schedstat = fs::read_to_string(format!("{dir}/schedstat")).unwrap_or_default();
    let mut times = schedstat.split_ascii_whitespace().filter_map(|ns| ns.parse().ok());
    let status = fs::read_to_string(format!("{dir}/status")).unwrap_or_default();
    let switches = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    };
    Some(TaskSample {
        tid,
        name: stat.name,
        // A kernel without schedstat counts ticks only.
        run: Nanos(times.next().unwrap_or(stat.user.0 + stat.system.0)),
        wait: Nanos(times.next().unwrap_or(0)),
        user: stat.user,
        system: stat.system,
        n_voluntary: switches("voluntary_ctxt_switches:"),
        n_involuntary: switches("nonvoluntary_ctxt_switches:"),
    })
}

/// Counts open descriptors and those that are sockets; zeros where another user's process hides them.
fn count_fds(pid: u32) -> (u32, u32) {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return (0, 0);
    };
    let (mut n_fds, mut n_sockets) = (0, 0);
    for entry in entries.flatten() {
        n_fds += 1;
        let link = fs::read_link(entry.path()).unwrap_or_default();
        n_sockets += u32::from(link.to_string_lossy().starts_with("socket:"));
    }
    (n_fds, n_sockets)
}

/// Returns the inodes of the sockets that a process holds.
pub(crate) fn socket_inodes(pid: u32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// Tells whether a process has the file with this metadata open.
pub(crate) fn has_open(pid: u32, file: &fs::Metadata) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let is_it = |open: fs::Metadata| (open.dev(), open.ino()) == (file.dev(), file.ino());
    entries.flatten().any(|entry| fs::metadata(entry.path()).is_ok_and(is_it))
}

/// Returns all process ids.
pub(crate) fn all_pids() -> Vec<u32> {
    directory_numbers(Path::new("/proc"))
}

/// Samples the whole machine.
pub(crate) fn sample_machine() -> MachineCpu {
    parse_machine(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn parse_machine(stat: &str) -> MachineCpu {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let sum = |columns: &[usize]| {
        Nanos(columns.iter().map(|column| ticks.get(*column).copied().unwrap_or(0) * TICK_NS).sum())
    };
    MachineCpu { busy: sum(&[0, 1, 2, 5, 6]), idle: sum(&[3, 4]), steal: sum(&[7]) }
}

/// Returns the directory of a process's cgroup (v2), where it is visible.
pub(crate) fn cgroup_dir(pid: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let dir = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    dir.join("cpu.stat").exists().then_some(dir)
}

/// Samples the throttling of a cgroup; `None` where it has no quota counters.
pub(crate) fn sample_cgroup(dir: &Path) -> Option<CgroupSample> {
    let text = fs::read_to_string(dir.join("cpu.stat")).ok()?;
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some(CgroupSample {
        n_throttled: value("nr_throttled ")?,
        throttled: Nanos(value("throttled_usec ")?.saturating_mul(1000)),
    })
}

/// Returns the CPU limit of a cgroup in cores, where one is set.
pub(crate) fn cgroup_cpu_limit(dir: &Path) -> Option<f64> {
    let text = fs::read_to_string(dir.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_name_with_parentheses() {
        let stat = parse_stat("42 (a) (b) S 7 42 42 0 -1 0 1 2 3 4 250 50 0 0 20 0 11 0 1").unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.ppid), ("a) (b", 'S', 7));
        assert_eq!((stat.user, stat.system), (Nanos(2_500_000_000), Nanos(500_000_000)));
    }

    #[test]
    fn parses_the_machine_line() {
        let machine = parse_machine("cpu  1 2 3 40 5 6 7 8 0 0\ncpu0 1 2\n");
        assert_eq!(machine.busy, Nanos(19 * TICK_NS));
        assert_eq!((machine.idle, machine.steal), (Nanos(45 * TICK_NS), Nanos(8 * TICK_NS)));
    }

    #[test]
    fn finds_itself() {
        let own = std::process::id();
        assert!(tree_of(own, own).contains(&own));
        let sample = sample_process(own).unwrap();
        assert!(sample.rss > 0 && !sample.tasks.is_empty());
    }
}
