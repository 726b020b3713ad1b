//! Programs whose cause only counts can name: the report's first finding is it, at its file and line, and the twin is
//! silent.

use crate::fixtures::{RedisServer, app, planted};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;

/// Long enough for every phase: a plan of a few seconds leaves counting out.
const DURATION: &str = "10";

fn run(program: &str, fixed: &str, redis_port: Option<u16>) -> Recorded {
    let run = Invocation::run().cwd(app("plain")).load("/", DURATION).env("FIXED", fixed);
    let run = match redis_port {
        Some(port) => run.env("REDIS_PORT", port.to_string()),
        None => run,
    };
    let finished = run.args(["-c", "10"]).target(["node", program]).finish().expect_code(0);
    let report = finished.report();
    report.expect_clean_load().expect_whole_recorders();
    report
}

/// Checks that the first finding is `rule` at the planted function, and that the twin has no such finding.
fn check(program: &str, rule: &str, function: &str) {
    check_with(program, rule, function, None);
}

fn check_with(program: &str, rule: &str, function: &str, redis_port: Option<u16>) {
    let sick = run(program, "", redis_port);
    sick.blames(rule, &planted("plain", program, function));
    // Others on this machine are not the program's doing.
    let findings = sick.json["findings"].as_array().expect("a list");
    let first = findings.iter().find(|finding| finding["rule"] != "cpu-starved").expect("it was just found");
    assert_eq!(first["rule"], rule, "another finding is first:\n{}", sick.summary());
    let healthy = run(program, "1", redis_port);
    assert!(healthy.findings(rule).is_empty(), "`{rule}` fires on the twin:\n{}", healthy.summary());
}

#[test]
fn the_same_json_for_each_request_is_churn() {
    undisturbed(|| check("json-churn.js", "json-churn", "catalogueText"));
}

#[test]
fn a_copy_through_json_for_each_request_is_named() {
    undisturbed(|| check("deep-copy.js", "deep-copy-per-request", "optionsFor"));
}

#[test]
fn a_tokenizer_built_for_each_request_is_named() {
    undisturbed(|| check("construction.js", "expensive-construction-per-request", "createTokenizer"));
}

#[test]
fn expressions_built_for_each_request_are_named() {
    undisturbed(|| check("regex-recompiled.js", "regex-recompiled", "forbiddenWords"));
}

#[test]
fn an_expression_that_backtracks_is_named() {
    undisturbed(|| check("regex-backtracking.js", "regex-backtracking", "isTitle"));
}

#[test]
fn an_answer_written_by_characters_is_named() {
    undisturbed(|| check("tiny-writes.js", "tiny-writes", "streamText"));
}

#[test]
fn lines_written_for_each_step_of_a_request_are_named() {
    undisturbed(|| check("sync-logging.js", "sync-logging", "logRequest"));
}

#[test]
fn timers_every_few_milliseconds_are_named_where_they_are_made() {
    undisturbed(|| check("timers.js", "timer-storm", "watchProviders"));
}

#[test]
fn connections_that_are_not_kept_are_named_where_requests_are_sent() {
    undisturbed(|| check("connection-churn.js", "connection-churn", "askUpstream"));
}

#[test]
fn connections_that_a_small_pool_closes_are_told_with_the_pool_as_the_cause() {
    undisturbed(|| {
        let program = "few-free-sockets.js";
        let sick = run(program, "", None);
        let findings = sick.findings("connection-churn");
        let finding = findings.first().unwrap_or_else(|| panic!("silent:\n{}", sick.summary()));
        let asking = planted("plain", program, "askUpstream");
        assert!(asking.is_at(&finding["where"]), "not at the function that asks: {finding:#}");
        assert!(
            finding["advice"].as_str().is_some_and(|text| text.contains("maxFreeSockets")),
            "{finding:#}"
        );
        let healthy = run(program, "1", None);
        assert!(
            healthy.findings("connection-churn").is_empty(),
            "the twin is blamed:\n{}",
            healthy.summary()
        );
    });
}

#[test]
fn redis_commands_one_after_the_other_are_named() {
    let redis = RedisServer::start();
    undisturbed(|| check_with("redis-chatter.js", "redis-chatter", "readAccounts", Some(redis.port)));
}

#[test]
#[ignore = "V8 comes to terms with the program in some runs; nightly tries it"]
fn code_that_v8_throws_away_for_each_request_is_named() {
    undisturbed(|| {
        let (program, rule) = ("changing-prototype.js", "deoptimisation-loop");
        let run = |fixed: &str| {
            let run = Invocation::run().cwd(app("plain")).load("/", "8").env("FIXED", fixed);
            let run = run.args(["-c", "10", "--phases", "cpu,baseline,deopts:2"]).target(["node", program]);
            run.finish().expect_code(0).report()
        };
        run("").blames(rule, &planted("plain", program, "weigh"));
        let healthy = run("1");
        assert!(healthy.findings(rule).is_empty(), "`{rule}` fires on the twin:\n{}", healthy.summary());
    });
}
