//! The native log keeps stacks exactly, in little space, and survives a cut anywhere.

use proptest::prelude::*;
use slowpath_profile::Nanos;
use slowpath_profile::recording::{
    NATIVE_LOG_VERSION, NamedAddress, NativeHeader, NativeLog, NativeLogWriter, NativeSymbol, NativeSymbols,
    NewMap,
};
use std::path::Path;

fn header() -> NativeHeader {
    NativeHeader {
        native: NATIVE_LOG_VERSION,
        frequency_hz: 99,
        period_ns: 10_101_010,
        event: "cpu-clock".into(),
        kernel: true,
        max_depth: 127,
    }
}

fn map(start: u64, path: &str) -> NewMap<'_> {
    NewMap { start, length: 0x1000, file_offset: 0, path, inode: 1 }
}

/// `(time, thread, stack from the leaf)`.
type Sample = (u64, u32, Vec<u64>);

fn write(path: &Path, pieces: &[Vec<Sample>]) {
    let mut writer = NativeLogWriter::create(path, &header()).unwrap();
    let space = writer.add_space(7, None);
    writer.add_map(space, &map(0x1000, "/usr/bin/node"), Nanos(1));
    for piece in pieces {
        for (t, tid, stack) in piece {
            writer.add_sample(Nanos(*t), space, (7, *tid), stack);
        }
        writer.end_piece(Nanos(0)).unwrap();
    }
    writer.finish(Nanos(0)).unwrap();
}

fn read(path: &Path) -> (Vec<Sample>, bool) {
    let (log, cut) = NativeLog::read(path).unwrap();
    let samples = log.samples.iter().map(|sample| {
        let stack = log.frames(sample.node).map(|node| log.nodes[node as usize].address).collect();
        (sample.t.0, log.threads[sample.thread as usize].tid, stack)
    });
    (samples.collect(), cut)
}

fn stacks() -> impl Strategy<Value = Vec<Vec<Sample>>> {
    let address = prop_oneof![0x1000_u64..0x1020, Just(u64::MAX), any::<u64>()];
    let stack = proptest::collection::vec(address, 1..8);
    let sample = (0_u64..1_000_000, 1_u32..4, stack);
    proptest::collection::vec(proptest::collection::vec(sample, 0..20), 0..5)
}

proptest! {
    #[test]
    fn stacks_come_back_as_they_were(pieces in stacks()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("native.jsonl.gz");
        write(&path, &pieces);
        let mut expected: Vec<Sample> = pieces.concat();
        expected.sort_by_key(|sample| sample.0);
        prop_assert_eq!(read(&path), (expected, false));
    }
}

#[test]
fn a_log_cut_anywhere_gives_the_pieces_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("native.jsonl.gz");
    let sample = |t| (t, 7, vec![0x1010, 0x1004]);
    write(&path, &[vec![sample(5), sample(6)], vec![sample(9)]]);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (samples, _) = read(&path);
        let all = [sample(5), sample(6), sample(9)];
        assert!([0, 2, 3].contains(&samples.len()) && all.starts_with(&samples), "{length}: {samples:?}");
    }
}

#[test]
fn a_damaged_log_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("native.jsonl.gz");
    for piece in [
        r#"{"t":1,"samples":[0,0,0]}"#,
        r#"{"t":1,"spaces":[[1,5]]}"#,
        r#"{"t":1,"spaces":[[1,-1]],"maps":[[0,0,1,0,3,0]]}"#,
        r#"{"t":1,"nodes":[0,0,4]}"#,
        r#"{"t":1,"nodes":[1,4]}"#,
        r#"{"t":1,"spaces":[[1,-1]],"nodes":[0,0,4,9,9]}"#,
        r#"{"t":18446744073709551615,"spaces":[[1,-1]],"threads":[[1,1,""]],"nodes":[0,0,4],"samples":[9,0,0]}"#,
    ] {
        let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let text = format!("{}\n{piece}\n", serde_json::to_string(&header()).unwrap());
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        std::fs::write(&path, file.finish().unwrap()).unwrap();
        assert!(NativeLog::read(&path).unwrap().1, "{piece}");
    }
}

#[test]
fn the_newest_mapping_of_a_moment_counts_and_forks_begin_with_their_parents() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("native.jsonl.gz");
    let mut writer = NativeLogWriter::create(&path, &header()).unwrap();
    let parent = writer.add_space(7, None);
    writer.add_map(parent, &map(0x1000, "/old"), Nanos(10));
    writer.add_map(parent, &map(0x1000, "/new"), Nanos(20));
    let child = writer.add_space(8, Some(parent));
    writer.add_map(child, &map(0x5000, "/own"), Nanos(30));
    writer.finish(Nanos(0)).unwrap();
    let (log, _) = NativeLog::read(&path).unwrap();
    let at =
        |space, address, t| log.map_at(space, address, Nanos(t)).map(|map| &*log.images[map.image as usize]);
    assert_eq!(at(parent, 0x1fff, 15), Some("/old"));
    assert_eq!(at(parent, 0x1000, 25), Some("/new"));
    assert_eq!(at(parent, 0x2000, 25), None);
    assert_eq!(at(child, 0x1000, 40), Some("/new"));
    assert_eq!(at(child, 0x5000, 1), Some("/own"));
    assert_eq!(at(parent, 0x5000, 40), None);
}

#[test]
fn names_come_back_and_kernel_addresses_are_the_same_in_every_space() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("native-symbols.jsonl.gz");
    let mut symbols = NativeSymbols::default();
    let mut intern = |name: &str| {
        symbols.intern(NativeSymbol {
            name: name.into(),
            module: "/usr/bin/node".into(),
            file: String::new(),
        })
    };
    let (read, inlined) = (intern("read"), intern("inlined"));
    let named = |since, functions| NamedAddress { since: Nanos(since), line: 3, functions };
    symbols.add(0, 0x10, named(0, vec![inlined, read]));
    symbols.add(0, 0x10, named(9, vec![read]));
    symbols.add(1, u64::MAX - 4, named(0, vec![read]));
    symbols.notes.push("libx.so has no symbols".into());
    symbols.write(&path).unwrap();
    let found = NativeSymbols::read(&path).unwrap();
    assert_eq!(found.of(0, 0x10), symbols.of(0, 0x10));
    assert_eq!(found.of(5, u64::MAX - 4), [named(0, vec![read])]);
    assert_eq!(found.of(1, 0x10), []);
    assert_eq!((found.symbols, found.notes), (symbols.symbols, symbols.notes));
}

#[test]
fn damaged_names_are_an_error_and_absent_ones_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("native-symbols.jsonl.gz");
    assert!(NativeSymbols::read(&path).unwrap().symbols.is_empty());
    std::fs::write(&path, b"not gzip").unwrap();
    assert!(NativeSymbols::read(&path).is_err());
}
