//! Runs slowpath on the programs of `fixtures/programs`, each with a planted cause, and on their healthy twins, and
//! compares what it says with what was planted. The table goes to the terminal and, dated, to `bench/scoreboard`.
//!
//! A program is laid out in a temporary folder: `common`, its `src` over it, for the twin its `fixed` over that.

use crate::scoreboard_table::{Row, write_table};
use crate::{setup, shell};
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How long each program is under load, warm-up included. Long enough that the undisturbed phases have ten seconds.
const DURATION: &str = "18";

/// What a program's `expected.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) about: String,
    #[serde(default = "default_connections")]
    connections: u32,
    #[serde(default)]
    stream: bool,
    #[serde(default = "default_tokens")]
    tokens: u32,
    /// Latency of the provider in milliseconds.
    #[serde(default = "default_upstream_ms")]
    upstream_ms: u32,
    /// What was planted, the largest first; nothing in a healthy program.
    #[serde(default, rename = "cause")]
    pub(crate) causes: Vec<Cause>,
}

/// One planted cause.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cause {
    /// Rules that name it rightly.
    pub(crate) rules: Vec<String>,
    /// `file function` that point at it rightly; empty where the cause is in no code of the program.
    pub(crate) places: Vec<String>,
}

fn default_connections() -> u32 {
    32
}

fn default_tokens() -> u32 {
    20
}

fn default_upstream_ms() -> u32 {
    5
}

/// What slowpath said of one run.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) report: Value,
}

pub(crate) fn run(names: &[String]) -> Result<()> {
    setup::page()?;
    shell::cargo(&["build", "--release", "--package", "slowpath"])?;
    let slowpath = shell::target_dir().join("release/slowpath");
    let programs = shell::root().join("fixtures/programs");
    let chosen = choose(&programs, names)?;
    let mut rows = Vec::new();
    for name in chosen {
        let folder = programs.join(&name);
        let text = std::fs::read_to_string(folder.join("expected.toml"))
            .with_context(|| format!("{name}: expected.toml"))?;
        let expected: Expected = toml::from_str(&text).with_context(|| format!("{name}: expected.toml"))?;
        let planted = measure(&slowpath, &folder, &expected, false).with_context(|| name.clone())?;
        let twin = folder.join("fixed").exists();
        let twin = twin.then(|| measure(&slowpath, &folder, &expected, true)).transpose()?;
        let row = Row::of(&name, &expected, &planted, twin.as_ref());
        eprintln!("{}", row.in_a_line());
        rows.push(row);
    }
    let whole_board = names.is_empty();
    write_table(&rows, whole_board.then(|| shell::root().join("bench/scoreboard")).as_deref())
}

/// Returns the programs to run, all of them without names.
fn choose(programs: &Path, names: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(programs).context("fixtures/programs")? {
        let entry = entry?;
        if entry.path().join("expected.toml").exists() {
            all.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    all.sort();
    match names.iter().find(|name| !all.contains(name)) {
        Some(unknown) => bail!("there is no program `{unknown}`; there are: {}", all.join(", ")),
        None if names.is_empty() => Ok(all),
        None => Ok(names.to_vec()),
    }
}

/// Runs one program under slowpath and returns its report.
fn measure(slowpath: &Path, folder: &Path, expected: &Expected, is_twin: bool) -> Result<Answer> {
    let scratch = tempfile::Builder::new().prefix("gateway-").tempdir()?;
    copy_over(&folder.with_file_name("common"), scratch.path())?;
    copy_over(&folder.join("src"), &scratch.path().join("src"))?;
    if is_twin {
        copy_over(&folder.join("fixed"), &scratch.path().join("src"))?;
    }
    let mock = Mock::start(slowpath, expected)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let out = tempfile::Builder::new().prefix("scoreboard-").tempdir()?;
    let body = format!(
        r#"{{"model":"gpt-4","stream":{},"user":"ann","messages":[{{"role":"system","content":"{}"}},{{"role":"user","content":"{}"}}]}}"#,
        expected.stream,
        "You answer briefly and in plain words. ".repeat(6),
        "Tell me about the weather in the mountains, and what to wear there. ".repeat(4)
    );
    let output = Command::new(slowpath)
        .args([
            "run",
            "--json",
            "-d",
            DURATION,
            "-m",
            "POST",
            "-H",
            "content-type: application/json",
            "-b",
            &body,
        ])
        .args(["-c", &expected.connections.to_string(), "--out"])
        .arg(out.path().join("recording"))
        .args([
            "--url",
            &format!("http://127.0.0.1:{port}/v1/chat/completions"),
            "--",
            "node",
            "src/server.js",
        ])
        .current_dir(scratch.path())
        .env("PORT", port.to_string())
        .env("UPSTREAM_PORT", mock.port.to_string())
        .stderr(Stdio::piped())
        .output()
        .context("slowpath does not start")?;
    if let Some(keep) = std::env::var_os("SLOWPATH_SCOREBOARD_KEEP") {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let kept = PathBuf::from(keep).join(format!("{name}{}", if is_twin { "-twin" } else { "" }));
        copy_over(&out.path().join("recording"), &kept)?;
    }
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no report; slowpath said: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Answer { report })
}

/// The provider behind the gateway.
struct Mock {
    child: Child,
    port: u16,
}

impl Mock {
    fn start(slowpath: &Path, expected: &Expected) -> Result<Self> {
        let latency = format!("{}ms", expected.upstream_ms);
        let mut child = Command::new(slowpath)
            .args(["mock", "--port", "0", "--itl", "2ms", "--tokens", &expected.tokens.to_string()])
            .args(["--unary-latency", &latency, "--ttft", &latency])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`slowpath mock` does not start")?;
        let mut line = String::new();
        let stdout = child.stdout.as_mut().context("it is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok());
        let port = port.with_context(|| format!("`slowpath mock` printed no URL but `{line}`"))?;
        Ok(Self { child, port })
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // It may have ended by itself; either way nobody is left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies a folder's files over what is there.
fn copy_over(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_over(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
