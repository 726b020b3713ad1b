//! The file format of `perf.data`: header, descriptions of events, records. See `tools/perf/Documentation/perf.data-file-format.txt`
//! and `perf_event_open(2)`.

use super::BadInput;
use rustc_hash::FxHashMap;

const RECORD_MMAP: u32 = 1;
const RECORD_LOST: u32 = 2;
const RECORD_COMM: u32 = 3;
const RECORD_FORK: u32 = 7;
const RECORD_SAMPLE: u32 = 9;
const RECORD_MMAP2: u32 = 10;
const RECORD_HEADER_ATTR: u32 = 64;
const RECORD_COMPRESSED: [u32; 2] = [81, 83];
/// Records of perf itself, which have no time.
const FIRST_USER_RECORD: u32 = 64;

/// Bits of `sample_type`: what a sample holds, in the order in which it stands there.
const IDENTIFIER: u64 = 1 << 16;
const IP: u64 = 1 << 0;
const TID: u64 = 1 << 1;
const TIME: u64 = 1 << 2;
const ADDR: u64 = 1 << 3;
const ID: u64 = 1 << 6;
const STREAM_ID: u64 = 1 << 9;
const CPU: u64 = 1 << 7;
const PERIOD: u64 = 1 << 8;
const READ: u64 = 1 << 4;
const CALLCHAIN: u64 = 1 << 5;
const STACK_USER: u64 = 1 << 13;

/// Bits of the flags of an event.
const FREQ: u64 = 1 << 10;
const SAMPLE_ID_ALL: u64 = 1 << 18;

/// Bits of `read_format`.
const READ_TIME_ENABLED: u64 = 1;
const READ_TIME_RUNNING: u64 = 2;
const READ_ID: u64 = 4;
const READ_GROUP: u64 = 8;
const READ_LOST: u64 = 16;

/// Which of the optional sections holds the build ids.
const FEATURE_BUILD_ID: u32 = 2;

/// Numbers at a place in the file, the little-endian way.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of `bytes` in the file.
    base: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadInput> {
        let taken = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        let end = self.base + self.at.min(self.bytes.len());
        let taken = taken.ok_or_else(|| BadInput::at(end, "a record that is too short"))?;
        self.at += n;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, BadInput> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u64(&mut self) -> Result<u64, BadInput> {
        let (low, high) = (self.u32()?, self.u32()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Takes text up to its zero byte, or to the end.
    fn text(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = memchr::memchr(0, rest).unwrap_or(rest.len());
        &rest[..length]
    }
}

/// What one event was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Attr {
    kind: u32,
    config: u64,
    pub(super) sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
}

impl Attr {
    fn parse(mut at: Cursor<'_>) -> Result<Self, BadInput> {
        let kind = at.u32()?;
        let _size = at.u32()?;
        let (config, sample_period) = (at.u64()?, at.u64()?);
        let (sample_type, read_format, flags) = (at.u64()?, at.u64()?, at.u64()?);
        Ok(Self { kind, config, sample_period, sample_type, read_format, flags })
    }

    /// Whether it is a software clock, whose periods are nanoseconds.
    pub(super) fn is_clock(&self) -> bool {
        self.kind == 1 && self.config <= 1
    }

    /// Whether the period of each sample is known.
    pub(super) fn tells_period(&self) -> bool {
        self.sample_type & PERIOD != 0 || self.flags & FREQ == 0
    }

    /// Whether samples have their moments.
    pub(super) fn tells_time(&self) -> bool {
        self.sample_type & TIME != 0
    }

    /// Whether samples hold copies of the stack's memory instead of call chains.
    pub(super) fn copies_stacks(&self) -> bool {
        self.sample_type & STACK_USER != 0
    }

    /// Returns its name, as far as it is a usual one.
    pub(super) fn name(&self) -> String {
        match (self.kind, self.config) {
            (0, 0) => "cycles".into(),
            (0, 1) => "instructions".into(),
            (1, 0) => "cpu-clock".into(),
            (1, 1) => "task-clock".into(),
            (1, 2) => "page-faults".into(),
            (1, 3) => "context-switches".into(),
            (kind, config) => format!("type {kind}, config {config}"),
        }
    }

    /// Returns the size of what stands at the end of records that are no samples.
    fn trailer(&self) -> usize {
        if self.flags & SAMPLE_ID_ALL == 0 {
            return 0;
        }
        let parts = [TID, TIME, ID, STREAM_ID, CPU, IDENTIFIER];
        8 * parts.iter().filter(|part| self.sample_type & **part != 0).count()
    }
}

/// A record that matters here.
#[derive(Debug)]
pub(super) enum Record<'a> {
    Sample(Sample<'a>),
    Map {
        pid: u32,
        start: u64,
        length: u64,
        offset: u64,
        path: &'a [u8],
        is_kernel: bool,
    },
    Comm {
        pid: u32,
        tid: u32,
        name: &'a [u8],
    },
    Fork {
        pid: u32,
        parent: u32,
    },
    Lost(u64),
    /// A sample of another event than the first.
    OtherEvent,
}

/// One sample.
#[derive(Debug, Default)]
pub(super) struct Sample<'a> {
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) time: Option<u64>,
    pub(super) period: Option<u64>,
    pub(super) ip: u64,
    pub(super) is_kernel: bool,
    /// Addresses of eight bytes, innermost first.
    pub(super) callchain: &'a [u8],
}

impl Sample<'_> {
    /// Returns the addresses and markers of the call chain, innermost first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        self.callchain.chunks_exact(8).map(number)
    }
}

/// A file whose header has been read.
#[derive(Debug)]
pub(super) struct PerfFile<'a> {
    bytes: &'a [u8],
    /// At least one.
    pub(super) attrs: Vec<Attr>,
    attr_of_id: FxHashMap<u64, usize>,
    records: std::ops::Range<usize>,
    /// Where the build ids are.
    build_ids: Option<(usize, usize)>,
}

impl<'a> PerfFile<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, BadInput> {
        if bytes.starts_with(b"2ELIFREP") {
            return Err(BadInput::at(0, "it comes from a big-endian machine"));
        }
        let mut header = Cursor { bytes, at: 8, base: 0 };
        let header_size = header.u64()?;
        let mut file = Self {
            bytes,
            attrs: Vec::new(),
            attr_of_id: FxHashMap::default(),
            records: 0..0,
            build_ids: None,
        };
        if header_size == 16 {
            // Written into a pipe: descriptions are records.
            file.records = 16..bytes.len();
            file.read_attr_records()?;
        } else {
            file.read_header(header)?;
        }
        if file.attrs.is_empty() {
            return Err(BadInput::at(8, "no event is described"));
        }
        if file.attrs.len() > 1 && file.attrs.iter().any(|attr| attr.sample_type & IDENTIFIER == 0) {
            return Err(BadInput::at(8, "of several events, and samples do not tell theirs"));
        }
        Ok(file)
    }

    fn section(&self, (offset, size): (u64, u64), at: usize) -> Result<Cursor<'a>, BadInput> {
        let end = offset.checked_add(size).filter(|end| *end <= self.bytes.len() as u64);
        let end =
            end.ok_or_else(|| BadInput::at(at, "a section that lies outside the file: the file was cut"))?;
        Ok(Cursor { bytes: &self.bytes[offset as usize..end as usize], at: 0, base: offset as usize })
    }

    fn read_header(&mut self, mut header: Cursor<'a>) -> Result<(), BadInput> {
        let attr_size = header.u64()? as usize;
        let attrs = (header.u64()?, header.u64()?);
        let data = (header.u64()?, header.u64()?);
        let _event_types = (header.u64()?, header.u64()?);
        let features = header.u64()?;
        let mut attrs = self.section(attrs, 24)?;
        if attr_size < 64 + 16 {
            return Err(BadInput::at(16, "descriptions of events that are too short"));
        }
        while attrs.at < attrs.bytes.len() {
            let base = attrs.base + attrs.at;
            let entry = attrs.take(attr_size)?;
            let attr = Attr::parse(Cursor { bytes: entry, at: 0, base })?;
            let mut ids = Cursor { bytes: entry, at: attr_size - 16, base };
            let mut ids = self.section((ids.u64()?, ids.u64()?), base)?;
            while ids.at + 8 <= ids.bytes.len() {
                self.attr_of_id.insert(ids.u64()?, self.attrs.len());
            }
            self.attrs.push(attr);
        }
        // While perf is still writing, or was killed, the size is zero.
        let size = if data.1 == 0 { (self.bytes.len() as u64).saturating_sub(data.0) } else { data.1 };
        self.section((data.0, size), 40)?;
        self.records = data.0 as usize..(data.0 + size) as usize;
        if features & (1 << FEATURE_BUILD_ID) != 0 {
            // Places of the optional sections follow the data, one for each bit.
            let index = (features & ((1 << FEATURE_BUILD_ID) - 1)).count_ones() as usize;
            let mut table = Cursor { bytes: self.bytes, at: self.records.end + 16 * index, base: 0 };
            if let (Ok(offset), Ok(size)) = (table.u64(), table.u64())
                && self.section((offset, size), 0).is_ok()
            {
                self.build_ids = Some((offset as usize, size as usize));
            }
        }
        Ok(())
    }

    fn read_attr_records(&mut self) -> Result<(), BadInput> {
        let mut at = self.records.start;
        while let Some((kind, _, mut body)) = self.header_at(at)? {
            if kind == RECORD_HEADER_ATTR {
                let size = Cursor { bytes: body.bytes, at: 4, ..body }.u32()? as usize;
                let attr = Attr::parse(body)?;
                body.at = size;
                while body.at + 8 <= body.bytes.len() {
                    self.attr_of_id.insert(body.u64()?, self.attrs.len());
                }
                self.attrs.push(attr);
            }
            at = body.base + body.bytes.len();
        }
        Ok(())
    }

    /// Returns type, flags and body of the record at `at`; `None` at the end.
    fn header_at(&self, at: usize) -> Result<Option<(u32, u16, Cursor<'a>)>, BadInput> {
        if at >= self.records.end {
            return Ok(None);
        }
        let mut header = Cursor { bytes: &self.bytes[..self.records.end], at, base: 0 };
        let kind = header.u32()?;
        let rest = header.u32()?;
        let (misc, size) = (rest as u16, (rest >> 16) as usize);
        if size < 8 || at + size > self.records.end {
            return Err(BadInput::at(
                at,
                format!("a record of {size} bytes: the file was cut or is damaged"),
            ));
        }
        Ok(Some((kind, misc, Cursor { bytes: &self.bytes[at + 8..at + size], at: 0, base: at + 8 })))
    }

    /// Returns the places of all records, in order of time; those without one stay where they were.
    pub(super) fn in_order_of_time(&self) -> Result<Vec<usize>, BadInput> {
        let mut records: Vec<(u64, usize)> = Vec::new();
        let mut at = self.records.start;
        let mut latest = 0;
        while let Some((kind, _, body)) = self.header_at(at)? {
            if RECORD_COMPRESSED.contains(&kind) {
                return Err(BadInput::at(
                    at,
                    "packed with zstd: record without `-z`, or open the text of `perf script`",
                ));
            }
            if kind < FIRST_USER_RECORD {
                let time = self.time_of(kind, body).unwrap_or(latest);
                latest = latest.max(time);
                records.push((time, at));
            }
            at = body.base + body.bytes.len();
        }
        records.sort_unstable();
        Ok(records.into_iter().map(|(_, at)| at).collect())
    }

    fn time_of(&self, kind: u32, body: Cursor<'a>) -> Option<u64> {
        // Mappings that were there before have time zero, as they should.
        let attr = &self.attrs[0];
        if attr.sample_type & TIME == 0 {
            return None;
        }
        if kind == RECORD_SAMPLE {
            let before = [IDENTIFIER, IP, TID].iter().filter(|part| attr.sample_type & **part != 0).count();
            return Cursor { at: 8 * before, ..body }.u64().ok();
        }
        let trailer = attr.trailer();
        let start = body.bytes.len().checked_sub(trailer).filter(|_| trailer > 0)?;
        let at = start + if attr.sample_type & TID != 0 { 8 } else { 0 };
        Cursor { at, ..body }.u64().ok()
    }

    /// Reads the record at one of the places of [`Self::in_order_of_time`]; `None` for those that do not matter.
    pub(super) fn record(&self, at: usize) -> Result<Option<Record<'a>>, BadInput> {
        let Some((kind, misc, mut body)) = self.header_at(at)? else { return Ok(None) };
        let is_kernel = matches!(misc & 7, 1 | 4);
        if kind == RECORD_SAMPLE {
            return self.sample(body, is_kernel).map(Some);
        }
        body.bytes = &body.bytes[..body.bytes.len().saturating_sub(self.attrs[0].trailer())];
        let record = match kind {
            RECORD_MMAP | RECORD_MMAP2 => {
                let (pid, _tid) = (body.u32()?, body.u32()?);
                let (start, length, offset) = (body.u64()?, body.u64()?, body.u64()?);
                if kind == RECORD_MMAP2 {
                    // Device, inode or build id; protection and flags.
                    body.take(24 + 8)?;
                }
                let is_kernel = is_kernel || pid == u32::MAX;
                Record::Map { pid, start, length, offset, path: body.text(), is_kernel }
            }
            RECORD_COMM => Record::Comm { pid: body.u32()?, tid: body.u32()?, name: body.text() },
            RECORD_FORK => Record::Fork { pid: body.u32()?, parent: body.u32()? },
            RECORD_LOST => {
                let _id = body.u64()?;
                Record::Lost(body.u64()?)
            }
            _ => return Ok(None),
        };
        Ok(Some(record))
    }

    fn sample(&self, mut body: Cursor<'a>, is_kernel: bool) -> Result<Record<'a>, BadInput> {
        let mut attr = &self.attrs[0];
        if self.attrs.len() > 1 {
            // It stands first, so that it can be read before one knows which event it is.
            let id = Cursor { ..body }.u64()?;
            match self.attr_of_id.get(&id) {
                Some(0) | None => {}
                Some(other)
                    if self.attrs[*other].config == attr.config && self.attrs[*other].kind == attr.kind =>
                {
                    attr = &self.attrs[*other];
                }
                Some(_) => return Ok(Record::OtherEvent),
            }
        }
        let has = |part: u64| attr.sample_type & part != 0;
        let mut sample = Sample { is_kernel, ..Sample::default() };
        if has(IDENTIFIER) {
            body.u64()?;
        }
        if has(IP) {
            sample.ip = body.u64()?;
        }
        if has(TID) {
            (sample.pid, sample.tid) = (body.u32()?, body.u32()?);
        }
        if has(TIME) {
            sample.time = Some(body.u64()?);
        }
        for part in [ADDR, ID, STREAM_ID, CPU] {
            if has(part) {
                body.u64()?;
            }
        }
        if has(PERIOD) {
            sample.period = Some(body.u64()?);
        }
        if has(READ) {
            skip_read(attr, &mut body)?;
        }
        if has(CALLCHAIN) {
            let n = body.u64()?;
            let n_bytes = usize::try_from(n).ok().and_then(|n| n.checked_mul(8)).unwrap_or(usize::MAX);
            sample.callchain = body.take(n_bytes)?;
        }
        Ok(Record::Sample(sample))
    }

    /// Returns the build ids of files by their path, as far as perf wrote them down.
    pub(super) fn build_ids(&self) -> Result<FxHashMap<String, Vec<u8>>, BadInput> {
        let mut ids = FxHashMap::default();
        let Some((offset, size)) = self.build_ids else { return Ok(ids) };
        let mut at = offset;
        while at + 8 + 4 + 24 <= offset + size {
            let mut entry = Cursor { bytes: &self.bytes[..offset + size], at, base: 0 };
            let _kind = entry.u32()?;
            let rest = entry.u32()?;
            let length = (rest >> 16) as usize;
            if length < 36 {
                break;
            }
            let _pid = entry.u32()?;
            let id = entry.take(24)?;
            // The byte after the id says how long it is, in files that tell it.
            let n_bytes = if rest & (1 << 15) != 0 { usize::from(id[20]).min(20) } else { 20 };
            let path = String::from_utf8_lossy(entry.text()).into_owned();
            ids.insert(path, id[..n_bytes].to_vec());
            at += length;
        }
        Ok(ids)
    }
}

fn skip_read(attr: &Attr, body: &mut Cursor<'_>) -> Result<(), BadInput> {
    let has = |part: u64| attr.read_format & part != 0;
    let times = [READ_TIME_ENABLED, READ_TIME_RUNNING].iter().filter(|part| has(**part)).count();
    let each = 1 + usize::from(has(READ_ID)) + usize::from(has(READ_LOST));
    let n_values = if has(READ_GROUP) {
        let n = usize::try_from(body.u64()?).unwrap_or(usize::MAX);
        n.saturating_mul(each).saturating_add(times)
    } else {
        each + times
    };
    body.take(n_values.saturating_mul(8)).map(|_| ())
}
