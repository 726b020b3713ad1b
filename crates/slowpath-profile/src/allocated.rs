//! Charges sampled allocations to functions: the one that allocated, and the nearest of the application that it did so for. A callback
//! without a name counts as the function of its file that calls it, where one does: that is where a person would look.

use crate::classify::{AppScope, Category};
use crate::code::Code;
use crate::from_recording::function_of;
use crate::import::cpuprofile::CallFrame;
use crate::recording::{Event, HeapFrame, HeapSeen, Recording, SampledHeap};
use crate::tables::{FunctionId, Profile};

/// Which window of the heap recorder an allocation was seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeapWindow {
    /// All allocations.
    Allocations,
    /// Those still alive at the end.
    Survivors,
}

/// What one stack allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// Process id.
    pub pid: u32,
    /// Window.
    pub window: HeapWindow,
    /// The function that allocated.
    pub by: FunctionId,
    /// The nearest application function on the stack, itself included.
    pub owner: Option<FunctionId>,
    /// The next application function that called it.
    pub caller: Option<FunctionId>,
    /// Bytes, scaled up from the sample.
    pub bytes: u64,
    /// Samples.
    pub n_samples: u32,
}

/// The first Node whose V8 keeps what was collected in an allocation profile (`includeObjectsCollectedByMinorGC`).
const FIRST_TO_SEE_ALL: u32 = 20;

/// Whether the first window of a process has all allocations, not only those alive at its end.
fn sees_all(recording: &Recording, pid: u32) -> bool {
    let version = recording.events.iter().find_map(|timed| match &timed.event {
        Event::Process(hello) if hello.pid == pid => Some(hello.node.as_str()),
        _ => None,
    });
    version.is_none_or(keeps_collected)
}

/// Whether the V8 of a Node version has what was collected in its allocation profiles.
fn keeps_collected(version: &str) -> bool {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_none_or(|major| major >= FIRST_TO_SEE_ALL)
}

impl Profile {
    /// Adds what a recording's heap logs say.
    pub(crate) fn add_allocated(&mut self, recording: &Recording, code: &Code<'_>) {
        for (pid, records) in &recording.heap {
            let scope = AppScope::of(recording, *pid);
            for record in records {
                match &record.seen {
                    // What is alive at its end does not say who allocates.
                    HeapSeen::Allocations(_) if !sees_all(recording, *pid) => {}
                    HeapSeen::Allocations(heap) => {
                        self.add_window(&scope, code, *pid, HeapWindow::Allocations, heap);
                    }
                    HeapSeen::Survivors(heap) => {
                        self.add_window(&scope, code, *pid, HeapWindow::Survivors, heap);
                    }
                    HeapSeen::Collections { .. } => {}
                }
            }
        }
    }

    fn add_window(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        pid: u32,
        window: HeapWindow,
        heap: &SampledHeap,
    ) {
        let functions: Vec<FunctionId> =
            heap.frames.iter().map(|frame| self.function_that_allocates(scope, code, frame)).collect();
        // Of each node, the nearest application function and the one that called that.
        let mut owners: Vec<[Option<FunctionId>; 2]> = Vec::with_capacity(heap.nodes.len());
        for node in &heap.nodes {
            let parent = usize::try_from(node.0).ok().and_then(|parent| owners.get(parent).copied());
            let [outer, outermost] = parent.unwrap_or_default();
            let Some(&by) = functions.get(node.1 as usize) else {
                owners.push([outer, outermost]);
                continue;
            };
            let function = self.functions.get(by);
            let is_part_of = |outer: FunctionId| {
                outer == by || (function.is_nameless() && self.functions.get(outer).file == function.file)
            };
            let is_own = function.category == Category::App && !outer.is_some_and(is_part_of);
            let [owner, caller] = if is_own { [Some(by), outer] } else { [outer, outermost] };
            owners.push([owner, caller]);
            if node.2 > 0 {
                let (bytes, n_samples) = (node.2, node.3);
                self.allocated.push(Allocated { pid, window, by, owner, caller, bytes, n_samples });
            }
        }
    }

    fn function_that_allocates(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        frame: &HeapFrame,
    ) -> FunctionId {
        let HeapFrame(name, url, line_number, column_number) = frame;
        let frame = CallFrame {
            function_name: name.as_str().into(),
            url: url.as_str().into(),
            line_number: *line_number,
            column_number: *column_number,
        };
        let original = code.original_frame(&frame);
        let function = function_of(scope, original.as_ref().unwrap_or(&frame), None);
        self.known_or_new(function)
    }
}

#[cfg(test)]
mod tests {
    use super::keeps_collected;

    #[test]
    fn who_allocates_is_told_from_node_20_on() {
        assert_eq!(["18.20.8", "20.0.0", "24.1.0", ""].map(keeps_collected), [false, true, true, true]);
    }
}
