//! Puts the native log into the profile tables: JavaScript, C++ and kernel in one stack.

use super::join::CodeAddresses;
use super::{JIT_MODULE, KERNEL_MODULE};
use crate::Nanos;
use crate::classify::AppScope;
use crate::code::Code;
use crate::from_recording::function_of;
use crate::import::cpuprofile::CallFrame;
use crate::recording::{AddressNode, KERNEL_START, NamedAddress, NativeStacks, Recording};
use crate::symbol::{function_of_symbol, javascript_frame};
use crate::tables::{Function, FunctionId, Profile, StackId, ThreadSamples, Tier};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Name of frames at addresses where nothing is known to be mapped.
const NOWHERE: &str = "[unknown]";

/// Adds the samples that lie in one of `windows` to the profile, a thread each. Returns, where nothing names the JavaScript, the
/// addresses of the innermost code without a name.
pub(crate) fn add_native(
    profile: &mut Profile,
    recording: &Recording,
    code: &Code,
    windows: &[(Nanos, Nanos)],
) -> CodeAddresses {
    let Some(stacks) = &recording.native else { return CodeAddresses::new() };
    let is_inside = |t: Nanos| windows.iter().any(|(from, to)| *from <= t && t < *to);
    let any_inside = stacks.log.samples.iter().any(|sample| is_inside(sample.t));
    let mut threads: BTreeMap<(u32, u32), ThreadSamples> = BTreeMap::new();
    let mut addresses: BTreeMap<(u32, u32), Vec<u64>> = BTreeMap::new();
    let mut joined = Joined::new(profile, recording, code, stacks);
    let period = Nanos(stacks.log.header.period_ns);
    for sample in &stacks.log.samples {
        if any_inside && !is_inside(sample.t) {
            continue;
        }
        let Some(stack) = joined.stack(sample.node, sample.t) else { continue };
        let thread = &stacks.log.threads[sample.thread as usize];
        let samples = threads.entry((thread.pid, thread.tid)).or_insert_with(|| ThreadSamples {
            pid: thread.pid,
            thread: thread.tid,
            ..ThreadSamples::default()
        });
        // The last name counts: threads are named by their parents until they have named themselves.
        samples.name.clone_from(&thread.name);
        samples.start.push(sample.t);
        samples.duration.push(period);
        samples.stack.push(stack);
        joined.count_line(sample.node, sample.t, stack, period);
        addresses
            .entry((thread.pid, thread.tid))
            .or_default()
            .push(joined.code_address(sample.node).unwrap_or(0));
    }
    for ((pid, tid), samples) in &mut threads {
        if let Some(name) = name_of_thread(recording, *pid, *tid) {
            samples.name = name;
        }
    }
    profile.native.extend(threads.into_values());
    addresses.into_values().collect()
}

/// Names a thread by what it is to Node.js, where it is anything.
fn name_of_thread(recording: &Recording, pid: u32, tid: u32) -> Option<String> {
    let hello = recording.hello(pid)?;
    if hello.relay_tid == Some(tid) {
        return Some("slowpath's own (relay)".into());
    }
    recording.node_thread(pid, tid).map(|thread| match thread {
        0 => "main".into(),
        worker => format!("worker {worker}"),
    })
}

/// Addresses on their way into the tables.
struct Joined<'a> {
    profile: &'a mut Profile,
    stacks: &'a NativeStacks,
    code: &'a Code<'a>,
    scopes: Vec<AppScope>,
    /// Stacks of nodes that mean the same at any time.
    stack_of: Vec<Option<StackId>>,
    function_of: FxHashMap<(u32, u32), (FunctionId, Option<Tier>)>,
    unnamed: FxHashMap<(u32, String), FunctionId>,
    /// Functions that are known with their column, by name, file and line; Node 18 gives none in its perf map.
    with_column: FxHashMap<(String, String, u32), Option<FunctionId>>,
}

impl<'a> Joined<'a> {
    fn new(
        profile: &'a mut Profile,
        recording: &Recording,
        code: &'a Code<'a>,
        stacks: &'a NativeStacks,
    ) -> Self {
        let mut with_column = FxHashMap::default();
        for (id, function) in profile.functions.iter().filter(|(_, function)| function.column > 0) {
            with_column
                .entry((function.name.clone(), function.file.clone(), function.line))
                // Two functions of one name in one line cannot be told apart.
                .and_modify(|known| *known = None)
                .or_insert(Some(id));
        }
        let scopes = stacks.log.spaces.iter().map(|space| AppScope::of(recording, space.pid)).collect();
        let stack_of = vec![None; stacks.log.nodes.len()];
        let (function_of, unnamed) = (FxHashMap::default(), FxHashMap::default());
        Self { profile, stacks, code, scopes, stack_of, function_of, unnamed, with_column }
    }

    /// Returns the stack of a node at time `t`.
    fn stack(&mut self, node: u32, t: Nanos) -> Option<StackId> {
        let mut to_do = Vec::new();
        let mut stack = None;
        for at in self.stacks.log.frames(node) {
            stack = self.stack_of[at as usize];
            if stack.is_some() {
                break;
            }
            to_do.push(at);
        }
        let mut is_lasting = true;
        for at in to_do.into_iter().rev() {
            let row = &self.stacks.log.nodes[at as usize];
            let named = self.stacks.symbols.of(row.space, row.address);
            is_lasting &= named.len() <= 1;
            stack = match at_time(named, t) {
                Some(named) => self.push_named(stack, row.space, named),
                None => Some(self.push_unnamed(stack, at)),
            };
            if is_lasting {
                self.stack_of[at as usize] = stack;
            }
        }
        stack
    }

    fn push_named(&mut self, caller: Option<StackId>, space: u32, named: &NamedAddress) -> Option<StackId> {
        let mut stack = caller;
        for symbol in named.functions.iter().rev() {
            let (function, tier) = match self.function_of.get(&(space, *symbol)) {
                Some(known) => *known,
                None => self.intern(space, *symbol),
            };
            stack = Some(self.profile.stacks.intern_at(stack, function, tier));
        }
        stack
    }

    fn intern(&mut self, space: u32, symbol: u32) -> (FunctionId, Option<Tier>) {
        let named = &self.stacks.symbols.symbols[symbol as usize];
        let (mut function, tier) =
            function_of_symbol(&self.scopes[space as usize], &named.name, &named.module);
        if !named.file.is_empty() {
            function.file = self.scopes[space as usize].display_path(&named.file);
        }
        if let Some(original) = self.original(&named.name) {
            function = function_of(&self.scopes[space as usize], &original, None);
        }
        let id = self.known_with_column(&function).unwrap_or_else(|| self.profile.functions.intern(function));
        self.function_of.insert((space, symbol), (id, tier));
        (id, tier)
    }

    /// Follows the source map of compiled code, so that both profilers name its functions alike.
    fn original(&self, name: &str) -> Option<CallFrame<'static>> {
        let frame = javascript_frame(name)?;
        self.code.original_frame(&frame).or_else(|| {
            // V8's perf map gives paths where its profiler gives URLs.
            self.code.original_frame(&CallFrame { url: format!("file://{}", frame.url).into(), ..frame })
        })
    }

    fn known_with_column(&self, function: &Function) -> Option<FunctionId> {
        if function.column > 0 || function.line == 0 {
            return None;
        }
        let key = (function.name.clone(), function.file.clone(), function.line);
        self.with_column.get(&key).copied().flatten()
    }

    /// Returns the address of the innermost frame of code that was compiled as the program ran and that has no name.
    fn code_address(&self, node: u32) -> Option<u64> {
        let rows = self.stacks.log.frames(node).map(|at| self.stacks.log.nodes[at as usize]);
        let mut nameless = rows.filter(|row| {
            row.address < KERNEL_START && self.stacks.symbols.of(row.space, row.address).is_empty()
        });
        nameless.find(|row| self.image_of(row).is_some_and(|image| !is_file(image))).map(|row| row.address)
    }

    fn image_of(&self, row: &AddressNode) -> Option<&'a str> {
        let map = self.stacks.log.map_at(row.space, row.address, row.seen)?;
        Some(self.stacks.log.images[map.image as usize].as_str())
    }

    /// Adds a frame without a name. Neighbours of one binary count as one frame: nothing tells them apart.
    fn push_unnamed(&mut self, caller: Option<StackId>, node: u32) -> StackId {
        let row = self.stacks.log.nodes[node as usize];
        let (name, module) = if row.address >= KERNEL_START {
            (KERNEL_MODULE.to_owned(), KERNEL_MODULE)
        } else {
            match self.image_of(&row) {
                None => (NOWHERE.to_owned(), NOWHERE),
                Some("[vdso]") => ("[vdso]".to_owned(), "[vdso]"),
                Some(path) if is_file(path) => {
                    (format!("[{}]", path.rsplit('/').next().unwrap_or(path)), path)
                }
                Some(_) => (JIT_MODULE.to_owned(), JIT_MODULE),
            }
        };
        let function = if let Some(known) = self.unnamed.get(&(row.space, name.clone())) {
            *known
        } else {
            let (function, _) = function_of_symbol(&self.scopes[row.space as usize], &name, module);
            let id = self.profile.functions.intern(function);
            self.unnamed.insert((row.space, name), id);
            id
        };
        match caller {
            Some(caller) if self.profile.stacks.function[caller.0 as usize] == function => caller,
            _ => self.profile.stacks.intern(caller, function),
        }
    }

    /// Counts the leaf's line, where debug information tells it.
    fn count_line(&mut self, node: u32, t: Nanos, stack: StackId, weight: Nanos) {
        let row = &self.stacks.log.nodes[node as usize];
        let line = at_time(self.stacks.symbols.of(row.space, row.address), t).map_or(0, |named| named.line);
        if line > 0 {
            let function = self.profile.stacks.function[stack.0 as usize];
            *self.profile.native_lines.entry((function, line)).or_default() += weight.0;
        }
    }
}

/// Whether an image is a file; the kernel calls other memory `//anon` and the like.
fn is_file(image: &str) -> bool {
    image.starts_with('/') && !image.starts_with("//")
}

/// A name is dated by when the recorder saw it, five times a second; on a busy machine it is later than the code by up to this.
const LATE_NAME: Nanos = Nanos(crate::SECOND);

/// Returns what an address was at `t`: what it was last called by then, or shortly after. What is named long after is other
/// code in the same place.
fn at_time(named: &[NamedAddress], t: Nanos) -> Option<&NamedAddress> {
    let shortly_after = || named.first().filter(|first| first.since.since(t) <= LATE_NAME);
    named.iter().rev().find(|named| named.since <= t).or_else(shortly_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_comes_long_after_does_not_name_what_ran_in_its_place() {
        let named = |since: u64, line| NamedAddress { since: Nanos(since), line, functions: Vec::new() };
        let second = crate::SECOND;
        let lines = [named(10 * second, 1), named(20 * second, 2)];
        let line_at = |t: u64| at_time(&lines, Nanos(t)).map(|named| named.line);
        assert_eq!(line_at(15 * second), Some(1));
        assert_eq!(line_at(25 * second), Some(2));
        assert_eq!(line_at(10 * second - 1), Some(1), "the recorder looks some times a second");
        assert_eq!(line_at(8 * second), None);
        assert_eq!(at_time(&[], Nanos(0)), None);
    }
}
