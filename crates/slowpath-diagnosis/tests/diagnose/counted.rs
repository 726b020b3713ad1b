//! Causes that counts name: each on a drawing that has it, and silent on one that is like it but for the cause.

use crate::check::{check, check_first};
use crate::cpu::flat;
use crate::drawing::Drawing;

/// A saturated thread at 100 requests a second: 10 ms of it each, 60 % in `work` at line 12.
fn working() -> Drawing {
    Drawing::of(&format!("handle@3;work@12 60\n{}", flat(8))).load(100, 150.0)
}

/// A third of a core in functions too small to name.
fn spread() -> String {
    (1..=12).map(|n| format!("step{n}@{n} 3")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_same_object_serialised_for_each_request_is_churn() {
    let drawing = working().counts(("json.stringify", ""), 1.0, 4e4, 5.0, "work@14").counts(
        ("json.stringify.again", ""),
        0.98,
        4e4,
        5.0,
        "work@14",
    );
    let found = check(&drawing, "cpu", &["json-churn work app.js:12"]);
    assert!(found.first().advice.contains("keep the text"), "{}", found.first().advice);
    let share = found.first().share.expect("a share");
    assert!((share - 0.5 / 1.0).abs() < 0.06, "{share}");
}

#[test]
fn one_large_body_parsed_once_is_no_churn() {
    let drawing = working().counts(("json.parse", ""), 1.0, 4e4, 1.5, "work@14");
    check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
}

#[test]
fn counts_never_claim_more_than_samples_charge() {
    let drawing = working().counts(("json.stringify", ""), 4.0, 4e4, 9.0, "work@14");
    let found = check(&drawing, "cpu", &["json-churn work app.js:12"]);
    let share = found.first().share.expect("a share");
    assert!(share <= 0.61, "samples charge 60 % to it, not {share}");
}

#[test]
fn a_copy_through_json_is_a_copy_and_not_churn_as_well() {
    let drawing = working()
        .counts(("json.stringify", ""), 1.0, 2e4, 2.0, "work@14")
        .counts(("json.stringify.again", ""), 1.0, 2e4, 2.0, "work@14")
        .counts(("json.parse", ""), 1.0, 2e4, 3.0, "work@14")
        .counts(("json.copy", ""), 1.0, 2e4, 3.0, "work@14");
    let found = check(&drawing, "cpu", &["deep-copy-per-request work app.js:12"]);
    let share = found.first().share.expect("a share");
    assert!((share - 0.5).abs() < 0.06, "both halves count: {share}");
}

#[test]
fn samples_of_the_lines_of_calls_count_up_to_what_the_calls_take_of_undisturbed_requests() {
    // 100 requests a second; less than half of what each needs is the copy.
    let share = |lines: &str| {
        let text = format!("{lines}\n{}", flat(8));
        let drawing =
            Drawing::of(&text).load(100, 150.0).counts(("structured_clone", ""), 1.0, 0.0, 3.0, "work@14");
        let found = check_first(&drawing, "cpu", "deep-copy-per-request work app.js:12");
        found.first().share.expect("a share")
    };
    let by_calls = share("handle@3;work@12 60");
    let by_lines = share("handle@3;work@12/14 55\nhandle@3;work@12/15 5");
    let elsewhere = share("handle@3;work@12/14 5\nhandle@3;work@12/15 55");
    assert!(
        by_lines >= by_calls && (elsewhere - by_calls).abs() < 1e-9,
        "{by_calls}, {by_lines}, {elsewhere}"
    );
    assert!(by_lines < 0.6, "what is more is something else on that line: {by_lines}");
}

#[test]
fn a_copy_now_and_then_is_no_cause() {
    let drawing = working().counts(("structured_clone", ""), 0.1, 0.0, 3.0, "work@14");
    check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
}

#[test]
fn a_library_that_copies_is_named_by_its_caller() {
    let drawing = Drawing::of(&format!("handle@3;work@12;dep:clone 60\n{}", flat(8))).load(100, 150.0);
    // `dep` is no package that only copies.
    check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
}

#[test]
fn a_function_that_copies_is_one_in_whatever_package() {
    let stacks =
        format!("handle@3;work@12;dep:cloneDeep;dep:base 40\nhandle@3;work@12;dep:each 20\n{}", flat(8));
    let drawing = Drawing::of(&stacks).load(100, 150.0);
    let found = check(&drawing.calls("cloneDeep", 1.0), "cpu", &["deep-copy-per-request work app.js:12"]);
    let share = found.first().share.expect("a share");
    assert!((share - 0.4).abs() < 0.02, "the rest of the package is no copy: {share}");
}

#[test]
fn a_builder_called_once_per_request_is_named_as_one() {
    let drawing = Drawing::of(&format!("handle@3;createTokenizer@12 60\n{}", flat(8))).load(100, 150.0);
    let called = drawing.calls("createTokenizer", 1.0);
    check(&called, "cpu", &["expensive-construction-per-request createTokenizer app.js:12"]);
}

#[test]
fn collections_of_what_is_built_go_with_it() {
    let drawing =
        Drawing::of(&format!("handle@3;createTokenizer@12 40\ngc 20\n{}", flat(8))).load(100, 150.0);
    let called = drawing.calls("createTokenizer", 1.0);
    let found = check_first(&called, "cpu", "expensive-construction-per-request createTokenizer app.js:12");
    let share = found.first().share.expect("a share");
    assert!((share - 0.6).abs() < 0.02, "{share}");
}

#[test]
fn what_is_wrong_comes_before_what_is_hot_where_both_would_bring_as_much() {
    let built = "expensive-construction-per-request createTokenizer app.js:12";
    let serves = "cpu-hot-function serve app.js:7";
    // What `serve` takes varies from second to second.
    let drawing = |hot: u32| {
        let second = |hot: u32| {
            format!("handle@3;serve@7 {hot}\nhandle@3;createTokenizer@12 {}\n{}", 60 - hot, flat(8))
        };
        let mut drawing = Drawing::of(&second(hot - 8)).load(100, 150.0);
        drawing.threads[0].seconds.push(second(hot + 8));
        drawing.calls("createTokenizer", 1.0)
    };
    check(&drawing(31), "cpu", &[built, serves]);
    check(&drawing(45), "cpu", &[serves, built]);
}

#[test]
fn a_builder_that_runs_now_and_then_or_in_a_loop_is_a_hot_function() {
    for per_request in [0.1, 200.0] {
        let drawing = Drawing::of(&format!("handle@3;createTokenizer@12 60\n{}", flat(8))).load(100, 150.0);
        let called = drawing.calls("createTokenizer", per_request);
        check(&called, "cpu", &["cpu-hot-function createTokenizer app.js:12"]);
    }
}

#[test]
fn what_builds_the_answer_is_not_called_a_construction() {
    let drawing = Drawing::of(&format!("handle@3;buildResponse@12 60\n{}", flat(8))).load(100, 150.0);
    check(&drawing.calls("buildResponse", 1.0), "cpu", &["cpu-hot-function buildResponse app.js:12"]);
}

#[test]
fn an_expression_that_takes_milliseconds_a_call_backtracks() {
    let stacks = format!("handle@3;validate@7;native:RegExp: (a+)+$ 70\n{}", flat(6));
    let drawing = Drawing::of(&stacks).load(100, 150.0).calls("validate", 1.0);
    check(&drawing, "cpu", &["regex-backtracking validate app.js:7"]);
}

#[test]
fn an_expression_that_is_run_thousands_of_times_does_not_backtrack() {
    let stacks = format!("handle@3;validate@7;native:RegExp: ^[a-z]+$ 70\n{}", flat(6));
    let drawing = Drawing::of(&stacks).load(100, 150.0).calls("validate", 5000.0);
    check(&drawing, "cpu", &["cpu-hot-function validate app.js:7"]);
}

#[test]
fn pieces_of_a_few_bytes_are_tiny_writes_and_whole_ones_are_not() {
    let drawing = |n: f64, bytes: f64| {
        let drawing = Drawing::of(&format!("handle@3;stream@12 60\n{}", flat(8))).load(100, 150.0);
        let drawing = drawing.counts(("response.write", ""), n, bytes, 5.0 / n, "stream@14");
        let tiny = if bytes < 64.0 { n } else { 0.0 };
        let drawing = drawing.counts(("response.write.tiny", ""), tiny, bytes, 5.0 / n, "stream@14");
        drawing.counts(("response.streamed", ""), 1.0, 0.0, 0.0, "")
    };
    check(&drawing(300.0, 9.0), "cpu", &["tiny-writes stream app.js:12"]);
    check(&drawing(300.0, 900.0), "cpu", &["cpu-hot-function stream app.js:12"]);
    check(&drawing(4.0, 9.0), "cpu", &["cpu-hot-function stream app.js:12"]);
}

#[test]
fn work_for_each_piece_is_told_from_work_for_each_answer() {
    let drawing = |calls: f64| {
        let drawing = Drawing::of(&format!("handle@3;countTokens@12 60\n{}", flat(8))).load(100, 150.0);
        let drawing = drawing.counts(("response.write", ""), 50.0, 200.0, 0.001, "stream@14");
        drawing.counts(("response.streamed", ""), 1.0, 0.0, 0.0, "").calls("countTokens", calls)
    };
    check(&drawing(50.0), "cpu", &["per-chunk-work-in-stream countTokens app.js:12"]);
    check(&drawing(1.0), "cpu", &["cpu-hot-function countTokens app.js:12"]);
}

#[test]
fn a_buffer_copied_for_each_piece_is_named() {
    let growing = ("buffer.concat.growth", "");
    check(
        &working().counts(growing, 40.0, 5e5, 0.1, "work@14"),
        "cpu",
        &["string-concat-growth work app.js:12"],
    );
    check(&working().counts(growing, 1.0, 5e5, 4.0, "work@14"), "cpu", &["cpu-hot-function work app.js:12"]);
}

#[test]
fn the_copying_comes_before_the_collections_that_it_brings_about() {
    let growing = ("buffer.concat.growth", "");
    let drawing = Drawing::of(&format!("handle@3;work@12 25\ngc 45\n{}", flat(6))).load(100, 150.0);
    let drawing = drawing.counts(growing, 40.0, 5e5, 0.015, "work@14");
    let named = ["string-concat-growth work app.js:12", "gc-pressure work app.js:12"];
    check(&drawing, "gc", &named);
}

#[test]
fn logging_counts_the_console_and_its_write_once() {
    let drawing = working().counts(("console", "log"), 40.0, 0.0, 0.1, "work@14").counts(
        ("stdout", "file"),
        40.0,
        100.0,
        0.06,
        "work@14",
    );
    let found = check(&drawing, "cpu", &["sync-logging work app.js:12"]);
    let share = found.first().share.expect("a share");
    assert!((share - 0.4).abs() < 0.05, "{share}");
}

#[test]
fn a_line_per_request_is_ordinary() {
    let drawing = working().counts(("console", "log"), 1.0, 0.0, 0.02, "work@14");
    check(&drawing, "cpu", &["cpu-hot-function work app.js:12"]);
}

#[test]
fn timers_are_a_storm_when_they_are_frequent_and_cost_something() {
    let drawing = |per_request: f64, ms: f64| {
        let drawing = Drawing::of(&spread()).load(100, 5.0);
        drawing.counts(("timer.interval", "5 ms"), per_request, 0.0, ms, "watch@20")
    };
    check_first(&drawing(2.0, 0.5), "healthy", "timer-storm watch app.js:20");
    check(&drawing(0.05, 0.5), "healthy", &[]);
    check(&drawing(2.0, 0.01), "healthy", &[]);
}

#[test]
fn connections_per_request_are_churn_unless_they_are_kept() {
    let drawing = |n: f64| {
        let drawing = Drawing::of(&spread()).load(100, 5.0);
        let drawing = drawing.counts(("http.request", "up:80"), 1.0, 0.0, 0.0, "ask@20");
        let drawing = drawing.counts(("http.closed_by_us", "up:80"), n, 0.0, 0.0, "");
        drawing.counts(("net.connect", "up:80"), n, 0.0, 0.0, "")
    };
    let found = check(&drawing(1.0), "healthy", &["connection-churn ask app.js:20"]);
    assert!(found.first().advice.contains("keepAlive"), "{}", found.first().advice);
    let sentence = &found.diagnosis.verdict.sentence;
    assert!(
        sentence.contains("; yet a connection to up:80 is opened"),
        "what is well enough may get better: {sentence}"
    );
    check(&drawing(0.05), "healthy", &[]);
}

#[test]
fn requests_sent_again_after_errors_are_a_retry_storm() {
    let drawing = |sent: f64, failed: f64| {
        let drawing = Drawing::of(&spread()).load(100, 5.0);
        let drawing = drawing.counts(("http.request", "up:80"), sent, 0.0, 0.0, "ask@20");
        drawing.counts(("http.error", "up:80"), failed, 0.0, 0.0, "")
    };
    check(&drawing(3.0, 2.0), "healthy", &["retry-storm ask app.js:20"]);
    check(&drawing(3.0, 0.1), "healthy", &[]);
    check(&drawing(1.0, 0.5), "healthy", &[]);
}

#[test]
fn redis_commands_one_at_a_time_are_chatter_and_a_pipeline_is_not() {
    let drawing = |writes: f64| {
        let drawing = Drawing::of(&spread()).load(100, 5.0);
        let drawing = drawing.counts(("redis.command", "GET"), 12.0, 40.0, 0.0, "load@20");
        drawing.counts(("redis.write", ""), writes, 1.0, 0.0, "")
    };
    check(&drawing(12.0), "healthy", &["redis-chatter load app.js:20"]);
    check(&drawing(1.0), "healthy", &[]);
}

#[test]
fn redis_keys_and_large_values_are_named() {
    let redis = Drawing::of(&spread()).load(100, 5.0).counts(("redis.write", ""), 1.0, 1.0, 0.0, "");
    let keys = redis.counts(("redis.command", "KEYS"), 0.1, 20.0, 0.0, "list@20");
    check(&keys, "healthy", &["redis-blocking-command list app.js:20"]);
    let redis = Drawing::of(&spread()).load(100, 5.0);
    let large = redis.counts(("redis.large_value", "SET"), 1.0, 5e5, 0.0, "save@30");
    check(&large, "healthy", &["redis-large-values save app.js:30"]);
}

#[test]
fn what_a_client_of_redis_does_with_large_values_is_their_share() {
    let hot = Drawing::of("handle@3;save@30;dep:encode 40\nhandle@3;save@30 5\nhandle@3;render@50 20");
    let large = hot.load(100, 5.0).counts(("redis.large_value", "SET"), 1.0, 5e5, 0.0, "save@30");
    let first = check_first(&large, "waiting", "redis-large-values save app.js:30");
    let share = first.diagnosis.findings[0].share.expect("it is charged with samples");
    assert!((share - 40.0 / 65.0).abs() < 0.02, "its own code is not among it: {share}");
}

#[test]
fn few_requests_say_nothing_of_what_a_request_does() {
    let drawing = Drawing::of(&spread()).load(3, 5.0);
    let drawing = drawing.counts(("redis.command", "GET"), 12.0, 40.0, 0.0, "load@20");
    check(&drawing, "healthy", &[]);
}

#[test]
fn a_synchronous_write_that_logs_is_one_finding() {
    let drawing = Drawing::of(&format!("handle@3;work@12;fs:writeSync 60\n{}", flat(8))).load(100, 150.0);
    let drawing = drawing.counts(("console", "log"), 40.0, 0.0, 0.16, "work@14");
    check(&drawing, "blocked", &["sync-logging work app.js:12"]);
}

#[test]
fn code_that_does_not_last_is_named_beside_the_time_that_it_costs() {
    let looping = working().optimised("work", 12, (50.0, 900.0));
    let found =
        check(&looping, "cpu", &["cpu-hot-function work app.js:12", "deoptimisation-loop work app.js:12"]);
    let finding = &found.diagnosis.findings[1];
    assert!(finding.predicted_gain.is_none(), "what code that lasts would bring is not measured");
    assert!(
        finding.evidence.iter().any(|row| row.text.contains("6 times while it ran: wrong map")),
        "{finding:#?}"
    );
}

#[test]
fn functions_that_are_optimised_once_or_in_a_burst_or_are_cold_are_no_loop() {
    let hot = ["cpu-hot-function work app.js:12"];
    check(&working().optimised("work", 3, (50.0, 900.0)), "cpu", &hot);
    check(&working().optimised("work", 12, (50.0, 300.0)), "cpu", &hot);
    let cold = Drawing::of(&format!("handle@3;work@12 60\nrare@40 3\n{}", flat(7))).load(100, 150.0);
    check(&cold.optimised("rare", 12, (50.0, 900.0)), "cpu", &hot);
    // Nothing tells which function of that name it is.
    check(&working().optimised("elsewhere", 12, (50.0, 900.0)), "cpu", &hot);
}
