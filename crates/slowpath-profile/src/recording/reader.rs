//! Reads a recording back. Whatever a crash cut is left out and named, never an error.

use super::{
    AsyncLog, CounterRecord, CpuLogReader, CpuSegment, Event, FORMAT_VERSION, HeapRecord, Layout,
    LoadInterval, Manifest, NativeLog, NativeSymbols, ProcessRecord, Project, Source, SystemSample,
    TimedEvent, read_async_log, read_json_lines, read_source_log,
};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that a recording holds, in memory.
#[derive(Debug)]
pub struct Recording {
    /// Where it was read from.
    pub layout: Layout,
    /// What was run.
    pub manifest: Manifest,
    /// What project it is; `None` in recordings without.
    pub project: Option<Project>,
    /// What happened, in order.
    pub events: Vec<TimedEvent>,
    /// What the load generator saw; empty without load.
    pub load: Vec<LoadInterval>,
    /// `/proc` samples in order.
    pub system: Vec<SystemSample>,
    /// Loop, GC and heap records by process id.
    pub processes: BTreeMap<u32, Vec<ProcessRecord>>,
    /// Counts by process id.
    pub counters: BTreeMap<u32, Vec<CounterRecord>>,
    /// Windows of the heap recorder by process id.
    pub heap: BTreeMap<u32, Vec<HeapRecord>>,
    /// CPU samples by `(process id, thread)`.
    pub cpu: BTreeMap<(u32, u32), ThreadCpu>,
    /// Followed requests by process id.
    pub asynchronous: BTreeMap<u32, AsyncLog>,
    /// The code that ran, as far as it was recorded.
    pub sources: Vec<Source>,
    /// Native stacks, where they were recorded.
    pub native: Option<NativeStacks>,
    /// What could not be read, one sentence each.
    pub damage: Vec<String>,
    /// Size of each file in bytes, by name.
    pub file_bytes: BTreeMap<String, u64>,
}

/// CPU samples of one thread.
#[derive(Debug, Default)]
pub struct ThreadCpu {
    /// Uninterrupted stretches, in order.
    pub segments: Vec<CpuSegment>,
}

/// Native stacks of all processes.
#[derive(Debug, Default)]
pub struct NativeStacks {
    /// Stacks of addresses.
    pub log: NativeLog,
    /// Their names; empty after a crash of slowpath.
    pub symbols: NativeSymbols,
}

/// Why a directory cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// No manifest.
    #[error("`{dir}` is not a recording: it has no manifest.json")]
    NotARecording {
        /// The directory.
        dir: PathBuf,
    },
    /// The manifest is damaged.
    #[error("`{path}` is damaged")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Written by a newer slowpath.
    #[error("`{dir}` was recorded in format {found}, this slowpath reads up to format {FORMAT_VERSION}")]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The disk refused.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Recording {
    /// A recording of `manifest` in which nothing was recorded.
    pub fn empty(layout: Layout, manifest: Manifest) -> Self {
        Self {
            layout,
            manifest,
            project: None,
            events: Vec::new(),
            load: Vec::new(),
            system: Vec::new(),
            processes: BTreeMap::new(),
            counters: BTreeMap::new(),
            heap: BTreeMap::new(),
            cpu: BTreeMap::new(),
            asynchronous: BTreeMap::new(),
            sources: Vec::new(),
            native: None,
            damage: Vec::new(),
            file_bytes: BTreeMap::new(),
        }
    }

    /// Reads the recording in `dir`. Lines and pieces that a crash cut are named in `damage`.
    pub fn open(dir: &Path) -> Result<Self, RecordingError> {
        let layout = Layout::new(dir);
        let manifest = read_manifest(&layout)?;
        let mut damage = Vec::new();
        let events: Vec<TimedEvent> = lines(&layout.session_log(), &mut damage)?;
        let load = lines(&layout.load_log(), &mut damage)?;
        let system = lines(&layout.system_log(), &mut damage)?;
        if !events.iter().any(|event| event.event == Event::Finished) {
            damage.push("the recording was cut: slowpath ended before it could finish it".into());
        }
        let path = layout.source_log();
        let (sources, cut) =
            read_source_log(&path).map_err(|source| RecordingError::Io { path: path.clone(), source })?;
        if cut {
            damage.push("`sources.jsonl.gz` ends in the middle of a source".into());
        }
        let project = read_project(&layout, &mut damage)?;
        let mut recording =
            Self { project, events, load, system, sources, damage, ..Self::empty(layout, manifest) };
        recording.read_process_files()?;
        recording.read_native()?;
        Ok(recording)
    }

    fn read_native(&mut self) -> Result<(), RecordingError> {
        let path = self.layout.native_log();
        if !path.exists() {
            return Ok(());
        }
        let (log, cut) = NativeLog::read(&path).map_err(|source| RecordingError::Io { path, source })?;
        let is_finished = self.events.iter().any(|event| event.event == Event::Finished);
        if cut && is_finished {
            self.damage.push("`native.jsonl.gz` ends in the middle of a piece".into());
        }
        let symbols = NativeSymbols::read(&self.layout.native_symbols()).unwrap_or_else(|error| {
            self.damage.push(format!("`native-symbols.jsonl.gz`: {error}; native frames have no names"));
            NativeSymbols::default()
        });
        self.native = Some(NativeStacks { log, symbols });
        Ok(())
    }

    fn read_process_files(&mut self) -> Result<(), RecordingError> {
        let dir = self.layout.dir.clone();
        let io_error = |source| RecordingError::Io { path: dir.clone(), source };
        let mut files: Vec<_> =
            std::fs::read_dir(&dir).map_err(io_error)?.collect::<Result<_, _>>().map_err(io_error)?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let name = file.file_name().to_string_lossy().into_owned();
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            if let Some(pid) = log_pid(&name, "process-") {
                self.processes.insert(pid, lines(&file.path(), &mut self.damage)?);
            } else if let Some(pid) = log_pid(&name, "counters-") {
                self.counters.insert(pid, lines(&file.path(), &mut self.damage)?);
            } else if let Some(pid) = log_pid(&name, "heap-") {
                self.heap.insert(pid, lines(&file.path(), &mut self.damage)?);
            } else if let Some(thread) = cpu_log_thread(&name) {
                let (segments, cut) = CpuLogReader::read(&file.path())
                    .map_err(|source| RecordingError::Io { path: file.path(), source })?;
                if cut && self.events.iter().any(|event| event.event == Event::Finished) {
                    self.damage.push(format!("`{name}` ends in the middle of a piece"));
                }
                self.cpu.insert(thread, ThreadCpu { segments });
            } else if let Some(pid) = async_log_pid(&name) {
                let (log, cut) = read_async_log(&file.path())
                    .map_err(|source| RecordingError::Io { path: file.path(), source })?;
                if cut {
                    self.damage.push(format!("`{name}` ends in the middle of a line"));
                }
                self.asynchronous.insert(pid, log);
            } else if name.starts_with("report.") {
                continue;
            }
            self.file_bytes.insert(name, bytes);
        }
        Ok(())
    }
}

fn read_project(layout: &Layout, damage: &mut Vec<String>) -> Result<Option<Project>, RecordingError> {
    let path = layout.project();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecordingError::Io { path, source }),
    };
    let project = serde_json::from_slice(&text);
    if project.is_err() {
        damage.push("`project.json` cannot be read".into());
    }
    Ok(project.ok())
}

fn read_manifest(layout: &Layout) -> Result<Manifest, RecordingError> {
    let path = layout.manifest();
    let text = std::fs::read(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            RecordingError::NotARecording { dir: layout.dir.clone() }
        }
        _ => RecordingError::Io { path: path.clone(), source },
    })?;
    // The version first: a newer format may have a manifest of another shape.
    let damaged = |source| RecordingError::Manifest { path: path.clone(), source };
    let any: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    let found = any.get("format_version").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
    if found > FORMAT_VERSION {
        return Err(RecordingError::Newer { dir: layout.dir.clone(), found });
    }
    serde_json::from_value(any).map_err(damaged)
}

fn lines<T: serde::de::DeserializeOwned>(
    path: &Path,
    damage: &mut Vec<String>,
) -> Result<Vec<T>, RecordingError> {
    let found =
        read_json_lines(path).map_err(|source| RecordingError::Io { path: path.to_path_buf(), source })?;
    if found.n_unreadable > 0 {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        damage.push(format!("`{name}`: {} unreadable line(s) left out", found.n_unreadable));
    }
    Ok(found.values)
}

fn log_pid(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.strip_suffix(".jsonl")?.parse().ok()
}

fn async_log_pid(name: &str) -> Option<u32> {
    name.strip_prefix("async-")?.strip_suffix(".jsonl.gz")?.parse().ok()
}

fn cpu_log_thread(name: &str) -> Option<(u32, u32)> {
    let (pid, thread) = name.strip_prefix("cpu-")?.strip_suffix(".trace.json.gz")?.split_once('-')?;
    Some((pid.parse().ok()?, thread.parse().ok()?))
}
