//! Finds where functions are defined, by their names alone: good enough to say that one does not exist.

use slowpath_profile::recording::Definition;
use std::path::Path;

/// Larger scripts are not looked through: a bundler wrote them, and their names are not those of the source.
const MAX_BYTES: u64 = 2_000_000;

/// Definitions of one name that are kept.
const MAX_OF_A_NAME: usize = 20;

/// Returns where in `files` below `root` functions of these bare names are defined, sorted.
pub(crate) fn definitions(root: &Path, files: &[String], names: &[&str]) -> Vec<Definition> {
    let mut found: Vec<Definition> = Vec::new();
    if names.is_empty() {
        return found;
    }
    for file in files {
        let path = root.join(file);
        if !path.metadata().is_ok_and(|metadata| metadata.len() <= MAX_BYTES) {
            continue;
        }
        let Ok(text) = std::fs::read(&path) else { continue };
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            for name in names.iter().filter(|name| defines(line, name)) {
                if found.iter().filter(|known| known.name == **name).count() < MAX_OF_A_NAME {
                    let line = index as u32 + 1;
                    found.push(Definition { name: (*name).to_owned(), file: file.clone(), line });
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether a line defines `name`: `function name(`, `name = (…) =>`, `name: async function`, a method `name(…) {`.
fn defines(line: &str, name: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], line[at + name.len()..].trim_start());
        if before.ends_with(is_letter) || line[at + name.len()..].starts_with(is_letter) {
            return false;
        }
        let before = before.trim_end();
        let is_after_keyword = ["function", "function*"].iter().any(|keyword| before.ends_with(keyword));
        let assigned = after.strip_prefix(['=', ':']).map(str::trim_start);
        let is_function = assigned.is_some_and(|value| {
            value.starts_with("function")
                || value.starts_with("async")
                || value.contains("=>") && !value.starts_with('>')
        });
        // A call ends in `)` or `;`, a method's head in `{`; a method stands at the start of a line, after its modifiers.
        let modifiers = [
            "",
            "async",
            "static",
            "async*",
            "*",
            "static async",
            "static async *",
            "async *",
            "get",
            "set",
            "export",
            "public",
            "private",
            "protected",
            "public async",
            "private async",
        ];
        let is_method = after.starts_with('(')
            && line.trim_end().ends_with('{')
            && modifiers.contains(&before.trim_start());
        is_after_keyword || is_function || is_method
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_definitions_from_calls() {
        let check =
            |line: &str, expected: bool| assert_eq!(defines(line, "selectAccount"), expected, "{line}");
        check("function selectAccount(pool) {", true);
        check("export async function* selectAccount() {", true);
        check("  async selectAccount(model) {", true);
        check("  static selectAccount(model) {", true);
        check("const selectAccount = (pool) => pool[0];", true);
        check("  selectAccount: async function () {", true);
        check("const account = selectAccount(pool);", false);
        check("if (selectAccount(pool)) {", false);
        check("  this.selectAccounts = () => {};", false);
        check("reselectAccount() {", false);
    }
}
