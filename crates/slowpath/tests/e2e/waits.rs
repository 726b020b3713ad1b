//! Programs whose requests wait: the report says for what, and where in the code, and is silent on the healthy twin.

use crate::fixtures::{RedisServer, app, node};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;

/// A run of a program under `plain` in which requests are followed.
fn followed(program: &str, fixed: &str) -> Recorded {
    let run = Invocation::run().cwd(app("plain")).load("/", "8").env("FIXED", fixed);
    let run = run.args(["-c", "10", "--phases", "async,baseline"]).target(["node", program]);
    run.finish().expect_code(0).report()
}

/// Checks that `rule` comes first on a program, in `function`, and not at all on its twin.
fn check(program: &str, rule: &str, function: &str) -> Recorded {
    let sick = followed(program, "");
    sick.expect_verdict("waiting");
    assert_eq!(sick.json["findings"][0]["rule"], rule, "{}", sick.summary());
    check_both(&sick, &followed(program, "1"), program, rule, function);
    sick
}

/// Checks that `rule` names `function` of a program, and says nothing of its twin.
fn check_both(sick: &Recorded, healthy: &Recorded, program: &str, rule: &str, function: &str) {
    sick.expect_clean_load().expect_whole_split();
    let findings = sick.findings(rule);
    let finding = findings.first().unwrap_or_else(|| panic!("`{rule}` is silent:\n{}", sick.summary()));
    assert_eq!(finding["where"]["file"], program, "{}", sick.summary());
    let text = std::fs::read_to_string(app("plain").join(program)).expect("the program");
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines.iter().position(|line| line.contains(function)).expect("the function") as u64 + 1;
    let line = finding["where"]["line"].as_u64().expect("a line");
    assert!(
        (declared..declared + 8).contains(&line),
        "line {line} is not in {function}:\n{}",
        sick.summary()
    );
    expect_sums(sick);
    assert!(healthy.findings(rule).is_empty(), "`{rule}` fires on the twin:\n{}", healthy.summary());
    expect_sums(healthy);
}

/// Checks that in every group of requests the parts add up to their duration within 1 %.
fn expect_sums(report: &Recorded) {
    let requests = &report.json["requests"];
    let routes = requests["routes"].as_array().expect("routes");
    for composition in routes.iter().chain([&requests["all"]]) {
        let rows = composition["rows"].as_array().expect("rows");
        let sum = |key: &str| rows.iter().map(|row| row[key].as_f64().expect("a number")).sum::<f64>();
        for (key, whole) in [
            ("mean_ms", &composition["mean_ms"]),
            ("typical_ms", &composition["typical"]["mean_ms"]),
            ("slow_ms", &composition["slow"]["mean_ms"]),
        ] {
            let whole = whole.as_f64().expect("a number");
            assert!((sum(key) - whole).abs() <= 0.01 * whole, "{key}: {} of {whole}", sum(key));
        }
    }
}

#[test]
fn questions_in_series_are_told_from_questions_together() {
    undisturbed(|| {
        check("in-series.js", "sequential-awaits", "function ask(");
    });
}

#[test]
fn an_agent_with_one_socket_is_told_from_a_slow_upstream() {
    undisturbed(|| {
        check("one-socket.js", "socket-pool-wait", "function askThroughOneSocket(");
    });
}

#[test]
fn a_lock_held_across_io_makes_requests_wait_for_one_another() {
    undisturbed(|| {
        check("mutex.js", "lock-held-across-io", "function exclusively(");
    });
}

#[test]
fn tasks_queue_for_a_thread_pool_that_slow_reads_hold() {
    undisturbed(|| {
        check("thread-pool.js", "thread-pool-saturated", "function loadTemplate(");
    });
}

#[test]
fn a_slow_upstream_is_named_by_its_host_and_by_who_asks_it() {
    undisturbed(|| {
        let report = check("waiting.js", "slow-upstream", "http.get(");
        assert!(report.sentence().contains("127.0.0.1:"), "{}", report.sentence());
    });
}

#[test]
fn promise_jobs_that_keep_the_loop_from_turning_are_named_by_who_awaits() {
    undisturbed(|| {
        let rule = "event-loop-starved-by-microtasks";
        check_both(
            &followed("microtasks.js", ""),
            &followed("microtasks.js", "1"),
            "microtasks.js",
            rule,
            "function scoreAll(",
        );
    });
}

#[test]
fn commands_to_a_redis_one_after_the_other_are_counted_where_they_are_awaited() {
    let redis = RedisServer::start();
    undisturbed(|| {
        let run =
            Invocation::run().cwd(app("plain")).load("/", "8").env("REDIS_PORT", redis.port.to_string());
        let run = run.args(["-c", "2", "-R", "50", "--phases", "async,baseline"]);
        let report = run.target(["node", "redis-chatter.js"]).finish().expect_code(0).report();
        let sites = report.json["requests"]["sites"].as_array().expect("sites");
        let host = format!("127.0.0.1:{}", redis.port);
        let awaited =
            |site: &&serde_json::Value| site["remote"] == *host && site["function"] == "readAccounts";
        let in_series =
            sites.iter().filter(awaited).map(|site| site["max_in_series"].as_u64().unwrap_or(0)).sum::<u64>();
        assert!(in_series >= 12, "{in_series} commands in series:\n{sites:#?}");
        expect_sums(&report);
    });
}

#[test]
fn every_supported_node_names_what_is_awaited() {
    undisturbed(|| {
        for major in [18, 20, 22, 24] {
            let run = Invocation::run().cwd(app("plain")).load("/", "6");
            let run = run.args(["-c", "10", "--phases", "async,baseline"]).arg("--").arg(node(major));
            let report = run.arg("one-socket.js").finish().expect_code(0).report();
            assert!(!report.findings("socket-pool-wait").is_empty(), "node {major}:\n{}", report.summary());
            expect_sums(&report);
        }
    });
}

#[test]
fn few_requests_are_followed_all() {
    undisturbed(|| {
        let run = Invocation::run().cwd(app("plain")).load("/", "8");
        let run =
            run.args(["-c", "5", "-R", "10", "--phases", "async,baseline"]).target(["node", "waiting.js"]);
        let requests = &run.finish().expect_code(0).report().json["requests"].clone();
        let number = |key: &str| requests[key].as_f64().expect("a number");
        assert!(number("n_followed") >= 0.7 * number("n_requests"), "{requests:#}");
    });
}
