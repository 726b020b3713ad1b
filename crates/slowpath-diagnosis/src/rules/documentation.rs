//! What a rule says about itself, and how that reads as Markdown: for `slowpath explain` and `docs/rules`.

use super::{RULES, Rule};

/// The parts of a rule's documentation; each is Markdown, wrapped lines are joined by the reader's renderer.
#[derive(Debug)]
pub struct Documentation {
    /// What it is.
    pub what: &'static str,
    /// Why it makes a service slow.
    pub why_it_hurts: &'static str,
    /// Which measurements it looks at, and from which values on it fires.
    pub how_recognised: &'static str,
    /// What else looks like it, and how the two are told apart.
    pub lookalikes: &'static str,
    /// What to do.
    pub what_to_do: &'static str,
    /// The same code with and without the problem.
    pub example: Example,
    /// Where the rule's thresholds come from.
    pub thresholds: &'static str,
}

/// A change in code.
#[derive(Debug)]
pub struct Example {
    /// For the highlighter: `js`, `sh`.
    pub language: &'static str,
    /// The code with the problem.
    pub before: &'static str,
    /// The code without it.
    pub after: &'static str,
}

impl Rule {
    /// Returns the whole documentation: the rule's page in `docs/rules`.
    pub fn to_markdown(&self) -> String {
        let Documentation { what, why_it_hurts, how_recognised, lookalikes, what_to_do, example, thresholds } =
            &self.documentation;
        let mut text = format!("# {}\n\n{}.\n", self.id, capitalised(self.summary));
        let mut section = |heading: &str, body: &str| {
            text.push_str(&format!("\n## {heading}\n\n{}\n", body.trim()));
        };
        section("What it is", what);
        section("Why it hurts", why_it_hurts);
        section("How it is recognised", how_recognised);
        section("What else looks like it", lookalikes);
        section("What to do", what_to_do);
        let Example { language, before, after } = example;
        let code = |code: &str| format!("```{language}\n{}\n```\n", code.trim_matches('\n'));
        text.push_str(&format!("\nBefore:\n\n{}\nAfter:\n\n{}", code(before), code(after)));
        text.push_str(&format!("\n## Where the thresholds come from\n\n{}\n", thresholds.trim()));
        text
    }
}

/// Returns the files of `docs/rules`, each with its text: a page a rule, and the list of them.
pub fn rules_docs() -> Vec<(String, String)> {
    let mut rules: Vec<&Rule> = RULES.iter().collect();
    rules.sort_by_key(|rule| rule.id);
    let mut list = "# Rules\n\nWhat slowpath recognises. `slowpath explain RULE` prints these pages; they are written by `cargo xtask rules-docs`.\n\n| rule | finds |\n|---|---|\n".to_owned();
    for rule in &rules {
        list.push_str(&format!("| [{0}]({0}.md) | {1} |\n", rule.id, rule.summary));
    }
    let pages = rules.iter().map(|rule| (format!("{}.md", rule.id), rule.to_markdown()));
    [("README.md".to_owned(), list)].into_iter().chain(pages).collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
