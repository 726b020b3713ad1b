//! The code that the target ran: where its functions begin and end, and where a position lies in the original files.
//! Knows nothing of samples.

mod role;

use crate::import::cpuprofile::CallFrame;
use crate::recording::{MapSection, Source};
use oxc_sourcemap::{JSONSourceMap, SourceMap, Token};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// A line longer than this is a bundler's, not a person's: it holds many functions, and its number says nothing.
const MAX_LINE_UNITS: u32 = 1000;

/// A map's file may have a map itself: compiled, bundled, minified.
const MAX_LEVELS: u32 = 4;

/// All scripts of a recording, by URL, and the files that their source maps name, by path.
#[derive(Debug, Default)]
pub struct Code<'a> {
    scripts: BTreeMap<&'a str, Script<'a>>,
}

/// Index of a function within its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RangeId(usize);

/// One script or original file.
#[derive(Debug)]
pub struct Script<'a> {
    text: &'a str,
    /// Offset of each line in UTF-16 units; one more at the end.
    line_starts: Vec<u32>,
    /// Where each line begins and ends in `text`, without its line break.
    line_bytes: Vec<(u32, u32)>,
    /// Outer functions before inner ones.
    functions: Vec<FunctionRange>,
    sections: Vec<Section>,
}

/// Where a function begins and ends, in UTF-16 units.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FunctionRange {
    name: String,
    start: u32,
    end: u32,
}

struct Section {
    line: u32,
    column: u32,
    sources: Vec<String>,
    map: SourceMap<'static>,
    /// Tokens of each generated line: `lines[i]..lines[i + 1]`.
    lines: Vec<u32>,
    tokens: Vec<Token>,
}

impl std::fmt::Debug for Section {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Section")
            .field("line", &self.line)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// A place in an original file; lines and columns from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Path, as absolute as it could be told.
    pub file: String,
    /// From 0.
    pub line: u32,
    /// From 0, UTF-16 units.
    pub column: u32,
    /// The original name of what stands there, where the map has one.
    pub name: Option<String>,
}

impl<'a> Code<'a> {
    /// Indexes the sources of a recording. A map that cannot be read counts as none.
    pub fn of(sources: &'a [Source]) -> Self {
        let scripts = sources.iter().map(|source| (source.url.as_str(), Script::of(source))).collect();
        Self { scripts }
    }

    /// Returns the script of a URL.
    pub fn script(&self, url: &str) -> Option<&Script<'a>> {
        self.scripts.get(url)
    }

    /// Returns the script of a URL, with the URL as it is kept.
    pub(crate) fn script_with_url(&self, url: &str) -> Option<(&'a str, &Script<'a>)> {
        self.scripts.get_key_value(url).map(|(url, script)| (*url, script))
    }

    /// Returns all scripts, by URL.
    pub fn scripts(&self) -> impl Iterator<Item = (&'a str, &Script<'a>)> {
        self.scripts.iter().map(|(url, script)| (*url, script))
    }

    /// Follows the source maps from a position of a script (line and column from 0) as far as they lead.
    pub fn original(&self, url: &str, line: u32, column: u32) -> Option<Original> {
        let mut found = self.script(url)?.original(line, column)?;
        for _ in 1..MAX_LEVELS {
            let Some(next) =
                self.script(&found.file).and_then(|script| script.original(found.line, found.column))
            else {
                break;
            };
            let name = next.name.clone().or(found.name);
            found = Original { name, ..next };
        }
        Some(found)
    }

    /// Returns where a line of a script (from 1) lies in the original files: `(file, line from 1)`. `None` where the line
    /// is a bundler's or comes from several places.
    pub fn original_line(&self, url: &str, line: u32) -> Option<(String, u32)> {
        let script = self.script(url)?;
        let index = line.checked_sub(1)?;
        let (start, end) = script.line_range(index)?;
        if end - start > MAX_LINE_UNITS {
            return None;
        }
        let column = script.first_column(index);
        let original = self.original(url, index, column)?;
        Some((original.file, original.line + 1))
    }

    /// Returns the frame as the original files name it; `None` for a script without a source map.
    pub fn original_frame(&self, frame: &CallFrame<'_>) -> Option<CallFrame<'static>> {
        let script = self.script(&frame.url)?;
        let line = u32::try_from(frame.line_number).ok()?;
        let column = u32::try_from(frame.column_number).ok()?;
        let place = self.original(&frame.url, line, column)?;
        let named =
            script.name_position(line, column).and_then(|column| self.original(&frame.url, line, column));
        let name = named.filter(|named| named.file == place.file).and_then(|named| named.name);
        let is_named = !frame.function_name.is_empty();
        Some(CallFrame {
            function_name: match name {
                Some(name) if is_named => renamed(&frame.function_name, name).into(),
                _ => Cow::Owned(frame.function_name.clone().into_owned()),
            },
            url: place.file.into(),
            line_number: i64::from(place.line),
            column_number: i64::from(place.column),
        })
    }
}

/// V8 writes `get size`, `Store.get` or `async f`: only the last word is the function's own name.
fn renamed(given: &str, original: String) -> String {
    match given.rfind(['.', ' ']) {
        Some(at) => format!("{}{original}", &given[..=at]),
        None => original,
    }
}

impl<'a> Script<'a> {
    fn of(source: &'a Source) -> Self {
        let mut functions: Vec<FunctionRange> = source
            .functions
            .iter()
            .map(|(name, start, end)| FunctionRange { name: name.clone(), start: *start, end: *end })
            .collect();
        functions.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
        functions.dedup();
        Self {
            line_starts: line_starts(&source.text),
            line_bytes: lines_of(&source.text)
                .map(|line| {
                    let start = line.as_ptr() as usize - source.text.as_ptr() as usize;
                    (start as u32, (start + line.len()) as u32)
                })
                .collect(),
            text: &source.text,
            functions,
            sections: source.map.iter().filter_map(Section::of).collect(),
        }
    }

    /// Returns a line of the text, from 1, without its line break.
    pub fn line(&self, line: u32) -> Option<&'a str> {
        let (start, end) = self.line_bytes.get(line.checked_sub(1)? as usize)?;
        Some(&self.text[*start as usize..*end as usize])
    }

    /// Returns the offsets of a line's first and last unit but one; `line` from 0.
    fn line_range(&self, line: u32) -> Option<(u32, u32)> {
        let at = line as usize;
        Some((*self.line_starts.get(at)?, *self.line_starts.get(at + 1)?))
    }

    /// Returns the text of a line, from 0.
    fn line_text(&self, line: u32) -> &'a str {
        self.line(line + 1).unwrap_or_default()
    }

    /// Returns the column of the first character that is no space; `line` from 0.
    fn first_column(&self, line: u32) -> u32 {
        let text = self.line_text(line);
        (text.len() - text.trim_start().len()) as u32
    }

    /// Returns the innermost function that begins at or before a position and ends after it; line and column from 0.
    pub fn function_at(&self, line: u32, column: u32) -> Option<RangeId> {
        let (start, end) = self.line_range(line)?;
        let offset = (start + column).min(end);
        let covering = self.functions.iter().enumerate().take_while(|(_, function)| function.start <= offset);
        // Outer before inner: the last one is the innermost. The whole script is no function.
        let inner = covering.filter(|(_, function)| offset < function.end).last();
        inner.map(|(index, _)| RangeId(index)).filter(|id| !self.is_whole(*id))
    }

    fn is_whole(&self, id: RangeId) -> bool {
        let function = &self.functions[id.0];
        function.name.is_empty()
            && function.start == 0
            && function.end + 1 >= self.line_starts.last().copied().unwrap_or(0)
    }

    /// Returns the functions whose own code holds `text`, functions within them left out.
    pub(crate) fn functions_with(&self, text: &str) -> HashSet<RangeId> {
        if !self.text.contains(text) {
            return HashSet::new();
        }
        let lines = 0..self.line_bytes.len() as u32;
        let places = lines.flat_map(|line| {
            let of_line = self.line_text(line);
            let column = move |at: usize| of_line[..at].encode_utf16().count() as u32;
            of_line.match_indices(text).map(move |(at, _)| (line, column(at)))
        });
        places.filter_map(|(line, column)| self.function_at(line, column)).collect()
    }

    /// Whether any part of a line (from 0) belongs to a function.
    pub fn touches(&self, id: RangeId, line: u32) -> bool {
        let function = &self.functions[id.0];
        self.line_range(line).is_some_and(|(start, end)| function.start < end && start < function.end)
    }

    /// Whether a function may stop and go on: an async function or a generator. V8 counts each time that it goes on as a call.
    pub fn resumes(&self, id: RangeId) -> bool {
        let start = self.functions[id.0].start;
        let line = self.line_starts.partition_point(|of_line| *of_line <= start).saturating_sub(1);
        let column = (start - self.line_starts[line]) as usize;
        let units: Vec<u16> = self.line_text(line as u32).encode_utf16().skip(column).take(16).collect();
        let text = String::from_utf16_lossy(&units);
        let after_async = text.strip_prefix("async");
        after_async
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
            || text.starts_with('*')
            || text.strip_prefix("function").is_some_and(|rest| rest.trim_start().starts_with('*'))
    }

    /// Whether one function lies within another.
    pub fn is_within(&self, inner: RangeId, outer: RangeId) -> bool {
        let (inner, outer) = (&self.functions[inner.0], &self.functions[outer.0]);
        outer.start <= inner.start && inner.end <= outer.end
    }

    /// Returns the function whose code a line (from 0) is: the innermost that covers the whole of it, or else the only
    /// one that has a part of it.
    pub fn owner_of_line(&self, line: u32) -> Option<RangeId> {
        let (start, end) = self.line_range(line)?;
        if end - start > MAX_LINE_UNITS {
            return None;
        }
        let first = start + self.first_column(line);
        let text_end = start + self.line_text(line).trim_end().encode_utf16().count() as u32;
        let n_begun = self.functions.partition_point(|function| function.start < end);
        let ids = (0..n_begun).map(RangeId).filter(|id| !self.is_whole(*id));
        let touching: Vec<RangeId> = ids.filter(|id| self.touches(*id, line)).collect();
        let covers =
            |id: &&RangeId| self.functions[id.0].start <= first && text_end <= self.functions[id.0].end;
        let covering = touching.iter().rfind(covers).copied();
        covering.or(match touching[..] {
            [only] => Some(only),
            _ => None,
        })
    }

    /// Returns the names that are called in the part of a line (from 0) that belongs to a function, `None` where that part
    /// has a loop, or letters that are not ASCII: columns then are not bytes.
    pub(crate) fn calls_on_line(&self, id: RangeId, line: u32) -> Option<Vec<&'a str>> {
        let function = &self.functions[id.0];
        let (start, _) = self.line_range(line)?;
        let text = self.line_text(line);
        let within = |offset: u32| (offset.saturating_sub(start) as usize).min(text.len());
        let part = text.is_ascii().then(|| &text[within(function.start)..within(function.end)])?;
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let mut calls = Vec::new();
        for (at, _) in part.match_indices('(') {
            let before = part[..at].trim_end();
            let word = &before[before.rfind(|c| !is_letter(c)).map_or(0, |last| last + 1)..];
            match word {
                "for" | "while" => return None,
                // Parentheses of an expression, of parameters, of a condition.
                "" | "if" | "return" | "await" | "function" | "async" | "typeof" | "switch" | "catch" => {}
                name if name == function.name => {}
                name => calls.push(name),
            }
        }
        Some(calls)
    }

    /// Returns a frame for a function that no stack shows, as V8 would name it.
    pub fn frame_of(&self, id: RangeId, url: &str) -> CallFrame<'static> {
        let function = &self.functions[id.0];
        let line =
            self.line_starts.partition_point(|start| *start <= function.start).saturating_sub(1) as u32;
        let start_column = function.start - self.line_starts[line as usize];
        // V8 places a function at its parameters.
        let rest: Vec<u16> = self.line_text(line).encode_utf16().skip(start_column as usize).collect();
        let to_parameters = rest.iter().position(|unit| *unit == u16::from(b'(')).unwrap_or(0) as u32;
        CallFrame {
            function_name: Cow::Owned(function.name.clone()),
            url: Cow::Owned(url.to_owned()),
            line_number: i64::from(line),
            column_number: i64::from(start_column + to_parameters),
        }
    }

    /// Returns each function with its name, outer ones first.
    pub fn functions(&self) -> impl Iterator<Item = (RangeId, &str)> {
        self.functions.iter().enumerate().map(|(index, function)| (RangeId(index), function.name.as_str()))
    }

    /// Returns the name of a function, as V8 gave it.
    pub fn name_of(&self, id: RangeId) -> &str {
        &self.functions[id.0].name
    }

    /// Returns each function with its start and end in UTF-16 units, the whole script left out.
    pub fn ranges(&self) -> impl Iterator<Item = (RangeId, (u32, u32))> {
        let ranges = self.functions.iter().enumerate();
        ranges
            .map(|(index, function)| (RangeId(index), (function.start, function.end)))
            .filter(|(id, _)| !self.is_whole(*id))
    }

    /// Calls `on_word` with every identifier of the text and the innermost function that it stands in. Words in comments
    /// and strings are among them.
    pub fn for_each_word(&self, mut on_word: impl FnMut(RangeId, &'a str)) {
        let mut open: Vec<usize> = Vec::new();
        let mut next = 0;
        let mut offset = 0;
        let mut word_start = None;
        for (at, c) in self.text.char_indices().chain([(self.text.len(), ' ')]) {
            if c.is_alphanumeric() || c == '_' || c == '$' {
                word_start.get_or_insert(at);
            } else if let Some(start) = word_start.take() {
                while self.functions.get(next).is_some_and(|function| function.start < offset) {
                    open.push(next);
                    next += 1;
                }
                while open.last().is_some_and(|index| self.functions[*index].end < offset) {
                    open.pop();
                }
                if let Some(index) = open.last() {
                    on_word(RangeId(*index), &self.text[start..at]);
                }
            }
            offset += c.len_utf16() as u32;
        }
    }

    /// Returns the column at which the name of the function stands whose parameters begin at `column`: right before
    /// them, or before the `=` or `:` that an arrow function follows.
    fn name_position(&self, line: u32, column: u32) -> Option<u32> {
        let units: Vec<u16> = self.line_text(line).encode_utf16().take(column as usize).collect();
        let text = String::from_utf16_lossy(&units);
        let before = text.trim_end();
        let before = before.strip_suffix("async").map_or(before, str::trim_end);
        let before = before.strip_suffix("function").map_or(before, str::trim_end);
        let before = before.strip_suffix("async").map_or(before, str::trim_end);
        let before = before.strip_suffix(['=', ':']).map_or(before, str::trim_end);
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let word_start = before.trim_end_matches(is_part).len();
        (word_start < before.len()).then(|| before[..word_start].encode_utf16().count() as u32)
    }

    /// Looks a position up in the script's own map; line and column from 0.
    fn original(&self, line: u32, column: u32) -> Option<Original> {
        let section =
            self.sections.iter().rfind(|section| (section.line, section.column) <= (line, column))?;
        section.original(
            line - section.line,
            if line == section.line { column - section.column } else { column },
        )
    }
}

impl Section {
    fn of(section: &MapSection) -> Option<Self> {
        let json = JSONSourceMap {
            version: 3,
            file: None,
            mappings: section.mappings.clone(),
            source_root: None,
            sources: section.sources.clone(),
            sources_content: None,
            names: section.names.clone(),
            debug_id: None,
            ignore_list: None,
        };
        let map = SourceMap::from_json(json).ok()?;
        let mut tokens: Vec<Token> = map.get_tokens().collect();
        tokens.sort_by_key(|token| (token.get_dst_line(), token.get_dst_col()));
        let n_lines = tokens.last().map_or(0, |token| token.get_dst_line() + 1);
        let lines = (0..=n_lines)
            .map(|line| tokens.partition_point(|token| token.get_dst_line() < line) as u32)
            .collect();
        let (line, column, sources) = (section.line, section.column, section.sources.clone());
        Some(Self { line, column, sources, map, lines, tokens })
    }

    /// Returns what the last token at or before the position stands for, or the first of its line.
    fn original(&self, line: u32, column: u32) -> Option<Original> {
        let (from, to) = (*self.lines.get(line as usize)?, *self.lines.get(line as usize + 1)?);
        let tokens = &self.tokens[from as usize..to as usize];
        let after = tokens.partition_point(|token| token.get_dst_col() <= column);
        let token = tokens.get(after.saturating_sub(1))?;
        let file = self.sources.get(token.get_source_id()? as usize).filter(|file| !file.is_empty())?;
        let name = token
            .get_name_id()
            .filter(|_| token.get_dst_col() == column)
            .and_then(|id| self.map.get_name(id))
            .map(str::to_owned);
        Some(Original { file: file.clone(), line: token.get_src_line(), column: token.get_src_col(), name })
    }
}

/// Returns the lines as JavaScript counts them: `\n`, `\r\n`, `\r`, U+2028 and U+2029 end one.
pub fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\n', '\r', '\u{2028}', '\u{2029}']) else {
            rest = None;
            return Some(text);
        };
        let ending = if text[at..].starts_with("\r\n") { 2 } else { text[at..].chars().next()?.len_utf8() };
        rest = Some(&text[at + ending..]);
        Some(&text[..at])
    })
}

fn line_starts(text: &str) -> Vec<u32> {
    let mut starts = vec![0];
    let mut offset = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        offset += c.len_utf16() as u32;
        let ends_line = match c {
            '\n' | '\u{2028}' | '\u{2029}' => true,
            '\r' => chars.peek() != Some(&'\n'),
            _ => false,
        };
        if ends_line {
            starts.push(offset);
        }
    }
    starts.push(offset);
    starts
}
