//! What real tools wrote; where each file comes from is told in `fixtures/profiles/README.md`.

use slowpath_profile::classify::Category;
use slowpath_profile::import::{Format, import_bytes, open_files};
use slowpath_profile::tables::{Profile, WeightUnit};
use std::io::Read as _;
use std::path::PathBuf;

/// All of them.
pub(crate) const FIXTURES: &[&str] = &[
    "node20.cpuprofile",
    "node20.heapprofile",
    "node20.perf.txt.gz",
    "node20.perf.data",
    "node20.v8.log.gz",
    "chromium.trace.json.gz",
    "slowpath.trace.json.gz",
    "datadog-wall.pb.gz",
    "datadog-heap.pb.gz",
    "py-spy.speedscope.json",
    "py-spy.collapsed.txt",
    "fxprof.json.gz",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles").join(name)
}

/// Returns the bytes of a fixture, unpacked.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    unpacked
}

/// Share of the weight with a function named `name` of `category` anywhere on the stack.
fn share(profile: &Profile, name: &str, category: Category) -> f64 {
    let is_it = |id| {
        let function = profile.functions.get(id);
        function.name == name && function.category == category
    };
    let (mut with, mut all) = (0, 0);
    for thread in &profile.threads {
        for (stack, weight) in thread.stack.iter().zip(&thread.duration) {
            all += weight.0;
            with += if profile.stacks.frames(*stack).any(is_it) { weight.0 } else { 0 };
        }
    }
    with as f64 / all as f64
}

/// Checks format, unit, and that a function that ran for most of the time is on about `expected` of it.
fn check(
    name: &str,
    format: Format,
    unit: WeightUnit,
    (function, category): (&str, Category),
    expected: (f64, f64),
) {
    let imported = open_files(&[path(name)]).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!((imported.files[0].format, imported.profile.unit), (format, unit), "{name}");
    let share = share(&imported.profile, function, category);
    assert!(expected.0 <= share && share <= expected.1, "{name}: {function} is on {share}");
    for thread in &imported.profile.threads {
        assert!(thread.start.is_sorted());
        assert_eq!(thread.start.len(), thread.stack.len());
        assert_eq!(thread.duration.len(), thread.stack.len());
    }
}

#[test]
fn files_of_v8_name_the_program_that_was_busy() {
    let round = ("round", Category::App);
    check("node20.cpuprofile", Format::CpuProfile, WeightUnit::Nanoseconds, round, (0.8, 1.0));
    check("node20.v8.log.gz", Format::V8Log, WeightUnit::Nanoseconds, round, (0.5, 1.0));
    check("chromium.trace.json.gz", Format::ChromeTrace, WeightUnit::Nanoseconds, round, (0.5, 1.0));
    check("datadog-wall.pb.gz", Format::Pprof, WeightUnit::Nanoseconds, round, (0.5, 1.0));
}

#[test]
fn files_of_perf_name_javascript_and_the_kernel() {
    let (perf, ns) = (Format::PerfScript, WeightUnit::Nanoseconds);
    check("node20.perf.txt.gz", perf, ns, ("round", Category::App), (0.4, 0.6));
    check("node20.perf.txt.gz", perf, ns, ("handle_mm_fault", Category::Kernel), (0.01, 0.2));
}

/// Perf's own text is the oracle. Names are not compared: those of `perf.data` are looked up on the machine of the test.
#[test]
fn a_perf_data_file_holds_what_perf_prints_of_it() {
    let samples = |name: &str| {
        let profile = open_files(&[path(name)]).unwrap().profile;
        assert_eq!(profile.unit, WeightUnit::Nanoseconds);
        let thread = &profile.threads[0];
        assert_eq!(thread.name, "node");
        let first = thread.start[0];
        let depth = |stack| profile.stacks.frames(stack).count();
        let rows = thread.start.iter().zip(&thread.duration).zip(&thread.stack);
        // Perf prints microseconds.
        rows.map(|((start, weight), stack)| ((start.since(first).0 + 500) / 1000, weight.0, depth(*stack)))
            .collect::<Vec<_>>()
    };
    let (data, text) = (samples("node20.perf.data"), samples("node20.perf.txt.gz"));
    assert_eq!(data.len(), text.len());
    for (data, text) in data.iter().zip(&text) {
        assert!(data.0.abs_diff(text.0) <= 1 && data.1 == text.1, "{data:?} {text:?}");
    }
    let n_as_deep = data.iter().zip(&text).filter(|(data, text)| data.2 == text.2).count();
    assert!(n_as_deep * 10 >= data.len() * 9, "{n_as_deep} of {} stacks are as deep", data.len());
}

#[test]
fn files_of_allocations_count_bytes() {
    let load = ("Module.load", Category::Node);
    check("node20.heapprofile", Format::HeapProfile, WeightUnit::Bytes, load, (0.3, 1.0));
    let file = open_files(&[path("datadog-heap.pb.gz")]).unwrap();
    assert_eq!(file.profile.unit, WeightUnit::Bytes);
}

#[test]
fn files_of_other_languages_are_read_too() {
    let fib = ("fib", Category::App);
    check("py-spy.speedscope.json", Format::Speedscope, WeightUnit::Nanoseconds, fib, (0.2, 1.0));
    check("py-spy.collapsed.txt", Format::Collapsed, WeightUnit::Samples, fib, (0.1, 1.0));
    check("fxprof.json.gz", Format::Firefox, WeightUnit::Nanoseconds, ("round", Category::App), (0.5, 1.0));
}

#[test]
fn our_own_cpu_logs_are_files_like_others() {
    let imported = open_files(&[path("slowpath.trace.json.gz")]).unwrap();
    assert_eq!(imported.files[0].format, Format::ChromeTrace);
    assert!(imported.profile.threads[0].stack.len() > 100);
}

#[test]
fn several_files_are_threads_of_one_profile() {
    let files = [path("node20.cpuprofile"), path("datadog-wall.pb.gz"), path("node20.cpuprofile")];
    let profile = open_files(&files).unwrap().profile;
    let keys: Vec<_> = profile.threads.iter().map(|thread| (thread.pid, thread.thread)).collect();
    assert_eq!(keys, [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(profile.threads[0].name, "node20.cpuprofile");
    let mixed = open_files(&[path("node20.cpuprofile"), path("node20.heapprofile")]).unwrap_err().to_string();
    assert!(mixed.contains("counts time and") && mixed.ends_with("bytes"), "{mixed}");
}

#[test]
fn a_file_packed_or_not_is_the_same() {
    let mut plain = Profile::default();
    let (_, content) = import_bytes(&fixture("node20.perf.txt.gz"), &mut plain).unwrap().unwrap();
    let packed = open_files(&[path("node20.perf.txt.gz")]).unwrap().profile;
    assert_eq!(plain.stacks.function, packed.stacks.function);
    assert_eq!(plain.stacks.parent, packed.stacks.parent);
    assert_eq!(content.threads[0].stack, packed.threads[0].stack);
}
