//! Finds where a project's scripts load packages, by the text of their lines alone: good enough to say which file brings a package in
//! whose own code is all that a stack shows.

use slowpath_profile::recording::Import;
use std::path::Path;

/// Larger scripts are not looked through: a bundler wrote them, and has packages in them rather than loading them.
const MAX_BYTES: u64 = 500_000;

/// Imports kept, at most: a gateway has some hundred.
const MAX_IMPORTS: usize = 2000;

/// What stands before the name of what is loaded.
const LOADERS: &[&str] = &["require(", "from ", "import ", "import("];

/// Returns the first line of each script in `files` below `root` that loads a package, sorted.
pub(crate) fn imports(root: &Path, files: &[String]) -> Vec<Import> {
    let mut found: Vec<Import> = Vec::new();
    for file in files {
        let path = root.join(file);
        if !path.metadata().is_ok_and(|metadata| metadata.len() <= MAX_BYTES) {
            continue;
        }
        let Ok(text) = std::fs::read(&path) else { continue };
        let from = found.len();
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            for package in packages_in(line) {
                if found.len() < MAX_IMPORTS && !found[from..].iter().any(|known| known.package == package) {
                    let line = index as u32 + 1;
                    found.push(Import { package: package.to_owned(), file: file.clone(), line });
                }
            }
        }
    }
    found.sort();
    found
}

/// Returns the packages that a line loads.
fn packages_in(line: &str) -> impl Iterator<Item = &str> {
    LOADERS.iter().flat_map(move |loader| {
        line.match_indices(loader).filter_map(move |(at, _)| {
            let is_part_of_word = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
            let rest = line[at + loader.len()..].trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
            let (name, _) = rest[1..].split_once(quote)?;
            package_of(name).filter(|_| !is_part_of_word)
        })
    })
}

/// Returns the package that a name to be loaded is of; `None` for files and for Node's own modules with their prefix.
fn package_of(name: &str) -> Option<&str> {
    let is_of_package = |c: char| c.is_ascii_alphanumeric() || "@/._-".contains(c);
    if name.is_empty() || name.starts_with(['.', '/', '#']) || !name.chars().all(is_of_package) {
        return None;
    }
    let n_parts = if name.starts_with('@') { 2 } else { 1 };
    let end = name.match_indices('/').nth(n_parts - 1).map_or(name.len(), |(at, _)| at);
    Some(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        assert_eq!(packages_in(line).collect::<Vec<_>>(), expected, "{line}");
    }

    #[test]
    fn reads_every_way_to_load_a_package() {
        check("const jwks = require('jwks-rsa');", &["jwks-rsa"]);
        check("import { serve } from \"@hono/node-server/serve\";", &["@hono/node-server"]);
        check("import 'dotenv/config';", &["dotenv"]);
        check("const { got } = await import('got');", &["got"]);
        check("export * from 'zod';", &["zod"]);
    }

    #[test]
    fn files_and_modules_of_node_are_no_packages() {
        check("const keys = require('./keys');", &[]);
        check("import http from 'node:http';", &[]);
        check("import { a } from '#internal/a';", &[]);
        check("notrequire('x')", &[]);
    }

    #[test]
    fn keeps_the_first_line_of_each_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.js"), "const a = 1;\nrequire('jose');\nrequire('jose');\n")
            .unwrap();
        let found = imports(dir.path(), &["a.js".into(), "gone.js".into()]);
        assert_eq!(found, [Import { package: "jose".into(), file: "a.js".into(), line: 2 }]);
    }
}
