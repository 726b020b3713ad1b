//! Turns V8's call trees into stacks: used by every format that carries V8's call frames.

use super::cpuprofile::CallFrame;
use crate::classify::{AppScope, Category};
use crate::from_recording::function_of;
use crate::tables::{FunctionId, Profile, StackId};
use rustc_hash::FxHashMap;

/// Functions of call frames, each judged once.
#[derive(Debug, Default)]
pub(super) struct FrameFunctions {
    /// By frame; a native function's depends on its caller and is in `natives`.
    by_frame: Vec<Option<FunctionId>>,
    natives: FxHashMap<(u32, Option<FunctionId>), FunctionId>,
}

impl FrameFunctions {
    /// Returns the function of frame `index`, whose description is `frame`, called from `caller`.
    pub(super) fn get(
        &mut self,
        profile: &mut Profile,
        scope: &AppScope,
        index: u32,
        frame: &CallFrame<'_>,
        caller: Option<FunctionId>,
    ) -> FunctionId {
        if self.by_frame.len() <= index as usize {
            self.by_frame.resize(index as usize + 1, None);
        }
        if let Some(function) = self.by_frame[index as usize] {
            return function;
        }
        if let Some(function) = self.natives.get(&(index, caller)) {
            return *function;
        }
        let by = caller.map(|caller| profile.functions.get(caller));
        let function = function_of(scope, frame, by);
        let depends_on_caller = matches!(function.category, Category::Native | Category::Gc);
        let function = profile.functions.intern(function);
        if depends_on_caller {
            self.natives.insert((index, caller), function);
        } else {
            self.by_frame[index as usize] = Some(function);
        }
        function
    }

    /// Returns the stack of a node of V8's tree: `None` for its root, which stands for nothing.
    pub(super) fn stack(
        &mut self,
        profile: &mut Profile,
        scope: &AppScope,
        (index, frame): (u32, &CallFrame<'_>),
        parent: Option<StackId>,
    ) -> Option<StackId> {
        if parent.is_none() && frame.function_name == "(root)" {
            return None;
        }
        let caller = parent.map(|parent| profile.stacks.function[parent.0 as usize]);
        let function = self.get(profile, scope, index, frame, caller);
        Some(profile.stacks.intern(parent, function))
    }
}
