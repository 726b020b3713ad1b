//! Tests of templates: what each expression gives, where escapes apply, what is refused.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const PROMPTS: &[u8] = b"first\nsay \"hi\" & go\n/third\n";

fn parse_in(text: &str, place: Place, is_json: bool) -> Result<Template, LoadError> {
    Template::parse(text.as_bytes(), place, is_json, &mut LineFiles::with("f.txt", PROMPTS))
}

fn render(template: &Template, seed: u64, number: u64) -> String {
    let mut filling = Filling { seed, number, turn: number, random: Random::new(seed, number) };
    let mut text = Vec::new();
    template.render(&mut filling, &mut text);
    String::from_utf8(text).unwrap()
}

fn rendered(text: &str, number: u64) -> String {
    render(&parse_in(text, Place::Body, false).unwrap(), 0, number)
}

#[test]
fn fills_in_what_the_request_number_decides() {
    fn check(text: &str, number: u64, expected: &str) {
        assert_eq!(rendered(text, number), expected, "{text} for request {number}");
    }
    check("no expression", 7, "no expression");
    check("", 7, "");
    check("{{id}}", 0, "0");
    check("a{{ id }}b{{id}}", 41, "a41b41");
    check(r#"{"n":{{id}}}"#, 3, r#"{"n":3}"#);
    check("{{line f.txt}}", 0, "first");
    check("{{line 'f.txt'}}", 4, "say \"hi\" & go");
    check("{{'{{'}}id}} {{\"}}\"}}", 0, "{{id}} }}");
    check("[{{repeat 3 '{\"n\":#}' ','}}]", 0, r#"[{"n":1},{"n":2},{"n":3}]"#);
    check("{{repeat 2 ab}}", 9, "abab");
    check("{{pick one}}", 5, "one");
    check("{{pick 'a  b'}}", 5, "a  b");
    check("{ {id} }}", 5, "{ {id} }}");
}

#[test]
fn a_body_has_the_size_that_is_asked_for() {
    fn check(text: &str, size: BodySize, expected: &str) {
        let mut files = LineFiles::with("f.txt", PROMPTS);
        let template = Template::parse_sized(text.as_bytes(), Place::Body, false, size, &mut files).unwrap();
        assert_eq!(render(&template, 0, 1), expected, "{text} {size:?}");
    }
    check("{{repeat 16 x}}", BodySize::Small, "xx");
    check("{{repeat 3 x}}", BodySize::Small, "x");
    check("{{repeat 16 x}}", BodySize::Large, "xxxxxxxxxxxxxxxx");
    check("{{line f.txt}}", BodySize::Small, "first");
    check("{{line f.txt}}", BodySize::Large, "say \"hi\" & go");
}

#[test]
fn random_values_stay_in_their_bounds_and_reach_them() {
    fn seen(text: &str, n: u64) -> HashSet<String> {
        let template = parse_in(text, Place::Body, false).unwrap();
        (0..n).map(|number| render(&template, 0, number)).collect()
    }
    let expected = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<HashSet<_>>();
    assert_eq!(seen("{{random -1 2}}", 200), expected(&["-1", "0", "1", "2"]));
    assert_eq!(seen("{{random 5 5}}", 10), expected(&["5"]));
    assert_eq!(seen("{{pick a 'b c' \"d\"}}", 200), expected(&["a", "b c", "d"]));
    assert_eq!(seen("{{line f.txt}}", 200).len(), 3);
    let widest = "{{random -9223372036854775808 9223372036854775807}}";
    assert_eq!(seen(widest, 200).len(), 200);
    for length in [1, 9, 10, 11, 64] {
        for text in seen(&format!("{{{{randomString {length}}}}}"), 50) {
            assert_eq!(text.len(), length);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
        }
    }
    assert_eq!(seen("{{randomString 1}}", 2000).len(), 62);
}

#[test]
fn a_uuid_is_one_per_request_and_of_version_4() {
    let mut all = HashSet::new();
    for number in 0..1000 {
        let text = rendered("{{uuid}} {{random 1 9}} {{uuid}} {{uuid 1}} {{uuid 2}}", number);
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(words[0], words[2]);
        assert_eq!(words[0], words[3]);
        for uuid in [words[0], words[4]] {
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
            assert!(all.insert(uuid.to_owned()), "{uuid} came twice");
        }
    }
}

#[test]
fn the_texts_of_a_seed_never_change() {
    let template =
        parse_in("{{random 1 1000}} {{randomString 12}} {{pick a b c}} {{uuid}}", Place::Body, false);
    let template = template.unwrap();
    assert_eq!(render(&template, 0, 0), "339 w0lbiTRhqQ5C b 43364981-1221-4818-8f84-1a4119b3c0bd");
    assert_eq!(render(&template, 0, 1), "523 bi1KWcq9uRLe a 094333a6-92d7-49b7-887f-ad8bd916126c");
    assert_eq!(render(&template, 1, 0), "433 bNuJoEEIYaYP c 6537c97c-dd81-41aa-83b1-850ccbbb992a");
}

#[test]
fn lines_are_fitted_to_where_they_stand() {
    fn check(text: &str, place: Place, is_json: bool, expected: &str) {
        assert_eq!(render(&parse_in(text, place, is_json).unwrap(), 0, 1), expected, "{text}");
    }
    check("{{line f.txt}}", Place::Body, false, "say \"hi\" & go");
    check(r#"{"a":"{{line f.txt}}"}"#, Place::Body, true, r#"{"a":"say \"hi\" & go"}"#);
    check(r#"{"a":"{{raw line f.txt}}"}"#, Place::Body, true, r#"{"a":"say "hi" & go"}"#);
    check(r#"{"a\"":"b","c":{{line f.txt}}}"#, Place::Body, true, r#"{"a\"":"b","c":say "hi" & go}"#);
    check(r#"{"a":"{{'"'}},"b":{{line f.txt}}"#, Place::Body, true, r#"{"a":"","b":say "hi" & go"#);
    check("q={{url line f.txt}}", Place::Body, false, "q=say%20%22hi%22%20%26%20go");
    check("x={{json line f.txt}}", Place::Body, false, r#"x=say \"hi\" & go"#);
    check("/s?q={{line f.txt}}", Place::Path, false, "/s?q=say%20%22hi%22%20%26%20go");
    check("{{line f.txt}}/x", Place::Path, false, "say%20\"hi\"%20&%20go/x");
    check("/s?q={{raw line f.txt}}", Place::Path, false, "/s?q=say%20\"hi\"%20&%20go");
    check("Bearer {{line f.txt}}", Place::Header, false, "Bearer say \"hi\" & go");
    check("/{{pick 'a b' 'a b'}}", Place::Path, false, "/a%20b");
    check("{{url pick 'a&b'}}", Place::Body, false, "a%26b");
}

#[test]
fn says_what_is_wrong_with_an_expression_and_where() {
    fn check(text: &str, expected: &str) {
        let error = parse_in(text, Place::Body, false).expect_err(text);
        assert_eq!(error.to_string(), format!("cannot understand the expression {expected}"));
        assert!(error.hint().is_some());
    }
    check("a\nbc {{uid}} d", "`{{uid}}`: it is not known (in the body, line 2, column 4)");
    check("{{}}", "`{{}}`: it is empty (in the body, line 1, column 1)");
    check("{{id}} {{id", "`{{id`: it has no closing `}}` (in the body, line 1, column 8)");
    check(
        "{{pick 'a}}",
        "`{{pick \\'a}}`: a quoted word in it is not closed (in the body, line 1, column 1)",
    );
    check("{{id 1}}", "`{{id 1}}`: it is not known (in the body, line 1, column 1)");
    check("{{raw}}", "`{{raw}}`: it is not known (in the body, line 1, column 1)");
    check("{{uuid x}}", "`{{uuid x}}`: it takes at most a number (in the body, line 1, column 1)");
    check("{{random 1}}", "`{{random 1}}`: it takes two numbers (in the body, line 1, column 1)");
    check(
        "{{random 1 1.5}}",
        "`{{random 1 1.5}}`: its bounds are not whole numbers below 2^63 (in the body, line 1, column 1)",
    );
    check(
        "{{random 2 1}}",
        "`{{random 2 1}}`: its first bound is larger than its second (in the body, line 1, column 1)",
    );
    for length in ["", " 0", " 1048577", " x"] {
        let text = format!("{{{{randomString{length}}}}}");
        check(
            &text,
            &format!("`{text}`: it takes a length from 1 to 1048576 (in the body, line 1, column 1)"),
        );
    }
    let of_repeat = |text: &str, problem: &str| {
        check(text, &format!("`{text}`: {problem} (in the body, line 1, column 1)"));
    };
    of_repeat("{{repeat 3}}", "it takes a count, a text, and what separates the copies");
    of_repeat("{{repeat 0 x}}", "its count is not one from 1 to 1048576");
    of_repeat("{{repeat 1048576 0123456789abcdefg}}", "it makes more than 16 MiB");
    check("{{pick}}", "`{{pick}}`: it has nothing to pick from (in the body, line 1, column 1)");
    check("{{line}}", "`{{line}}`: it takes one file (in the body, line 1, column 1)");
    check("{{env sk-12345678}}", "`{{env [redacted]}}`: it is not known (in the body, line 1, column 1)");
    let missing = parse_in("{{line nowhere/x.txt}}", Place::Body, false).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read `nowhere/x.txt`");
    let header = parse_in("x {{pick 'a\nb'}}", Place::Header, false).unwrap_err();
    assert!(
        header
            .to_string()
            .ends_with("a header cannot hold a control character (in a header at byte 3 of its value)")
    );
    let path = parse_in("/{{x}}", Place::Path, false).unwrap_err();
    assert!(path.to_string().ends_with("it is not known (in the path at byte 2)"), "{path}");
}

#[test]
fn knows_how_every_rendering_begins() {
    fn check(text: &str, expected: bool) {
        assert_eq!(parse_in(text, Place::Path, false).unwrap().always_begins_with(b'/'), expected, "{text}");
    }
    check("/a{{id}}", true);
    check("{{pick /a /b}}", true);
    check("{{pick /a b}}", false);
    check("{{line f.txt}}", false);
    check("{{id}}", false);
    check("", false);
}

proptest! {
    #[test]
    fn text_with_escaped_braces_renders_to_itself(text in "[{}'\"a ]{0,30}") {
        let template = Template::parse(&escape_braces(text.as_bytes()), Place::Body, false, &mut LineFiles::default());
        prop_assert_eq!(render(&template.unwrap(), 0, 0), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in prop::collection::vec(
        prop_oneof![
            Just("{{"), Just("}}"), Just("'"), Just("\""), Just("pick "), Just("random 1 "), Just("9"), Just(" "), Just("ü"),
            Just("randomString "), Just("uuid"), Just("line f.txt"), Just("json "), Just("\n"),
        ], 0..12)
    ) {
        let text = text.concat();
        for place in [Place::Path, Place::Header, Place::Body] {
            if let Ok(template) = parse_in(&text, place, true) {
                prop_assert_eq!(render(&template, 3, 5), render(&template, 3, 5));
            }
        }
    }
}
