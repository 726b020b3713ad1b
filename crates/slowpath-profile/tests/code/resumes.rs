//! Functions whose resumptions V8 counts as calls.

use slowpath_profile::code::Code;
use slowpath_profile::recording::Source;

#[track_caller]
fn check(text: &str, name: &str, expected: bool) {
    let (before, _) = text.split_once('|').expect("a mark where V8 says that the function begins");
    let start = before.encode_utf16().count() as u32;
    let text = text.replace('|', "");
    let end = text.encode_utf16().count() as u32;
    let functions = vec![(String::new(), 0, end), (name.into(), start, end)];
    let source = Source { url: "file:///srv/a.js".into(), text, functions, map: Vec::new() };
    let sources = [source];
    let code = Code::of(&sources);
    let script = code.script("file:///srv/a.js").expect("it is there");
    let (id, _) = script.functions().find(|(_, of)| *of == name).expect("it has this function");
    assert_eq!(script.resumes(id), expected, "{name}");
}

#[test]
fn async_functions_and_generators_go_on() {
    check("|async function load() {}", "load", true);
    check("const a = 'é';\nconst load = |async () => {};", "load", true);
    check("class A {\n  |async load() {} }", "load", true);
    check("class A { |*pages() {} }", "pages", true);
    check("|function* pages() {}", "pages", true);
}

#[test]
fn other_functions_do_not_whatever_they_are_called() {
    check("|function load() {}", "load", false);
    check("class A { |asyncLoad() {} }", "asyncLoad", false);
    check("const load = |() => async;", "load", false);
}
