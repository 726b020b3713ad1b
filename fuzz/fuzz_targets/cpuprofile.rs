//! The `.cpuprofile` importer on any bytes: an error or a checked profile, never a panic. What it accepts keeps its
//! promises: callers come before callees, samples name nodes and are in time order.

#![no_main]

#[path = "../checks.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;
use slowpath_profile::import::Format;
use slowpath_profile::import::cpuprofile::CpuProfile;

fuzz_target!(|json: &[u8]| {
    checks::read_as(Format::CpuProfile, json);
    let Ok(profile) = CpuProfile::parse(json) else { return };
    let n_nodes = profile.nodes.len() as u32;
    assert!(profile.samples.is_sorted_by(|a, b| a.0.total_cmp(&b.0).is_le()));
    assert!(profile.samples.iter().all(|(_, node)| *node < n_nodes));
    assert!(profile.ticks.iter().all(|tick| tick.node < n_nodes));
    for (index, node) in profile.nodes.iter().enumerate() {
        assert!((node.frame as usize) < profile.frames.len());
        assert!(
            node.parent.is_none_or(|parent| (parent as usize) < index),
            "node {index} comes before its caller"
        );
    }
});
