//! Reads the text that `perf script` prints, in one pass without keeping it.
//!
//! ```text
//! node 31799/31805 [001] 14576.964706:    5025125 cpu-clock:ppp:
//!         ffffffff81e1f5d8 do_syscall_64+0x38 ([kernel.kallsyms])
//!             7f20c5d01c4a JS:*round /srv/busy.js:10:15+0x8a (/tmp/perf-31799.map)
//! ```
//!
//! Pitfalls: which columns there are depends on perf's version and options; names of programs and symbols hold spaces and
//! brackets; without call chains the frame stands on the first line; the number before the event is the period: of the
//! clock events nanoseconds, of others cycles or counts, so only the clocks give time; `perf script` itself cuts
//! stacks at 127 frames unless `--max-stack` says otherwise (the text has whatever depth it has, nothing is cut here);
//! of several events only the first is read, as FlameGraph does; the idle task (pid 0) is left out.

use super::lines::Lines;
use super::{BadInput, Content};
use crate::Nanos;
use crate::classify::AppScope;
use crate::symbol::function_of_symbol;
use crate::tables::{FunctionId, Profile, StackId, Tier, WeightUnit};
use rustc_hash::FxHashMap;
use std::io::Read;

/// Where `perf script` cuts unless told otherwise.
const PERF_MAX_STACK: usize = 127;

/// Adds the samples of a `perf script` text to `profile`.
pub(super) fn import(text: impl Read, profile: &mut Profile) -> Result<Content, BadInput> {
    let mut lines = Lines::new(text);
    let mut reader = Reader::default();
    while let Some((offset, line)) = lines.next()? {
        match line.first() {
            // An empty line ends a stack, but not every tool keeps it.
            None => reader.end_sample(profile),
            Some(b'#') => {}
            Some(b'\t') => reader.add_frame(profile, line),
            Some(b' ') if reader.is_in_stack && is_frame(line) => reader.add_frame(profile, line),
            Some(_) => {
                reader.end_sample(profile);
                reader.begin_sample(profile, line, offset);
            }
        }
    }
    reader.end_sample(profile);
    Ok(reader.finish())
}

/// What is known so far.
#[derive(Default)]
struct Reader {
    content: Content,
    frames: Frames,
    /// Name of the event that is read, and whether its periods are nanoseconds.
    event: Option<(Box<[u8]>, bool)>,
    is_in_stack: bool,
    /// Thread, moment and weight of the sample that is being read.
    sample: Option<(usize, Option<Nanos>, u64)>,
    /// Its frames, innermost first.
    stack: Vec<u32>,
    /// The sample before as `(frame, stack)`, outermost first: most stacks begin as their predecessor.
    path: Vec<(u32, StackId)>,
    n_other_events: u64,
    n_idle: u64,
    n_cut: u64,
    n_bad: u64,
    first_bad: usize,
}

impl Reader {
    fn begin_sample(&mut self, profile: &mut Profile, line: &[u8], offset: usize) {
        self.is_in_stack = true;
        let Some(header) = Header::of(line) else {
            self.first_bad = if self.n_bad == 0 { offset } else { self.first_bad };
            self.n_bad += 1;
            return;
        };
        if self.event.is_none() {
            let is_clock =
                [&b"cpu-clock"[..], b"task-clock"].iter().any(|clock| header.event.starts_with(clock));
            let is_time = is_clock && header.period.is_some();
            self.content.unit = if is_time { WeightUnit::Nanoseconds } else { WeightUnit::Samples };
            self.event = Some((header.event.into(), is_time));
        }
        let Some((event, is_time)) = &self.event else { return };
        if **event != *header.event {
            self.n_other_events += 1;
        } else if header.pid == 0 {
            self.n_idle += 1;
        } else {
            let weight = if *is_time { header.period.unwrap_or(0) } else { 1 };
            let thread = self.content.thread(header.pid, header.tid);
            let name = &mut self.content.threads[thread].name;
            if name.is_empty() {
                *name = String::from_utf8_lossy(header.comm).into_owned();
            }
            self.sample = Some((thread, header.time, weight));
            if is_frame(header.rest) {
                self.add_frame(profile, header.rest);
            }
        }
    }

    #[inline]
    fn add_frame(&mut self, profile: &mut Profile, line: &[u8]) {
        // A line without an address is the place in the source of the frame before.
        if self.sample.is_some()
            && let Some((symbol, module)) = split_frame(line)
        {
            let frame = self.frames.get(profile, symbol, module);
            self.stack.push(frame);
        }
    }

    fn end_sample(&mut self, profile: &mut Profile) {
        self.is_in_stack = false;
        let Some((thread, time, weight)) = self.sample.take() else { return };
        self.n_cut += u64::from(self.stack.len() == PERF_MAX_STACK);
        if self.stack.is_empty() {
            self.stack.push(self.frames.get(profile, b"[no stack]", b""));
        }
        let mut depth = 0;
        for frame in self.stack.drain(..).rev() {
            if self.path.get(depth).is_none_or(|(known, _)| *known != frame) {
                self.path.truncate(depth);
                let parent = self.path.last().map(|(_, stack)| *stack);
                let (function, tier) = self.frames.rows[frame as usize];
                self.path.push((frame, profile.stacks.intern_at(parent, function, tier)));
            }
            depth += 1;
        }
        self.path.truncate(depth);
        let Some((_, stack)) = self.path.last() else { return };
        let thread = &mut self.content.threads[thread];
        match time {
            Some(time) => thread.push(time, Nanos(weight), *stack),
            None => thread.push_sum(weight, 1, *stack),
        }
    }

    fn finish(mut self) -> Content {
        let mut note = |n: u64, text: String| {
            if n > 0 {
                self.content.notes.push(text);
            }
        };
        let event = self.event.as_ref().map(|(event, _)| String::from_utf8_lossy(event).into_owned());
        let event = event.unwrap_or_default();
        let (n, n_cut, n_bad) = (self.n_other_events, self.n_cut, self.n_bad);
        note(n, format!("only event `{event}` was read; {n} samples are of other events"));
        note(self.n_idle, format!("{} samples of the idle task were left out", self.n_idle));
        note(
            n_cut,
            format!(
                "{n_cut} stacks are exactly 127 deep: `perf script` cuts there unless told `--max-stack 1024`"
            ),
        );
        note(n_bad, format!("{n_bad} lines were not understood, the first at byte {}", self.first_bad));
        self.content
    }
}

/// The first line of a sample.
struct Header<'a> {
    comm: &'a [u8],
    pid: u32,
    tid: u32,
    time: Option<Nanos>,
    period: Option<u64>,
    event: &'a [u8],
    rest: &'a [u8],
}

/// Whether a line is the first of a sample.
pub(super) fn is_header(line: &[u8]) -> bool {
    Header::of(line).is_some()
}

impl<'a> Header<'a> {
    /// Splits `comm pid/tid [cpu] time: period event: rest`; cpu, time and period may be missing.
    fn of(line: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        let mut numbers = None;
        while let Some((word, start)) = next_word(line, &mut at) {
            if start > 0
                && let Some((pid, tid)) = ids(word)
                && let Some(header) = Self::after_ids(line, at, (start, pid, tid))
            {
                numbers = Some(header);
                break;
            }
        }
        numbers
    }

    fn after_ids(line: &'a [u8], mut at: usize, (start, pid, tid): (usize, u32, u32)) -> Option<Self> {
        let comm = line[..start].trim_ascii();
        if comm.is_empty() {
            return None;
        }
        let (mut word, _) = next_word(line, &mut at)?;
        if word.starts_with(b"[") && word.ends_with(b"]") {
            (word, _) = next_word(line, &mut at)?;
        }
        let time = word.strip_suffix(b":").and_then(seconds);
        if time.is_some() {
            (word, _) = next_word(line, &mut at)?;
        }
        let period = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        if period.is_some() {
            (word, _) = next_word(line, &mut at)?;
        }
        let event = word.strip_suffix(b":").filter(|event| !event.is_empty())?;
        Some(Self { comm, pid, tid, time, period, event, rest: &line[at..] })
    }
}

fn next_word<'a>(line: &'a [u8], at: &mut usize) -> Option<(&'a [u8], usize)> {
    let start = *at + line[*at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
    let length = line[start..].iter().position(u8::is_ascii_whitespace).unwrap_or(line.len() - start);
    *at = start + length;
    Some((&line[start..*at], start))
}

/// Reads `tid` or `pid/tid`. Where only one is told it is the thread's, and stands for the process too.
fn ids(word: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(word).ok().filter(|_| word[0].is_ascii_digit())?;
    match text.split_once('/') {
        Some((pid, tid)) => Some((pid.parse().ok()?, tid.parse().ok()?)),
        None => text.parse().ok().map(|tid| (tid, tid)),
    }
}

fn seconds(word: &[u8]) -> Option<Nanos> {
    let (whole, fraction) = std::str::from_utf8(word).ok()?.split_once('.')?;
    let digits = fraction.len();
    if digits == 0 || digits > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = fraction.parse::<u64>().ok()? * 10_u64.pow(9 - digits as u32);
    Some(Nanos(whole.parse::<u64>().ok()?.checked_mul(crate::SECOND)?.checked_add(nanos)?))
}

/// Whether a line begins with an address.
fn is_frame(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    let n_digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    n_digits > 0 && text.get(n_digits) == Some(&b' ')
}

/// Splits `address symbol+0x12 (module)` into symbol and module.
#[inline]
fn split_frame(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    let n_digits = line[start..].iter().position(|byte| !byte.is_ascii_hexdigit())?;
    let rest = &line[start + n_digits..];
    if n_digits == 0 || rest[0] != b' ' {
        return None;
    }
    let rest = &rest[1..];
    let Some(inside) = rest.strip_suffix(b")") else {
        return Some((without_offset(rest), b""));
    };
    let mut open = memchr::memrchr(b'(', inside)?;
    if &inside[open..] == b"(deleted)" || &inside[open..] == b"(deleted" {
        open = memchr::memrchr(b'(', &inside[..open])?;
    }
    let module = &inside[open + 1..];
    let symbol = inside[..open].strip_suffix(b" ").unwrap_or(&inside[..open]);
    Some((without_offset(symbol), if module == b"inlined" { b"" } else { module }))
}

/// Takes `+0x12` off the end.
#[inline]
fn without_offset(symbol: &[u8]) -> &[u8] {
    let n_digits = symbol.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match symbol[..symbol.len() - n_digits].strip_suffix(b"+0x") {
        Some(symbol) if n_digits > 0 => symbol,
        _ => symbol,
    }
}

/// Symbols, each judged once.
#[derive(Default)]
struct Frames {
    rows: Vec<(FunctionId, Option<Tier>)>,
    modules: Vec<Module>,
    index_of: FxHashMap<Box<[u8]>, usize>,
    /// Index of the module asked for last: neighbouring frames tend to be of one.
    last: usize,
}

/// A binary, and its symbols with their rows.
struct Module {
    name: Box<[u8]>,
    symbols: FxHashMap<Box<[u8]>, u32>,
}

/// Most of the frames are of the few modules that come first, which are found faster by looking than by hashing.
const FEW: usize = 6;

impl Frames {
    #[inline]
    fn get(&mut self, profile: &mut Profile, symbol: &[u8], module: &[u8]) -> u32 {
        let is_last = self.modules.get(self.last).is_some_and(|last| *last.name == *module);
        if !is_last {
            self.last = self.module(module);
        }
        let symbols = &mut self.modules[self.last].symbols;
        if let Some(row) = symbols.get(symbol) {
            return *row;
        }
        let row = self.rows.len() as u32;
        symbols.insert(symbol.into(), row);
        let text = (String::from_utf8_lossy(symbol), String::from_utf8_lossy(module));
        let (function, tier) = function_of_symbol(&AppScope::default(), &text.0, &text.1);
        self.rows.push((profile.functions.intern(function), tier));
        row
    }

    #[inline]
    fn module(&mut self, name: &[u8]) -> usize {
        let early = self.modules.iter().take(FEW).position(|module| *module.name == *name);
        early.unwrap_or_else(|| self.late_module(name))
    }

    fn late_module(&mut self, name: &[u8]) -> usize {
        if let Some(index) = self.index_of.get(name) {
            return *index;
        }
        let index = self.modules.len();
        self.modules.push(Module { name: name.into(), symbols: FxHashMap::default() });
        self.index_of.insert(name.into(), index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_first_lines_of_every_kind() {
        let check = |line: &str, expected: (&str, u32, u32, Option<u64>, Option<u64>, &str)| {
            let header = Header::of(line.as_bytes()).expect(line);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let time = header.time.map(|time| time.0 / 1000);
            let found = (text(header.comm), header.pid, header.tid, time, header.period, text(header.event));
            assert_eq!(
                (found.0.as_str(), found.1, found.2, found.3, found.4, found.5.as_str()),
                expected,
                "{line}"
            );
        };
        let us = Some(14_576_964_706);
        check(
            "node 31799 14576.964706:    5025125 cpu-clock:ppp: ",
            ("node", 31799, 31799, us, Some(5_025_125), "cpu-clock:ppp"),
        );
        check("  my 2nd app 7/9 [001] 14576.964706: cycles: ", ("my 2nd app", 7, 9, us, None, "cycles"));
        check(
            "node 7 14576.964706: 1 sched:sched_switch: prev_comm=a",
            ("node", 7, 7, us, Some(1), "sched:sched_switch"),
        );
        check("java 7 cycles: ", ("java", 7, 7, None, None, "cycles"));
        assert!(!is_header(b"        7f12 main+0x1 (/bin/a)"));
        assert!(!is_header(b"just some words 12"));
    }

    #[test]
    fn splits_frames_with_spaces_and_brackets() {
        let check = |line: &str, symbol: &str, module: &str| {
            let (s, m) = split_frame(line.as_bytes()).expect(line);
            assert_eq!((s, m), (symbol.as_bytes(), module.as_bytes()), "{line}");
        };
        check("\tffffffff822010c9 do_fault+0x19 ([kernel.kallsyms])", "do_fault", "[kernel.kallsyms]");
        check(
            "\t  7f JS:*get x /srv/my app/a.js:1:2+0x8a (/tmp/perf-1.map)",
            "JS:*get x /srv/my app/a.js:1:2",
            "/tmp/perf-1.map",
        );
        check(
            "\t 7f v8::F(int, (anonymous namespace)::X)+0x1 (/a (b)/c)",
            "v8::F(int, (anonymous namespace)::X)+0x1 (/a",
            "b)/c",
        );
        check("\t 7f main+0x1 (/usr/bin/app (deleted))", "main", "/usr/bin/app (deleted)");
        check("\t 7f [unknown] (/usr/bin/node)", "[unknown]", "/usr/bin/node");
        check("\t 7f f (inlined)", "f", "");
        check("\t 7f f", "f", "");
        assert_eq!(split_frame(b"  main.c:12"), None);
    }

    #[test]
    fn keeps_deep_stacks_whole() {
        let deep: Vec<_> = (0..1000).rev().map(|at| format!("\t 7f f{at}+0x1 (/a)\n")).collect();
        let deep = deep.concat();
        let text = format!("a 1 1.000001: 100 cpu-clock: \n{deep}\na 1 1.000002: 100 cpu-clock: \n{deep}");
        let mut profile = Profile::default();
        let content = import(text.as_bytes(), &mut profile).unwrap();
        assert_eq!((profile.stacks.len(), content.threads[0].stack.len()), (1000, 2));
        assert_eq!(profile.stacks.frames(content.threads[0].stack[1]).count(), 1000);
        assert_eq!(content.threads[0].duration, [Nanos(100), Nanos(100)]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[a-z 0-9:.()+x/\t\n#\\[\\]]{0,200}") {
            let mut profile = Profile::default();
            let content = import(text.as_bytes(), &mut profile).unwrap();
            for thread in &content.threads {
                proptest::prop_assert_eq!(thread.start.len(), thread.stack.len());
            }
        }
    }
}
