//! What holds of any profile that an importer gives, shared by the targets.

use slowpath_profile::import::{BadInput, Content, Format, import_as};
use slowpath_profile::tables::{Profile, Timing};

/// Reads `bytes` as `format`: an error within them, or tables that hold together.
#[allow(dead_code, reason = "the target of all formats has its own reading")]
pub fn read_as(format: Format, bytes: &[u8]) {
    let mut profile = Profile::default();
    let content = import_as(format, bytes, &mut profile);
    hold_together(bytes, &profile, content.as_ref());
}

/// Checks what came of `bytes`.
pub fn hold_together(bytes: &[u8], profile: &Profile, content: Result<&Content, &BadInput>) {
    match content {
        Err(error) => assert!(error.offset <= bytes.len(), "{error}"),
        Ok(content) => {
            for thread in &content.threads {
                let n = thread.stack.len();
                assert!(n > 0 && thread.start.len() == n && thread.duration.len() == n);
                assert!(thread.count.is_empty() || thread.count.len() == n);
                assert!(thread.start.is_sorted());
                assert!(thread.timing == Timing::Recorded || thread.start.iter().all(|start| start.0 == 0));
                assert!(thread.stack.iter().all(|stack| (stack.0 as usize) < profile.stacks.len()));
            }
        }
    }
    for (index, parent) in profile.stacks.parent.iter().enumerate() {
        assert!(parent.is_none_or(|parent| (parent.0 as usize) < index), "callers come first");
    }
    assert!(profile.stacks.function.iter().all(|function| (function.0 as usize) < profile.functions.len()));
}
