//! `slowpath init`: looks at a project and writes a `slowpath.toml` for it, every line explained.

use crate::cli::InitOptions;
use crate::config::FILE;
use crate::exit_code::{ExitCode, explained, usage};
use crate::port_guess::port_in;
use crate::project::{self, PackWish};
use serde_json::Value;
use slowpath_diagnosis::{Pack, Scenario};
use slowpath_profile::recording::Project;
use std::path::Path;

/// Scripts that are looked through for a port, those nearest to the project's folder first.
const MAX_SCRIPTS: usize = 200;

/// Port that is written where none was found.
const USUAL_PORT: u16 = 3000;

/// Frameworks by their package, special ones before those that they are built on.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("next", "Next.js"),
    ("@nestjs/core", "NestJS"),
    ("fastify", "Fastify"),
    ("hono", "Hono"),
    ("@hapi/hapi", "hapi"),
    ("koa", "Koa"),
    ("restify", "restify"),
    ("express", "Express"),
];

/// Scripts of package.json that start a service, best first.
const START_SCRIPTS: &[&str] = &["start:standalone", "start", "start:prod", "serve", "server"];

/// Files that a service usually starts from.
const MAIN_FILES: &[&str] = &[
    "server.js",
    "src/server.js",
    "app.js",
    "src/app.js",
    "index.js",
    "src/index.js",
    "dist/index.js",
    "dist/server.js",
    "server.mjs",
    "src/server.mjs",
    "index.mjs",
    "src/index.mjs",
];

/// What was found.
struct Found {
    project: Project,
    framework: Option<&'static str>,
    command: Vec<String>,
    command_from: String,
    port: u16,
    port_from: Option<String>,
    pack: Option<Pack>,
}

pub(crate) fn run(options: &InitOptions) -> anyhow::Result<ExitCode> {
    let dir = options.dir.as_path();
    if !dir.is_dir() {
        return Err(usage(format!("`{}` is no folder", dir.display()), "pass the project's folder"));
    }
    let path = dir.join(FILE);
    if path.exists() && !options.force {
        return Err(usage(
            format!("`{}` is there already", path.display()),
            "edit it, or pass `--force` to write it anew",
        ));
    }
    let found = look(dir)?;
    std::fs::write(&path, text_of(&found)).map_err(|error| {
        explained(
            ExitCode::Failed,
            format!("cannot write `{}`: {error}", path.display()),
            "check the folder's permissions",
        )
    })?;
    let framework = found.framework.unwrap_or("no framework that is known");
    let pack = found.pack.as_ref().map_or("none", |pack| pack.name.as_str());
    eprintln!(
        "{}: `{}`, port {}, {framework}, checkpoints: {pack}",
        path.display(),
        found.command.join(" "),
        found.port
    );
    eprintln!("look it through, then: slowpath run");
    Ok(ExitCode::Done)
}

fn look(dir: &Path) -> anyhow::Result<Found> {
    let project = project::look_at(&[], dir, None, &PackWish::Matching)?;
    let package: Value = std::fs::read(dir.join("package.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let framework =
        FRAMEWORKS.iter().find(|(name, _)| project.dependencies.iter().any(|known| known == name));
    let (command, command_from) = start_command(dir, &package).ok_or_else(|| {
        usage(
            format!("`{}` does not show how its service is started", dir.display()),
            "give package.json a `start` script, or write slowpath.toml by hand",
        )
    })?;
    let (port, port_from) = port(dir, &project, &package);
    let pack = project.pack.as_ref().and_then(|chosen| Pack::parse(&chosen.text).ok());
    Ok(Found {
        framework: framework.map(|(_, name)| *name),
        project,
        command,
        command_from,
        port,
        port_from,
        pack,
    })
}

fn start_command(dir: &Path, package: &Value) -> Option<(Vec<String>, String)> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    let manager = [("pnpm-lock.yaml", "pnpm run"), ("yarn.lock", "yarn run"), ("bun.lockb", "npm run")];
    let manager = manager.iter().find(|(lock, _)| dir.join(lock).exists()).map_or("npm run", |(_, run)| run);
    if let Some(script) = START_SCRIPTS.iter().find(|script| package["scripts"][**script].is_string()) {
        return Some((
            words(&format!("{manager} {script}")),
            format!("the script `{script}` of package.json"),
        ));
    }
    let main = package["main"].as_str().filter(|main| dir.join(main).is_file());
    if let Some(main) = main {
        return Some((vec!["node".into(), main.to_owned()], "`main` of package.json".into()));
    }
    let file = MAIN_FILES.iter().find(|file| dir.join(file).is_file())?;
    Some((vec!["node".into(), (*file).to_owned()], "the name of the file".into()))
}

/// Returns the port, and where it was found.
fn port(dir: &Path, project: &Project, package: &Value) -> (u16, Option<String>) {
    let scripts = package["scripts"].as_object();
    let in_scripts = scripts.into_iter().flatten().find_map(|(name, script)| {
        let port = port_in(script.as_str()?)?;
        Some((port, format!("the script `{name}` of package.json")))
    });
    let mut files: Vec<&str> = project.files.iter().map(String::as_str).collect();
    files.sort_by_key(|file| (file.matches('/').count(), *file));
    files.truncate(MAX_SCRIPTS);
    let in_files = || {
        [".env", ".env.example"].into_iter().chain(files.iter().copied()).find_map(|file| {
            let text = std::fs::read(dir.join(file)).ok()?;
            Some((port_in(&String::from_utf8_lossy(&text))?, format!("`{file}`")))
        })
    };
    match in_scripts.or_else(in_files) {
        Some((port, from)) => (port, Some(from)),
        None => (USUAL_PORT, None),
    }
}

fn text_of(found: &Found) -> String {
    let mut text =
        "# What `slowpath run` does in this folder. Options on its command line win over this file.\n"
            .to_owned();
    if let Some(framework) = found.framework {
        text.push_str(&format!("# Framework: {framework}.\n"));
    }
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    text.push_str(&format!("\n# How the service is started; from {}.\n", found.command_from));
    text.push_str(&format!("command = [{}]\n", list(&found.command)));
    let scenario = found.pack.as_ref().and_then(|pack| pack.scenarios.first());
    let path = scenario.map_or("/", |scenario| scenario.path.as_str());
    let port_from = found.port_from.as_ref().map_or_else(
        || "no port was found: check this one".to_owned(),
        |from| format!("the port is from {from}"),
    );
    text.push_str(&format!("\n# Where the load goes; {port_from}.\n"));
    text.push_str(&format!("url = {}\n", quoted(&format!("http://127.0.0.1:{}{path}", found.port))));
    text.push_str("# ready_url = \"http://127.0.0.1:3000/health\"   # ready when this answers, rather than when the port opens\n");
    text.push_str("\n# Concurrent connections, and how long the load runs, warm-up included.\nconnections = 50\nduration = \"30s\"\n");
    let (pack, why) = match (&found.pack, &found.project.pack) {
        (Some(pack), Some(chosen)) => (pack.name.as_str(), chosen.why.clone()),
        _ => ("none", "nothing that is known: name a pack's file to use one of your own".to_owned()),
    };
    text.push_str(&format!(
        "\n# Checkpoints: a built-in pack, a file, or \"none\"; {why}.\npack = {}\n",
        quoted(pack)
    ));
    match scenario {
        Some(scenario) => text.push_str(&request(scenario, quoted)),
        None => text.push_str(
            "\n[request]\nmethod = \"GET\"\n# headers = [\"content-type: application/json\", \"authorization: Bearer ${API_KEY}\"]   # ${…} is taken from the environment\n# body = '{}'\n",
        ),
    }
    for other in found.pack.iter().flat_map(|pack| pack.scenarios.iter().skip(1)) {
        text.push_str(&format!("# scenario {}: {} {}", other.name, other.method, other.path));
        if let Some(body) = &other.body {
            text.push_str(&format!("  body = {}", quoted(body)));
        }
        text.push('\n');
    }
    text.push_str(&format!("\n# Environment of the service.\n[env]\n# PORT = \"{}\"\n", found.port));
    text
}

fn request(scenario: &Scenario, quoted: impl Fn(&str) -> String) -> String {
    let headers: Vec<_> = scenario.headers.iter().map(|header| quoted(header)).collect();
    let mut text = format!(
        "\n# The scenario `{}` of the pack. ${{…}} is taken from the environment.\n[request]\n",
        scenario.name
    );
    text.push_str(&format!("method = {}\nheaders = [{}]\n", quoted(&scenario.method), headers.join(", ")));
    if let Some(body) = &scenario.body {
        text.push_str(&format!("body = {}\n", quoted(body)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        text_of(&look(dir.path()).unwrap())
    }

    #[test]
    fn writes_what_it_finds_and_reads_it_back() {
        let text = written(&[
            (
                "package.json",
                r#"{"name":"x","scripts":{"start":"node src/a.js"},"dependencies":{"express":"4","openai":"1"}}"#,
            ),
            ("src/a.js", "app.listen(process.env.PORT || 8123)"),
        ]);
        let config: crate::config::Config =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(config.command, ["npm", "run", "start"]);
        assert_eq!(config.url.as_deref(), Some("http://127.0.0.1:8123/v1/chat/completions"));
        assert_eq!(config.pack.as_deref(), Some("llm-gateway"));
        assert_eq!(config.request.method.as_deref(), Some("POST"));
        assert!(text.contains("Framework: Express"), "{text}");
    }

    #[test]
    fn a_bare_script_will_do_and_nothing_at_all_is_an_error() {
        let text = written(&[("server.js", "")]);
        let config: crate::config::Config = toml::from_str(&text).unwrap();
        assert_eq!(
            (config.command.join(" ").as_str(), config.pack.as_deref()),
            ("node server.js", Some("none"))
        );
        let dir = tempfile::tempdir().unwrap();
        assert!(look(dir.path()).err().unwrap().to_string().contains("does not show how"));
    }
}
