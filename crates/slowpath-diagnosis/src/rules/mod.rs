//! The rules. One file each: its documentation, its thresholds, its check.

mod cpu_hot_dependency;
mod cpu_hot_function;
mod cpu_starved;
mod event_loop_stall;
mod gc_pressure;
mod sync_call;
mod sync_child_process;
mod sync_crypto_or_zlib;
mod sync_fs;

use crate::Facts;
use crate::finding::Finding;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Stable id, such as `cpu-hot-function`; names the problem, not the remedy.
    pub id: &'static str,
    /// The problem in a line.
    pub summary: &'static str,
    /// What it is, why it hurts, how it is recognised, what else looks like it, what to do; Markdown.
    pub documentation: &'static str,
    /// Looks at the facts; empty when all is well.
    pub check: fn(Facts<'_>) -> Vec<Finding>,
}

/// Every rule, in the order they run.
pub static RULES: &[Rule] = &[
    sync_fs::RULE,
    sync_crypto_or_zlib::RULE,
    sync_child_process::RULE,
    cpu_hot_function::RULE,
    cpu_hot_dependency::RULE,
    gc_pressure::RULE,
    event_loop_stall::RULE,
    cpu_starved::RULE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_documents_itself() {
        for rule in RULES {
            for section in
                ["## What it is", "## How it is recognised", "## What else looks like it", "## What to do"]
            {
                assert!(rule.documentation.contains(section), "`{}` lacks {section}", rule.id);
            }
            assert!(rule.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.id);
        }
    }
}
