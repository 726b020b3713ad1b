//! Runs slowpath on the programs of `fixtures/programs`, each with a planted cause, and on their healthy twins, and
//! compares what it says with what was planted. The table goes to the terminal and, dated, to `bench/scoreboard`.
//!
//! A program is laid out in a temporary folder: `common`, its `src` over it, for the twin its `fixed` over that. Beside it run
//! what it needs: a provider (`slowpath mock`) and, where it asks for them, a Redis and a script of its own. Where clinic is installed in `bench/overhead`, its
//! doctor is asked about the program too.

use crate::companions::{Beside, Mock, Redis};
use crate::scoreboard_table::{Row, write_table};
use crate::{setup, shell};
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How long each program is under load, warm-up included. Long enough that the undisturbed phases have ten seconds.
const DURATION: &str = "18";

/// What clinic doctor said, beside a kept recording.
const DOCTOR: &str = "clinic-doctor.txt";

/// What a program's `expected.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) about: String,
    #[serde(default = "default_connections")]
    connections: u32,
    #[serde(default)]
    stream: bool,
    /// Headers of the requests besides their type; `$UPSTREAM_PORT` in them is the provider's.
    #[serde(default)]
    headers: Vec<String>,
    /// What is started.
    #[serde(default = "default_start")]
    start: String,
    /// Tokens of an answer of the provider.
    #[serde(default = "default_tokens")]
    pub(crate) tokens: u32,
    /// Latency of the provider in milliseconds.
    #[serde(default = "default_upstream_ms")]
    pub(crate) upstream_ms: u32,
    /// Share of requests that the provider answers with an error, such as `10%`.
    #[serde(default = "default_error_rate")]
    pub(crate) error_rate: String,
    /// Whether removing the cause brings throughput; removing a leak or a storm of retries helps otherwise.
    #[serde(default = "yes")]
    pub(crate) brings_throughput: bool,
    /// Script of the program that runs beside it and is not recorded, such as another service that it asks: prints its port.
    #[serde(default)]
    beside: Option<String>,
    /// Whether it needs a Redis.
    #[serde(default)]
    redis: bool,
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

fn yes() -> bool {
    true
}

fn default_start() -> String {
    "src/server.js".into()
}

fn default_error_rate() -> String {
    "0%".into()
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
    /// What clinic doctor calls it, where it was asked.
    pub(crate) doctor: Option<String>,
}

/// `--rejudge DIR` asks what this slowpath says of recordings that `SLOWPATH_SCOREBOARD_KEEP=DIR` kept, and records nothing.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (kept, names) = match arguments {
        [flag, dir, names @ ..] if flag == "--rejudge" => (Some(PathBuf::from(dir)), names),
        names => (None, names),
    };
    let slowpath = binary()?;
    setup::npm_packages("fixtures/programs/packages")?;
    let programs = shell::root().join("fixtures/programs");
    let chosen = choose(&programs, names)?;
    let mut rows = Vec::new();
    for name in chosen {
        let folder = programs.join(&name);
        let text = std::fs::read_to_string(folder.join("expected.toml"))
            .with_context(|| format!("{name}: expected.toml"))?;
        let expected: Expected = toml::from_str(&text).with_context(|| format!("{name}: expected.toml"))?;
        let answer = |is_twin: bool| match &kept {
            Some(dir) => rejudge(&slowpath, &dir.join(kept_name(&folder, is_twin))),
            None => measure(&slowpath, &folder, &expected, is_twin),
        };
        let planted = answer(false).with_context(|| name.clone())?;
        let twin = folder.join("fixed").exists();
        let twin = twin.then(|| answer(true)).transpose().with_context(|| name.clone())?;
        let row = Row::of(&name, &expected, &planted, twin.as_ref());
        eprintln!("{}", row.in_a_line());
        rows.push(row);
    }
    let whole_board = names.is_empty();
    write_table(&rows, whole_board.then(|| shell::root().join("bench/scoreboard")).as_deref())
}

/// Returns the slowpath to judge: the one that `SLOWPATH_SCOREBOARD_BINARY` names, else that of this tree, built.
fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("SLOWPATH_SCOREBOARD_BINARY") {
        return Ok(given.into());
    }
    setup::page()?;
    shell::cargo(&["build", "--release", "--package", "slowpath"])?;
    Ok(shell::target_dir().join("release/slowpath"))
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

/// A program laid out in a folder of its own, with what it needs running beside it.
struct Stage<'a> {
    slowpath: &'a Path,
    expected: &'a Expected,
    folder: tempfile::TempDir,
    mock: Mock,
    redis: Option<Redis>,
    beside: Option<Beside>,
    port: u16,
}

impl<'a> Stage<'a> {
    fn set(slowpath: &'a Path, program: &Path, expected: &'a Expected, is_twin: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gateway-").tempdir()?;
        copy_over(&program.with_file_name("common"), folder.path())?;
        copy_over(&program.join("src"), &folder.path().join("src"))?;
        if is_twin {
            copy_over(&program.join("fixed"), &folder.path().join("src"))?;
        }
        std::os::unix::fs::symlink(
            program.with_file_name("packages").join("node_modules"),
            folder.path().join("node_modules"),
        )?;
        let mock = Mock::start(slowpath, expected)?;
        let redis = expected.redis.then(Redis::start).transpose()?;
        let beside =
            expected.beside.as_ref().map(|script| Beside::start(&program.join(script))).transpose()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { slowpath, expected, folder, mock, redis, beside, port })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/chat/completions", self.port)
    }

    fn body(&self) -> String {
        format!(
            r#"{{"model":"gpt-4","stream":{},"user":"ann","messages":[{{"role":"system","content":"{}"}},{{"role":"user","content":"{}"}}]}}"#,
            self.expected.stream,
            "You answer briefly and in plain words. ".repeat(6),
            "Tell me about the weather in the mountains, and what to wear there. ".repeat(4)
        )
    }

    fn headers(&self) -> impl Iterator<Item = String> {
        let port = self.mock.port.to_string();
        self.expected.headers.iter().map(move |header| header.replace("$UPSTREAM_PORT", &port))
    }

    /// Returns a command that is to start the program, in its folder and with its environment.
    fn command(&self, tool: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(tool);
        command
            .current_dir(self.folder.path())
            .env("PORT", self.port.to_string())
            .env("UPSTREAM_PORT", self.mock.port.to_string())
            .env("BESIDE_PORT", self.beside.as_ref().map_or(0, |beside| beside.port).to_string())
            .env("REDIS_PORT", self.redis.as_ref().map_or(0, |redis| redis.port).to_string());
        command
    }

    /// Asks slowpath; its recording is in `recording` afterwards.
    fn report(&self, recording: &Path) -> Result<Value> {
        let mut command = self.command(self.slowpath);
        command.args(["run", "--json", "-d", DURATION, "-m", "POST", "-H", "content-type: application/json"]);
        command.args(self.headers().flat_map(|header| ["-H".to_owned(), header]));
        command.args(["-b", &self.body(), "-c", &self.expected.connections.to_string(), "--out"]);
        command.arg(recording).args(["--url", &self.url(), "--", "node", &self.expected.start]);
        let output = command.output().context("slowpath does not start")?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no report; slowpath said: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Asks the clinic doctor of this package; `None` where it gives no answer.
    fn doctor(&self, clinic: &Path) -> Result<Option<String>> {
        let mut command = self.command("node");
        command.arg(shell::root().join("bench/scoreboard/doctor.mjs")).arg(clinic).arg(self.slowpath);
        command.args([&self.url(), &self.expected.connections.to_string(), &self.body()]);
        command.args(self.headers()).args(["--", "node"]);
        let output = command.arg(&self.expected.start).output().context("node does not start")?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.lines().last().filter(|_| output.status.success()).map(str::to_owned))
    }
}

/// Runs one program under slowpath and returns its report.
fn measure(slowpath: &Path, program: &Path, expected: &Expected, is_twin: bool) -> Result<Answer> {
    let stage = Stage::set(slowpath, program, expected, is_twin)?;
    let out = tempfile::Builder::new().prefix("scoreboard-").tempdir()?;
    let recording = out.path().join("recording");
    let report = stage.report(&recording)?;
    let clinic = shell::root().join("bench/overhead/node_modules/@clinic/doctor");
    let doctor = if clinic.exists() && !is_twin { stage.doctor(&clinic)? } else { None };
    if let Some(keep) = std::env::var_os("SLOWPATH_SCOREBOARD_KEEP") {
        let kept = PathBuf::from(keep).join(kept_name(program, is_twin));
        if kept.exists() {
            // Files are named by process: those of a recording before would be read as this one's.
            std::fs::remove_dir_all(&kept)?;
        }
        copy_over(&recording, &kept)?;
        if let Some(said) = &doctor {
            std::fs::write(kept.join(DOCTOR), said)?;
        }
    }
    Ok(Answer { report, doctor })
}

/// Returns the name that a kept recording has.
fn kept_name(folder: &Path, is_twin: bool) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}{}", if is_twin { "-twin" } else { "" })
}

/// Reports a recording anew.
fn rejudge(slowpath: &Path, recording: &Path) -> Result<Answer> {
    let mut command = Command::new(slowpath);
    let output = command.arg("report").arg(recording).output().context("slowpath does not start")?;
    if !output.status.success() {
        bail!("no report of {}: {}", recording.display(), String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(recording.join("report.json"))?;
    Ok(Answer {
        report: serde_json::from_str(&text)?,
        doctor: std::fs::read_to_string(recording.join(DOCTOR)).ok(),
    })
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
