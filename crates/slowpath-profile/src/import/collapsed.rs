//! Reads collapsed stacks: `outermost;…;innermost WEIGHT`, one line a stack (FlameGraph's stackcollapse scripts, inferno,
//! py-spy, async-profiler, bpftrace wrappers).
//!
//! Pitfalls: frames hold spaces, so the weight is the last word; the weight counts samples, but bytes or microseconds
//! in some tools, and nothing says which; kernel frames may end in `_[k]`, compiled ones in `_[j]`; the same stack may
//! occur on several lines; differential files have two weights, of which the last is read. Where no name in a file
//! shows C++, kernel or V8, names without a file are taken to be the program's own.

use super::lines::Lines;
use super::{BadInput, Content};
use crate::classify::{AppScope, Category};
use crate::symbol::function_of_symbol;
use crate::tables::{FunctionId, Profile, Tier, WeightUnit};
use rustc_hash::FxHashMap;
use std::io::Read;

/// What shows that names are symbols of machine code.
const NATIVE_MARKS: &[&[u8]] =
    &[b"::", b"_[k]", b"_[j]", b"__libc_start", b"LazyCompile:", b"Builtin:", b"JS:", b"[unknown]"];

/// Adds collapsed stacks to `profile`.
pub(super) fn import(text: impl Read, profile: &mut Profile) -> Result<Content, BadInput> {
    let mut lines = Lines::new(text);
    let ahead = lines.ahead()?;
    let is_native = NATIVE_MARKS.iter().any(|mark| memchr::memmem::find(ahead, mark).is_some());
    let mut frames = Frames { is_native, by_name: FxHashMap::default() };
    let mut content = Content::new(WeightUnit::Samples);
    let thread = content.new_thread(0, "");
    let (mut n_bad, mut first_bad) = (0_u64, 0);
    while let Some((offset, line)) = lines.next()? {
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Some((names, weight)) = split_line(line) else {
            first_bad = if n_bad == 0 { offset } else { first_bad };
            n_bad += 1;
            continue;
        };
        let mut stack = None;
        for name in names.split(|byte| *byte == b';') {
            let (function, tier) = frames.get(profile, name);
            stack = Some(profile.stacks.intern_at(stack, function, tier));
        }
        if let Some(stack) = stack.filter(|_| weight > 0) {
            thread.push_sum(weight, u32::try_from(weight).unwrap_or(u32::MAX), stack);
        }
    }
    if n_bad > 0 {
        let lines = if n_bad == 1 { "a line has" } else { "lines have" };
        content
            .notes
            .push(format!("{n_bad} {lines} no weight and were left out, the first at byte {first_bad}"));
    }
    Ok(content)
}

/// Splits a line into its names and its weight.
pub(super) fn split_line(line: &[u8]) -> Option<(&[u8], u64)> {
    let at = memchr::memrchr2(b' ', b'\t', line)?;
    let (names, weight) = (line[..at].trim_ascii_end(), &line[at + 1..]);
    if names.is_empty() || weight.is_empty() {
        return None;
    }
    // Some writers have fractions.
    let weight = std::str::from_utf8(weight).ok()?;
    let fraction = || weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
    let whole = weight.parse().ok();
    Some((names, whole.or_else(|| fraction().map(|weight| weight.round() as u64))?))
}

struct Frames {
    is_native: bool,
    by_name: FxHashMap<Box<[u8]>, (FunctionId, Option<Tier>)>,
}

impl Frames {
    fn get(&mut self, profile: &mut Profile, name: &[u8]) -> (FunctionId, Option<Tier>) {
        if let Some(known) = self.by_name.get(name) {
            return *known;
        }
        let (mut function, tier) =
            function_of_symbol(&AppScope::default(), &String::from_utf8_lossy(name), "");
        let is_plain =
            function.category == Category::Native && function.package.is_none() && function.kind.is_none();
        if is_plain && !self.is_native {
            function.category = Category::App;
        }
        let found = (profile.functions.intern(function), tier);
        self.by_name.insert(name.into(), found);
        found
    }
}
