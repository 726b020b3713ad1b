//! Looks at the target's project before it starts: its package.json, its scripts, and the checkpoint pack for it.

use crate::exit_code::{explained, usage};
use crate::explain_command::nearest;
use crate::{exit_code::ExitCode, function_names, package_imports};
use serde_json::Value;
use slowpath_diagnosis::{BUILT_IN, Choice, Pack, applies};
use slowpath_profile::recording::{ChosenPack, Project};
use std::path::{Path, PathBuf};

/// Scripts listed, at most. A gateway has hundreds.
const MAX_FILES: usize = 3000;

/// Folders that hold no code of the project itself.
const SKIPPED: &[&str] = &["node_modules", "coverage", "bower_components"];

/// Endings of scripts.
const SCRIPTS: &[&str] = &["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx"];

/// What `--pack` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PackWish {
    /// Whatever fits.
    Matching,
    /// A file or a built-in pack.
    Named(String),
    /// No pack.
    None,
}

impl PackWish {
    pub(crate) fn of(option: Option<&str>) -> Self {
        match option {
            None => Self::Matching,
            Some("none") => Self::None,
            Some(name) => Self::Named(name.to_owned()),
        }
    }
}

/// Looks at the project that `command`, started in `cwd`, belongs to, and chooses its pack.
pub(crate) fn look_at(
    command: &[String],
    cwd: &Path,
    url_path: Option<&str>,
    wish: &PackWish,
) -> anyhow::Result<Project> {
    let root = root_of(command, cwd);
    let mut project = read_package(&root);
    list_scripts(&root, &mut project);
    project.imports = package_imports::imports(&root, &project.files);
    let chosen = match wish {
        PackWish::None => None,
        PackWish::Named(name) => {
            let (pack, text) = named_pack(name, cwd)?;
            let why = applies(&pack, &project, url_path);
            let fits = why.is_some() || has_a_place(&pack, &project);
            let why = why.unwrap_or_else(|| format!("`--pack {name}` asks for it"));
            Some((pack, ChosenPack { text, why, fits }))
        }
        PackWish::Matching => Choice::of(&project, url_path).map(|choice| {
            let chosen = ChosenPack { text: choice.text.to_owned(), why: choice.why, fits: true };
            (choice.pack, chosen)
        }),
    };
    if let Some((pack, chosen)) = chosen {
        let names = pack.checkpoints.iter().flat_map(|checkpoint| &checkpoint.functions);
        let names: Vec<&str> = names.map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
        project.definitions = function_names::definitions(&root, &project.files, &names);
        project.pack = Some(chosen);
    }
    Ok(project)
}

/// Whether any checkpoint's files are in the project.
fn has_a_place(pack: &Pack, project: &Project) -> bool {
    let globs = pack.checkpoints.iter().flat_map(|point| point.files.iter().chain(&point.similar_files));
    globs.into_iter().any(|glob| project.files.iter().any(|file| glob.matches_path(file)))
}

/// Returns the pack that a person named, a built-in one or a file.
pub(crate) fn named_pack(name: &str, cwd: &Path) -> anyhow::Result<(Pack, String)> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok((Pack::parse(text)?, (*text).to_owned()));
    }
    let path = cwd.join(name);
    let is_path = name.contains('/')
        || Path::new(name).extension().is_some_and(|ending| ending == "toml")
        || path.exists();
    if !is_path {
        let known: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
        let near = nearest(name, known.iter().copied());
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("built in are {}; a file ends in `.toml`", known.join(", ")),
        };
        return Err(usage(format!("there is no pack `{name}`"), hint));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| {
        usage(
            format!("cannot read the pack `{name}`: {error}"),
            "pass a pack's file to `--pack`, or its name",
        )
    })?;
    let pack = Pack::parse(&text).map_err(|error| {
        explained(
            ExitCode::Usage,
            format!("the pack `{name}` is wrong: {error}"),
            "docs/packs.md describes the format",
        )
    })?;
    Ok((pack, text))
}

/// Returns the folder of the nearest package.json at or above the script that is started, else at or above `cwd`.
pub(crate) fn root_of(command: &[String], cwd: &Path) -> PathBuf {
    let is_script = |arg: &&String| {
        let ending = Path::new(arg.as_str()).extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| SCRIPTS.contains(&ending)) && cwd.join(arg.as_str()).is_file()
    };
    let script = command.iter().find(is_script).and_then(|script| cwd.join(script).canonicalize().ok());
    let from = script.as_deref().and_then(Path::parent).unwrap_or(cwd);
    let package = from.ancestors().find(|folder| folder.join("package.json").is_file());
    package.unwrap_or(cwd).to_owned()
}

/// Reads name, version and dependencies; a package.json that is missing or broken gives none.
pub(crate) fn read_package(root: &Path) -> Project {
    let package: Value = std::fs::read(root.join("package.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let text = |key: &str| package[key].as_str().map(str::to_owned);
    let groups = ["dependencies", "optionalDependencies", "peerDependencies"];
    let mut dependencies: Vec<String> = groups
        .iter()
        .filter_map(|group| package[*group].as_object())
        .flat_map(|group| group.keys().cloned())
        .collect();
    dependencies.sort();
    dependencies.dedup();
    Project { package: text("name"), version: text("version"), dependencies, ..Project::default() }
}

/// Lists the scripts below `root`, in order of their names.
fn list_scripts(root: &Path, project: &mut Project) {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Links are not followed: they may lead in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                folders.push(entry.path());
            }
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            if kind.is_file() && SCRIPTS.contains(&ending) {
                if project.files.len() == MAX_FILES {
                    project.has_more_files = true;
                    project.files.sort();
                    return;
                }
                let path = entry.path();
                let below = path.strip_prefix(root).unwrap_or(&path);
                project.files.push(below.to_string_lossy().into_owned());
            }
        }
    }
    project.files.sort();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn look(dir: &Path, wish: &PackWish) -> anyhow::Result<Project> {
        look_at(&["node".into(), "src/server.js".into()], dir, Some("/"), wish)
    }

    #[test]
    fn lists_the_projects_own_scripts() {
        let dir = project(&[
            ("package.json", r#"{"name":"x","dependencies":{"openai":"1"}}"#),
            ("src/server.js", ""),
            ("node_modules/a/b.js", ""),
            (".git/c.js", ""),
            ("README.md", ""),
        ]);
        let found = look(dir.path(), &PackWish::Matching).unwrap();
        assert_eq!((found.package.as_deref(), found.files), (Some("x"), vec!["src/server.js".to_owned()]));
        assert_eq!(found.pack.map(|pack| pack.fits), Some(true));
    }

    #[test]
    fn a_pack_that_matches_nothing_says_so() {
        let dir = project(&[("package.json", "{}"), ("src/server.js", "")]);
        let found = look(dir.path(), &PackWish::Named("aiclient-2-api".into())).unwrap();
        assert!(!found.pack.unwrap().fits);
        assert_eq!(look(dir.path(), &PackWish::None).unwrap().pack, None);
    }

    #[test]
    fn a_wrong_pack_is_told_with_line_and_column() {
        let dir = project(&[("mine.toml", "format = 1\nname = \"x\"\ntitle = []\n"), ("src/server.js", "")]);
        let error = |name: &str| look(dir.path(), &PackWish::Named(name.into())).unwrap_err().to_string();
        assert!(error("mine.toml").contains("line 3, column 9"), "{}", error("mine.toml"));
        assert!(error("llm-gatway").contains("there is no pack `llm-gatway`"));
        assert!(error("missing.toml").contains("cannot read the pack"));
    }

    #[test]
    fn a_broken_package_json_is_as_none() {
        let dir = project(&[("package.json", "{,"), ("src/server.js", "")]);
        assert_eq!(look(dir.path(), &PackWish::Matching).unwrap().package, None);
    }
}
