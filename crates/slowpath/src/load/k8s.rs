//! `slowpath load k8s`: prints a Kubernetes Indexed Job whose pods are the shards of one load. Talks to no cluster.

use super::options::KubernetesOptions;
use super::start_at::parse_start_at;
use crate::cli::{Arguments, Command};
use crate::exit_code::{ExitCode, usage};
use clap::Parser as _;
use jiff::Timestamp;

const JOB: &str = include_str!("job.yaml");

/// Options that make no sense in a pod, and why.
const UNFIT: [(&str, &str); 8] = [
    ("--shard", "each pod drives its own part: `--shards` before the load's options says how many there are"),
    ("--shards", "it belongs before the load's options"),
    ("--out", "where results go is said by `--results-claim`"),
    ("-o", "where results go is said by `--results-claim`"),
    ("--json", "the results for `slowpath merge` are JSON already"),
    ("-j", "the results for `slowpath merge` are JSON already"),
    ("--on-port", "a pod starts no server"),
    ("--sweep", "each pod would choose its own rates"),
];

pub(crate) fn run(options: &KubernetesOptions) -> anyhow::Result<ExitCode> {
    print!("{}", manifest(options, Timestamp::now())?);
    Ok(ExitCode::Done)
}

/// Returns the manifest. A relative `--start-at` becomes a moment, the same for all pods.
fn manifest(options: &KubernetesOptions, now: Timestamp) -> anyhow::Result<String> {
    check_name(&options.name)?;
    let load = with_absolute_start(&options.load, now)?;
    let count = options.shards;
    let out = match options.results_claim {
        Some(_) => format!("/results/{}-$(JOB_COMPLETION_INDEX).json", options.name),
        None => "-".to_owned(),
    };
    let own = ["load", "--no-progress", "--shards", &count.to_string(), "--out", &out].map(str::to_owned);
    check_load(&own, &load)?;
    let args: Vec<String> =
        own.iter().chain(&load).map(|arg| format!("            - {}", quoted(arg))).collect();
    let results = match &options.results_claim {
        Some(claim) => format!("files {}-I.json in the volume claim {claim}", options.name),
        None => "one line of JSON in the log of each pod".to_owned(),
    };
    let mut text = JOB.to_owned();
    for (place, value) in [
        ("{count}", count.to_string()),
        ("{results}", results),
        ("{name}", options.name.clone()),
        ("{image}", quoted(&options.image)),
        ("{cpu}", quoted(&options.cpu)),
        ("{memory}", quoted(&options.memory)),
        // Last: what the user writes is not looked through for places.
        ("{args}", args.join("\n")),
    ] {
        text = text.replace(place, &value);
    }
    if let Some(secret) = &options.secret {
        text += &format!(
            "          envFrom:\n            - secretRef:\n                name: {}\n",
            quoted(secret)
        );
    }
    let mut mounts = String::new();
    let mut volumes = String::new();
    if let Some(files) = &options.files {
        mounts += "            - name: files\n              mountPath: /files\n";
        volumes +=
            &format!("        - name: files\n          configMap:\n            name: {}\n", quoted(files));
    }
    if let Some(claim) = &options.results_claim {
        mounts += "            - name: results\n              mountPath: /results\n";
        volumes += &format!(
            "        - name: results\n          persistentVolumeClaim:\n            claimName: {}\n",
            quoted(claim)
        );
    }
    if !mounts.is_empty() {
        text += &format!("          volumeMounts:\n{mounts}      volumes:\n{volumes}");
    }
    Ok(text)
}

/// Names of objects become DNS labels (RFC 1123); of a job, pod names are made of it.
fn check_name(name: &str) -> anyhow::Result<()> {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = (1..=50).contains(&name.len())
        && name.bytes().all(|byte| is_part(byte) || byte == b'-')
        && name.bytes().next().is_some_and(is_part)
        && name.bytes().last().is_some_and(is_part);
    if fits {
        return Ok(());
    }
    Err(usage(
        format!("`{name}` is no name of a Kubernetes job"),
        "use at most 50 small letters, digits and `-`, as `slowpath-load`",
    ))
}

/// Parses the load's options as a pod will, so that a mistake shows here and not there.
fn check_load(own: &[String], load: &[String]) -> anyhow::Result<()> {
    for (option, why) in UNFIT {
        let with_value = format!("{option}=");
        if load.iter().any(|arg| arg == option || arg.starts_with(&with_value)) {
            return Err(usage(format!("`{option}` cannot be among the options of the load"), why));
        }
    }
    let command_line = ["slowpath"].into_iter().chain(own.iter().chain(load).map(String::as_str));
    let parsed = Arguments::try_parse_from(command_line).map_err(|error| {
        let text = error.to_string();
        let problem = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        usage(format!("cannot use the options of the load: {problem}"), "see `slowpath load --help`")
    })?;
    match parsed.command {
        Command::Load(options) if !options.urls.is_empty() && options.subcommand.is_none() => Ok(()),
        _ => Err(usage(
            "no URL to send requests to",
            "pass it last, as in `slowpath load k8s --image I --shards 4 -R 1k http://gateway`",
        )),
    }
}

fn with_absolute_start(load: &[String], now: Timestamp) -> anyhow::Result<Vec<String>> {
    let mut absolute = Vec::with_capacity(load.len());
    let mut is_start = false;
    for arg in load {
        let (prefix, text) = match arg.strip_prefix("--start-at=") {
            Some(text) => ("--start-at=", text),
            None if is_start => ("", arg.as_str()),
            None => {
                is_start = arg == "--start-at";
                absolute.push(arg.clone());
                continue;
            }
        };
        is_start = false;
        let start = parse_start_at(text).map_err(|problem| usage(problem, "see `slowpath load --help`"))?;
        absolute.push(format!("{prefix}{}", start.moment(now).strftime("%Y-%m-%dT%H:%M:%SZ")));
    }
    Ok(absolute)
}

/// Returns a YAML scalar in double quotes, which has JSON's escapes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[path = "k8s_tests.rs"]
mod tests;
