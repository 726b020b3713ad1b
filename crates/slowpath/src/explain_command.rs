//! `slowpath explain`: prints a rule's documentation, or which rules there are.

use crate::cli::ExplainOptions;
use crate::exit_code::{ExitCode, usage};
use slowpath_diagnosis::{RULES, rule};
use std::io::{self, Write as _};

/// Names that are suggested for one that is unknown, at most.
const MAX_SUGGESTIONS: usize = 3;

pub(crate) fn run(options: &ExplainOptions) -> anyhow::Result<ExitCode> {
    let text = match &options.rule {
        Some(id) => rule(id).ok_or_else(|| unknown(id))?.to_markdown(),
        None => list(),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::Done),
        outcome => Ok(outcome.map(|()| ExitCode::Done)?),
    }
}

fn list() -> String {
    let mut ids: Vec<_> = RULES.iter().map(|rule| (rule.id, rule.summary)).collect();
    ids.sort_unstable();
    let width = ids.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
    let lines = ids.iter().map(|(id, summary)| format!("{id:width$}  {summary}\n"));
    lines.collect()
}

fn unknown(id: &str) -> anyhow::Error {
    let near = nearest(id, RULES.iter().map(|rule| rule.id));
    let hint = match near.as_slice() {
        [] => "run `slowpath explain` for the list".to_owned(),
        near => {
            let near: Vec<_> = near.iter().map(|id| format!("`{id}`")).collect();
            format!("did you mean {}? `slowpath explain` lists all", near.join(" or "))
        }
    };
    usage(format!("there is no rule `{id}`"), hint)
}

/// Returns the names that `wanted` may stand for, most likely first: those that hold it, or differ in a third of its letters
/// at most.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase().replace('_', "-");
    let limit = wanted.chars().count() / 3;
    let rank = |name: &str| match distance(&wanted, name) {
        _ if wanted.len() >= 3 && name.contains(&wanted) => Some(0),
        distance if distance <= limit => Some(distance),
        _ => None,
    };
    let mut near: Vec<_> = names.filter_map(|name| Some((rank(name)?, name))).collect();
    near.sort_unstable();
    near.truncate(MAX_SUGGESTIONS);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Returns the edit distance of two names (Wagner and Fischer, 1974).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_neighbours() {
        let names = || ["sync-fs", "sync-crypto-or-zlib", "cpu-hot-function", "gc-pressure"].into_iter();
        assert_eq!(nearest("sync_f", names()), ["sync-fs"]);
        assert_eq!(nearest("sync", names()), ["sync-crypto-or-zlib", "sync-fs"]);
        assert_eq!(nearest("cpu-hto-funktion", names()), ["cpu-hot-function"]);
        assert_eq!(nearest("bananas", names()), Vec::<&str>::new());
        assert_eq!(nearest("", names()), Vec::<&str>::new());
    }

    #[test]
    fn the_list_has_every_rule_once() {
        assert_eq!(list().lines().count(), RULES.len());
    }
}
