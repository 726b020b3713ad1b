//! Programs with a known bottleneck: the report names it, at its file and line, and is silent on the healthy twin.

use crate::fixtures::{Planted, Upstream, app, planted, root};
use crate::harness::{Finished, Invocation};
use crate::patience::undisturbed;
use crate::recorded::Recorded;

/// A made-up key, in the shape of a real one.
const KEY: &str = "sk-test0123456789abcdefghijklmnop";

const CHAT: &str = r#"{"model":"gpt-4","messages":[{"role":"user","content":"hello"}]}"#;

/// A measured gain may miss the predicted interval by this factor: neighbours share this machine's cores, and the two
/// runs are seconds apart.
const GAIN_TOLERANCE: f64 = 2.0;

#[test]
fn portkey_gateway_started_by_npx_is_recorded_whole() {
    let upstream = Upstream::start();
    let run = Invocation::run().load("/v1/chat/completions", "6").cwd(root());
    let port = format!("--port={}", run.port());
    let run = run.args(["-c", "20", "-m", "POST", "-b", CHAT]);
    let run = run.args(["-H", "content-type: application/json", "-H", "x-portkey-provider: openai"]);
    let run = run.args(["-H", &format!("x-portkey-custom-host: {}", upstream.url)]);
    let run = run.args(["-H", &format!("authorization: Bearer {KEY}")]);
    let run = run.target(["npx", "--no-install", "@portkey-ai/gateway", "--headless", &port]);
    let finished = run.finish().expect_code(0);
    let report = finished.report();
    report.expect_clean_load().expect_whole_recorders().expect_whole_split().expect_nowhere(KEY);
    assert_eq!(report.ended(), "complete");
    let processes = report.json["processes"].as_array().expect("a list");
    let role = |role: &str| processes.iter().find(|process| process["role"] == role);
    assert!(role("package manager").is_some(), "npx is not told as a package manager: {processes:#?}");
    let main = role("main").expect("the gateway's process");
    assert!(main["command"].as_str().is_some_and(|command| command.contains("gateway")), "{main:#}");
    assert!(main["node"].is_string(), "{main:#}");
    let functions = report.json["functions"].as_array().expect("a list");
    let own = |row: &&serde_json::Value| {
        row["category"] == "app" && row["file"].as_str().is_some_and(|file| file.contains("start-server.js"))
    };
    assert!(functions.iter().any(|row| own(&row)), "no function of the gateway:\n{}", report.summary());
}

#[test]
fn express_app_is_blamed_at_its_formatter_and_gains_what_was_predicted() {
    let run = |fixed: &str| {
        let run = Invocation::run().cwd(app("express")).load("/invoices/42", "6").env("FIXED", fixed);
        run.args(["-c", "20"]).target(["node", "server.js"])
    };
    let planted = planted("express", "src/render.js", "renderInvoice");
    undisturbed(|| check_gain(&run, &planted));
}

#[test]
fn fastify_app_in_esm_is_blamed_at_its_search_and_gains_what_was_predicted() {
    let words: Vec<_> = (0..10).map(|i| format!("word{}", i * 11_000)).collect();
    let body = format!(r#"{{"message":"{}"}}"#, words.join(" "));
    let run = |fixed: &str| {
        let run = Invocation::run().cwd(app("fastify")).load("/score", "6").env("FIXED", fixed);
        run.args(["-c", "20", "-m", "POST", "-H", "content-type: application/json", "-b", &body])
            .target(["node", "server.mjs"])
    };
    let planted = planted("fastify", "src/score.mjs", "scoreMessage");
    undisturbed(|| check_gain(&run, &planted));
}

/// Runs a program and its fixed twin: the first is CPU-bound in `planted`, the second is not, and is faster by about
/// as much as the first report predicted.
fn check_gain(run: &impl Fn(&str) -> Invocation, planted: &Planted) {
    let slow = run("").finish().expect_code(0).report();
    slow.expect_verdict("cpu").expect_clean_load().expect_whole_recorders().expect_whole_split();
    let finding = slow.blames_cpu_of(planted);
    let place = format!("{}:{}", planted.file, planted.line);
    slow.expect_sentence_with(&place);
    let fast = run("1").finish().expect_code(0).report();
    fast.expect_clean_load();
    assert!(fast.cpu_finding(planted).is_none(), "the fixed twin is blamed, too:\n{}", fast.summary());
    let gain = |key: &str| finding["predicted_gain"][key].as_f64().expect("a predicted gain");
    let measured = fast.requests_per_second() / slow.requests_per_second();
    let (low, high) = (gain("low") / GAIN_TOLERANCE, gain("high") * GAIN_TOLERANCE);
    assert!(
        (low..=high).contains(&measured),
        "predicted {} ({}–{}), measured {measured:.2}\nslow {}\nfast {}",
        gain("throughput"),
        gain("low"),
        gain("high"),
        slow.summary(),
        fast.summary()
    );
    eprintln!("predicted {:.2}, measured {measured:.2}", gain("throughput"));
}

/// A run of a program under `plain`, and of its twin.
fn plain(program: &str, fixed: &str, connections: &str) -> Finished {
    let run = Invocation::run().cwd(app("plain")).load("/", "5").env("FIXED", fixed);
    let template = run.scratch().join("template.html");
    std::fs::write(&template, vec![b'x'; 4 << 20]).expect("our own directory");
    run.env("TEMPLATE", template).args(["-c", connections]).target(["node", program]).finish().expect_code(0)
}

/// Checks that `rule` names the planted function of a program, with this verdict, and neither on its healthy twin.
fn check_plain(program: &str, connections: &str, verdict: &str, rule: &str, function: &str) -> Recorded {
    let sick = plain(program, "", connections).report();
    sick.expect_clean_load().expect_whole_recorders().expect_whole_split();
    sick.blames(rule, &planted("plain", program, function));
    sick.expect_verdict(verdict);
    let healthy = plain(program, "1", connections).report();
    assert!(healthy.findings(rule).is_empty(), "`{rule}` fires on the twin:\n{}", healthy.summary());
    assert_ne!(healthy.verdict(), verdict, "{}", healthy.summary());
    sick
}

#[test]
fn a_file_read_per_request_blocks() {
    undisturbed(|| {
        check_plain("sync-file.js", "10", "blocked", "sync-fs", "loadTemplate");
    });
}

#[test]
fn a_child_started_synchronously_blocks() {
    undisturbed(|| {
        check_plain("exec-sync.js", "10", "blocked", "sync-child-process", "gitRevision");
    });
}

#[test]
fn a_key_derived_synchronously_blocks() {
    undisturbed(|| {
        check_plain("pbkdf2.js", "10", "blocked", "sync-crypto-or-zlib", "hashPassword");
    });
}

#[test]
fn copies_of_a_large_graph_are_gc_pressure() {
    undisturbed(|| {
        check_plain("garbage.js", "10", "gc", "gc-pressure", "copyHistory");
    });
}

#[test]
fn a_rare_long_stall_is_event_loop_delay() {
    undisturbed(|| {
        let sick = check_plain("stall.js", "4", "loop-delay", "event-loop-stall", "rebuildIndex");
        let stalls = sick.json["timeline"]["stalls"].as_array().expect("a list");
        let long = stalls.iter().filter(|stall| stall["duration_ms"].as_f64().is_some_and(|ms| ms > 100.0));
        assert!(long.count() >= 2, "{stalls:?}");
    });
}

#[test]
fn a_slow_upstream_is_waiting() {
    undisturbed(|| {
        let report = plain("waiting.js", "", "20").report();
        report.expect_clean_load().expect_whole_recorders().expect_verdict("waiting");
        assert!(report.findings("cpu-hot-function").is_empty(), "{}", report.summary());
        plain("waiting.js", "1", "4").report().expect_verdict("healthy");
    });
}

#[test]
fn a_healthy_program_gets_a_clean_bill() {
    undisturbed(|| {
        let report = plain("healthy.js", "", "4").report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split().expect_verdict("healthy");
        assert_eq!(report.json["findings"], serde_json::json!([]), "{}", report.summary());
    });
}

#[test]
fn cluster_workers_are_recorded_each_and_blamed_together() {
    undisturbed(|| {
        let report = plain("cluster.js", "", "10").report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split();
        report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
        let processes = report.json["processes"].as_array().expect("a list");
        for role in ["main", "cluster worker 1", "cluster worker 2"] {
            assert!(processes.iter().any(|process| process["role"] == role), "no {role}: {processes:#?}");
        }
        let sampled = processes.iter().filter(|process| {
            let worker = process["role"].as_str().is_some_and(|role| role.starts_with("cluster worker"));
            worker && process["threads"][0]["n_samples"].as_u64().is_some_and(|n| n > 0)
        });
        assert_eq!(sampled.count(), 2, "not both workers were sampled: {processes:#?}");
    });
}

#[test]
fn a_forked_child_that_serves_is_blamed() {
    undisturbed(|| {
        let report = plain("fork.js", "", "10").report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split().expect_verdict("cpu");
        let finding = report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
        let processes = report.json["processes"].as_array().expect("a list");
        let child = processes.iter().find(|process| process["role"] == "forked child");
        let child = child.unwrap_or_else(|| panic!("no forked child: {processes:#?}"));
        assert_eq!(finding["where"]["process"], child["pid"]);
        assert_eq!(
            report.json["split_source"]["pid"], child["pid"],
            "the split is of the process that serves"
        );
    });
}

#[test]
fn hot_work_in_a_worker_thread_is_found() {
    undisturbed(|| {
        let report = plain("worker-threads.js", "", "10").report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split();
        report.lists_function(&planted("plain", "checksum.js", "checksum"));
        assert_ne!(
            report.verdict(),
            "healthy",
            "a worker is full and every request waits for it:\n{}",
            report.summary()
        );
        report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
    });
}

#[test]
fn worker_threads_that_wait_for_jobs_are_not_busy() {
    undisturbed(|| {
        let report = plain("idle-pool.js", "", "10").report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split().expect_verdict("cpu");
        report.blames("cpu-hot-function", &planted("plain", "checksum.js", "checksum"));
        let main = &report.json["processes"][0];
        assert_eq!(report.json["split_source"]["thread"], 0, "the main thread is what is busy");
        let is_of_pool = |thread: &&serde_json::Value| thread["waiting"]["call"] == "Atomics.wait";
        let threads = main["threads"].as_array().expect("a list");
        let pool: Vec<_> = threads.iter().filter(is_of_pool).collect();
        assert_eq!(pool.len(), 2, "both sleep: {main:#}");
        for thread in pool {
            let wait = &thread["waiting"];
            assert!(wait["share"].as_f64().is_some_and(|share| share > 0.8), "{thread:#}");
            assert!(
                wait["caller"].as_str().is_some_and(|caller| caller.starts_with("waitForJob (idle-pool.js:"))
            );
        }
        let twin = plain("idle-pool.js", "1", "10").report();
        twin.expect_verdict("healthy");
        let at_pool = |finding: &&serde_json::Value| finding["where"]["function"] == "waitForJob";
        let findings = twin.json["findings"].as_array().expect("a list");
        assert!(!findings.iter().any(|finding| at_pool(&finding)), "{}", twin.summary());
    });
}

#[test]
fn a_main_thread_that_sleeps_until_a_worker_answers_is_blocked() {
    undisturbed(|| {
        let report = plain("ask-worker.js", "", "10").report();
        report.expect_clean_load().expect_whole_split().expect_verdict("blocked");
        report.blames("sync-wait", &planted("plain", "ask-worker.js", "askWorker"));
        let twin = plain("ask-worker.js", "1", "10").report();
        assert_eq!(twin.findings("sync-wait").len(), 0, "{}", twin.summary());
    });
}

#[test]
fn the_demo_blames_its_planted_bottleneck() {
    undisturbed(|| {
        let demo = Invocation::new("demo");
        let out = demo.out();
        let report = demo.arg("--out").arg(out).args(["-d", "6"]).finish().expect_code(0).report();
        report.expect_verdict("cpu").expect_clean_load().expect_whole_recorders().expect_whole_split();
        report.expect_sentence_with("src/prompt/rules.js:");
    });
}
