//! What this machine permits, and the command that permits more. The judging is pure: facts in, sentences out.

use std::fmt;
use std::fs;
use std::io;

/// Something that is missing from the recording, why, and what brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What is missing and the setting that is to blame, as one sentence.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fix.is_empty() { f.write_str(&self.what) } else { write!(f, "{}; {}", self.what, self.fix) }
    }
}

/// The settings that decide what may be sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privileges {
    /// `/proc/sys/kernel/perf_event_paranoid`; absent where the kernel has no perf events.
    pub paranoid: Option<i32>,
    /// `/proc/sys/kernel/kptr_restrict`.
    pub kptr_restrict: i32,
    /// `CAP_PERFMON` or `CAP_SYS_ADMIN`: sampling anything.
    pub may_sample_all: bool,
    /// `CAP_SYSLOG`: seeing kernel addresses.
    pub may_see_addresses: bool,
    /// Whether a seccomp filter is in force, as in containers.
    pub is_filtered: bool,
    /// Our effective user id.
    pub user: u32,
}

/// Errors of the kernel, by their numbers on Linux.
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EACCES: i32 = 13;
const EMFILE: i32 = 24;
const ENOSYS: i32 = 38;

/// Bits of `CapEff`.
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_SYSLOG: u64 = 1 << 34;
const CAP_PERFMON: u64 = 1 << 38;

/// What a container needs. Docker's default filter allows the call only with the capability.
const FOR_CONTAINERS: &str = "start the container with `--cap-add PERFMON --security-opt seccomp=unconfined`";

impl Privileges {
    /// Reads the settings that hold for this process.
    pub fn read() -> Self {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches(':').trim().to_owned())
        };
        let capabilities = field("CapEff").and_then(|text| u64::from_str_radix(&text, 16).ok()).unwrap_or(0);
        Self {
            paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
            kptr_restrict: number("/proc/sys/kernel/kptr_restrict").unwrap_or(0),
            may_sample_all: capabilities & (CAP_PERFMON | CAP_SYS_ADMIN) != 0,
            may_see_addresses: capabilities & CAP_SYSLOG != 0,
            is_filtered: field("Seccomp").is_some_and(|mode| mode == "2"),
            user: rustix::process::geteuid().as_raw(),
        }
    }

    /// Says why sampling a process of user `owner` was refused with `error`, user frames alone being asked for.
    pub fn explain_refusal(&self, error: &io::Error, pid: u32, owner: Option<u32>) -> Lack {
        let lack = |what: String, fix: &str| Lack { what, fix: fix.to_owned() };
        let paranoid = self.paranoid.unwrap_or(0);
        match error.raw_os_error() {
            Some(EACCES | EPERM) if !self.may_sample_all && paranoid > 2 => lack(
                format!(
                    "kernel.perf_event_paranoid is {paranoid}, sampling one's own processes needs 2 or lower"
                ),
                "run `sudo sysctl kernel.perf_event_paranoid=1`, or slowpath with the capability CAP_PERFMON",
            ),
            Some(EACCES | EPERM) if !self.may_sample_all && owner.is_some_and(|owner| owner != self.user) => {
                let owner = owner.map_or_else(String::new, |owner| format!(" (user {owner})"));
                lack(
                    format!("process {pid} belongs to another user{owner}, who alone may sample it"),
                    "run slowpath as that user, or with `sudo`",
                )
            }
            Some(EACCES | EPERM) if self.is_filtered => {
                lack("a seccomp filter of this container forbids `perf_event_open`".into(), FOR_CONTAINERS)
            }
            Some(EACCES | EPERM) => lack(
                format!("the kernel does not permit sampling process {pid}: {error}"),
                "run slowpath with `sudo`, or with the capability CAP_PERFMON",
            ),
            Some(ENOSYS) if self.is_filtered => {
                lack("a seccomp filter of this container hides `perf_event_open`".into(), FOR_CONTAINERS)
            }
            Some(ENOSYS | ENOENT) => {
                lack("this kernel has no perf events".into(), "it must be built with CONFIG_PERF_EVENTS")
            }
            Some(ESRCH) => lack(format!("process {pid} is gone"), "check the process id"),
            Some(EMFILE) => lack(
                "there are too few file descriptors for one event a thread and CPU".into(),
                "raise the limit with `ulimit -n`",
            ),
            _ => lack(format!("`perf_event_open` failed: {error}"), ""),
        }
    }

    /// Says why the kernel's frames were refused.
    pub fn explain_no_kernel(&self) -> Lack {
        match self.paranoid {
            Some(paranoid) if paranoid > 1 => Lack {
                what: format!(
                    "kernel frames are missing: kernel.perf_event_paranoid is {paranoid}, they need 1 or lower"
                ),
                fix: "run `sudo sysctl kernel.perf_event_paranoid=1`, or slowpath with the capability CAP_PERFMON"
                    .into(),
            },
            _ => Lack {
                what: "kernel frames are missing: the kernel does not permit them here".into(),
                fix: if self.is_filtered { FOR_CONTAINERS.into() } else { "run slowpath with `sudo`".into() },
            },
        }
    }

    /// Says why kernel functions have no names.
    pub fn explain_no_kernel_names(&self) -> Lack {
        let restrict = self.kptr_restrict;
        let fix = match restrict {
            _ if restrict >= 2 && self.may_see_addresses => "run `sudo sysctl kernel.kptr_restrict=1`",
            0 => "run slowpath with `sudo`, or `sudo sysctl kernel.perf_event_paranoid=1`",
            _ => "run `sudo sysctl kernel.kptr_restrict=0`, or slowpath with `sudo`",
        };
        let what =
            format!("kernel functions have no names: kernel.kptr_restrict is {restrict} and hides addresses");
        Lack { what, fix: fix.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: Privileges = Privileges {
        paranoid: Some(2),
        kptr_restrict: 1,
        may_sample_all: false,
        may_see_addresses: false,
        is_filtered: false,
        user: 1000,
    };

    fn refusal(privileges: Privileges, errno: i32, owner: u32) -> String {
        privileges.explain_refusal(&io::Error::from_raw_os_error(errno), 4242, Some(owner)).to_string()
    }

    #[test]
    fn a_refusal_names_the_setting_and_the_command() {
        assert_eq!(
            refusal(Privileges { paranoid: Some(4), ..ORDINARY }, EACCES, 1000),
            "kernel.perf_event_paranoid is 4, sampling one's own processes needs 2 or lower; run \
             `sudo sysctl kernel.perf_event_paranoid=1`, or slowpath with the capability CAP_PERFMON"
        );
        assert_eq!(
            refusal(ORDINARY, EACCES, 0),
            "process 4242 belongs to another user (user 0), who alone may sample it; run slowpath as that user, or \
             with `sudo`"
        );
        assert_eq!(
            refusal(Privileges { is_filtered: true, ..ORDINARY }, EPERM, 1000),
            "a seccomp filter of this container forbids `perf_event_open`; start the container with \
             `--cap-add PERFMON --security-opt seccomp=unconfined`"
        );
        assert_eq!(refusal(ORDINARY, ESRCH, 1000), "process 4242 is gone; check the process id");
        let old = "this kernel has no perf events; it must be built with CONFIG_PERF_EVENTS";
        assert_eq!(refusal(ORDINARY, ENOSYS, 1000), old);
        let few = "there are too few file descriptors for one event a thread and CPU; raise the limit with `ulimit -n`";
        assert_eq!(refusal(ORDINARY, EMFILE, 1000), few);
    }

    #[test]
    fn missing_kernel_frames_name_the_setting_and_the_command() {
        let told = ORDINARY.explain_no_kernel().to_string();
        assert!(told.contains("perf_event_paranoid is 2, they need 1 or lower"), "{told}");
        assert!(told.contains("`sudo sysctl kernel.perf_event_paranoid=1`"), "{told}");
    }

    #[test]
    fn hidden_kernel_names_blame_what_hides_them() {
        let fix = |privileges: Privileges| privileges.explain_no_kernel_names().fix;
        assert!(fix(ORDINARY).contains("kptr_restrict=0"));
        assert!(fix(Privileges { kptr_restrict: 0, ..ORDINARY }).contains("perf_event_paranoid=1"));
        assert!(
            fix(Privileges { kptr_restrict: 2, may_see_addresses: true, ..ORDINARY })
                .contains("kptr_restrict=1")
        );
    }
}
