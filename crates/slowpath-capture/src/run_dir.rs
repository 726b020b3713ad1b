//! The private directory of a run: the agent's files, the socket, the exit notes. Mode 0700, gone at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

/// The agent, embedded so that the binary is all that a machine needs.
const AGENT_FILES: &[(&str, &str)] = &[
    ("slowpath-agent.cjs", include_str!("../../../agent/slowpath-agent.cjs")),
    ("hide.cjs", include_str!("../../../agent/hide.cjs")),
    ("probe.cjs", include_str!("../../../agent/probe.cjs")),
    ("async.cjs", include_str!("../../../agent/async.cjs")),
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
    ("redis-writes.cjs", include_str!("../../../agent/redis-writes.cjs")),
    ("calls.cjs", include_str!("../../../agent/calls.cjs")),
    ("heap.cjs", include_str!("../../../agent/heap.cjs")),
    ("collections.cjs", include_str!("../../../agent/collections.cjs")),
    ("deopts.cjs", include_str!("../../../agent/deopts.cjs")),
    ("deopt-trace.cjs", include_str!("../../../agent/deopt-trace.cjs")),
];

/// A private directory, removed when dropped.
///
/// It lies in the system's temporary directory and not in the recording: a Unix socket's path holds 108 bytes at most.
#[derive(Debug)]
pub struct RunDir {
    dir: tempfile::TempDir,
}

impl RunDir {
    /// Creates the directory and writes the agent into it.
    pub fn create() -> io::Result<Self> {
        // `tempfile` creates directories with mode 0700.
        let dir = tempfile::Builder::new().prefix("slowpath-").tempdir()?;
        for (name, text) in AGENT_FILES {
            fs::write(dir.path().join(name), text)?;
        }
        Ok(Self { dir })
    }

    /// Gives the directory to a user, whose processes are to load the agent and to connect. Only root can give to others.
    pub fn share_with(&self, uid: u32, gid: u32) -> io::Result<()> {
        if fs::metadata(self.path())?.uid() == uid {
            return Ok(());
        }
        for entry in fs::read_dir(self.path())? {
            chown(entry?.path(), Some(uid), Some(gid))?;
        }
        chown(self.path(), Some(uid), Some(gid))
    }

    /// Path of the script to preload.
    pub fn agent(&self) -> PathBuf {
        self.dir.path().join(AGENT_FILES[0].0)
    }

    /// Path of the collector's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
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

/// Reads the exit note of `pid` in `dir`.
pub(crate) fn exit_code_in(dir: &Path, pid: u32) -> Option<i32> {
    let text = fs::read(dir.join(format!("exit-{pid}.json"))).ok()?;
    let note: serde_json::Value = serde_json::from_slice(&text).ok()?;
    note.get("code")?.as_i64().map(|code| code as i32)
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
}
