//! Any bytes as a profile of any format: not recognised, an error within the file, or tables that hold together.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_profile::import::import_bytes;
use slowpath_profile::tables::{Profile, Timing};

fuzz_target!(|bytes: &[u8]| {
    let mut profile = Profile::default();
    match import_bytes(bytes, &mut profile) {
        None => {}
        Some(Err(error)) => assert!(error.offset <= bytes.len(), "{error}"),
        Some(Ok((_, content))) => {
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
});
