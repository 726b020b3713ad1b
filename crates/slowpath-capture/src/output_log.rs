//! Takes secrets out of the files that the target wrote its output into, once nobody writes to them any more: the target holds
//! them open, and must not be disturbed.

use crate::proc_fs::{all_pids, has_open};
use crate::redact_text;
use std::fs;
use std::io;
use std::path::Path;

/// Replaces an output file by its redacted form, or removes it where that cannot be done. What a process goes on writing to it is
/// in no file afterwards.
pub fn redact_output_log(path: &Path) {
    let Ok(bytes) = fs::read(path) else { return };
    let text = String::from_utf8_lossy(&bytes);
    let redacted = redact_text(&text);
    if redacted != text && replace(path, &redacted).is_err() {
        // Rather no output than a secret.
        let _ = fs::remove_file(path);
    }
}

/// Returns a process other than this one that has a file open, as far as the system shows us descriptors.
pub fn holder_of(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    all_pids().into_iter().find(|pid| *pid != std::process::id() && has_open(*pid, &file))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let replaced = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::{Command, Stdio};

    #[test]
    fn a_file_that_a_process_holds_is_known_and_one_that_nobody_does_loses_its_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        assert_eq!(holder_of(&path), None);
        fs::write(&path, "listening\napiKey=abcdef\n").unwrap();

        let held = File::options().append(true).open(&path).unwrap();
        let mut holder = Command::new("cat").stdin(Stdio::piped()).stdout(held).spawn().unwrap();
        assert_eq!(holder_of(&path), Some(holder.id()));
        drop(holder.stdin.take());
        holder.wait().unwrap();

        assert_eq!(holder_of(&path), None);
        redact_output_log(&path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "listening\napiKey=[redacted]\n");
    }
}
