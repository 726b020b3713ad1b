//! The rules. One file each: its documentation, its thresholds, its check.

mod connection_churn;
mod counted;
mod cpu_hot_dependency;
mod cpu_hot_function;
mod cpu_starved;
mod deep_copy_per_request;
mod delay_by_timer;
mod deoptimisation_loop;
mod documentation;
mod event_loop_stall;
mod event_loop_starved_by_microtasks;
mod expensive_construction_per_request;
mod gc_pressure;
mod grown;
mod heap_growth;
mod hot_code;
mod json_churn;
mod list_work;
mod lock_held_across_io;
mod module_load_at_runtime;
mod per_chunk_work_in_stream;
mod quadratic_work;
mod redis_blocking_command;
mod redis_chatter;
mod redis_large_values;
mod regex_backtracking;
mod regex_recompiled;
mod repeated_lookup;
mod retry_storm;
mod senders;
mod sequential_awaits;
mod slow_upstream;
mod socket_pool_wait;
mod sort_or_scan_per_request;
mod string_concat_growth;
mod sync_call;
mod sync_child_process;
mod sync_crypto_or_zlib;
mod sync_fs;
mod sync_logging;
mod sync_wait;
mod thread_pool_saturated;
mod timer_storm;
mod tiny_writes;
mod unbatched_exports;
mod waits;
mod wasm_hot;

pub(crate) use cpu_starved::is_by_neighbours;
pub use documentation::{Documentation, Example, rules_docs};

use crate::Facts;
use crate::finding::Finding;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Stable id, such as `cpu-hot-function`; names the problem, not the remedy.
    pub id: &'static str,
    /// The problem in a line.
    pub summary: &'static str,
    /// How much it explains by itself.
    pub breadth: Breadth,
    /// What it is, why it hurts, how it is recognised and the rest.
    pub documentation: Documentation,
    /// Looks at the facts; empty when all is well.
    pub check: fn(Facts<'_>) -> Vec<Finding>,
}

/// How much a rule explains by itself.
///
/// Where two findings speak of the same time in the same place, the specific one stands and the general one gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breadth {
    /// Says where time goes, not what is wrong with it: a hot function.
    General,
    /// Says what is wrong: the same value is serialised twice.
    Specific,
}

/// Every rule, in the order they run.
pub static RULES: &[Rule] = &[
    sync_fs::RULE,
    sync_crypto_or_zlib::RULE,
    sync_child_process::RULE,
    sync_wait::RULE,
    connection_churn::RULE,
    deep_copy_per_request::RULE,
    delay_by_timer::RULE,
    expensive_construction_per_request::RULE,
    json_churn::RULE,
    module_load_at_runtime::RULE,
    per_chunk_work_in_stream::RULE,
    redis_blocking_command::RULE,
    redis_chatter::RULE,
    redis_large_values::RULE,
    repeated_lookup::RULE,
    retry_storm::RULE,
    regex_backtracking::RULE,
    regex_recompiled::RULE,
    string_concat_growth::RULE,
    sync_logging::RULE,
    timer_storm::RULE,
    tiny_writes::RULE,
    unbatched_exports::RULE,
    quadratic_work::RULE,
    sort_or_scan_per_request::RULE,
    wasm_hot::RULE,
    cpu_hot_function::RULE,
    cpu_hot_dependency::RULE,
    deoptimisation_loop::RULE,
    gc_pressure::RULE,
    heap_growth::RULE,
    event_loop_starved_by_microtasks::RULE,
    event_loop_stall::RULE,
    lock_held_across_io::RULE,
    socket_pool_wait::RULE,
    thread_pool_saturated::RULE,
    sequential_awaits::RULE,
    slow_upstream::RULE,
    cpu_starved::RULE,
];

/// Returns the rule of an id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_documents_itself_in_full() {
        for rule in RULES {
            let doc = &rule.documentation;
            let parts = [
                doc.what,
                doc.why_it_hurts,
                doc.how_recognised,
                doc.lookalikes,
                doc.what_to_do,
                doc.example.before,
                doc.example.after,
                doc.thresholds,
            ];
            for (index, part) in parts.iter().enumerate() {
                assert!(part.trim().len() >= 20, "part {index} of `{}` says nothing", rule.id);
            }
            assert_ne!(doc.example.before, doc.example.after, "{}", rule.id);
        }
    }

    #[test]
    fn ids_are_unique_and_can_be_typed() {
        let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')), "{ids:?}");
    }
}
