//! Recognises a format by the first bytes of a file, never by its name.

use super::json::Json;
use super::perf_script::is_header as is_perf_script_header;

/// A profile format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// V8's CPU profile.
    CpuProfile,
    /// V8's sampled allocations.
    HeapProfile,
    /// Trace events of Chrome and Node.
    ChromeTrace,
    /// One line a stack, frames parted by `;`.
    Collapsed,
    /// The text of `perf script`.
    PerfScript,
    /// What `perf record` writes.
    PerfData,
    /// Google's protocol buffer.
    Pprof,
    /// speedscope's file format.
    Speedscope,
    /// Firefox Profiler's JSON, processed or raw.
    Firefox,
    /// What `node --prof` writes.
    V8Log,
}

impl Format {
    /// Returns its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CpuProfile => "V8 CPU profile",
            Self::HeapProfile => "V8 heap profile",
            Self::ChromeTrace => "Chrome trace",
            Self::Collapsed => "collapsed stacks",
            Self::PerfScript => "perf script text",
            Self::PerfData => "perf.data",
            Self::Pprof => "pprof",
            Self::Speedscope => "speedscope",
            Self::Firefox => "Firefox Profiler",
            Self::V8Log => "V8 log of --prof",
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recognised {
    /// A profile.
    Profile(Format),
    /// Something else that people have; in words.
    Other(&'static str),
    /// Nothing that is known.
    Unknown,
    /// JSON that does not tell itself within the bytes given.
    NeedsMore,
}

/// Judges by `head`, the first bytes of a file, unpacked; `is_whole` says that nothing follows them.
pub(crate) fn recognise(head: &[u8], is_whole: bool) -> Recognised {
    if head.starts_with(b"PERFILE2") || head.starts_with(b"2ELIFREP") {
        return Recognised::Profile(Format::PerfData);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match text.trim_ascii_start().first() {
        Some(b'[') => Recognised::Profile(Format::ChromeTrace),
        Some(b'{') => by_keys(text, is_whole),
        _ => by_lines(text)
            .or_else(|| is_pprof(head).then_some(Format::Pprof))
            .map_or_else(|| other(text), Recognised::Profile),
    }
}

/// Reads keys until one tells; values before it are skipped.
fn by_keys(text: &[u8], is_whole: bool) -> Recognised {
    let mut json = Json::new(text);
    let mut is_first = true;
    if json.open_object().is_err() {
        return Recognised::Unknown;
    }
    let mut has_profiles = false;
    while let Ok(Some(key)) = json.next_key(&mut is_first) {
        match key {
            b"nodes" | b"timeDeltas" => return Recognised::Profile(Format::CpuProfile),
            b"head" => return Recognised::Profile(Format::HeapProfile),
            b"traceEvents" => return Recognised::Profile(Format::ChromeTrace),
            b"shared" if has_profiles => return Recognised::Profile(Format::Speedscope),
            b"snapshot" => return Recognised::Other("a heap snapshot"),
            b"profiles" => has_profiles = true,
            b"meta" | b"libs" | b"threads" => return Recognised::Profile(Format::Firefox),
            b"$schema" if json.clone().string().is_ok_and(|schema| schema.contains("speedscope")) => {
                return Recognised::Profile(Format::Speedscope);
            }
            b"shared" => {
                // speedscope has frames in it, Firefox strings and tables.
                let value = json.clone();
                let has_frames = keys_of(value).any(|key| key == b"frames");
                let format = if has_frames { Format::Speedscope } else { Format::Firefox };
                return Recognised::Profile(format);
            }
            b"samples" => {
                let mut first = json.clone();
                let _ = first.open_array();
                let is_object = first.peek() == Some(b'{');
                let format = if is_object { Format::HeapProfile } else { Format::CpuProfile };
                return Recognised::Profile(format);
            }
            _ => {}
        }
        if json.skip().is_err() {
            break;
        }
    }
    match (has_profiles, is_whole) {
        (true, true) => Recognised::Profile(Format::Speedscope),
        (false, true) => Recognised::Other("JSON, but of no profile"),
        (_, false) => Recognised::NeedsMore,
    }
}

fn keys_of(mut json: Json<'_>) -> impl Iterator<Item = &[u8]> {
    let (mut is_first, mut is_open) = (true, json.open_object().is_ok());
    std::iter::from_fn(move || {
        let key = if is_open { json.next_key(&mut is_first).ok().flatten() } else { None };
        is_open = key.is_some() && json.skip().is_ok();
        key
    })
}

/// Judges by the first lines that say something.
fn by_lines(text: &[u8]) -> Option<Format> {
    if memchr::memchr(0, text).is_some() {
        return None;
    }
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let first = lines.next()?;
    if ["v8-version,", "v8-platform,", "shared-library,", "code-creation,"]
        .iter()
        .any(|start| first.starts_with(start.as_bytes()))
    {
        return Some(Format::V8Log);
    }
    if is_perf_script_header(first) {
        return Some(Format::PerfScript);
    }
    // The last line may be cut.
    let stacks = std::iter::once(first).chain(lines).take(20);
    let n_good = stacks.clone().filter(|line| super::collapsed::split_line(line).is_some()).count();
    (n_good > 0 && n_good + 1 >= stacks.count()).then_some(Format::Collapsed)
}

/// Whether `bytes` begin with a field of pprof's `Profile` message, and what the field holds fits.
fn is_pprof(bytes: &[u8]) -> bool {
    // `sample_type` or `string_table`, length-delimited; the order of fields is free, but writers begin with these.
    match bytes {
        // A value type: two small numbers.
        [0x0a, length, 0x08 | 0x10, ..] => *length <= 12,
        // The empty string that begins the table, and its second entry.
        [0x32, 0, 0x32, ..] | [0x12, _, 0x0a | 0x08, ..] => true,
        _ => false,
    }
}

fn other(text: &[u8]) -> Recognised {
    match text {
        [] => Recognised::Other("empty"),
        [0x7f, b'E', b'L', b'F', ..] => Recognised::Other("a program"),
        [b'<', ..] => Recognised::Other("a page or a picture, not the data behind it"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Recognised::Other("packed with zstd; unpack it first"),
        [b'P', b'K', 3, 4, ..] => Recognised::Other("packed with zip; unpack it first"),
        _ => Recognised::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_formats_by_their_content() {
        let check = |head: &[u8], format: Format| {
            assert_eq!(
                recognise(head, true),
                Recognised::Profile(format),
                "{}",
                String::from_utf8_lossy(head)
            );
        };
        check(br#"{"nodes":[{"id":1"#, Format::CpuProfile);
        check(br#"{"startTime":1,"samples":[1,2],"#, Format::CpuProfile);
        check(br#"{"head":{"callFrame""#, Format::HeapProfile);
        check(br#"{"samples":[{"size":1}],"head""#, Format::HeapProfile);
        check(br#"{"metadata":{"a":[1]},"traceEvents":["#, Format::ChromeTrace);
        check(b"\n [ {\"ph\":\"X\"", Format::ChromeTrace);
        check(br#"{"$schema":"https://www.speedscope.app/file-format-schema.json""#, Format::Speedscope);
        check(br#"{"version":"1","profiles":[{}],"shared":{"frames":[]}}"#, Format::Speedscope);
        check(br#"{"shared":{"frames":[]},"profiles""#, Format::Speedscope);
        check(br#"{"shared":{"stringArray":[]},"threads""#, Format::Firefox);
        check(br#"{"meta":{"interval":1},"libs""#, Format::Firefox);
        check(b"v8-version,11,3,244\n", Format::V8Log);
        check(b"PERFILE2\x68\0\0\0", Format::PerfData);
        check(
            b"node 31799 14576.964706:    5025125 cpu-clock:ppp: \n\t ffffffff f+0x1 (a)\n",
            Format::PerfScript,
        );
        check(b"# captured on: Mon\n#\nmy app 1/2 [001] 3.5: cycles: \n", Format::PerfScript);
        check(b"node;main;f a.js:1:2 12\nnode;main 3\n", Format::Collapsed);
        check(&[0x0a, 4, 8, 1, 16, 2, 0x12, 3], Format::Pprof);
    }

    #[test]
    fn says_what_it_is_when_it_is_no_profile() {
        let check = |head: &[u8], is: Recognised| assert_eq!(recognise(head, true), is);
        check(br#"{"snapshot":{"meta""#, Recognised::Other("a heap snapshot"));
        check(b"", Recognised::Other("empty"));
        check(b"<svg>", Recognised::Other("a page or a picture, not the data behind it"));
        check(b"hello\nworld\n", Recognised::Unknown);
        check(br#"{"a":1}"#, Recognised::Other("JSON, but of no profile"));
        assert_eq!(recognise(br#"{"a":[1,"#, false), Recognised::NeedsMore);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let _ = recognise(&bytes, true);
        }
    }
}
