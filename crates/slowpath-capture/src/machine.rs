//! Describes the machine for the manifest.

use crate::proc_fs::{cgroup_cpu_limit, cgroup_dir};
use slowpath_profile::recording::Machine;
use std::fs;

/// Returns what the report says of the machine; unknown parts are empty.
pub fn describe_machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0);
    Machine {
        cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        cpu_model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        memory_bytes: memory_kib * 1024,
        cgroup_cpu_limit: cgroup_dir(std::process::id()).and_then(|dir| cgroup_cpu_limit(&dir)),
    }
}
