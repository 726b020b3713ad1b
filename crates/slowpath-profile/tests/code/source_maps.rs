use crate::drawn::{lines, map, profile, samples, script};
use slowpath_profile::code::{Code, lines_of};

/// Two functions, compiled from `src/a.ts`, where they are on lines 3 and 7. Mappings, by generated line: 1 → 3:0 (and
/// 9 → 3:9 with the name), 2 → 4:2, 3 → 5:0, 4 → 7:0 (9 → 7:9), 5 → 8:2, 6 → 9:0.
const COMPILED: &str = "function one() {\n  return 1;\n}\nfunction two() {\n  return one();\n}\n";
const MAPPINGS: &str = "AAEA,SAASA;EACP;AACF;AAEA,SAASC;EACP;AACF";

#[test]
fn functions_and_lines_are_those_of_the_original_file() {
    let mut source = script("file:///srv/dist/a.js", COMPILED);
    source.map = map(&["/srv/src/a.ts"], &["uno", "dos"], MAPPINGS);
    let two = "two file:///srv/dist/a.js 4 13";
    let profile = profile(vec![source], &[(&[two], &[(5, 2), (2, 3)])]);
    assert_eq!(samples(&profile), ["dos@src/a.ts:7: 2", "dos@src/a.ts:7 > uno@src/a.ts:3: 3"]);
    assert_eq!(lines(&profile), ["dos 8: 2", "uno 4: 3"]);
}

#[test]
fn a_bundle_is_taken_apart_into_application_and_packages() {
    let mut source = script("file:///srv/dist/bundle.js", COMPILED);
    // The second line group comes from a package: generated line 1 → source 1, line 4 → source 0.
    source.map = map(
        &["/srv/src/a.ts", "/srv/node_modules/left-pad/index.js"],
        &[],
        "ACEA,SAAS;EACP;AACF;ADEA,SAAS;EACP;AACF",
    );
    let two = "two file:///srv/dist/bundle.js 4 13";
    let one = "one file:///srv/dist/bundle.js 1 13";
    let profile = profile(vec![source], &[(&[two, one], &[(2, 3)])]);
    let packages: Vec<_> =
        profile.functions.iter().map(|(_, f)| (f.name.as_str(), f.package.as_deref())).collect();
    assert_eq!(packages, [("two", None), ("one", Some("left-pad"))]);
}

#[test]
fn maps_are_followed_through_several_levels() {
    let mut bundled = script("/b.js", "function f() {}\n");
    bundled.map = map(&["/compiled.js"], &[], "AACA");
    let mut compiled = script("/compiled.js", "// banner\nfunction f() {}\n");
    compiled.map = map(&["/original.ts"], &["first"], ";AAIAA");
    let sources = [bundled, compiled];
    let code = Code::of(&sources);
    let original = code.original("/b.js", 0, 0).unwrap();
    assert_eq!(
        (original.file.as_str(), original.line, original.name.as_deref()),
        ("/original.ts", 4, Some("first"))
    );
}

#[test]
fn a_map_that_names_itself_ends() {
    let mut source = script("/a.js", "f\n");
    source.map = map(&["/a.js"], &[], "AAAA");
    assert_eq!(Code::of(&[source]).original("/a.js", 0, 0).unwrap().file, "/a.js");
}

#[test]
fn a_map_that_cannot_be_read_counts_as_none() {
    let mut source = script("/a.js", "f\n");
    source.map = map(&[], &[], "!!");
    assert_eq!(Code::of(&[source.clone()]).original("/a.js", 0, 0), None);
    source.map = map(&["/b.ts"], &[], "AAAAZ");
    assert_eq!(Code::of(&[source]).original("/a.js", 0, 0), None);
}

#[test]
fn a_line_of_a_bundler_tells_no_line() {
    let mut source = script("/a.js", &format!("{}\n", "f();".repeat(1000)));
    source.map = map(&["/b.ts"], &[], "AAAA");
    let sources = [source];
    let code = Code::of(&sources);
    assert_eq!(code.original_line("/a.js", 1), None);
    assert!(code.original("/a.js", 0, 40).is_some());
}

#[test]
fn lines_end_as_javascript_says() {
    let lines: Vec<_> = lines_of("a\r\nb\rc\u{2028}d\n").collect();
    assert_eq!(lines, ["a", "b", "c", "d", ""]);
}

proptest::proptest! {
    #[test]
    fn no_map_and_no_position_panics(text in "\\PC*\n?\\PC*", mappings in "[A-Za-z0-9+/,;]{0,40}", line: u32, column: u32) {
        let mut source = script("/a.js", &text.replace("function", "f"));
        source.map = map(&["/b.ts"], &["n"], &mappings);
        let sources = [source];
        let code = Code::of(&sources);
        let script = code.script("/a.js").unwrap();
        for (line, column) in [(line, column), (line % 4, column % 40)] {
            let _ = code.original("/a.js", line, column);
            let _ = code.original_line("/a.js", line);
            let _ = (script.function_at(line, column), script.owner_of_line(line));
        }
    }
}
