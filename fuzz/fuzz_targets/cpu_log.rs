//! A CPU log with any content: `CpuLogReader` gives what came before the damage, and the tables can be built from it.
//!
//! Compressed bytes hardly ever survive a mutation, so an input that begins with an odd byte is compressed here, and
//! one that begins with an even byte is the file as it is.

#![no_main]

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use slowpath_profile::Recording;
use slowpath_profile::recording::{CpuLogReader, Layout, Machine, Manifest, ThreadCpu};
use slowpath_profile::tables::Profile;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::LazyLock;

static DIRECTORY: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary directory"));

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let path = DIRECTORY.path().join("cpu-1-0.trace.json.gz");
    let file = if choice & 1 == 1 { compressed(bytes) } else { bytes.to_vec() };
    std::fs::write(&path, file).expect("the temporary directory can be written");

    let (segments, _is_cut) = CpuLogReader::read(&path).expect("damage is no error");
    for segment in &segments {
        let n_nodes = segment.nodes.len() as u32;
        assert!(segment.samples.iter().all(|(_, node)| *node < n_nodes));
        assert!(segment.lines.iter().all(|(node, ..)| *node < n_nodes));
        for (index, (parent, _)) in segment.nodes.iter().enumerate() {
            assert!(parent.is_none_or(|parent| (parent as usize) < index), "callers come first");
        }
    }
    let profile = Profile::from_recording(&recording(segments));
    for thread in &profile.threads {
        assert_eq!(thread.start.len(), thread.stack.len());
        assert!(thread.stack.iter().all(|stack| (stack.0 as usize) < profile.stacks.len()));
    }
});

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::fast());
    member.write_all(bytes).and_then(|()| member.finish()).expect("memory can be written")
}

fn recording(segments: Vec<slowpath_profile::recording::CpuSegment>) -> Recording {
    let manifest = Manifest {
        format_version: 1,
        slowpath_version: String::new(),
        start: slowpath_profile::Nanos(0),
        started_at: String::new(),
        command: Vec::new(),
        cwd: "/srv".into(),
        title: String::new(),
        load: None,
        phases: Vec::new(),
        scale: None,
        cpu_interval_us: 1000,
        machine: Machine::default(),
    };
    let cpu = BTreeMap::from([((1, 0), ThreadCpu { segments })]);
    Recording { cpu, ..Recording::empty(Layout::new(DIRECTORY.path()), manifest) }
}
