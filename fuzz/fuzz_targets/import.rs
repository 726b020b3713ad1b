//! Any bytes as a profile of whatever format they are recognised as.

#![no_main]

#[path = "../checks.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;
use slowpath_profile::import::import_bytes;
use slowpath_profile::tables::Profile;

fuzz_target!(|bytes: &[u8]| {
    let mut profile = Profile::default();
    if let Some(read) = import_bytes(bytes, &mut profile) {
        checks::hold_together(bytes, &profile, read.as_ref().map(|(_, content)| content));
    }
});
