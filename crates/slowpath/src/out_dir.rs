//! Where a recording goes: creates its directory, names it after the time and the program.

use crate::exit_code::{ExitCode, Explained, explained};
use jiff::Timestamp;
use slowpath_profile::recording::{Layout, Manifest, Project};
use std::path::{Path, PathBuf};

/// Program names that say nothing of the target.
const LAUNCHERS: &[&str] =
    &["node", "npm", "npx", "pnpm", "yarn", "tsx", "bash", "sh", "env", "exec", "run", "start"];

/// Longest title.
const MAX_TITLE: usize = 40;

/// Names the target after its script, or after the whole command where there is none.
pub(crate) fn title_of(command: &[String]) -> String {
    let stem = |arg: &String| Path::new(arg).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    // Code after `-e` and anything with a secret in it is no name.
    let is_word = |arg: &&String| !arg.starts_with('-') && !arg.contains(['=', ' ', '(', ';', '[', '\n']);
    let words: Vec<String> =
        slowpath_capture::redact_args(command).iter().filter(is_word).filter_map(stem).collect();
    let named = words.iter().find(|word| !LAUNCHERS.contains(&word.as_str()));
    let title = named.or(words.last()).cloned().unwrap_or_else(|| "target".into());
    let title: String =
        title.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    title.trim_matches('-').chars().take(MAX_TITLE).collect()
}

/// Creates the directory of a recording.
pub(crate) fn create(out: Option<&Path>, title: &str, now: Timestamp) -> anyhow::Result<Layout> {
    let dir = match out {
        Some(dir) => dir.to_owned(),
        None => new_below(Path::new(".slowpath"), title, now),
    };
    let layout = Layout::new(&dir);
    if layout.manifest().exists() {
        return Err(explained(
            ExitCode::Usage,
            format!("`{}` already holds a recording", dir.display()),
            "pass another directory to `--out`; recordings are never overwritten",
        ));
    }
    std::fs::create_dir_all(&dir).and_then(|()| probe(&dir)).map_err(|source| {
        anyhow::Error::new(source).context(Explained {
            message: format!("cannot write the recording into `{}`", dir.display()),
            code: ExitCode::Failed,
            hint: Some("pass a directory that you may write to with `--out DIR`".into()),
        })
    })?;
    Ok(layout)
}

/// Writes what a recording begins with: what was started, and the project that it belongs to.
pub(crate) fn write_head(
    layout: &Layout,
    manifest: &Manifest,
    project: Option<&Project>,
) -> anyhow::Result<()> {
    let mut files = vec![(layout.manifest(), serde_json::to_vec_pretty(manifest)?)];
    if let Some(project) = project {
        files.push((layout.project(), serde_json::to_vec_pretty(project)?));
    }
    files.iter().try_for_each(|(path, text)| {
        std::fs::write(path, text).map_err(|source| {
            remove_if_empty(&layout.dir);
            anyhow::Error::new(source).context(Explained {
                message: format!("cannot write `{}`", path.display()),
                code: ExitCode::Failed,
                hint: Some("free some space or pass another disk's directory with `--out DIR`".into()),
            })
        })
    })
}

/// Removes the directory of a session that never began, so that a mistake leaves nothing behind.
pub(crate) fn remove_if_empty(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let session = Layout::new(dir).session_log();
    let began = std::fs::metadata(&session).is_ok_and(|metadata| metadata.len() > 0);
    if !began {
        for file in files {
            let _ = std::fs::remove_file(file);
        }
        let _ = std::fs::remove_dir(dir);
    }
}

/// Returns a directory in `parent` that does not exist yet.
pub(crate) fn new_below(parent: &Path, title: &str, now: Timestamp) -> PathBuf {
    let name = format!("{}-{title}", now.strftime("%Y%m%d-%H%M%S"));
    let names = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}-{n}")));
    let mut dirs = names.map(|name| parent.join(name));
    dirs.find(|dir| !dir.exists()).expect("the numbers do not end")
}

/// Checks that files can be created, before a target is started for nothing.
fn probe(dir: &Path) -> std::io::Result<()> {
    let path = dir.join("session.jsonl");
    std::fs::OpenOptions::new().append(true).create(true).open(path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_name_the_program_not_its_launcher() {
        let check = |command: &str, title: &str| {
            let command: Vec<_> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(title_of(&command), title, "{command:?}");
        };
        check("node src/services/api-server.js --port 3", "api-server");
        check("npm run start:standalone", "start-standalone");
        check("npm start", "start");
        check("npx @portkey-ai/gateway --headless", "gateway");
        check("PORT=3 ./bin/www", "www");
        check("node -e console.log(1)", "node");
        check("node --max-old-space-size=64 a.mjs", "a");
    }
}
