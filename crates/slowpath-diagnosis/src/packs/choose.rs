//! Which pack is for a project.

use super::{BUILT_IN, Glob, Pack};
use slowpath_profile::recording::Project;

/// A pack that is for a project, and why.
#[derive(Debug)]
pub struct Choice {
    /// The pack.
    pub pack: Pack,
    /// Its text.
    pub text: &'static str,
    /// What of the project matched, such as "package.json names `aiclient-2-api`".
    pub why: String,
}

impl Choice {
    /// Returns the built-in pack that fits best: the first that matches, special ones before general ones.
    ///
    /// `url_path` is the path under load, where there is load.
    pub fn of(project: &Project, url_path: Option<&str>) -> Option<Self> {
        BUILT_IN.iter().find_map(|(name, text)| {
            let pack = Pack::built_in(name)?;
            let why = applies(&pack, project, url_path)?;
            Some(Self { pack, text, why })
        })
    }
}

/// Returns why `pack` is for a project, or `None` where it is not.
pub fn applies(pack: &Pack, project: &Project, url_path: Option<&str>) -> Option<String> {
    let matching = &pack.matching;
    let any = |globs: &[Glob], name: &str| globs.iter().any(|glob| glob.matches_name(name));
    if let Some(name) = project.package.as_deref().filter(|name| any(&matching.packages, name)) {
        return Some(format!("package.json names `{name}`"));
    }
    let n_there =
        matching.files.iter().filter(|glob| project.files.iter().any(|file| glob.matches_path(file))).count();
    let n_needed = matching.min_files.unwrap_or(matching.files.len()).max(1);
    if n_there >= n_needed {
        return Some(format!("{n_there} of its {} known files and folders are there", matching.files.len()));
    }
    if let Some(name) = project.dependencies.iter().find(|name| any(&matching.dependencies, name)) {
        return Some(format!("the project depends on `{name}`"));
    }
    let path = url_path?;
    any(&matching.paths, path).then(|| format!("the load goes to `{path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(package: &str, files: &[&str], dependencies: &[&str]) -> Project {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Project {
            package: Some(package.into()),
            files: owned(files),
            dependencies: owned(dependencies),
            ..Project::default()
        }
    }

    #[track_caller]
    fn check(project: &Project, path: Option<&str>, expected: Option<&str>) {
        assert_eq!(Choice::of(project, path).map(|choice| choice.pack.name).as_deref(), expected);
    }

    #[test]
    fn a_known_project_is_known_by_its_name_or_its_files() {
        check(&project("aiclient-2-api", &[], &[]), None, Some("aiclient-2-api"));
        let files = ["src/converters/a.js", "src/providers/provider-pool-manager.js", "src/core/master.js"];
        check(&project("my-fork", &files, &["openai"]), None, Some("aiclient-2-api"));
        check(&project("my-fork", &files[..2], &[]), None, None);
    }

    #[test]
    fn a_gateway_is_known_by_what_it_depends_on_or_serves() {
        check(&project("x", &[], &["@anthropic-ai/sdk"]), None, Some("llm-gateway"));
        check(&project("x", &[], &[]), Some("/v1/chat/completions"), Some("llm-gateway"));
        check(&project("x", &[], &["express"]), Some("/health"), None);
    }
}
