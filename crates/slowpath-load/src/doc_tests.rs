//! The examples of `docs/load-scenarios.md`, each run as it stands there.

use std::path::Path;

use crate::checks::{Checker, parse_json_check};
use crate::escape::Place;
use crate::jsonl::read_requests;
use crate::line_file::LineFiles;
use crate::plan::{Checks, LoadPlan, RequestPlan};
use crate::prepared::Preparation;
use crate::request_source::RequestSource;
use crate::template::Template;
use crate::url::Url;
use crate::{multipart_from_json, parse_header, parse_objectives, parse_stages};

const PAGE: &str = include_str!("../../../docs/load-scenarios.md");

/// Returns the content of the fenced block with this title.
fn block(title: &str) -> &'static str {
    let (_, after) =
        PAGE.split_once(&format!("```{title}\n")).unwrap_or_else(|| panic!("no block `{title}`"));
    after.split_once("```").unwrap().0
}

fn prompts() -> LineFiles {
    LineFiles::with("prompts.txt", block("text prompts.txt").as_bytes())
}

#[test]
fn every_schedule_is_understood_and_the_area_is_right() {
    for line in block("text stages").lines() {
        let text = line.split_whitespace().next().unwrap();
        assert!(parse_stages(text).is_ok(), "{line}");
    }
    let ramp = parse_stages("0:50,30s:500").unwrap();
    let n = crate::schedule::Schedule::new(&ramp, crate::Arrival::Constant, 0).count();
    assert_eq!(n, 8250);
}

#[test]
fn every_expression_is_understood() {
    let (_, after) = PAGE.split_once("| expression | becomes |").unwrap();
    let rows: Vec<&str> = after.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 8);
    let also = ["{{raw line prompts.txt}}", "{{json pick 'say \"hi\"'}}"];
    for expression in
        rows.iter().flat_map(|row| row.split('`').filter(|code| code.contains("{{"))).chain(also)
    {
        let template = Template::parse(expression.as_bytes(), Place::Body, false, &mut prompts());
        assert!(
            template.is_ok_and(|template| template.as_text() != Some(expression.as_bytes())),
            "{expression}"
        );
    }
}

#[test]
fn the_request_file_gives_the_requests_shown() {
    let accept = parse_header("accept: */*").unwrap();
    let base = RequestPlan {
        method: "POST".to_owned(),
        headers: vec![accept],
        is_template: true,
        ..RequestPlan::default()
    };
    let lines = block("jsonl requests.jsonl");
    let requests = read_requests(lines.as_bytes(), Path::new("requests.jsonl"), &base, prompts());
    let url = Url::parse("http://localhost:3000/v1/chat/completions").unwrap();
    let plan = LoadPlan { requests: requests.unwrap(), ..LoadPlan::new(url) };
    let source = RequestSource::prepare(&plan, Preparation::with_files(prompts())).unwrap();
    let sent: Vec<String> = (0..3)
        .map(|number| {
            let mut bytes = Vec::new();
            source.render(number, 0, &mut bytes);
            let text = String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
            text.replace(concat!("slowpath/", env!("CARGO_PKG_VERSION")), "slowpath").trim_end().to_owned()
        })
        .collect();
    // The page leaves a blank line between requests.
    assert_eq!(sent.join("\n\n"), block("http sent").trim_end());
}

#[test]
fn the_form_is_understood() {
    let form = block("json form");
    let directory = tempfile::tempdir().unwrap();
    let upload = directory.path().join("prompts.txt");
    std::fs::write(&upload, block("text prompts.txt")).unwrap();
    let form = form.replace("\"prompts.txt\"", &serde_json::to_string(&upload).unwrap());
    let (_, body) = multipart_from_json(&form).unwrap();
    assert!(String::from_utf8(body).unwrap().contains("filename=\"p.txt\""));
}

#[test]
fn the_answer_meets_every_expectation() {
    let expectations = block("text expectations");
    let json: Vec<_> = expectations.lines().map(|line| parse_json_check(line).unwrap()).collect();
    assert_eq!(json.len(), 5);
    let checker = Checker::new(&Checks { json, ..Checks::default() });
    assert_eq!(checker.verify(block("json answer").as_bytes()), Ok(()));
}

#[test]
fn the_goodput_limits_are_understood() {
    let limits = parse_objectives(block("text goodput").trim_end()).unwrap();
    assert_eq!((limits.ttft_ms, limits.tpot_ms, limits.e2el_ms), (Some(200.0), Some(50.0), Some(3000.0)));
}
