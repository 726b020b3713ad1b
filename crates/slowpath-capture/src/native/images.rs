//! Keeps the files of mapped code open, so that their symbols can be read when their processes are gone.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files kept open at most; a descriptor each. A Node.js process has about ten.
const MAX_OPEN: usize = 512;

/// One file of code.
#[derive(Debug)]
pub(super) struct Image {
    /// Path as the process sees it.
    pub(super) path: String,
    /// The file, where it could be opened.
    pub(super) file: Option<File>,
}

/// The images of a log, by their index there.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) images: Vec<Image>,
}

impl Images {
    /// Opens the image with index `index` unless it is known. `range` is where `pid` has it mapped.
    pub(super) fn add(&mut self, index: u32, path: &str, inode: u64, pid: u32, range: (u64, u64)) {
        if index as usize != self.images.len() {
            return;
        }
        let may_open = self.images.len() < MAX_OPEN && path.starts_with('/') && !path.starts_with("//");
        let file = may_open.then(|| open(path, inode, pid, range)).flatten();
        self.images.push(Image { path: path.to_owned(), file });
    }
}

/// Opens the file that a process has mapped: as the process sees it, else as we see it. A file that was replaced since,
/// as by an update, is reached through the mapping itself, where that is permitted.
fn open(path: &str, inode: u64, pid: u32, (start, end): (u64, u64)) -> Option<File> {
    let plain = path.strip_suffix(" (deleted)").unwrap_or(path);
    let seen_by_it = PathBuf::from(format!("/proc/{pid}/root{plain}"));
    let is_it = |file: &File| inode == 0 || file.metadata().is_ok_and(|metadata| metadata.ino() == inode);
    let by_path = || [seen_by_it.as_path(), Path::new(plain)].into_iter().filter_map(open_file);
    let mapped = || open_file(Path::new(&format!("/proc/{pid}/map_files/{start:x}-{end:x}")));
    // Overlay file systems tell other inodes by path than by mapping.
    by_path().find(is_it).or_else(mapped).or_else(|| by_path().next())
}

fn open_file(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}
