//! Checkpoint packs, `slowpath.toml`, `init` and `explain`, as a person uses them; and what can be wrong with them.

use crate::harness::Invocation;
use std::fs;
use std::path::Path;

const USAGE: i32 = 2;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    dir
}

#[track_caller]
fn check_usage(invocation: Invocation, texts: &[&str]) {
    let finished = invocation.finish().expect_code(USAGE);
    for text in texts {
        assert!(finished.stderr.contains(text), "no `{text}` in:\n{}", finished.stderr);
    }
}

fn run_in(dir: &Path) -> Invocation {
    Invocation::run().cwd(dir)
}

const SERVER: (&str, &str) =
    ("server.js", "require('http').createServer((q, r) => r.end('x')).listen(process.env.PORT)");

#[test]
fn a_malformed_pack_is_told_with_line_and_column() {
    let dir = project(&[SERVER, ("mine.toml", "format = 1\nname = \"x\"\ntitle = 7\n")]);
    let run = |pack| run_in(dir.path()).load("/", "3").args(["--pack", pack]).target(["node", "server.js"]);
    check_usage(run("mine.toml"), &["error: the pack `mine.toml` is wrong", "line 3, column 9", "hint: "]);
    check_usage(run("llm-gatewy"), &["error: there is no pack `llm-gatewy`", "did you mean `llm-gateway`?"]);
    check_usage(run("absent.toml"), &["error: cannot read the pack `absent.toml`"]);
}

#[test]
fn a_malformed_slowpath_toml_is_told_with_line_and_column() {
    let dir = project(&[SERVER, ("slowpath.toml", "command = [\"node\", \"server.js\"]\nurl = 3\n")]);
    check_usage(run_in(dir.path()), &["error: `slowpath.toml` is wrong", "line 2, column 7", "hint: "]);
    let empty = project(&[SERVER]);
    check_usage(run_in(empty.path()), &["error: no command to run", "slowpath init"]);
}

#[test]
fn an_unknown_rule_names_its_neighbours() {
    check_usage(
        Invocation::new("explain").arg("sync-fz"),
        &["error: there is no rule `sync-fz`", "did you mean `sync-fs`"],
    );
    let found = Invocation::new("explain").arg("sync-fs").finish().expect_code(0);
    assert!(String::from_utf8_lossy(&found.stdout).starts_with("# sync-fs"));
}

#[test]
fn init_writes_what_run_reads() {
    let dir = project(&[SERVER, ("package.json", r#"{"name":"shop","dependencies":{"openai":"4"}}"#)]);
    Invocation::new("init").cwd(dir.path()).finish().expect_code(0);
    let text = fs::read_to_string(dir.path().join("slowpath.toml")).expect("it was written");
    assert!(text.contains("command = [\"node\", \"server.js\"]") && text.contains("llm-gateway"), "{text}");
    check_usage(Invocation::new("init").cwd(dir.path()), &["is there already", "--force"]);
}
