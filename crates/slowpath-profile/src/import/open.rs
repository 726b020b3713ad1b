//! Opens profile files of any format and puts them into one [`Profile`].

use super::format::{Format, Recognised, recognise};
use super::{BadInput, Content, chrome_trace, collapsed, cpuprofile, firefox, heapprofile};
use super::{perf_data, perf_script, pprof, speedscope, v8_log};
use crate::Nanos;
use crate::tables::{Profile, Timing, WeightUnit};
use flate2::bufread::MultiGzDecoder;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// Bytes that a format is recognised by. V8's call trees begin at once; traces may begin with some metadata.
const HEAD: usize = 1 << 16;

/// What must be held in memory may be this large.
const MAX_IN_MEMORY: u64 = 8 << 30;

/// gzip packs zeros a thousand times smaller, profiles five to forty times: what unpacks to more than this many times its
/// size, and to more than [`SMALL`], is made to fill memory.
const MAX_RATIO: u64 = 100;

/// What unpacks to less than this is read whatever its ratio.
const SMALL: u64 = 64 << 20;

/// Files at most this far apart in time are shown on one clock; others begin together at zero.
const SAME_CLOCK_GAP: Nanos = Nanos(60 * crate::SECOND);

/// Opened files, in one set of tables.
#[derive(Debug)]
pub struct Imported {
    /// Functions, stacks and threads of all files.
    pub profile: Profile,
    /// One entry a file, in the order asked for.
    pub files: Vec<ImportedFile>,
}

/// What one file was.
#[derive(Debug, Clone)]
pub struct ImportedFile {
    /// Its path.
    pub path: PathBuf,
    /// What it was recognised as.
    pub format: Format,
    /// Its size on the disk.
    pub n_bytes: u64,
    /// Its samples.
    pub n_samples: u64,
    /// What to know of it, one sentence each.
    pub notes: Vec<String>,
}

/// Why files could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The disk refused.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// None of the formats.
    #[error("`{path}` is no profile that slowpath knows: {what}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it is instead, as far as that can be told.
        what: &'static str,
    },
    /// Of a known format, but broken.
    #[error("cannot read `{path}` as {}", format.as_str())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What it was recognised as.
        format: Format,
        /// What is wrong with it, and where.
        source: BadInput,
    },
    /// In order, but without a sample.
    #[error("`{path}` ({}) holds no samples", format.as_str())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it was recognised as.
        format: Format,
    },
    /// Time, bytes and bare counts cannot be added up.
    #[error("`{first}` counts {} and `{second}` {}", unit_name(*first_unit), unit_name(*second_unit))]
    Mixed {
        /// The first file.
        first: PathBuf,
        /// What it counts.
        first_unit: WeightUnit,
        /// The file that differs.
        second: PathBuf,
        /// What that counts.
        second_unit: WeightUnit,
    },
}

fn unit_name(unit: WeightUnit) -> &'static str {
    match unit {
        WeightUnit::Nanoseconds => "time",
        WeightUnit::Bytes => "bytes",
        WeightUnit::Samples => "bare samples",
    }
}

/// Reads every file of `paths` into one profile.
pub fn open_files(paths: &[PathBuf]) -> Result<Imported, ImportError> {
    let mut profile = Profile::default();
    let (mut files, mut contents): (Vec<ImportedFile>, Vec<Content>) = (Vec::new(), Vec::new());
    for path in paths {
        let (format, content) = open_file(path, &mut profile)?;
        if let Some(first) = contents.first().filter(|first| first.unit != content.unit) {
            return Err(ImportError::Mixed {
                first: files[0].path.clone(),
                first_unit: first.unit,
                second: path.clone(),
                second_unit: content.unit,
            });
        }
        files.push(ImportedFile {
            path: path.clone(),
            format,
            n_bytes: std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            n_samples: content.n_samples(),
            notes: content.notes.clone(),
        });
        contents.push(content);
    }
    join(&mut profile, &files, contents);
    Ok(Imported { profile, files })
}

fn open_file(path: &Path, profile: &mut Profile) -> Result<(Format, Content), ImportError> {
    let io_error = |source| ImportError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io_error)?;
    let length = file.metadata().map_err(io_error)?.len();
    let (head, mut text) = unpack(file).map_err(io_error)?;
    let mut whole = None;
    let mut recognised = recognise(&head, head.len() < HEAD);
    if recognised == Recognised::NeedsMore {
        let bytes = read_all(head.clone(), &mut text, length).map_err(io_error)?;
        recognised = recognise(&bytes, true);
        whole = Some(bytes);
    }
    let format = match recognised {
        Recognised::Profile(format) => format,
        Recognised::Other(what) => return Err(ImportError::Unknown { path: path.to_owned(), what }),
        Recognised::Unknown | Recognised::NeedsMore => {
            return Err(ImportError::Unknown {
                path: path.to_owned(),
                what: "its content is of no known format",
            });
        }
    };
    let bad = |source| ImportError::Bad { path: path.to_owned(), format, source };
    let mut content = match (format, whole) {
        (Format::PerfScript | Format::Collapsed | Format::V8Log, _) => {
            import_text(format, Cursor::new(head).chain(text), profile).map_err(bad)?
        }
        (_, Some(bytes)) => import_whole(format, &bytes, profile).map_err(bad)?,
        (_, None) => {
            let bytes = read_all(head, &mut text, length).map_err(io_error)?;
            import_whole(format, &bytes, profile).map_err(bad)?
        }
    };
    content.finish().map_err(bad)?;
    if content.threads.is_empty() {
        return Err(ImportError::Empty { path: path.to_owned(), format });
    }
    Ok((format, content))
}

/// Adds what `bytes` hold to `profile`, whatever their format; `None` when it is not recognised.
pub fn import_bytes(bytes: &[u8], profile: &mut Profile) -> Option<Result<(Format, Content), BadInput>> {
    let Recognised::Profile(format) = recognise(bytes, true) else { return None };
    Some(import_as(format, bytes, profile).map(|content| (format, content)))
}

/// Adds what `bytes` hold to `profile`, read as `format` whatever they look like.
pub fn import_as(format: Format, bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let mut content = import_whole(format, bytes, profile)?;
    content.finish()?;
    Ok(content)
}

fn import_text(format: Format, text: impl Read, profile: &mut Profile) -> Result<Content, BadInput> {
    match format {
        Format::Collapsed => collapsed::import(text, profile),
        Format::V8Log => v8_log::import(text, profile),
        _ => perf_script::import(text, profile),
    }
}

fn import_whole(format: Format, bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    match format {
        Format::CpuProfile => cpuprofile::import(bytes, profile),
        Format::HeapProfile => heapprofile::import(bytes, profile),
        Format::Speedscope => speedscope::import(bytes, profile),
        Format::ChromeTrace => chrome_trace::import(bytes, profile),
        Format::Pprof => pprof::import(bytes, profile),
        Format::Firefox => firefox::import(bytes, profile),
        Format::PerfData => perf_data::import(bytes, profile),
        Format::Collapsed | Format::V8Log | Format::PerfScript => import_text(format, bytes, profile),
    }
}

/// Takes the gzip away if there is one. Returns the first bytes of the content, and what follows them.
fn unpack(file: File) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut file = BufReader::with_capacity(HEAD, file);
    let is_packed = io::BufRead::fill_buf(&mut file)?.starts_with(&[0x1f, 0x8b]);
    let mut text: Box<dyn Read> =
        if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut head = Vec::with_capacity(HEAD);
    // A damaged end is the importer's to tell, with its place.
    match text.by_ref().take(HEAD as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => return Err(error),
        _ => {}
    }
    Ok((head, text))
}

/// Reads on after `head` to the end; `length` is the file's on the disk.
fn read_all(head: Vec<u8>, rest: &mut dyn Read, length: u64) -> io::Result<Vec<u8>> {
    let most = length.saturating_mul(MAX_RATIO).clamp(SMALL, MAX_IN_MEMORY);
    let mut bytes = head;
    bytes.reserve_exact((length as usize).saturating_sub(bytes.len()).min(most as usize) + 1);
    match rest.take(most).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > most => {
            let limit = if most == MAX_IN_MEMORY { "8 GiB" } else { "a hundred times its size" };
            Err(io::Error::other(format!("it unpacks to more than {limit}")))
        }
        // A cut file is parsed as far as it goes, so that the error has its place.
        Err(error)
            if error.kind() != io::ErrorKind::UnexpectedEof
                && error.kind() != io::ErrorKind::InvalidInput =>
        {
            Err(error)
        }
        _ => Ok(bytes),
    }
}

/// Puts the threads of all files beside each other: no two with the same number, on one clock where they share one.
fn join(profile: &mut Profile, files: &[ImportedFile], contents: Vec<Content>) {
    profile.unit = contents.first().map_or_else(WeightUnit::default, |content| content.unit);
    let shifts = shifts(&contents);
    let mut taken: HashSet<(u32, u32)> = HashSet::new();
    let mut free: HashMap<u32, u32> = HashMap::new();
    let several = contents.len() > 1;
    for ((file, content), shift) in files.iter().zip(contents).zip(shifts) {
        let stem = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let only_one = content.threads.len() == 1;
        for mut thread in content.threads {
            let next_free = free.entry(thread.pid).or_default();
            if taken.contains(&(thread.pid, thread.thread)) {
                thread.thread = *next_free;
            }
            taken.insert((thread.pid, thread.thread));
            *next_free = thread.thread.saturating_add(1).max(*next_free);
            if thread.timing == Timing::Recorded {
                for start in
                    thread.start.iter_mut().chain(thread.segments.iter_mut().flat_map(|(a, b)| [a, b]))
                {
                    *start = start.since(shift);
                }
            }
            if several {
                let is_unnamed = only_one && thread.name.is_empty();
                thread.name =
                    if is_unnamed { stem.clone() } else { format!("{stem}: {}", thread.display_name()) };
            }
            profile.threads.push(thread);
        }
    }
}

/// Returns what to take off each file's times: the earliest moment of all if they lie close, else each its own first.
fn shifts(contents: &[Content]) -> Vec<Nanos> {
    let range = |content: &Content| {
        let segments = content.threads.iter().flat_map(|thread| &thread.segments);
        let (starts, ends): (Vec<_>, Vec<_>) = segments.copied().unzip();
        Some((*starts.iter().min()?, *ends.iter().max()?))
    };
    let mut ranges: Vec<_> = contents.iter().filter_map(range).collect();
    ranges.sort_unstable();
    let first = ranges.first().map_or(Nanos(0), |(start, _)| *start);
    let mut until = first;
    let mut are_close = true;
    for (start, end) in ranges {
        are_close &= start.since(until) <= SAME_CLOCK_GAP;
        until = until.max(end);
    }
    let own = |content: &Content| range(content).map_or(Nanos(0), |(start, _)| start);
    contents.iter().map(|content| if are_close { first } else { own(content) }).collect()
}
