//! Programs whose requests wait: the report says for what, and where in the code, and is silent on the healthy twin.

use crate::fixtures::{RedisServer, app, node, planted};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;

/// A run of a program under `plain` in which requests are followed.
fn followed(program: &str, fixed: &str) -> Recorded {
    followed_for("8", program, fixed)
}

/// The same for so many seconds.
fn followed_for(seconds: &str, program: &str, fixed: &str) -> Recorded {
    let run = Invocation::run().cwd(app("plain")).load("/", seconds).env("FIXED", fixed);
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
        report.expect_sentence_with("127.0.0.1:");
    });
}

#[test]
fn promise_jobs_that_keep_the_loop_from_turning_are_named_by_who_awaits() {
    undisturbed(|| {
        let rule = "event-loop-starved-by-microtasks";
        check_both(
            // Hooks are on for a part of the time, and must be while the loop is held some times.
            &followed_for("16", "microtasks.js", ""),
            &followed_for("16", "microtasks.js", "1"),
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

/// Runs a program that asks a Redis on some port, without a client that anyone knows.
fn asks_raw_redis(redis: &RedisServer, new_connections: &str) -> Recorded {
    let run = Invocation::run().cwd(app("plain")).load("/", "5").env("REDIS_PORT", redis.port.to_string());
    let run = run.env("NEW_CONNECTIONS", new_connections).args(["-c", "4", "--phases", "async,baseline"]);
    run.target(["node", "raw-redis.js"]).finish().expect_code(0).report()
}

/// Returns the share of the requests' time that rows of a kind have.
fn share_of(report: &Recorded, kind: &str) -> f64 {
    let all = &report.json["requests"]["all"];
    let rows = all["rows"].as_array().expect("rows").iter();
    let ms: f64 = rows.filter(|row| row["kind"] == kind).filter_map(|row| row["mean_ms"].as_f64()).sum();
    ms / all["mean_ms"].as_f64().expect("a mean")
}

#[test]
fn a_redis_is_known_by_what_it_speaks_and_nothing_of_it_is_kept() {
    let redis = RedisServer::start();
    undisturbed(|| {
        for new_connections in ["", "1"] {
            let report = asks_raw_redis(&redis, new_connections);
            assert!(share_of(&report, "redis") > 0.5, "{:#}", report.json["requests"]["all"]);
            let finding = report.findings("slow-upstream");
            let host = format!("127.0.0.1:{}", redis.port);
            let title = finding.first().and_then(|finding| finding["title"].as_str()).unwrap_or_default();
            assert!(title.contains(&host), "{}", report.summary());
            expect_sums(&report);
            let said = report.json.to_string();
            assert!(!said.contains("nobody:pushes"), "a key of the Redis is in the report");
        }
    });
}

/// Copies a program with its packages to where packages lie.
fn watched() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("e2e-watched-").tempdir().expect("a temporary directory");
    let (from, to) = (app("watched"), directory.path());
    let package = to.join("node_modules/watcher");
    std::fs::create_dir_all(&package).expect("our own directory");
    let packaged = from.join("packages/watcher");
    for (from, to) in [
        (from.join("server.js"), to.join("server.js")),
        (from.join("package.json"), to.join("package.json")),
        (app("plain").join("one-socket.js"), to.join("one-socket.js")),
        (packaged.join("index.js"), package.join("index.js")),
        (packaged.join("package.json"), package.join("package.json")),
    ] {
        std::fs::copy(from, to).expect("the app has this file");
    }
    directory
}

#[test]
fn what_is_awaited_is_named_also_where_a_library_watches_http_and_promises() {
    let directory = watched();
    undisturbed(|| {
        let run = Invocation::run().cwd(directory.path()).load("/", "8");
        let run = run.args(["-c", "10", "--phases", "async,baseline"]).target(["node", "server.js"]);
        let report = run.finish().expect_code(0).report();
        let finding = report.findings("socket-pool-wait").first().map(|finding| finding["where"].clone());
        let place = finding.unwrap_or_else(|| panic!("no socket is waited for:\n{}", report.summary()));
        assert_eq!((&place["file"], &place["line"]), (&"one-socket.js".into(), &12.into()), "{place:#}");
        expect_sums(&report);
    });
}

#[test]
fn a_long_parse_that_holds_the_loop_is_named_with_the_verdict() {
    undisturbed(|| {
        let run = |fixed: &str| {
            let run = Invocation::run().cwd(app("plain")).load("/", "20").env("FIXED", fixed);
            run.args(["-c", "4", "-R", "60"])
                .target(["node", "long-json-parse.js"])
                .finish()
                .expect_code(0)
                .report()
        };
        let sick = run("");
        sick.expect_verdict("loop-delay").expect_clean_load();
        let planted = planted("plain", "long-json-parse.js", "readCatalogue");
        sick.blames("event-loop-stall", &planted);
        assert!(planted.is_at(&sick.json["findings"][0]["where"]), "{}", sick.summary());
        sick.expect_sentence_with("long-json-parse.js:");
        let healthy = run("1");
        assert!(
            healthy.findings("event-loop-stall").is_empty(),
            "the twin is blamed:\n{}",
            healthy.summary()
        );
    });
}

#[test]
fn a_pool_of_workers_is_named_as_what_requests_wait_for() {
    undisturbed(|| {
        let report = followed("worker-pool.js", "");
        report.expect_verdict("waiting").expect_clean_load().expect_whole_split();
        assert!(share_of(&report, "worker") > 0.8, "{:#}", report.json["requests"]["all"]);
        report.expect_sentence_with("worker-pool.js:");
        expect_sums(&report);
        expect_sums(&followed("worker-pool.js", "1"));
    });
}

#[test]
fn requests_that_a_worker_thread_serves_are_followed_there() {
    undisturbed(|| {
        let report = followed("served-by-worker.js", "");
        let finding = report.findings("socket-pool-wait").first().map(|finding| finding["where"].clone());
        let place = finding.unwrap_or_else(|| panic!("no socket is waited for:\n{}", report.summary()));
        assert_eq!(place["function"], "askThroughOneSocket", "{place:#}");
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
