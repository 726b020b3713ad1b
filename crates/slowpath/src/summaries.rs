//! What a command says besides the verdict when it has ended: the hottest functions, how the main thread was, or
//! what requests waited for.

use slowpath_profile::classify::RECORDER_PACKAGE;
use slowpath_report::{FunctionData, ReportData, StallData};

/// Functions shown.
const MAX_FUNCTIONS: usize = 5;

/// Places of waiting shown.
const MAX_WAITS: usize = 5;

/// What the closing lines say besides the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summary {
    /// Nothing.
    Verdict,
    /// The functions with most time of their own, as of a flame graph.
    HottestFunctions,
    /// Event loop, garbage collection and CPU.
    Vitals,
    /// What requests waited for.
    Waits,
}

impl Summary {
    /// Returns the lines, an empty one before them; none where nothing was recorded.
    pub(crate) fn lines(self, report: &ReportData) -> Vec<String> {
        let mut lines = match self {
            Self::Verdict => Vec::new(),
            Self::HottestFunctions => hottest_functions(report),
            Self::Vitals => vitals(report),
            Self::Waits => waits(report),
        };
        if !lines.is_empty() {
            lines.insert(0, String::new());
        }
        lines
    }
}

fn hottest_functions(report: &ReportData) -> Vec<String> {
    let mut functions: Vec<&FunctionData> = report.functions.iter().filter(|row| row.self_s > 0.0).collect();
    functions.sort_by(|a, b| b.self_s.total_cmp(&a.self_s));
    functions.truncate(MAX_FUNCTIONS);
    let width = functions.iter().map(|row| row.name.chars().count().min(40)).max().unwrap_or(0);
    let rows = functions.iter().map(|row| {
        let name: String = row.name.chars().take(40).collect();
        let place = match (row.file.as_str(), row.line) {
            _ if row.package.as_deref() == Some(RECORDER_PACKAGE) => RECORDER_PACKAGE.to_owned(),
            ("", _) => row.category.to_owned(),
            (file, Some(line)) => format!("{file}:{line}"),
            (file, None) => file.to_owned(),
        };
        format!("  {:>8}  {:>8}  {name:width$}  {place}", seconds(row.self_s), seconds(row.total_s))
    });
    let mut lines: Vec<String> = rows.collect();
    if !lines.is_empty() {
        lines.insert(0, format!("  {:>8}  {:>8}  hottest functions", "own time", "total"));
    }
    lines
}

fn waits(report: &ReportData) -> Vec<String> {
    let Some(requests) = &report.requests else {
        return vec!["  no request was followed: nothing says what they waited for".into()];
    };
    let sites = requests.sites.iter().filter(|site| site.held_up_ms > 0.0).take(MAX_WAITS);
    let rows = sites.map(|site| {
        let each = site.waited_ms / site.n.max(1) as f64;
        format!("  {:>8}  {:>8}  {}", seconds(site.held_up_ms / 1e3), seconds(each / 1e3), site.name)
    });
    let mut lines: Vec<String> = rows.collect();
    lines.insert(
        0,
        format!(
            "  {:>8}  {:>8}  what {} of {} requests waited for",
            "held up", "a wait", requests.n_followed, requests.n_requests
        ),
    );
    lines
}

fn vitals(report: &ReportData) -> Vec<String> {
    let mut lines = Vec::new();
    if !report.split.is_empty() {
        let parts = report.split.iter().filter(|(_, share)| *share >= 0.005);
        let parts: Vec<String> =
            parts.map(|(class, share)| format!("{} {:.0} %", class_name(class), share * 100.0)).collect();
        lines.push(format!("  main thread  {}", parts.join(", ")));
    }
    let values = |id: &str| -> Vec<f64> {
        let series = report.timeline.series.iter().filter(|series| series.id == id);
        let mut values: Vec<f64> = series.flat_map(|series| series.v.iter().flatten().copied()).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let delays = values("loop_delay");
    if let (Some(median), Some(most)) = (delays.get(delays.len() / 2), delays.last()) {
        lines.push(format!(
            "  event loop   delay p99 {median:.1} ms in the median of {} readings, {most:.1} ms at most{}",
            delays.len(),
            stalls(&report.timeline.stalls)
        ));
    }
    let (cores, heap) = (values("cpu"), values("heap"));
    if let Some(most) = cores.last() {
        let mean = cores.iter().sum::<f64>() / cores.len() as f64;
        lines.push(format!("  CPU          {mean:.2} cores in the mean, {most:.2} at most"));
    }
    if let (Some(least), Some(most)) = (heap.first(), heap.last()) {
        lines.push(format!("  heap         {:.0} to {:.0} MB", least / 1e6, most / 1e6));
    }
    lines
}

/// Says how many stalls there were, and what held the longest.
fn stalls(stalls: &[StallData]) -> String {
    let Some(longest) = stalls.iter().max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms)) else {
        return "; no stalls".into();
    };
    let by = longest.culprit.as_ref().map_or(String::new(), |name| format!(" in {name}()"));
    let n = stalls.len();
    format!("; {n} stall{}, the longest {:.0} ms{by}", if n == 1 { "" } else { "s" }, longest.duration_ms)
}

fn class_name(class: &str) -> &str {
    match class {
        "js" => "JavaScript",
        "gc" => "GC",
        "sync_io" => "synchronous I/O",
        "run_queue" => "run queue",
        other => other,
    }
}

fn seconds(value: f64) -> String {
    if value >= 1.0 { format!("{value:.2} s") } else { format!("{:.0} ms", value * 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_report::SeriesData;

    fn function(name: &str, file: &str, self_s: f64) -> FunctionData {
        FunctionData {
            function_index: 0,
            name: name.into(),
            file: file.into(),
            line: (!file.is_empty()).then_some(8),
            category: "gc",
            package: None,
            self_s,
            total_s: self_s,
            charged_s: 0.0,
            n_samples: 1,
        }
    }

    #[test]
    fn the_hottest_functions_come_first_and_those_without_time_of_their_own_not_at_all() {
        let functions =
            vec![function("main", "a.js", 0.0), function("gc", "", 0.25), function("hot", "b.js", 2.5)];
        let report = ReportData { functions, ..ReportData::default() };
        let expected = [
            "",
            "  own time     total  hottest functions",
            "    2.50 s    2.50 s  hot  b.js:8",
            "    250 ms    250 ms  gc   gc",
        ];
        assert_eq!(Summary::HottestFunctions.lines(&report), expected);
        assert!(Summary::HottestFunctions.lines(&ReportData::default()).is_empty());
    }

    #[test]
    fn what_slowpath_itself_ran_is_said_to_be_its_own() {
        let own = FunctionData {
            package: Some(RECORDER_PACKAGE.into()),
            ..function("awaitWoundUp", "/tmp/slowpath-x/ring.cjs", 0.5)
        };
        let report = ReportData { functions: vec![own], ..ReportData::default() };
        let lines = Summary::HottestFunctions.lines(&report);
        assert_eq!(lines[2], "    500 ms    500 ms  awaitWoundUp  slowpath (recorder)");
    }

    #[test]
    fn without_followed_requests_it_is_said() {
        let lines = Summary::Waits.lines(&ReportData::default());
        assert_eq!(lines, ["", "  no request was followed: nothing says what they waited for"]);
    }

    #[test]
    fn vitals_say_how_the_main_thread_was() {
        let series = |id, v: &[f64]| SeriesData {
            id,
            label: id,
            unit: "",
            t_s: Vec::new(),
            v: v.iter().copied().map(Some).collect(),
        };
        let mut report = ReportData {
            split: vec![("js", 0.61), ("compile", 0.001), ("idle", 0.389)],
            ..ReportData::default()
        };
        report.timeline.series = vec![series("loop_delay", &[9.0, 1.0, 2.0]), series("cpu", &[0.5, 1.5])];
        let expected = [
            "",
            "  main thread  JavaScript 61 %, idle 39 %",
            "  event loop   delay p99 2.0 ms in the median of 3 readings, 9.0 ms at most; no stalls",
            "  CPU          1.00 cores in the mean, 1.50 at most",
        ];
        assert_eq!(Summary::Vitals.lines(&report), expected);
        assert!(Summary::Vitals.lines(&ReportData::default()).is_empty());
    }
}
