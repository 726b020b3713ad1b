//! The directory of a run: the agent's files, the socket, the exit notes. Gone at the end.
//!
//! Processes of the target may run as several users, by `setuid` or by a program that drops privileges, and all inherit the
//! agent in `NODE_OPTIONS`: a Node process that cannot read it does not start. So everybody may enter the directory and read the agent,
//! nobody but the owner may list or change it; whose connections the socket takes, the collector decides (`collector/peers.rs`).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

/// The agent, embedded so that the binary is all that a machine needs.
const AGENT_FILES: &[(&str, &str)] = &[
    ("slowpath-agent.cjs", include_str!("../../../agent/slowpath-agent.cjs")),
    ("hide.cjs", include_str!("../../../agent/hide.cjs")),
    ("probe.cjs", include_str!("../../../agent/probe.cjs")),
    ("async.cjs", include_str!("../../../agent/async.cjs")),
    ("copy-records.cjs", include_str!("../../../agent/copy-records.cjs")),
    ("async-iterations.cjs", include_str!("../../../agent/async-iterations.cjs")),
    ("async-followed.cjs", include_str!("../../../agent/async-followed.cjs")),
    ("async-ring.cjs", include_str!("../../../agent/async-ring.cjs")),
    ("async-sampling.cjs", include_str!("../../../agent/async-sampling.cjs")),
    ("async-sites.cjs", include_str!("../../../agent/async-sites.cjs")),
    ("async-sources.cjs", include_str!("../../../agent/async-sources.cjs")),
    ("async-windows.cjs", include_str!("../../../agent/async-windows.cjs")),
    ("async-looks.cjs", include_str!("../../../agent/async-looks.cjs")),
    ("protocols.cjs", include_str!("../../../agent/protocols.cjs")),
    ("async-jobs.cjs", include_str!("../../../agent/async-jobs.cjs")),
    ("async-undici.cjs", include_str!("../../../agent/async-undici.cjs")),
    ("async-http2.cjs", include_str!("../../../agent/async-http2.cjs")),
    ("cpu-time.cjs", include_str!("../../../agent/cpu-time.cjs")),
    ("lookups.cjs", include_str!("../../../agent/lookups.cjs")),
    ("ring.cjs", include_str!("../../../agent/ring.cjs")),
    ("relay.cjs", include_str!("../../../agent/relay.cjs")),
    ("cpu.cjs", include_str!("../../../agent/cpu.cjs")),
    ("sampling-cost.cjs", include_str!("../../../agent/sampling-cost.cjs")),
    ("inspector.cjs", include_str!("../../../agent/inspector.cjs")),
    ("sources.cjs", include_str!("../../../agent/sources.cjs")),
    ("counters.cjs", include_str!("../../../agent/counters.cjs")),
    ("tally.cjs", include_str!("../../../agent/tally.cjs")),
    ("call-sites.cjs", include_str!("../../../agent/call-sites.cjs")),
    ("patch.cjs", include_str!("../../../agent/patch.cjs")),
    ("wrap-values.cjs", include_str!("../../../agent/wrap-values.cjs")),
    ("wrap-blocking.cjs", include_str!("../../../agent/wrap-blocking.cjs")),
    ("wrap-files.cjs", include_str!("../../../agent/wrap-files.cjs")),
    ("wrap-http.cjs", include_str!("../../../agent/wrap-http.cjs")),
    ("wrap-net.cjs", include_str!("../../../agent/wrap-net.cjs")),
    ("wrap-timers.cjs", include_str!("../../../agent/wrap-timers.cjs")),
    ("redis-pairs.cjs", include_str!("../../../agent/redis-pairs.cjs")),
    ("redis-replies.cjs", include_str!("../../../agent/redis-replies.cjs")),
    ("redis-writes.cjs", include_str!("../../../agent/redis-writes.cjs")),
    ("calls.cjs", include_str!("../../../agent/calls.cjs")),
    ("heap.cjs", include_str!("../../../agent/heap.cjs")),
    ("collections.cjs", include_str!("../../../agent/collections.cjs")),
    ("deopts.cjs", include_str!("../../../agent/deopts.cjs")),
    ("deopt-trace.cjs", include_str!("../../../agent/deopt-trace.cjs")),
];

/// Name of the collector's socket.
const SOCKET: &str = "s";

/// Begins the name of a user's own directory in that of the run.
const USER_PREFIX: &str = "user-";

/// Mode of the directory: others may go through it to what they know the name of.
const ENTERED_BY_ALL: u32 = 0o711;

/// Mode of the agent's files, which hold nothing secret.
const READ_BY_ALL: u32 = 0o644;

/// The directory of a run, removed when dropped.
///
/// It lies in the system's temporary directory and not in the recording: a Unix socket's path holds 108 bytes at most.
#[derive(Debug)]
pub struct RunDir {
    dir: tempfile::TempDir,
}

impl RunDir {
    /// Creates the directory and writes the agent into it.
    pub fn create() -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("slowpath-").tempdir()?;
        // Said after the creation: the umask has no part in it.
        fs::set_permissions(dir.path(), Permissions::from_mode(ENTERED_BY_ALL))?;
        for (name, text) in AGENT_FILES {
            let path = dir.path().join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, Permissions::from_mode(READ_BY_ALL))?;
        }
        Ok(Self { dir })
    }

    /// Returns the path of the socket for processes of a user, beside which they can leave their exit notes: for another user that is a
    /// directory of its own, with a link to the socket. Only root can make one for others.
    pub fn socket_for(&self, uid: u32, gid: u32) -> io::Result<PathBuf> {
        if fs::metadata(self.path())?.uid() == uid {
            return Ok(self.socket());
        }
        let own = self.path().join(format!("{USER_PREFIX}{uid}"));
        if !own.exists() {
            fs::create_dir(&own)?;
            symlink(Path::new("..").join(SOCKET), own.join(SOCKET))?;
            fs::set_permissions(&own, Permissions::from_mode(0o700))?;
            chown(&own, Some(uid), Some(gid))?;
        }
        Ok(own.join(SOCKET))
    }

    /// Path of the script to preload.
    pub fn agent(&self) -> PathBuf {
        self.dir.path().join(AGENT_FILES[0].0)
    }

    /// Path of the collector's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join(SOCKET)
    }

    /// Returns the exit code that a Node process noted as it ended, if it did.
    pub fn exit_code(&self, pid: u32) -> Option<i32> {
        exit_code_in(self.dir.path(), pid)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Reads the exit note of `pid` in the directory of a run, or in that of a user in it.
pub(crate) fn exit_code_in(dir: &Path, pid: u32) -> Option<i32> {
    let is_of_user = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(USER_PREFIX);
    let of_users = fs::read_dir(dir).ok()?.flatten().filter(is_of_user).map(|entry| entry.path());
    std::iter::once(dir.to_owned()).chain(of_users).find_map(|dir| {
        let text = fs::read(dir.join(format!("exit-{pid}.json"))).ok()?;
        let note: serde_json::Value = serde_json::from_slice(&text).ok()?;
        note.get("code")?.as_i64().map(|code| code as i32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::classify::{AppScope, RECORDER_PACKAGE, classify};

    #[test]
    fn no_file_of_the_agent_counts_as_the_application_s_own() {
        let scope = AppScope::new("/srv", "/srv/server.js");
        for (name, _) in AGENT_FILES {
            let (_, package) = classify(&scope, "f", &format!("/tmp/slowpath-Ab3/{name}"));
            assert_eq!(package.as_deref(), Some(RECORDER_PACKAGE), "{name}");
        }
    }

    #[test]
    fn everybody_can_load_the_agent_and_nobody_else_can_list_or_change_what_is_there() {
        let run_dir = RunDir::create().expect("a directory");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(run_dir.path()), 0o711);
        assert!(AGENT_FILES.iter().all(|(name, _)| mode(&run_dir.path().join(name)) == 0o644));
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(run_dir.socket_for(own, 0).expect("our own"), run_dir.socket());
    }

    #[test]
    fn exit_notes_are_found_whichever_user_s_process_left_them() {
        let run_dir = RunDir::create().expect("a directory");
        let of_user = run_dir.path().join("user-33");
        fs::create_dir(&of_user).expect("a directory");
        fs::write(run_dir.path().join("exit-7.json"), r#"{"code":1}"#).expect("a note");
        fs::write(of_user.join("exit-8.json"), r#"{"code":2}"#).expect("a note");
        assert_eq!([7, 8, 9].map(|pid| run_dir.exit_code(pid)), [Some(1), Some(2), None]);
    }
}
