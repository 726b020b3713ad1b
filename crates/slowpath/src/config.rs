//! `slowpath.toml`: what `slowpath run` does where no command is given. `slowpath init` writes one.

use crate::cli::RunOptions;
use crate::durations::parse_duration;
use crate::exit_code::{ExitCode, explained, usage};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The file's name.
pub(crate) const FILE: &str = "slowpath.toml";

/// What the file may say. Options on the command line win over it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) command: Vec<String>,
    pub(crate) url: Option<String>,
    pub(crate) ready_url: Option<String>,
    pub(crate) connections: Option<u32>,
    pub(crate) duration: Option<String>,
    pub(crate) pack: Option<String>,
    pub(crate) request: RequestConfig,
    pub(crate) env: BTreeMap<String, String>,
}

/// The request to send.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestConfig {
    pub(crate) method: Option<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Option<String>,
}

/// Returns the options with what they leave open taken from the `slowpath.toml` in `dir`, and the environment that it sets.
pub(crate) fn completed(
    options: &RunOptions,
    dir: &Path,
) -> anyhow::Result<(RunOptions, Vec<(String, String)>)> {
    if !options.command.is_empty() {
        return Ok((options.clone(), Vec::new()));
    }
    let text = match std::fs::read_to_string(dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(usage(
                "no command to run",
                format!(
                    "put it after `--`, as in `slowpath run --url URL -- node server.js`, or let `slowpath init` write {FILE}"
                ),
            ));
        }
        Err(error) => {
            return Err(usage(format!("cannot read `{FILE}`: {error}"), "check that it can be read"));
        }
    };
    let config = parse(&text)?;
    fill(options.clone(), config)
}

fn wrong(why: &str) -> anyhow::Error {
    explained(
        ExitCode::Usage,
        format!("`{FILE}` is wrong: {}", why.trim_end()),
        "`slowpath init` writes one with all keys explained",
    )
}

fn parse(text: &str) -> anyhow::Result<Config> {
    let config: Config = toml::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    if config.command.is_empty() {
        return Err(wrong("it has no `command`"));
    }
    Ok(config)
}

fn fill(mut options: RunOptions, config: Config) -> anyhow::Result<(RunOptions, Vec<(String, String)>)> {
    options.command = config.command;
    let has_own_url = options.load.url.is_some();
    if !has_own_url {
        options.load.url = config.url;
        let requests = &mut options.load.requests;
        requests.method = requests.method.take().or(config.request.method);
        let has_body = requests.body.is_some() || requests.form.is_some();
        let has_file = [&requests.input, &requests.bodies, &requests.har].iter().any(|file| file.is_some());
        if !has_body && !has_file {
            requests.body = config.request.body;
        }
        if requests.headers.is_empty() {
            let headers = config.request.headers.iter().map(|header| expanded(header));
            requests.headers = headers.collect::<anyhow::Result<_>>()?;
        }
    }
    options.load.connections = options.load.connections.or(config.connections);
    if options.load.duration.is_none() {
        let duration = config.duration.as_deref().map(parse_duration).transpose();
        options.load.duration = duration.map_err(|error| wrong(&format!("`duration`: {error}")))?;
    }
    options.session.ready_url = options.session.ready_url.take().or(config.ready_url);
    options.session.pack = options.session.pack.take().or(config.pack);
    Ok((options, config.env.into_iter().collect()))
}

/// Puts variables of the environment in the place of `${NAME}`: keys do not belong into a file that is checked in.
pub(crate) fn expanded(text: &str) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| wrong(&format!("`{text}` opens `${{` and does not close it")))?;
        let value = std::env::var(name).map_err(|_| {
            usage(
                format!("`{FILE}` uses the environment variable `{name}`, which is not set"),
                format!("run `{name}=… slowpath run`"),
            )
        })?;
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, Command};
    use clap::Parser as _;
    use std::time::Duration;

    fn options(line: &[&str]) -> RunOptions {
        let line = ["slowpath", "run"].iter().chain(line);
        let Command::Run(options) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("it is `run`")
        };
        options
    }

    const FULL: &str = "command = [\"npm\", \"start\"]\nurl = \"http://h:1/\"\nconnections = 7\nduration = \"9s\"\n\
        pack = \"none\"\n[request]\nmethod = \"POST\"\nbody = \"x\"\nheaders = [\"a: b\"]\n[env]\nPORT = \"1\"\n";

    #[test]
    fn the_file_fills_in_what_the_command_line_leaves_open() {
        let (run, env) = fill(options(&["-c", "3"]), parse(FULL).unwrap()).unwrap();
        assert_eq!((run.command, run.load.connections), (vec!["npm".into(), "start".into()], Some(3)));
        assert_eq!(run.load.duration, Some(Duration::from_secs(9)));
        assert_eq!(
            (run.load.requests.body.as_deref(), run.load.requests.headers),
            (Some("x"), vec!["a: b".into()])
        );
        assert_eq!((run.session.pack.as_deref(), env), (Some("none"), vec![("PORT".into(), "1".into())]));
    }

    #[test]
    fn a_url_of_ones_own_comes_without_the_files_body() {
        let (run, _) = fill(options(&["--url", "http://h:2/"]), parse(FULL).unwrap()).unwrap();
        assert_eq!((run.load.url.as_deref(), run.load.requests.body), (Some("http://h:2/"), None));
    }

    #[test]
    fn mistakes_are_told_with_line_and_column() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert!(error("command = 7\n").contains("line 1, column 11"), "{}", error("command = 7\n"));
        assert!(error("command = [\"a\"]\ncolour = 1\n").contains("line 2"));
        assert!(error("url = \"x\"\n").contains("no `command`"));
        assert!(expanded("a ${SLOWPATH_TEST_NOT_SET} b").unwrap_err().to_string().contains("not set"));
        assert!(expanded("a ${open").is_err());
    }
}
