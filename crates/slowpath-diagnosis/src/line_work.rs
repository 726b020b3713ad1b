//! Reads what the hottest lines of a function do. V8's profile has no frames for `sort`, `find` and other built-ins, so their
//! time stands on the line that calls them.

use crate::Facts;
use slowpath_analysis::AppFunction;
use slowpath_profile::tables::FunctionId;
use std::collections::BTreeMap;

/// What a line does that costs more the longer a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ListWork {
    /// Puts a list in order.
    Sort,
    /// Looks at each element.
    Scan,
    /// Looks at each element, for each element of another list.
    NestedScan,
}

/// Calls that put a list in order.
const SORTS: &[&str] = &[".sort(", ".toSorted("];

/// Calls that look at one element after the other.
const SCANS: &[&str] =
    &[".find(", ".findIndex(", ".findLast(", ".indexOf(", ".includes(", ".some(", ".every(", ".filter("];

/// What repeats the lines within it.
const LOOPS: &[&str] =
    &["for (", "while (", "for(", "while(", ".forEach(", ".map(", ".flatMap(", ".reduce(", ".filter("];

/// Share of a function's time by the work of its lines, and the line with most of each.
#[derive(Debug, Default)]
pub(crate) struct LineWork {
    /// Work, share of the line samples, hottest line.
    pub(crate) parts: Vec<(ListWork, f64, u32)>,
    /// Line samples that it rests on.
    pub(crate) n_samples: u64,
}

impl LineWork {
    /// Reads the lines of `hot` and of what was folded into it.
    pub(crate) fn of(facts: Facts<'_>, hot: &AppFunction) -> Self {
        let file = &facts.profile.functions.get(hot.function).file;
        let folded = hot.folded.iter().map(|folded| folded.function);
        let functions: Vec<FunctionId> = [hot.function].into_iter().chain(folded).collect();
        let mut ticks: BTreeMap<u32, u64> = BTreeMap::new();
        for ((function, line), n) in &facts.profile.line_ticks {
            if functions.contains(function) && facts.profile.functions.get(*function).file == *file {
                *ticks.entry(*line).or_default() += n;
            }
        }
        let mut lines: BTreeMap<u32, &str> = BTreeMap::new();
        for excerpt in facts.profile.excerpts.iter().filter(|excerpt| excerpt.file == *file) {
            lines.extend((excerpt.first_line..).zip(excerpt.lines.iter().map(String::as_str)));
        }
        let first = facts.profile.functions.get(hot.function).line;
        Self::of_lines(&ticks, &lines, first)
    }

    /// `ticks` by line, the text of the lines known, and the line at which the function begins.
    fn of_lines(ticks: &BTreeMap<u32, u64>, lines: &BTreeMap<u32, &str>, first: u32) -> Self {
        let n_samples: u64 = ticks.values().sum();
        let mut sums: BTreeMap<ListWork, (u64, u32, u64)> = BTreeMap::new();
        for (line, n) in ticks {
            let Some(work) = work_of(lines, *line, first) else { continue };
            let (sum, hottest, most) = sums.entry(work).or_insert((0, *line, 0));
            *sum += n;
            if n > most {
                (*hottest, *most) = (*line, *n);
            }
        }
        let total = n_samples.max(1) as f64;
        let parts = sums.into_iter().map(|(work, (sum, line, _))| (work, sum as f64 / total, line));
        Self { parts: parts.collect(), n_samples }
    }
}

fn has(text: &str, calls: &[&str]) -> bool {
    calls.iter().any(|call| text.contains(call))
}

/// Returns what a line does, by its text, or by that of the call whose closure it stands in.
fn work_of(lines: &BTreeMap<u32, &str>, line: u32, first: u32) -> Option<ListWork> {
    let text = lines.get(&line)?;
    let around = enclosing(lines, line, first);
    if has(text, SORTS) || around.iter().any(|outer| has(outer, SORTS)) {
        return Some(ListWork::Sort);
    }
    let n_scans = SCANS.iter().map(|call| text.matches(call).count()).sum::<usize>();
    let is_in_scan = around.iter().any(|outer| has(outer, SCANS));
    if n_scans == 0 && !is_in_scan {
        return None;
    }
    let is_repeated = around.iter().any(|outer| has(outer, LOOPS)) && n_scans > 0 || n_scans > 1;
    Some(if is_repeated { ListWork::NestedScan } else { ListWork::Scan })
}

/// Returns the lines of the function that a line is indented below, innermost first, the function's own first line left
/// out.
fn enclosing<'a>(lines: &BTreeMap<u32, &'a str>, line: u32, first: u32) -> Vec<&'a str> {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let mut depth = lines.get(&line).map_or(0, |text| indent(text));
    let mut around = Vec::new();
    // A line of a function that V8 inlined may stand before this one.
    let first = (first + 1).min(line);
    for (_, text) in lines.range(first..line).rev() {
        if !text.trim().is_empty() && indent(text) < depth {
            depth = indent(text);
            around.push(*text);
        }
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, hot: &[(u32, u64)], expected: &[(ListWork, f64, u32)]) {
        let lines: BTreeMap<u32, &str> = (1..).zip(code.lines()).collect();
        let work = LineWork::of_lines(&hot.iter().copied().collect(), &lines, 1);
        assert_eq!(work.parts, expected, "{code}");
    }

    #[test]
    fn a_sort_is_known_by_its_call_and_by_its_comparator() {
        let code = "function pick(list) {\n  list.sort((a, b) => {\n    return new Date(a) - new Date(b);\n  });\n  return list[0];\n}";
        check(code, &[(2, 20), (3, 70), (5, 10)], &[(ListWork::Sort, 0.9, 3)]);
    }

    #[test]
    fn a_scan_within_a_loop_is_nested() {
        let code = "function dedupe(list) {\n  const out = [];\n  for (const x of list) {\n    if (!out.includes(x)) out.push(x);\n  }\n}";
        check(code, &[(4, 100)], &[(ListWork::NestedScan, 1.0, 4)]);
        check(
            "function find(list) {\n  return list.find((x) => x.id === 3);\n}",
            &[(2, 10)],
            &[(ListWork::Scan, 1.0, 2)],
        );
    }

    #[test]
    fn other_lines_are_nothing_of_the_kind() {
        let code = "function sum(list) {\n  let n = 0;\n  for (const x of list) {\n    n += x * x;\n  }\n  return n;\n}";
        check(code, &[(4, 100)], &[]);
        check("", &[(7, 3)], &[]);
    }

    #[test]
    fn lines_before_the_function_are_read_as_well() {
        let lines: BTreeMap<u32, &str> = (1..).zip("list.sort()\n\nfunction f() {}".lines()).collect();
        let work = LineWork::of_lines(&BTreeMap::from([(1, 5)]), &lines, 3);
        assert_eq!(work.parts, [(ListWork::Sort, 1.0, 1)]);
    }
}
