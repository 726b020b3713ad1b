use crate::drawn::{DrawnStack, lines, profile, samples, script};

/// `mix` is lines 1 to 3, `score` 4 to 8, `handle` 9 to 11, `lonely` 12 to 14.
const APP: &str = "\
function mix(a) {
  return a * 31;
}
function score(items) {
  for (const item of items) {
    mix(item);
  }
}
function handle(req) {
  return score(req);
}
function lonely() {
  return 1;
}
";

const HANDLE: &str = "handle a.js 9 16";
const SCORE: &str = "score a.js 4 15";
const MIX: &str = "mix a.js 1 13";

fn check(stacks: &[DrawnStack<'_>], expected: &[&str]) {
    assert_eq!(samples(&profile(vec![script("a.js", APP)], stacks)), expected, "{stacks:?}");
}

#[test]
fn a_line_of_a_function_that_is_called_belongs_to_that_function() {
    check(
        &[(&[HANDLE], &[(10, 10), (5, 30), (2, 60)]), (&[HANDLE, SCORE, MIX], &[])],
        &[
            "handle@a.js:9: 10",
            "handle@a.js:9 > score@a.js:4: 30",
            "handle@a.js:9 > score@a.js:4 > mix@a.js:1: 60",
        ],
    );
}

#[test]
fn the_text_shows_calls_that_no_sample_shows() {
    check(&[(&[HANDLE], &[(2, 5)])], &["handle@a.js:9 > score@a.js:4 > mix@a.js:1: 5"]);
}

#[test]
fn a_line_of_a_function_that_is_not_called_stays_where_v8_put_it() {
    check(&[(&[HANDLE], &[(13, 5)])], &["handle@a.js:9: 5"]);
}

#[test]
fn without_sources_all_stays_as_v8_says() {
    let profile = profile(Vec::new(), &[(&[HANDLE], &[(2, 5), (10, 1)])]);
    assert_eq!(samples(&profile), ["handle@a.js:9: 6"]);
    assert_eq!(lines(&profile), ["handle 10: 1", "handle 2: 5"]);
}

#[test]
fn shares_are_spread_evenly_over_time() {
    let profile = profile(vec![script("a.js", APP)], &[(&[HANDLE], &[(10, 50), (2, 50)])]);
    let stacks = &profile.threads[0].stack;
    let n_first = |stacks: &[_]| stacks.iter().filter(|stack| **stack == stacks[0]).count();
    assert_eq!((n_first(&stacks[..50]), n_first(&stacks[50..])), (25, 25));
}

#[test]
fn lines_count_for_the_function_that_has_them() {
    let profile = profile(vec![script("a.js", APP)], &[(&[HANDLE], &[(10, 1), (2, 6)])]);
    assert_eq!(lines(&profile), ["handle 10: 1", "mix 2: 6"]);
}

#[test]
fn an_inlined_function_may_lie_in_another_file() {
    let caller = "const { rotate } = require('./b.js');\nfunction sum(x) {\n  return rotate(x);\n}\n";
    let callee = "\n\n\n\n\n\nfunction rotate(x) {\n  return x << 1;\n}\n";
    let sources = || vec![script("a.js", caller), script("b.js", callee)];
    let sum: &[&str] = &["sum a.js 2 13"];
    // No function of a.js has a line 8.
    let expected = ["sum@a.js:2: 1", "sum@a.js:2 > rotate@b.js:7: 9"];
    assert_eq!(samples(&profile(sources(), &[(sum, &[(8, 9), (3, 1)])])), expected);
    let called: &[&str] = &["sum a.js 2 13", "rotate b.js 7 16"];
    assert_eq!(samples(&profile(sources(), &[(sum, &[(8, 9), (3, 1)]), (called, &[])])), expected);
}

#[test]
fn a_closure_within_the_function_has_its_own_lines() {
    let text = "function all(xs) {\n  return xs.map(x => {\n    return x * 2;\n  });\n}\n";
    let mut source = script("a.js", text);
    let start = text.find("x =>").unwrap() as u32;
    source.functions.push((String::new(), start, text.find("})").unwrap() as u32 + 1));
    let profile = profile(vec![source], &[(&["all a.js 1 13"], &[(3, 4), (2, 2)])]);
    assert_eq!(
        samples(&profile),
        ["all@a.js:1: 2", "all@a.js:1 > (callback of xs.map() in all())@a.js:2: 4"]
    );
}

#[test]
fn the_code_around_hot_lines_is_kept() {
    let long = format!("{}function late() {{\n  return 1;\n}}\n", "\n".repeat(99));
    let profile = profile(vec![script("a.js", &long)], &[(&["late a.js 100 14"], &[(101, 3)])]);
    let [excerpt] = &profile.excerpts[..] else { panic!("{:?}", profile.excerpts) };
    assert_eq!((excerpt.file.as_str(), excerpt.first_line), ("a.js", 94));
    assert_eq!(excerpt.lines[6..9], ["function late() {", "  return 1;", "}"]);
}

/// `route` is lines 1 to 3 and only calls `pick`, which is lines 4 to 8; `parse` (9 to 11) works itself.
const WRAPPED: &str = "\
function route(chat) {
  return { at: pick(chat.user).length };
}
function pick(user) {
  let n = 0;
  for (const c of user) n += c.length;
  return user;
}
function parse(text) {
  return JSON.parse(text).map(pick);
}
";

const PICK: &str = "pick a.js 4 14";

fn wrapped(stacks: &[DrawnStack<'_>]) -> Vec<String> {
    samples(&profile(vec![script("a.js", WRAPPED)], stacks))
}

#[test]
fn a_line_that_only_calls_passes_most_of_a_nodes_time_on_to_what_it_calls() {
    let route = "route a.js 1 15";
    let found = wrapped(&[(&[route], &[(2, 60)]), (&[route, PICK], &[(6, 40)])]);
    assert_eq!(found, ["route@a.js:1 > pick@a.js:4: 100"]);
}

#[test]
fn a_line_that_works_itself_keeps_its_time() {
    let parse = "parse a.js 9 15";
    let found = wrapped(&[(&[parse], &[(10, 60)]), (&[parse, PICK], &[(6, 40)])]);
    assert_eq!(found, ["parse@a.js:9: 60", "parse@a.js:9 > pick@a.js:4: 40"]);
}

/// `pick` is lines 1 to 3 of its file, as `mix` is of the other.
const OTHER: &str = "\
function pick(b) {
  return b + 1;
}
";

#[test]
fn of_two_files_with_the_line_it_is_the_one_that_v8_names_there_as_well() {
    let check = |seen: DrawnStack<'_>, expected: &str| {
        let scripts =
            vec![script("a.js", &APP.replace("mix(item)", "mix(pick(item))")), script("b.js", OTHER)];
        let stacks: [DrawnStack<'_>; 3] =
            [(&[SCORE], &[(2, 60)]), seen, (&[SCORE, MIX, "pick b.js 1 14"], &[])];
        let found = samples(&profile(scripts, &stacks));
        assert!(found.iter().any(|sample| sample.starts_with(expected)), "{found:?}");
    };
    check((&[SCORE, MIX], &[(2, 5)]), "score@a.js:4 > mix@a.js:1: 6");
    check((&[SCORE, MIX, "pick b.js 1 14"], &[(2, 5)]), "score@a.js:4 > mix@a.js:1 > pick@b.js:1: 6");
}
