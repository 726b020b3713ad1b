//! Writes the code that the target ran into the recording, with source maps and the files that those name.
//!
//! Bounded: a file may be large, all of them together may be larger, and what does not fit is left out and said.

use crate::redact::redact_code;
use crate::source_maps::{self, FoundMap};
use slowpath_profile::classify::{package_of, path_of_url};
use slowpath_profile::recording::{Layout, Source, SourceLog};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Text of all sources together. The code of a large gateway has some MB, with its dependencies some ten.
const MAX_TOTAL_BYTES: usize = 48 << 20;

/// An original file that is larger is left out; bundles themselves may be larger.
const MAX_ORIGINAL_BYTES: usize = 4 << 20;

/// TypeScript compiled, then bundled, then minified: maps may name files that have maps themselves.
const MAX_LEVELS: u32 = 4;

/// Appends sources to a recording, each once.
#[derive(Debug)]
pub(crate) struct SourceRecorder {
    log: SourceLog,
    written: BTreeSet<String>,
    n_bytes: usize,
    n_left_out: usize,
}

impl SourceRecorder {
    /// Creates the recording's source log.
    pub(crate) fn create(layout: &Layout) -> io::Result<Self> {
        let log = SourceLog::create(&layout.source_log())?;
        Ok(Self { log, written: BTreeSet::new(), n_bytes: 0, n_left_out: 0 })
    }

    /// Whether this source was written already.
    pub(crate) fn has(&self, url: &str) -> bool {
        self.written.contains(url)
    }

    /// Returns how many sources did not fit.
    pub(crate) fn n_left_out(&self) -> usize {
        self.n_left_out
    }

    /// Appends a script as V8 gave it, and what its source map leads to.
    pub(crate) fn add_script(
        &mut self,
        url: &str,
        text: &str,
        map_url: &str,
        functions: Vec<(String, u32, u32)>,
    ) -> io::Result<()> {
        self.add(url, text, map_url, functions, MAX_LEVELS)
    }

    /// Appends a script as the disk has it, for a target that cannot be asked any more.
    pub(crate) fn add_from_disk(&mut self, url: &str) -> io::Result<()> {
        let path = path_of_url(url);
        if !self.has(url)
            && path.starts_with('/')
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let map_url = source_maps::source_mapping_url(&text).unwrap_or_default().to_owned();
            return self.add(url, &text, &map_url, Vec::new(), MAX_LEVELS);
        }
        Ok(())
    }

    fn add(
        &mut self,
        url: &str,
        text: &str,
        map_url: &str,
        functions: Vec<(String, u32, u32)>,
        levels: u32,
    ) -> io::Result<()> {
        if self.has(url) {
            return Ok(());
        }
        if self.n_bytes + text.len() > MAX_TOTAL_BYTES {
            self.n_left_out += 1;
            return Ok(());
        }
        self.n_bytes += text.len();
        self.written.insert(url.to_owned());
        let path = path_of_url(url);
        let directory = Path::new(&path).parent().unwrap_or(Path::new("")).to_owned();
        let found = if map_url.is_empty() || levels == 0 {
            FoundMap::default()
        } else {
            // A map that is named and missing is common in `node_modules`; the script itself is what ran.
            source_maps::find(map_url, &directory).unwrap_or_default()
        };
        let source = Source { url: url.to_owned(), text: redact_code(text), functions, map: found.sections };
        self.log.push(&source)?;
        // The application's own files first: they matter more if space runs out.
        let (own, others): (Vec<_>, Vec<_>) =
            found.contents.into_iter().partition(|(path, _)| package_of(path).is_none());
        for (path, content) in own.into_iter().chain(others) {
            if path.is_empty() || self.has(&path) {
                continue;
            }
            let Some(text) = content.or_else(|| std::fs::read_to_string(&path).ok()) else { continue };
            if text.len() > MAX_ORIGINAL_BYTES {
                self.n_left_out += 1;
                continue;
            }
            let map_url = source_maps::source_mapping_url(&text).unwrap_or_default().to_owned();
            self.add(&path, &text, &map_url, Vec::new(), levels - 1)?;
        }
        Ok(())
    }
}
