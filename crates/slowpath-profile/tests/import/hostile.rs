//! Broken and hostile files: an error that says where, or what is there; never a panic, a hang or a heap of memory.

use crate::fixtures::{FIXTURES, fixture};
use flate2::Compression;
use flate2::write::GzEncoder;
use slowpath_profile::import::{BadInput, Content, Format, import_as, import_bytes, open_files};
use slowpath_profile::tables::{Profile, Timing};
use std::fs::File;
use std::io::Write as _;

fn import(bytes: &[u8]) -> Option<Result<(Format, Content), BadInput>> {
    import_bytes(bytes, &mut Profile::default())
}

fn error_of(bytes: &[u8]) -> BadInput {
    import(bytes).expect("its format is recognised").expect_err("it is broken")
}

/// Returns how often a file is damaged: each time all of it is read, and what is named from node's binary reads that too.
fn n_changes(name: &str, whole: &[u8]) -> usize {
    if name == "node20.perf.data" { 8 } else { (4_000_000 / whole.len()).clamp(2, 80) }
}

#[test]
fn a_cut_file_is_an_error_within_it_or_read_as_far_as_it_goes() {
    for name in FIXTURES {
        let whole = fixture(name);
        let n_cuts = n_changes(name, &whole).min(40);
        for cut in 0..n_cuts {
            let bytes = &whole[..whole.len() * cut / n_cuts];
            if let Some(Err(error)) = import(bytes) {
                assert!(error.offset <= bytes.len(), "{name} cut at {}: {error}", bytes.len());
            }
        }
    }
}

#[test]
fn a_changed_byte_never_panics() {
    for name in FIXTURES {
        let whole = fixture(name);
        for change in 0..n_changes(name, &whole) {
            let mut bytes = whole.clone();
            let at = (change * 7919 + 13) % bytes.len();
            bytes[at] = bytes[at].wrapping_add(1 + (change % 250) as u8);
            let _ = import(&bytes);
        }
    }
}

#[test]
fn the_largest_line_of_all_is_no_line() {
    let node = r#"{"id":1,"callFrame":{"functionName":"f","url":"a.js","lineNumber":9223372036854775807}}"#;
    let text = format!(r#"{{"nodes":[{node}],"startTime":0,"endTime":9,"samples":[1],"timeDeltas":[1]}}"#);
    let mut profile = Profile::default();
    import_bytes(text.as_bytes(), &mut profile).expect("a profile").expect("it is whole");
    assert!(profile.functions.iter().any(|(_, function)| function.name == "f" && function.line == 0));
}

#[test]
fn samples_with_and_without_a_moment_in_one_thread_are_summed() {
    let sample = |head: &str| format!("{head}\n\t7f12 main+0x1 (/bin/a)\n\n");
    let heads = ["node 7 9.5: cpu-clock: ", "node 7 cpu-clock: ", "node 7 3.5: cpu-clock: "];
    let text: String = heads.map(sample).concat();
    let mut profile = Profile::default();
    let content = import_as(Format::PerfScript, text.as_bytes(), &mut profile).expect("it is whole");
    let thread = &content.threads[0];
    assert_eq!((thread.timing, thread.n_samples(), thread.stack.len()), (Timing::Summed, 3, 3));
    assert!(thread.start.iter().all(|start| start.0 == 0));
}

#[test]
fn nothing_at_all_is_an_error_at_its_beginning() {
    let error = import_as(Format::PerfData, b"", &mut Profile::default()).expect_err("it is empty");
    assert_eq!(error.offset, 0);
}

#[test]
fn depth_costs_no_stack() {
    const DEPTH: usize = 200_000;
    let heap = format!(
        "{{\"head\":{}{}}}",
        r#"{"callFrame":{"functionName":"f","url":"a.js"},"selfSize":1,"children":["#.repeat(DEPTH),
        "]}".repeat(DEPTH)
    );
    let node = |id: usize| {
        format!(r#"{{"id":{id},"callFrame":{{"functionName":"f","url":"a.js"}},"children":[{}]}}"#, id + 1)
    };
    let nodes: Vec<_> = (1..DEPTH).map(node).collect();
    let last = format!(r#"{{"id":{DEPTH},"callFrame":{{"functionName":"f"}}}}"#);
    let cpu = format!(
        r#"{{"nodes":[{},{last}],"startTime":0,"endTime":9,"samples":[{DEPTH}],"timeDeltas":[1]}}"#,
        nodes.join(",")
    );
    let collapsed = format!("{} 1\n", vec!["f"; DEPTH].join(";"));
    let speedscope = format!(
        r#"{{"$schema":"speedscope","shared":{{"frames":[{{"name":"f"}}]}},"profiles":[{{"type":"sampled","unit":"none","samples":[[{}]],"weights":[1]}}]}}"#,
        vec!["0"; DEPTH].join(",")
    );
    let trace_node = |id: usize| {
        format!(r#"{{"id":{id},"parent":{},"callFrame":{{"functionName":"f","url":"a.js"}}}}"#, id - 1)
    };
    let trace_nodes: Vec<_> = (2..=DEPTH).map(trace_node).collect();
    let trace = format!(
        r#"[{{"name":"Profile","ph":"P","pid":1,"tid":1,"id":"0x1","ts":1,"args":{{"data":{{"startTime":1}}}}}},{{"name":"ProfileChunk","ph":"P","pid":1,"tid":1,"id":"0x1","ts":2,"args":{{"data":{{"cpuProfile":{{"nodes":[{{"id":1,"callFrame":{{"functionName":"f"}}}},{}],"samples":[{DEPTH}]}},"timeDeltas":[5]}}}}}}]"#,
        trace_nodes.join(",")
    );
    let column = |row: &dyn Fn(usize) -> String| (0..DEPTH).map(row).collect::<Vec<_>>().join(",");
    let firefox = format!(
        r#"{{"meta":{{"interval":1}},"threads":[{{"name":"x","pid":1,"tid":1,"samples":{{"stack":[{}],"time":[1]}},"stackTable":{{"frame":[{}],"prefix":[{}]}},"frameTable":{{"func":[0]}},"funcTable":{{"name":[0]}},"stringArray":["f"]}}]}}"#,
        DEPTH - 1,
        column(&|_| "0".into()),
        column(&|at| at.checked_sub(1).map_or("null".into(), |before| before.to_string())),
    );
    for text in [heap, cpu, collapsed, speedscope, trace, firefox] {
        let mut profile = Profile::default();
        import_bytes(text.as_bytes(), &mut profile).expect("it is recognised").expect("it is in order");
        assert_eq!(profile.stacks.len(), DEPTH, "{}", &text[..40]);
    }
    let nested = format!("{{\"nodes\":{}", "[".repeat(DEPTH));
    assert!(error_of(nested.as_bytes()).to_string().contains("byte offset"));
}

#[test]
fn circles_are_errors() {
    let firefox = br#"{"meta":{"interval":1},"threads":[{"name":"x","pid":1,"tid":1,
        "samples":{"stack":[0],"time":[1]},"stackTable":{"frame":[0,0],"prefix":[1,0]},
        "frameTable":{"func":[0]},"funcTable":{"name":[0]},"stringArray":["f"]}]}"#;
    assert!(error_of(firefox).problem.contains("is its own prefix"), "{}", error_of(firefox));
    let cpu = br#"{"nodes":[{"id":1,"callFrame":{},"children":[2]},{"id":2,"callFrame":{},"children":[1]}]}"#;
    assert!(error_of(cpu).problem.contains("calls itself in a circle"));
    // A chunk of a trace may name only nodes before its own.
    let trace = br#"[{"name":"Profile","ph":"P","pid":1,"tid":1,"id":"0x1","ts":1,"args":{"data":{"startTime":1}}},
        {"name":"ProfileChunk","ph":"P","pid":1,"tid":1,"id":"0x1","ts":2,"args":{"data":{"cpuProfile":{"nodes":[
        {"id":1,"parent":2,"callFrame":{"functionName":"f"}},{"id":2,"parent":1,"callFrame":{"functionName":"g"}}],
        "samples":[2]},"timeDeltas":[5]}}}]"#;
    let error = error_of(trace);
    assert!(error.offset <= trace.len(), "{error}");
}

#[test]
fn huge_numbers_are_errors_or_read_as_they_are() {
    let refuses = |bytes: &[u8], says: &str| {
        let error = error_of(bytes);
        assert!(error.problem.contains(says), "{error}");
    };
    refuses(b"a;b 18446744073709551615\n", "more than a quintillion");
    refuses(br#"{"head":{"callFrame":{"functionName":"f"},"selfSize":1e300}}"#, "more than a quintillion");
    // A pprof field of 2^62 bytes.
    refuses(
        &[0x0a, 4, 8, 1, 16, 2, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f],
        "the file was cut",
    );
    let index = br#"{"nodes":[{"id":4294967296,"callFrame":{}}]}"#;
    refuses(index, "whole number");
    let far = br#"{"nodes":[{"id":1,"callFrame":{"functionName":"f"}}],"startTime":0,"endTime":1e300,"samples":[1,1],"timeDeltas":[1,1e290]}"#;
    refuses(far, "more than a quintillion");
    // Sections of a perf.data that lie past its end.
    refuses(&[&b"PERFILE2"[..], &[0xff; 96]].concat(), "a section that lies outside the file");
}

#[test]
fn what_unpacks_to_far_more_than_a_profile_does_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.cpuprofile");
    let mut packer = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    packer.write_all(b"{\"nodes\":[").unwrap();
    for _ in 0..80 {
        packer.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    packer.finish().unwrap();
    let error = open_files(&[path]).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("it unpacks to more than a hundred times its size"));
}

#[test]
fn bytes_that_are_no_text_stay_within_a_name() {
    let mut profile = Profile::default();
    import_bytes(b"main;\xff\xfe\xc3 3\n", &mut profile).unwrap().unwrap();
    assert!(profile.functions.iter().any(|(_, function)| function.name == "\u{fffd}\u{fffd}\u{fffd}"));
}

#[test]
fn names_stay_names() {
    let name = "</script><script>alert(1)</script>";
    let speedscope = format!(
        r#"{{"$schema":"speedscope","shared":{{"frames":[{{"name":"{name}"}}]}},"profiles":[{{"type":"sampled","unit":"none","samples":[[0]],"weights":[1]}}]}}"#
    );
    let cpu = format!(
        r#"{{"nodes":[{{"id":1,"callFrame":{{"functionName":"{name}","url":"a.js"}}}}],"startTime":0,"endTime":9,"samples":[1],"timeDeltas":[1]}}"#
    );
    for text in [format!("main;{name} 3\n"), speedscope, cpu] {
        let mut profile = Profile::default();
        import_bytes(text.as_bytes(), &mut profile).unwrap().unwrap();
        assert!(profile.functions.iter().any(|(_, function)| function.name == name), "{text}");
    }
}

#[test]
fn what_is_no_profile_is_not_taken_for_one() {
    for bytes in
        [&b""[..], b"hello", b"\x7fELF\x02\x01", b"<html>", b"\0\0\0\0", b"{}", br#"{"snapshot":{}}"#]
    {
        assert!(import(bytes).is_none(), "{bytes:?}");
    }
}
