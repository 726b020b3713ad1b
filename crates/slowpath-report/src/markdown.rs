//! `report.md`: the report for terminals, pull requests and coding agents.

use crate::data::{CounterRowData, EvidenceData, FindingData, LatencyData, ReportData};
use crate::markdown_scale::scale;
use crate::markdown_waits::{connections, has_own_table, timers, waits};
use crate::memory_data::HeapData;
use crate::native_data::WorkFunctionData;

/// Functions listed.
const MAX_FUNCTIONS: usize = 15;

/// Kinds of native work listed.
const MAX_WORK: usize = 20;
/// Counters listed.
const MAX_COUNTERS: usize = 40;

/// Functions listed by what they allocate.
const MAX_ALLOCATORS: usize = 8;

/// Functions listed with their stalls.
const MAX_STALLS: usize = 10;

/// Renders the report as Markdown.
pub fn render_markdown(report: &ReportData) -> String {
    let mut text =
        format!("# slowpath: {}\n\n**{}**\n", inline(&report.run.title), inline(&report.verdict.sentence));
    if !report.verdict.detail.is_empty() {
        text.push_str(&format!("\n{}\n", inline(&report.verdict.detail)));
    }
    for warning in &report.warnings {
        text.push_str(&format!(
            "\n> note ({}): {}\n",
            warning.about,
            warning.text.replace('<', "\\<").replace('\n', "\n> ")
        ));
    }
    if !report.files.is_empty() {
        text.push_str(&files(report));
        text.push_str(&functions(report));
        return text;
    }
    text.push_str(&split(report));
    text.push_str("\n## Findings\n\n");
    if report.findings.is_empty() {
        text.push_str("None.\n");
    }
    for (index, finding) in report.findings.iter().enumerate() {
        text.push_str(&finding_text(report, index + 1, finding));
    }
    if let Some(gain) = report.gain_of_all {
        text.push_str(&format!("If all of them were gone: about {}.\n", faster(report, gain)));
    }
    if !report.refuted.is_empty() {
        text.push_str(&format!("\nSuspected, but not so: {}.\n", inline(&report.refuted.join(" · "))));
    }
    text.push_str(&checkpoints(report));
    text.push_str(&checklist(report));
    text.push_str(&load(report));
    text.push_str(&scale(report));
    text.push_str(&waits(report));
    text.push_str(&stalls(report));
    text.push_str(&functions(report));
    text.push_str(&native(report));
    text.push_str(&connections(report));
    text.push_str(&timers(report));
    text.push_str(&memory(report));
    text.push_str(&counters(report));
    text.push_str(&measured(report));
    text
}

fn files(report: &ReportData) -> String {
    let mut text = String::new();
    for file in &report.files {
        text.push_str(&format!("\n- {}: {}, {} samples", code(&file.name), file.format, file.n_samples));
        for note in &file.notes {
            text.push_str(&format!("; {}", inline(note)));
        }
    }
    let categories: Vec<_> = report
        .categories
        .iter()
        .map(|(category, share)| format!("{category} {:.1} %", share * 100.0))
        .collect();
    format!("{text}\n\nBusy by kind of code: {}\n", categories.join(" · "))
}

fn split(report: &ReportData) -> String {
    let Some(source) = &report.split_source else {
        return String::new();
    };
    let classes: Vec<_> =
        report.split.iter().map(|(class, share)| format!("{class} {:.1} %", share * 100.0)).collect();
    format!(
        "\nMain thread of process {} over {:.1} s: {} ({} samples; {})\n",
        source.pid,
        source.wall_s,
        classes.join(" · "),
        source.n_samples,
        source.recorders.join(", ")
    )
}

/// Says what a factor is of: requests, where there were any.
fn faster(report: &ReportData, factor: f64) -> String {
    let what = if report.load.is_some() { "the requests" } else { "as fast" };
    format!("{factor:.2}× {what}")
}

fn finding_text(report: &ReportData, number: usize, finding: &FindingData) -> String {
    let mut text = format!("### {number}. {}\n\n", inline(&finding.title));
    if let Some(location) = &finding.location {
        let line = location.line.map_or(String::new(), |line| format!(":{line}"));
        text.push_str(&format!(
            "- where: {} in {}\n",
            code(&location.function),
            code(&format!("{}{line}", location.file))
        ));
    }
    if let Some(gain) = &finding.predicted_gain {
        text.push_str(&format!(
            "- if it were gone: about {} ({:.2}–{:.2})\n",
            faster(report, gain.throughput),
            gain.low,
            gain.high
        ));
    }
    text.push_str(&format!(
        "- rule `{}`, severity {}, confidence {} ({})\n",
        finding.rule, finding.severity, finding.confidence, finding.confidence_why
    ));
    for evidence in &finding.evidence {
        let samples = evidence.n_samples.map_or(String::new(), |n| format!(", n = {n}"));
        text.push_str(&format!("- {} [{}{samples}]\n", inline(&evidence.text), evidence.recorder));
    }
    text.push_str(&format!("\n{}\n\n", inline(&finding.advice)));
    text
}

fn checkpoints(report: &ReportData) -> String {
    let Some(pack) = &report.pack else { return String::new() };
    let mut text =
        format!("\n## Checkpoints of {}\n\nChosen because {}.\n\n", inline(&pack.title), inline(&pack.why));
    for checkpoint in &report.checkpoints {
        let share =
            checkpoint.share.map_or(String::new(), |share| format!(", {:.1} % of busy time", share * 100.0));
        text.push_str(&format!("- **{}**: {}{share}\n", inline(&checkpoint.title), checkpoint.answer));
        text.push_str(&format!("  - suspected: {}\n", inline(&checkpoint.suspicion)));
        text.push_str(&evidence(&checkpoint.evidence));
    }
    text
}

fn checklist(report: &ReportData) -> String {
    if report.checklist.is_empty() {
        return String::new();
    }
    let mut text = "\n## Check-list\n\n".to_owned();
    for point in &report.checklist {
        let mark = match point.answer {
            "pass" => "✓",
            "fail" => "✗",
            _ => "–",
        };
        text.push_str(&format!("- {mark} {}: {}\n", inline(&point.title), point.answer));
        text.push_str(&evidence(&point.evidence));
        text.push_str(&format!("  - to measure: {}\n", inline(&point.how)));
    }
    text
}

fn evidence(rows: &[EvidenceData]) -> String {
    let rows = rows.iter().map(|row| {
        let samples = row.n_samples.map_or(String::new(), |n| format!(", n = {n}"));
        format!("  - {} [{}{samples}]\n", inline(&row.text), row.recorder)
    });
    rows.collect()
}

fn load(report: &ReportData) -> String {
    let Some(load) = &report.load else {
        return "\n## Load\n\nNo load was driven.\n".into();
    };
    let mut text = format!(
        "\n## Load\n\n{} requests in {:.1} s of {}; errors over the whole run: {}\n\n",
        load.requests,
        load.duration_s,
        load.phases.join(" and "),
        errors(&load.errors),
    );
    text.push_str(
        "| phase | requests/s | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms | CPU ms/request | errors |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for phase in &report.load_phases {
        text.push_str(&row(
            &phase.phase,
            phase.requests_per_second,
            &phase.latency_ms,
            phase.cpu_ms_per_request,
            &errors(&phase.errors),
        ));
    }
    text
}

fn row(name: &str, rate: f64, latency: &LatencyData, cpu_ms: Option<f64>, errors: &str) -> String {
    let LatencyData { p50, p90, p99, p99_9, max, .. } = latency;
    let cpu = cpu_ms.map_or("–".into(), |cpu| format!("{cpu:.3}"));
    format!(
        "| {name} | {rate:.1} | {p50:.2} | {p90:.2} | {p99:.2} | {p99_9:.2} | {max:.2} | {cpu} | {errors} |\n"
    )
}

fn errors(errors: &std::collections::BTreeMap<String, u64>) -> String {
    let all: Vec<_> = errors.iter().map(|(class, n)| format!("{class} {n}")).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

fn functions(report: &ReportData) -> String {
    if report.functions.is_empty() {
        return String::new();
    }
    let unit = if report.weight_unit == "us" { "s" } else { report.weight_unit };
    let mut text = format!(
        "\n## Functions by self {}\n\n| self {unit} | total {unit} | charged {unit} | function | place |\n|---|---|---|---|---|\n",
        if unit == "s" { "time" } else { unit }
    );
    for function in report.functions.iter().take(MAX_FUNCTIONS) {
        let line = function.line.map_or(String::new(), |line| format!(":{line}"));
        text.push_str(&format!(
            "| {:.3} | {:.3} | {:.3} | {} | {}{line} |\n",
            function.self_s,
            function.total_s,
            function.charged_s,
            cell(&code(&function.name)),
            cell(&inline(if function.file.is_empty() { function.category } else { &function.file }))
        ));
    }
    text
}

fn stalls(report: &ReportData) -> String {
    let groups = &report.timeline.stall_groups;
    if groups.is_empty() {
        return String::new();
    }
    let mut text = "\n## Stalls of the event loop\n\n| held by | stalls | total ms | longest ms | without waits for a CPU, ms | requests caught |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for group in groups.iter().take(MAX_STALLS) {
        let name = group.culprit.as_deref().map_or("not sampled".into(), code);
        let place = group.place.as_deref().map_or(String::new(), |place| format!(" {}", inline(place)));
        text.push_str(&format!(
            "| {} | {} | {:.0} | {:.0} | {:.0} | {} |\n",
            cell(&format!("{name}{place}")),
            group.n_stalls,
            group.total_ms,
            group.longest_ms,
            group.own_ms,
            group.requests_caught.map_or("–".into(), |n| format!("{n:.1}"))
        ));
    }
    text
}

fn native(report: &ReportData) -> String {
    let Some(native) = &report.native else {
        return String::new();
    };
    let mut text = format!(
        "\n## Inside V8 and the kernel\n\n{:.2} s of CPU time in all threads, {} native stacks by {} at {} Hz\n\n",
        native.cpu_s, native.n_samples, native.event, native.frequency_hz
    );
    text.push_str(
        "| share | CPU s | samples | working on | caused by | mostly in |\n|---|---|---|---|---|---|\n",
    );
    for work in native.work.iter().take(MAX_WORK) {
        let name = |function: Option<&WorkFunctionData>| {
            let Some(function) = function else { return "–".to_owned() };
            let Some(name) = &function.function else { return "no JavaScript on the stack".to_owned() };
            let line = function.line.map_or(String::new(), |line| format!(":{line}"));
            let place =
                if function.line.is_some() { format!(" {}{line}", function.file) } else { String::new() };
            format!("{}{} ({:.0} %)", code(name), inline(&place), function.share * 100.0)
        };
        text.push_str(&format!(
            "| {:.1} % | {:.3} | {} | {}: {} | {} | {} |\n",
            work.share * 100.0,
            work.cpu_s,
            work.n_samples,
            work.class,
            work.part,
            cell(&name(work.callers.first())),
            cell(&name(work.functions.first()))
        ));
    }
    for note in &native.notes {
        text.push_str(&format!("\n> note: {}\n", inline(note)));
    }
    text
}

fn memory(report: &ReportData) -> String {
    let Some(memory) = &report.memory else { return String::new() };
    let mut text =
        format!("\n## Memory\n\nCollections took {:.1} % of the measured time.\n", memory.gc_share * 100.0);
    if !memory.pauses.is_empty() {
        text.push_str("\n| pauses | n | ms | longest ms |\n|---|---|---|---|\n");
    }
    for row in &memory.pauses {
        text.push_str(&format!(
            "| {} | {} | {:.1} | {:.1} |\n",
            row.kind, row.n, row.total_ms, row.longest_ms
        ));
    }
    let Some(heap) = &memory.heap else { return text };
    text.push_str(&collections(heap));
    for (heading, rows) in [("allocates", &heap.allocators), ("allocated what stayed", &heap.survivors)] {
        if !rows.is_empty() {
            text.push_str(&format!("\n| {heading} | share | place |\n|---|---|---|\n"));
        }
        for row in rows.iter().take(MAX_ALLOCATORS) {
            let line = row.line.map_or(String::new(), |line| format!(":{line}"));
            text.push_str(&format!(
                "| {} | {:.1} % | {}{line} |\n",
                cell(&code(&row.function)),
                row.share * 100.0,
                cell(&inline(&row.file))
            ));
        }
    }
    if let Some(growth) = &heap.growth {
        text.push_str(&format!(
            "\nIn use after full collections: {}, and {} after {:.1} s.\n",
            megabytes(growth.before_bytes as f64),
            megabytes(growth.after_bytes as f64),
            growth.seconds
        ));
    }
    text
}

fn collections(heap: &HeapData) -> String {
    let mut text = String::new();
    if let Some(rate) = heap.allocated_per_second {
        text.push_str(&format!("\n{} allocated a second, over {:.1} s.\n", megabytes(rate), heap.window_s));
    }
    if !heap.collections.is_empty() {
        text.push_str("\n| collections | n | ms | longest ms | freed | promoted | survived |\n|---|---|---|---|---|---|---|\n");
    }
    for row in &heap.collections {
        text.push_str(&format!(
            "| {} | {} | {:.1} | {:.1} | {} | {} | {} |\n",
            cell(&inline(&row.kind)),
            row.n,
            row.total_ms,
            row.longest_ms,
            megabytes(row.freed_bytes),
            megabytes(row.promoted_bytes),
            megabytes(row.survived_bytes)
        ));
    }
    text
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

fn counters(report: &ReportData) -> String {
    let Some(counters) = &report.counters else { return String::new() };
    let mut text = format!(
        "\n## Counters\n\n{} requests in {:.1} s; counting took about {:.1} % of the time\n\n",
        counters.requests,
        counters.wall_s,
        counters.cost_share * 100.0
    );
    text.push_str(
        "| what | per request | calls | bytes each | ms | mostly from |\n|---|---|---|---|---|---|\n",
    );
    let shown = |row: &&CounterRowData| row.kind != "request" && !has_own_table(&row.kind);
    for row in counters.rows.iter().filter(shown).take(MAX_COUNTERS) {
        let place = row.places.first().map_or(String::new(), |place| {
            format!("{} {}:{}", code(&place.function), inline(&place.file), place.line)
        });
        text.push_str(&format!(
            "| {} | {} | {:.0} | {:.0} | {:.1} | {} |\n",
            cell(&inline(&format!("{} {}", row.kind, row.key))),
            row.per_request.map_or("–".into(), |n| format!("{n:.2}")),
            row.n,
            row.bytes / row.n.max(1.0),
            row.ms,
            cell(&place)
        ));
    }
    let mut called = counters.calls.iter().take(MAX_FUNCTIONS).peekable();
    if called.peek().is_some() {
        text.push_str("\n| calls per request | calls | function | place |\n|---|---|---|---|\n");
    }
    for row in called {
        let line = row.line.map_or(String::new(), |line| format!(":{line}"));
        text.push_str(&format!(
            "| {} | {} | {} | {}{line} |\n",
            row.per_request.map_or("–".into(), |n| format!("{n:.2}")),
            row.n,
            cell(&code(&row.function)),
            cell(&inline(&row.file))
        ));
    }
    text
}

fn measured(report: &ReportData) -> String {
    let mut text = "\n## How this was measured\n\n".to_owned();
    let run = &report.run;
    text.push_str(&format!(
        "`{}` in `{}`, node {}, {}, {:.1} s, {} CPUs\n\n",
        run.command.join(" "),
        run.cwd,
        run.node.as_deref().unwrap_or("unknown"),
        run.started_at.as_deref().unwrap_or("at an unknown time"),
        run.duration_s,
        run.machine.as_ref().map_or(0, |machine| machine.cpus)
    ));
    for recorder in &report.recorders {
        let why = if recorder.why.is_empty() { String::new() } else { format!(": {}", recorder.why) };
        text.push_str(&format!(
            "- {} {} ({} records){why}\n",
            recorder.name, recorder.state, recorder.n_records
        ));
    }
    for row in &report.overhead {
        let ratio = |name: &str, value: Option<f64>| value.map(|value| format!("{name} × {value:.2}"));
        let parts: Vec<_> = [
            ratio("throughput", row.throughput),
            ratio("CPU per request", row.cpu_per_request),
            ratio("p99", row.p99),
            (!row.note.is_empty()).then(|| row.note.clone()),
        ]
        .into_iter()
        .flatten()
        .collect();
        text.push_str(&format!("- cost of {}: {}\n", row.phase, parts.join(", ")));
    }
    text
}

/// Returns text of the target as text: in one line, without tags.
pub(crate) fn inline(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('<', "\\<")
}

/// Returns text of the target as a code span, which cannot hold a backtick.
pub(crate) fn code(text: &str) -> String {
    format!("`{}`", text.replace(['\n', '\r'], " ").replace('`', "'"))
}

/// Returns Markdown as it may stand in a table.
pub(crate) fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}
