//! Writes collapsed stacks: a line a stack, weights summed, lines in the order of their text.
//!
//! A JavaScript function is written `name (file:line:column)`, with V8's tag and tier before it where the tier is known
//! (`JS:*name …`); kernel functions end in `_[k]`. Several threads have their names as outermost frames.
//!
//! Lost: when samples were taken, what the weights count, how many samples there were, packages of native
//! functions. A `;` in a name becomes `,` and a line break a space, for nothing can be escaped.

use super::ExportError;
use super::view::View;
use crate::classify::Category;
use crate::tables::{Function, Tier};
use std::collections::BTreeMap;
use std::io::Write;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for thread in &view.threads {
        let prefix = if view.threads.len() > 1 { plain(&thread.label()) + ";" } else { String::new() };
        let mut weights: BTreeMap<_, u64> = BTreeMap::new();
        for row in thread.rows() {
            *weights.entry(row.stack).or_default() += row.weight;
        }
        for (stack, weight) in weights {
            let stacks = &view.profile.stacks;
            let labels = view.frames(stack).into_iter().map(|at| {
                let function = stacks.function[at.0 as usize];
                label(view.profile.functions.get(function), stacks.tier[at.0 as usize])
            });
            *lines.entry(prefix.clone() + &labels.collect::<Vec<_>>().join(";")).or_default() += weight;
        }
    }
    for (line, weight) in lines.iter().filter(|(_, weight)| **weight > 0) {
        writeln!(out, "{line} {weight}")?;
    }
    Ok(())
}

/// Returns a frame's text.
fn label(function: &Function, tier: Option<Tier>) -> String {
    let Function { name, file, line, column, category, .. } = function;
    let tag = match tier {
        None => "",
        Some(Tier::Interpreter) => "JS:~",
        Some(Tier::Sparkplug) => "JS:^",
        Some(Tier::Maglev) => "JS:+",
        Some(Tier::TurboFan) => "JS:*",
    };
    let text = match (file.is_empty(), *column) {
        (true, _) if *category == Category::Kernel => format!("{name}_[k]"),
        (true, _) => format!("{tag}{name}"),
        (false, 0) => format!("{tag}{name} ({file}:{line})"),
        (false, column) => format!("{tag}{name} ({file}:{line}:{column})"),
    };
    plain(&text)
}

fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ';' => ',',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}
