//! Patterns of paths and names: `*` within a part of a path, `**` over parts, `?` one letter; letters match in either case.

use serde::Deserialize;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Glob {
    text: String,
    parts: Vec<Vec<char>>,
}

impl From<String> for Glob {
    fn from(text: String) -> Self {
        let parts = text.split('/').map(|part| part.to_lowercase().chars().collect()).collect();
        Self { text, parts }
    }
}

impl Glob {
    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `path` matches from its start, or from any of its folders on: a project may lie anywhere.
    pub fn matches_path(&self, path: &str) -> bool {
        let parts: Vec<Vec<char>> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| part.to_lowercase().chars().collect())
            .collect();
        (0..parts.len()).any(|from| path_matches(&self.parts, &parts[from..]))
    }

    /// Whether `name` matches as a whole; a `/` is a letter like others.
    pub fn matches_name(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.text.to_lowercase().chars().collect();
        let name: Vec<char> = name.to_lowercase().chars().collect();
        name_matches(&pattern, &name)
    }
}

fn name_matches(pattern: &[char], name: &[char]) -> bool {
    matches_with(
        pattern,
        name,
        |pattern| *pattern == '*',
        |pattern, letter| *pattern == '?' || pattern == letter,
    )
}

fn path_matches(pattern: &[Vec<char>], path: &[Vec<char>]) -> bool {
    matches_with(
        pattern,
        path,
        |part| part.as_slice() == ['*', '*'],
        |pattern, part| name_matches(pattern, part),
    )
}

/// Matches with one kind of wildcard that stands for any run, in time pattern × text: after a mismatch only the last
/// wildcard is tried again.
fn matches_with<T>(
    pattern: &[T],
    text: &[T],
    is_run: impl Fn(&T) -> bool,
    one: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && is_run(&pattern[p]) {
            retry = Some((p, t));
            p += 1;
        } else if p < pattern.len() && one(&pattern[p], &text[t]) {
            p += 1;
            t += 1;
        } else if let Some((run, from)) = retry {
            retry = Some((run, from + 1));
            p = run + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(is_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(glob: &str, path: &str, expected: bool) {
        assert_eq!(Glob::from(glob.to_owned()).matches_path(path), expected, "{glob} {path}");
    }

    #[test]
    fn paths_match_part_by_part_from_any_folder_on() {
        check("src/converters/**", "src/converters/openai/a.js", true);
        check("src/converters/**", "/srv/app/src/converters/a.js", true);
        check("src/converters/**", "src/convertersx/a.js", false);
        check("**/*convert*/**", "lib/Converters/a.js", true);
        check("**/*pool*", "src/provider-pool-manager.js", true);
        check("**/*pool*", "src/pool/other.js", false);
        check("a/*.js", "a/b/c.js", false);
        check("a?.js", "ab.js", true);
    }

    #[test]
    fn names_match_whole_and_in_either_case() {
        let name = |glob: &str, name: &str| Glob::from(glob.to_owned()).matches_name(name);
        assert!(name("*convert*", "toConverted"));
        assert!(name("/v1beta/models/*", "/v1beta/models/gemini:generateContent"));
        assert!(!name("convert", "convertRequest"));
        assert!(!name("", "a") && name("", "") && name("**", "a"));
    }

    #[test]
    fn a_pattern_full_of_wildcards_is_decided_at_once() {
        let glob = Glob::from("*a".repeat(40) + "b");
        assert!(!glob.matches_name(&"a".repeat(5000)));
    }
}
