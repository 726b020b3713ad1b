//! The `.cpuprofile` importer on any bytes: an error or a checked profile, never a panic. What it accepts keeps its
//! promises: callers come before callees, each node once, samples in time order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slowpath_profile::import::cpuprofile::CpuProfile;

fuzz_target!(|json: &[u8]| {
    let Ok(profile) = CpuProfile::parse(json) else { return };
    let samples = profile.timed_samples();
    assert_eq!(samples.len(), profile.samples.len());
    assert!(samples.is_sorted_by(|a, b| a.0.total_cmp(&b.0).is_le()));

    let Ok(order) = profile.parents_first() else { return };
    assert_eq!(order.len(), profile.nodes.len());
    let mut is_listed = vec![false; profile.nodes.len()];
    for (index, parent) in order {
        assert!(!is_listed[index], "node {index} is listed twice");
        assert!(parent.is_none_or(|parent| is_listed[parent]), "node {index} comes before its caller");
        is_listed[index] = true;
    }
});
