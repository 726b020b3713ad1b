//! Several processes that share one load: together they send what one would, and their results merge exactly.

use crate::harness::{Finished, finish, scratch, slowpath};
use crate::server::Server;
use serde_json::Value;
use std::path::Path;

/// Starts the shards together, and returns what each said and sent.
fn run_shards(count: u32, dir: &Path, args: &[&str]) -> Vec<(Finished, Vec<u64>)> {
    let servers: Vec<Server> = (0..count).map(|_| Server::start()).collect();
    let children: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(index, server)| {
            let mut command = slowpath(["load", "--template", "--start-at", "+300ms"]);
            command.args(["--shard", &format!("{index}/{count}")]).arg("--out");
            // One path for all: where requests go is part of what must be the same; the host is not looked at here.
            command.arg(dir.join(format!("{index}.json"))).args(args).arg(server.url("/{{id}}"));
            command.spawn().expect("it starts")
        })
        .collect();
    let ids = |server: &Server| {
        let id = |path: &str| path.trim_start_matches('/').parse().expect("a number");
        server.requests().iter().map(|request| id(&request.path)).collect()
    };
    let finished: Vec<Finished> = children.into_iter().map(finish).collect();
    finished.into_iter().zip(servers.iter().map(ids)).collect()
}

fn merge(files: &[&Path], more: &[&str]) -> Finished {
    finish(slowpath(["merge"]).args(files).args(more).spawn().expect("it starts"))
}

#[test]
fn the_union_of_shards_is_the_whole_schedule() {
    let dir = scratch();
    let shards = run_shards(3, dir.path(), &["-R", "300", "--arrival", "poisson", "--seed", "7", "-d", "1"]);
    let whole = scratch();
    let alone = run_shards(1, whole.path(), &["-R", "300", "--arrival", "poisson", "--seed", "7", "-d", "1"]);
    for (finished, _) in shards.iter().chain(&alone) {
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
    let sorted = |mut ids: Vec<u64>| {
        ids.sort_unstable();
        ids
    };
    let union = sorted(shards.iter().flat_map(|(_, ids)| ids.clone()).collect());
    assert_eq!(union, sorted(alone[0].1.clone()), "the same requests, each once");
    for (index, (_, ids)) in shards.iter().enumerate() {
        assert!(ids.iter().all(|id| id % 3 == index as u64), "shard {index} has its own: {ids:?}");
    }
}

#[test]
fn the_union_of_shards_is_the_whole_amount() {
    let dir = scratch();
    let shards = run_shards(3, dir.path(), &["-a", "100", "-c", "7"]);
    let mut union: Vec<u64> = shards.iter().flat_map(|(_, ids)| ids.clone()).collect();
    union.sort_unstable();
    assert_eq!(union, (0..100).collect::<Vec<u64>>());
}

/// Two shards of one load against one server.
fn two_shards(dir: &Path) -> Server {
    let server = Server::start();
    let start = |index: u32| {
        let mut command = slowpath(["load", "-R", "200", "-d", "1.2", "-c", "8", "--start-at", "+300ms"]);
        command.args(["--shard", &format!("{index}/2")]).arg("--out").arg(dir.join(format!("{index}.json")));
        command.arg(server.url("/?key=secret")).spawn().expect("it starts")
    };
    for child in [start(0), start(1)] {
        let finished = finish(child);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
    server
}

#[test]
fn merging_is_exact_and_says_what_it_merged() {
    let dir = scratch();
    let server = two_shards(dir.path());
    let (one, two, sum) = (dir.path().join("0.json"), dir.path().join("1.json"), dir.path().join("sum.json"));
    let json = merge(&[&one, &two], &["-j", "--out", sum.to_str().unwrap(), "--fail-if", "requests<240"]);
    assert_eq!(json.code, Some(0), "{}", json.stderr);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["2xx"], server.requests().len()), (&240.into(), 240));
    assert_eq!(json["latency"]["totalCount"], 240);
    assert_eq!(json["slowpath"]["shards"]["indexes"], serde_json::json!([0, 1]));
    assert_eq!(json["connections"], 8);
    let results = std::fs::read_to_string(&sum).unwrap();
    assert!(!results.contains("secret") && results.contains("redacted"), "no secrets in results");

    let again = merge(&[&sum], &["--fail-if", "requests>=240"]);
    assert_eq!(again.code, Some(99), "{}", again.stderr);
    assert!(again.stderr.contains("240 requests in "), "{}", again.stderr);
}

#[test]
fn results_that_are_not_of_one_load_are_refused() {
    let dir = scratch();
    two_shards(dir.path());
    let one = dir.path().join("0.json");
    let twice = merge(&[&one, &one], &[]);
    assert_eq!(twice.code, Some(2), "{}", twice.stderr);
    assert!(twice.stderr.contains("hold the same results"), "{}", twice.stderr);
    let missing = merge(&[&one], &[]);
    assert_eq!(missing.code, Some(0), "{}", missing.stderr);
    assert!(missing.stderr.contains("warning: 1 of 2 shards are not there (1)"), "{}", missing.stderr);
    let newer = dir.path().join("newer.json");
    let text = std::fs::read_to_string(&one).unwrap();
    std::fs::write(&newer, text.replace("\"format_version\":1", "\"format_version\":9")).unwrap();
    let newer = merge(&[&newer], &[]);
    assert_eq!(newer.code, Some(2), "{}", newer.stderr);
    assert!(
        newer.stderr.contains("has format 9") && newer.stderr.contains("update slowpath"),
        "{}",
        newer.stderr
    );
    let nothing = merge(&[Path::new("/no/such.json")], &[]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.stderr);
}
