//! Reads the log that `node --prof` writes (`isolate-0x…-v8.log`) without `--prof-process`: code, where it moved, ticks.
//!
//! ```text
//! code-creation,JS,10,48320,0x7f3a40004f60,1288,render /srv/app.js:10:15,0x2f1e8,*
//! tick,0x7f3a40005010,52113,0,0x0,0,0x7f3a40004c10,+0x1a,overflow
//! ```
//!
//! Pitfalls: commas in names are written `\x2C`; addresses of a stack are absolute or, with a sign, relative to the one
//! before; code moves and is overwritten, so a tick is read with the code of its moment; in a native callback the
//! program counter may lie inside the callback, so the callback's address stands for it; the state of the virtual
//! machine tells collections, which have no frame; native code is told by its library only, as its symbols are not in the
//! log; the columns differ between V8's versions, but those read here have stayed since V8 8; times are microseconds
//! since the log began.

use super::lines::Lines;
use super::{BadInput, Content};
use crate::Nanos;
use crate::classify::AppScope;
use crate::symbol::function_of_symbol;
use crate::tables::{FunctionId, Profile, Tier, WeightUnit};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io::Read;

/// States of the virtual machine, as `tick` writes them.
const STATE_GC: u32 = 1;
const STATE_IDLE: u32 = 8;

/// Kinds of code whose name and tier are those of a JavaScript function.
const JS_KINDS: &[&str] = &[
    "JS",
    "LazyCompile",
    "Function",
    "Script",
    "Eval",
    "NativeLazyCompile",
    "NativeFunction",
    "NativeScript",
];

/// Adds the ticks of a log to `profile`.
pub(super) fn import(text: impl Read, profile: &mut Profile) -> Result<Content, BadInput> {
    let mut lines = Lines::new(text);
    let mut log = Log { content: Content::new(WeightUnit::Nanoseconds), ..Log::default() };
    let mut n_bad = 0_u64;
    let mut first_bad = 0;
    while let Some((offset, line)) = lines.next()? {
        let line = String::from_utf8_lossy(line);
        let mut fields = line.split(',');
        let is_read = match fields.next() {
            Some("code-creation") => log.add_code(&mut fields, profile),
            Some("code-move") => log.move_code(&mut fields),
            Some("code-delete") => address(fields.next()).map(|at| _ = log.code.remove(&at)),
            Some("shared-library") => log.add_library(&mut fields, profile),
            Some("tick") => log.add_tick(&mut fields, profile),
            _ => Some(()),
        };
        if is_read.is_none() {
            first_bad = if n_bad == 0 { offset } else { first_bad };
            n_bad += 1;
        }
    }
    if n_bad > 0 {
        log.content.notes.push(format!("{n_bad} lines were not understood, the first at byte {first_bad}"));
    }
    if log.has_libraries {
        log.content.notes.push("native code is told by its library: V8's log has no symbols of it".into());
    }
    for thread in &mut log.content.threads {
        let end = thread.start.last().copied().unwrap_or_default();
        thread.weigh_by_distance(end);
    }
    Ok(log.content)
}

type Frame = (FunctionId, Option<Tier>);

#[derive(Default)]
struct Log {
    content: Content,
    /// By start: length and what it is; later code takes the place of earlier.
    code: BTreeMap<u64, (u64, Frame)>,
    libraries: BTreeMap<u64, (u64, Frame)>,
    has_libraries: bool,
    named: FxHashMap<String, Frame>,
}

impl Log {
    fn frame(&mut self, symbol: &str, module: &str, profile: &mut Profile) -> Frame {
        if let Some(frame) = self.named.get(symbol) {
            return *frame;
        }
        let (function, tier) = function_of_symbol(&AppScope::default(), symbol, module);
        let frame = (profile.functions.intern(function), tier);
        self.named.insert(symbol.to_owned(), frame);
        frame
    }

    fn add_code<'a>(
        &mut self,
        fields: &mut impl Iterator<Item = &'a str>,
        profile: &mut Profile,
    ) -> Option<()> {
        let kind = fields.next()?;
        let (_variant, _time) = (fields.next()?, fields.next()?);
        let (start, length) = (address(fields.next())?, fields.next()?.parse().ok()?);
        let name = unescaped(fields.next()?);
        let tier = fields.nth(1).unwrap_or_default();
        let symbol = match kind {
            kind if JS_KINDS.contains(&kind) => format!("JS:{tier}{name}"),
            "RegExp" => format!("RegExp:{name}"),
            "Builtin" | "BytecodeHandler" | "Stub" | "Handler" | "Callback" => format!("{kind}:{name}"),
            kind => format!("Builtin:{kind} {name}"),
        };
        let frame = self.frame(&symbol, "", profile);
        self.put(start, length, frame);
        Some(())
    }

    /// Puts code in the place of what lay there.
    fn put(&mut self, start: u64, length: u64, frame: Frame) {
        let end = start.saturating_add(length);
        while let Some((old, _)) = self.code.range(start..end).next() {
            let old = *old;
            self.code.remove(&old);
        }
        if let Some((before, (old_length, _))) = self.code.range_mut(..start).next_back() {
            *old_length = (*old_length).min(start - before);
        }
        self.code.insert(start, (length, frame));
    }

    fn move_code<'a>(&mut self, fields: &mut impl Iterator<Item = &'a str>) -> Option<()> {
        let (from, to) = (address(fields.next())?, address(fields.next())?);
        if let Some((length, frame)) = self.code.remove(&from) {
            self.put(to, length, frame);
        }
        Some(())
    }

    fn add_library<'a>(
        &mut self,
        fields: &mut impl Iterator<Item = &'a str>,
        profile: &mut Profile,
    ) -> Option<()> {
        let path = unescaped(fields.next()?);
        let path = path.trim_matches('"');
        let (start, end) = (address(fields.next())?, address(fields.next())?);
        let name = format!("[{}]", path.rsplit('/').next().unwrap_or(path).trim_matches(['[', ']']));
        let frame = self.frame(&name, path, profile);
        self.libraries.insert(start, (end.saturating_sub(start), frame));
        self.has_libraries = true;
        Some(())
    }

    fn find(&self, address: u64) -> Option<Frame> {
        find_in(&self.code, address).or_else(|| find_in(&self.libraries, address))
    }

    fn add_tick<'a>(
        &mut self,
        fields: &mut impl Iterator<Item = &'a str>,
        profile: &mut Profile,
    ) -> Option<()> {
        let mut pc = address(fields.next())?;
        let time: u64 = fields.next()?.parse().ok()?;
        let in_callback = fields.next()? == "1";
        let mut top = address(fields.next())?;
        let state: u32 = fields.next()?.parse().ok()?;
        if in_callback {
            pc = std::mem::take(&mut top);
        } else if find_in(&self.code, top).is_none() {
            // Only a function of JavaScript that has no frame yet.
            top = 0;
        }
        let mut addresses = vec![pc];
        addresses.extend((top != 0).then_some(top));
        let mut before = addresses.last().copied().unwrap_or(pc);
        for field in fields {
            match field.as_bytes().first() {
                Some(b'+') => before = before.wrapping_add(hexadecimal(&field[1..])?),
                Some(b'-') => before = before.wrapping_sub(hexadecimal(&field[1..])?),
                Some(b'o') => continue,
                _ => {
                    addresses.push(hexadecimal(field)?);
                    continue;
                }
            }
            addresses.push(before);
        }
        let mut stack = None;
        for address in addresses.iter().rev() {
            if let Some((function, tier)) = self.find(*address) {
                stack = Some(profile.stacks.intern_at(stack, function, tier));
            }
        }
        let pseudo = match state {
            STATE_GC => Some("(garbage collector)"),
            STATE_IDLE => Some("(idle)"),
            _ if stack.is_none() => Some("(program)"),
            _ => None,
        };
        if let Some(name) = pseudo {
            let (function, _) = self.frame(name, "", profile);
            stack = Some(profile.stacks.intern(if state == STATE_IDLE { None } else { stack }, function));
        }
        let thread = self.content.thread(0, 0);
        self.content.threads[thread].push(Nanos(time.saturating_mul(1000)), Nanos(0), stack?);
        Some(())
    }
}

fn find_in(map: &BTreeMap<u64, (u64, Frame)>, address: u64) -> Option<Frame> {
    let (start, (length, frame)) = map.range(..=address).next_back()?;
    (address - start < *length).then_some(*frame)
}

/// Reads `0x1f`, or the plain decimal number that older versions write.
fn address(field: Option<&str>) -> Option<u64> {
    let field = field?;
    match field.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => field.parse().ok(),
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// Decodes `\x2C`, `\u1234`, `\n` and `\\`.
fn unescaped(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let n_digits = match rest.as_bytes().first() {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'n') => {
                decoded.push('\n');
                rest = &rest[1..];
                continue;
            }
            _ => {
                let kept = rest.chars().next();
                decoded.extend(kept);
                rest = &rest[kept.map_or(0, char::len_utf8)..];
                continue;
            }
        };
        let code = rest.get(1..1 + n_digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                decoded.push(character);
                rest = &rest[1 + n_digits..];
            }
            None => decoded.push('\\'),
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(log: &str) -> Vec<Vec<String>> {
        let mut profile = Profile::default();
        let content = import(log.as_bytes(), &mut profile).unwrap();
        let stack = |stack: &crate::tables::StackId| {
            let mut names: Vec<_> =
                profile.stacks.frames(*stack).map(|id| profile.functions.get(id).name.clone()).collect();
            names.reverse();
            names
        };
        content.threads.iter().flat_map(|thread| thread.stack.iter().map(stack)).collect()
    }

    const CODE: &str = "v8-version,11,3\n\
        shared-library,\"/usr/bin/node\",0x400000,0x500000,0\n\
        code-creation,JS,10,1,0x1000,16,outer /srv/a.js:1:1,0x9,~\n\
        code-creation,JS,10,2,0x2000,16,inner\\x2C1 /srv/a.js:2:1,0x9,*\n";

    #[test]
    fn reads_stacks_with_relative_addresses() {
        let log = format!("{CODE}tick,0x2004,10,0,0x0,0,-0xffc\ntick,0x400001,20,0,0x0,5,0x2002,0x1002\n");
        assert_eq!(names(&log), [vec!["outer", "inner,1"], vec!["outer", "inner,1", "[node]"]]);
    }

    #[test]
    fn code_is_that_of_the_moment() {
        let log = format!("{CODE}tick,0x1004,10,0,0x0,0\ncode-move,0x2000,0x1000\ntick,0x1004,20,0,0x0,0\n");
        assert_eq!(names(&log), [["outer"], ["inner,1"]]);
    }

    #[test]
    fn collections_and_waiting_are_told_by_the_state() {
        let log =
            format!("{CODE}tick,0x400001,10,0,0x0,1,0x1004\ntick,0x1,20,0,0x0,8\ntick,0x1,30,0,0x0,5\n");
        let gc = vec!["outer", "[node]", "(garbage collector)"];
        assert_eq!(names(&log), [gc, vec!["(idle)"], vec!["(program)"]]);
    }

    #[test]
    fn names_are_decoded() {
        assert_eq!(unescaped(r"a\x2Cb\u00e9\n\\\q\x"), "a,bé\n\\q\\x");
    }

    proptest::proptest! {
        #[test]
        fn any_log_is_read(log in "((tick|code-creation|code-move|shared-library)(,[0-9a-fx+~\\\\,-]{0,12}){0,9}\n){0,6}") {
            import(log.as_bytes(), &mut Profile::default()).unwrap();
        }
    }
}
