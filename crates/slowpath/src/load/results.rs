//! The results file: everything that a load measured, so that it can be shown again and merged exactly.
//!
//! One line of JSON. Intervals are written as they come, so that an hour of load takes no more memory than a second; the
//! file gets its name when it is whole. `docs/load.md` describes it.

use super::measured::Ended;
use super::settings::Settings;
use super::sweep::Sweep;
use crate::exit_code::{ExitCode, Explained, explained};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use slowpath_load::Interval;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Version of the format; raised when an older reader would misunderstand a newer file.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Name that stands for standard output.
const STDOUT: &str = "-";

/// What is known when a load starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultsHead {
    pub(crate) format_version: u32,
    pub(crate) slowpath_version: String,
    /// Which processes measured it: random numbers, so that nothing is merged twice.
    pub(crate) ids: Vec<String>,
    /// The parts of the load that are in it.
    pub(crate) shards: Shards,
    /// RFC 3339, in UTC. Times of intervals count from here.
    pub(crate) started_at: Timestamp,
    pub(crate) settings: Settings,
}

/// Parts of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shards {
    pub(crate) count: u32,
    /// From 0, ascending.
    pub(crate) indexes: Vec<u32>,
}

impl Shards {
    /// Returns the parts that are not in it.
    pub(crate) fn missing(&self) -> Vec<u32> {
        (0..self.count).filter(|index| !self.indexes.contains(index)).collect()
    }
}

/// What is known when it has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ResultsTail {
    totals: Interval,
    ended: Ended,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sweep: Option<Sweep>,
}

/// A whole file; the intervals are kept as text, each a fiftieth of what it takes when decoded.
#[derive(Debug, Deserialize)]
pub(crate) struct ResultsFile {
    #[serde(flatten)]
    pub(crate) head: ResultsHead,
    pub(crate) intervals: Vec<Box<RawValue>>,
    pub(crate) totals: Interval,
    pub(crate) ended: Ended,
    #[serde(default)]
    pub(crate) sweep: Option<Sweep>,
}

/// Returns a number that no other process has.
pub(crate) fn fresh_id() -> String {
    format!("{:016x}", std::hash::RandomState::new().build_hasher().finish())
}

/// Writes a results file while the load runs.
pub(crate) struct ResultsWriter {
    out: BufWriter<Box<dyn Write + Send>>,
    /// Where it is written, and its name when it is whole; `None` on standard output.
    paths: Option<(PathBuf, PathBuf)>,
    /// Monotonic time from which intervals count.
    origin_ns: Option<u64>,
    n_intervals: usize,
    failure: Option<io::Error>,
}

impl ResultsWriter {
    /// Creates the file, so that it fails before the load starts if it cannot be written.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let is_stdout = path == Path::new(STDOUT);
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let out: Box<dyn Write + Send> = if is_stdout {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(&partial).map_err(|source| cannot_write(path, source))?)
        };
        Ok(Self {
            out: BufWriter::new(out),
            paths: (!is_stdout).then(|| (partial, path.to_owned())),
            origin_ns: None,
            n_intervals: 0,
            failure: None,
        })
    }

    /// Writes what is known when the load starts.
    pub(crate) fn begin(&mut self, head: &ResultsHead) {
        match serde_json::to_string(head) {
            Ok(text) => self.write(&format!("{},\"intervals\":[", text.strip_suffix('}').unwrap_or(&text))),
            Err(error) => self.failure = Some(error.into()),
        }
    }

    /// Appends an interval. A failure is kept for [`ResultsWriter::finish`].
    pub(crate) fn push(&mut self, interval: &Interval) {
        let origin_ns = *self.origin_ns.get_or_insert(interval.start_ns);
        let comma = if self.n_intervals > 0 { "," } else { "" };
        self.n_intervals += 1;
        match serde_json::to_string(&since(interval, origin_ns)) {
            Ok(text) => self.write(&format!("{comma}{text}")),
            Err(error) => self.failure = Some(error.into()),
        }
    }

    /// Completes the file and gives it its name.
    pub(crate) fn finish(
        mut self,
        totals: &Interval,
        ended: Ended,
        sweep: Option<&Sweep>,
    ) -> anyhow::Result<()> {
        let origin_ns = self.origin_ns.unwrap_or(totals.start_ns);
        let tail = ResultsTail { totals: since(totals, origin_ns), ended, sweep: sweep.cloned() };
        let tail = serde_json::to_string(&tail)?;
        self.write(&format!("],{}\n", tail.strip_prefix('{').unwrap_or(&tail)));
        let path = self.paths.as_ref().map_or(Path::new("standard output"), |(_, path)| path).to_owned();
        if let Some(failure) = self.failure.take() {
            return Err(cannot_write(&path, failure));
        }
        self.out.flush().map_err(|source| cannot_write(&path, source))?;
        if let Some((partial, path)) = self.paths.take() {
            std::fs::rename(&partial, &path).map_err(|source| cannot_write(&path, source))?;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) {
        if self.failure.is_none() {
            self.failure = self.out.write_all(text.as_bytes()).err();
        }
    }
}

impl Drop for ResultsWriter {
    fn drop(&mut self) {
        // Of a load that did not start nothing is to stay; what was measured stays under its partial name.
        if let Some((partial, _)) = self.paths.take().filter(|_| self.n_intervals == 0) {
            let _ = std::fs::remove_file(partial);
        }
    }
}

/// A results file that the load's own thread adds to; nothing where none is wanted.
#[derive(Clone, Default)]
pub(crate) struct SharedResults {
    writer: Option<Arc<Mutex<Option<ResultsWriter>>>>,
}

impl SharedResults {
    /// Creates the file, if there is to be one.
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let writer = path.map(ResultsWriter::create).transpose()?;
        Ok(Self { writer: writer.map(|writer| Arc::new(Mutex::new(Some(writer)))) })
    }

    /// As [`ResultsWriter::begin`].
    pub(crate) fn begin(&self, head: &ResultsHead) {
        self.with(|writer| writer.begin(head));
    }

    /// As [`ResultsWriter::push`].
    pub(crate) fn push(&self, interval: &Interval) {
        self.with(|writer| writer.push(interval));
    }

    /// As [`ResultsWriter::finish`].
    pub(crate) fn finish(
        &self,
        totals: &Interval,
        ended: Ended,
        sweep: Option<&Sweep>,
    ) -> anyhow::Result<()> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        writer.map_or(Ok(()), |writer| writer.finish(totals, ended, sweep))
    }

    fn with(&self, work: impl FnOnce(&mut ResultsWriter)) {
        if let Some(writer) = &self.writer {
            writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(work);
        }
    }
}

fn cannot_write(path: &Path, source: io::Error) -> anyhow::Error {
    anyhow::Error::new(source).context(Explained {
        message: format!("cannot write the results to `{}`", path.display()),
        code: ExitCode::Failed,
        hint: Some("pass a file that you may write, on a disk with space, with `--out FILE`".into()),
    })
}

/// Returns the interval with its times counted from `origin_ns`.
fn since(interval: &Interval, origin_ns: u64) -> Interval {
    let mut interval = interval.clone();
    interval.start_ns = interval.start_ns.saturating_sub(origin_ns);
    interval.end_ns = interval.end_ns.saturating_sub(origin_ns);
    interval
}

impl ResultsFile {
    /// Reads a results file of this version.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let unreadable = |detail: String| {
            explained(
                ExitCode::Usage,
                format!("cannot read `{}` as results of a load: {detail}", path.display()),
                "pass files that `slowpath load --out FILE` or `slowpath merge --out FILE` wrote",
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        // The version first: a newer file may lack what this one asks for.
        let version: VersionOnly =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if version.format_version != FORMAT_VERSION {
            let hint = if version.format_version > FORMAT_VERSION {
                "update slowpath: a newer version wrote it"
            } else {
                "measure again: this version cannot read it any more"
            };
            return Err(explained(
                ExitCode::Usage,
                format!(
                    "`{}` has format {}, this slowpath reads format {FORMAT_VERSION}",
                    path.display(),
                    version.format_version
                ),
                hint,
            ));
        }
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
    }

    /// Decodes the intervals one after the other.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = serde_json::Result<Interval>> {
        self.intervals.iter().map(|text| serde_json::from_str(text.get()))
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    format_version: u32,
}

#[cfg(test)]
#[path = "results_tests.rs"]
mod tests;
