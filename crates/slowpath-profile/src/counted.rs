//! Joins what was counted with the functions of the profile: the places that calls were made from, and how often
//! functions were called.

use crate::classify::{AppScope, Category, classify};
use crate::code::{Code, Script};
use crate::from_recording::function_of;
use crate::import::cpuprofile::CallFrame;
use crate::recording::{CallSite, Recording, SiteFrame};
use crate::tables::{Function, FunctionId, Profile};
use std::collections::HashMap;

/// A place that counted calls were made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerSite {
    /// The nearest application function, or the outermost known frame where there is none.
    pub function: FunctionId,
    /// Line of the call in that function's file, from 1.
    pub line: u32,
    /// Package whose code made the call for that function, if one did.
    pub through: Option<String>,
    /// Whether Node's module loader made the call.
    pub loads: bool,
    /// Application functions that called that function, innermost first, where they were asked for.
    pub callers: Vec<FunctionId>,
    /// Functions of packages that made the call, innermost first: all below the nearest application function, or all where none is
    /// on the stack.
    pub packages: Vec<FunctionId>,
}

/// How often a function was called in one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FunctionCalls {
    /// Process id.
    pub pid: u32,
    /// The function.
    pub function: FunctionId,
    /// Calls.
    pub n: u64,
    /// Whether going on after an `await` or `yield` counts as a call, too.
    pub resumes: bool,
    /// Length of the window, ms.
    pub ms: f64,
}

impl Profile {
    /// Adds the places and calls of a recording's counter logs.
    pub(crate) fn add_counted(&mut self, recording: &Recording, code: &Code<'_>) {
        for (pid, records) in &recording.counters {
            let scope = AppScope::of(recording, *pid);
            for record in records {
                for site in &record.sites {
                    if let Some(caller) = self.caller_of(&scope, code, site) {
                        self.caller_sites.insert((*pid, record.thread, site.0), caller);
                    }
                }
                if let Some(counts) = &record.calls {
                    for script in &counts.scripts {
                        self.add_calls(&scope, code, *pid, counts.ms, &script.url, &script.functions);
                    }
                }
            }
        }
    }

    fn caller_of(&mut self, scope: &AppScope, code: &Code<'_>, site: &CallSite) -> Option<CallerSite> {
        let CallSite(_, frames, loads) = site;
        let is_app = |frame: &&SiteFrame| {
            let url = code.original(&frame.1, frame.2.saturating_sub(1), frame.3.saturating_sub(1));
            let url = url.map_or(frame.1.clone(), |original| original.file);
            classify(scope, &frame.0, &url).0 == Category::App
        };
        let nearest = frames.iter().position(|frame| is_app(&frame));
        let own_at = nearest.unwrap_or(frames.len().checked_sub(1)?);
        let own = &frames[own_at];
        let innermost = frames.first().filter(|innermost| *innermost != own);
        let through = innermost.and_then(|frame| classify(scope, &frame.0, &frame.1).1);
        let outer: Vec<&SiteFrame> = frames[own_at + 1..].iter().filter(is_app).collect();
        let (function, line) = self.function_around(scope, code, own);
        let callers = outer.into_iter().map(|frame| self.function_around(scope, code, frame).0).collect();
        let of_packages = &frames[..nearest.unwrap_or(frames.len())];
        let packages = of_packages.iter().map(|frame| self.function_around(scope, code, frame).0).collect();
        Some(CallerSite { function, line, through, loads: *loads, callers, packages })
    }

    /// Returns the function that a call stands in, and the line of the call in the original file.
    pub(crate) fn function_around(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        frame: &SiteFrame,
    ) -> (FunctionId, u32) {
        let SiteFrame(name, url, line, column) = frame;
        let (line, column) = (line.saturating_sub(1), column.saturating_sub(1));
        let original = code.original(url, line, column);
        let call_line = original.as_ref().map_or(line, |original| original.line) + 1;
        let own_name = last_word(name);
        if let Some(script) = code.script(url)
            && let Some(range) = script.function_at(line, column)
            && last_word(script.name_of(range)) == own_name
        {
            let declared = script.frame_of(range, url);
            let declared = code.original_frame(&declared).unwrap_or(declared);
            return (self.known_or_new(function_of(scope, &declared, None)), call_line);
        }
        // V8 forgets functions that ran long ago, such as what set a service up: the text still has their declaration.
        if let Some(script) = code.script(url)
            && let Some((line, column)) = declaration_of(script, own_name, line)
        {
            let (line_number, column_number) = (i64::from(line), i64::from(column));
            let (function_name, url) = (name.as_str().into(), url.as_str().into());
            let declared = CallFrame { function_name, url, line_number, column_number };
            let declared = code.original_frame(&declared).unwrap_or(declared);
            return (self.known_or_new(function_of(scope, &declared, None)), call_line);
        }
        // Without the text only the name tells: the function of that name that begins last before the call.
        let called = CallFrame {
            function_name: name.as_str().into(),
            url: url.as_str().into(),
            line_number: i64::from(line),
            column_number: i64::from(column),
        };
        let called = function_of(scope, &called, None);
        let same = |f: &Function| f.file == called.file && f.name == called.name && f.line <= called.line;
        let known = self.functions.iter().filter(|(_, f)| same(f)).max_by_key(|(_, f)| f.line);
        let id = known.map(|(id, _)| id);
        (id.unwrap_or_else(|| self.functions.intern(called)), call_line)
    }

    /// Returns the sampled function on the same line with the same name: V8 and the text may differ in the column.
    pub(crate) fn known_or_new(&mut self, function: Function) -> FunctionId {
        let same =
            |f: &Function| f.line == function.line && f.name == function.name && f.file == function.file;
        let known = self.functions.iter().filter(|(_, known)| same(known));
        let nearest = known.min_by_key(|(_, known)| known.column.abs_diff(function.column)).map(|(id, _)| id);
        nearest.unwrap_or_else(|| self.functions.intern(function))
    }

    fn add_calls(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        pid: u32,
        ms: f64,
        url: &str,
        functions: &[(String, u32, u32, u64)],
    ) {
        if let Some(script) = code.script(url) {
            let by_range: HashMap<_, _> =
                functions.iter().map(|(_, start, end, n)| ((*start, *end), *n)).collect();
            let counted: Vec<_> = script
                .ranges()
                .filter_map(|(id, range)| {
                    Some((script.frame_of(id, url), *by_range.get(&range)?, script.resumes(id)))
                })
                .collect();
            for (frame, n, resumes) in counted {
                let frame = code.original_frame(&frame).unwrap_or(frame);
                let function = self.known_or_new(function_of(scope, &frame, None));
                self.function_calls.push(FunctionCalls { pid, function, n, resumes, ms });
            }
            return;
        }
        // Without the text (Node's own, or none was kept) only names tell, of functions that were sampled; one that
        // stands there twice is left out.
        let file = scope.display_path(url);
        for (name, _, _, n) in functions {
            let own_name = name.rsplit('.').next().unwrap_or(name);
            let mut known = self.functions.iter().filter(|(_, f)| f.file == file && f.name == own_name);
            if let (Some((function, _)), None) = (known.next(), known.next()) {
                self.function_calls.push(FunctionCalls { pid, function, n: *n, resumes: false, ms });
            }
        }
    }
}

/// V8 writes `get size`, `Store.get` or `async f`: the last word is the function's own name.
fn last_word(name: &str) -> &str {
    name.rsplit(['.', ' ']).next().unwrap_or(name)
}

/// Returns where the function `name` that a line stands in is declared: line and column of its parameters, from 0. Looks for the last
/// line before that reads like a declaration.
fn declaration_of(script: &Script<'_>, name: &str, line: u32) -> Option<(u32, u32)> {
    if name.is_empty() {
        return None;
    }
    (0..=line).rev().find_map(|line| {
        let text = script.line(line + 1)?;
        let at = text.match_indices(name).map(|(at, _)| at).find(|at| declares(text, *at, name.len()))?;
        let column = text[..at + name.len()].encode_utf16().count() as u32;
        Some((line, column))
    })
}

/// Whether the word at a byte offset of a line is a function's name where that is declared, and not where it is called.
fn declares(text: &str, at: usize, length: usize) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let (before, after) = (&text[..at], text[at + length..].trim_start());
    if before.ends_with(is_part) || text[at + length..].starts_with(is_part) {
        return false;
    }
    let words = before.trim_end();
    let is_keyword = words.ends_with("function") || words.ends_with("function*");
    let is_assigned = after.starts_with('=') && !after.starts_with("==") && after.contains(['(', '>']);
    let is_property = after.starts_with(':') && after.contains(['(', '>']);
    let is_method = (words.is_empty() || words.ends_with("async") || words.ends_with("static"))
        && after.starts_with('(')
        && text.trim_end().ends_with('{');
    is_keyword || is_assigned || is_property || is_method
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Source;

    #[test]
    fn a_declaration_is_told_from_a_call() {
        let text = "watch();\nfunction watch(list) {\n  for (const x of list) every(x);\n}\nclass Pool {\n  \
                    async pick(id) {\n    return watch(id);\n  }\n}\nconst every = (x) => watch(x);\nevery(1);";
        let sources = [Source { url: "a.js".into(), text: text.into(), ..Source::default() }];
        let code = Code::of(&sources);
        let script = code.script("a.js").unwrap();
        let line_of = |name: &str, call: u32| declaration_of(script, name, call).map(|(line, _)| line);
        assert_eq!(line_of("watch", 2), Some(1));
        assert_eq!(line_of("pick", 6), Some(5));
        assert_eq!(line_of("every", 10), Some(9));
        assert_eq!(line_of("watch", 0), None);
        assert_eq!(line_of("absent", 10), None);
        assert_eq!(line_of("", 10), None);
    }
}
