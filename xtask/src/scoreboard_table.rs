//! Compares answers with what was planted, and tabulates.

use crate::scoreboard::{Answer, Expected};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest relative error of a predicted gain that counts as right.
const GAIN_TOLERANCE: f64 = 0.30;

/// The largest gain that slowpath predicts: that much or more.
const MAX_GAIN: f64 = 20.0;

/// Rules whose causes make requests wait, of which doctor would have to say `io`; and those of memory, `gc`. The others hold the event loop.
const WAITS: &[&str] = &[
    "slow-upstream",
    "socket-pool-wait",
    "sequential-awaits",
    "lock-held-across-io",
    "thread-pool-saturated",
    "redis-chatter",
    "redis-blocking-command",
    "repeated-lookup",
    "delay-by-timer",
    "connection-churn",
    "retry-storm",
];
const MEMORY: &[&str] = &["gc-pressure", "heap-growth"];

/// One program's result; `None` is "does not apply".
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    verdict: String,
    first: String,
    is_first_right: Option<bool>,
    is_place_right: Option<bool>,
    n_causes: (usize, usize),
    predicted: Option<f64>,
    measured: Option<f64>,
    brings_throughput: bool,
    measured_cpu: Option<f64>,
    /// Share of the time that the thread waited for a CPU: with much of it, throughput is that of the machine.
    run_queue: f64,
    false_alarms: Vec<String>,
    /// What clinic doctor calls it, and whether that is what it is.
    doctor: Option<(String, bool)>,
    is_healthy: bool,
    about: String,
}

impl Row {
    pub(crate) fn of(name: &str, expected: &Expected, planted: &Answer, twin: Option<&Answer>) -> Self {
        let findings = alarms(&planted.report);
        let is_healthy = expected.causes.is_empty();
        let first = findings.first();
        let names = |finding: &Value, cause: usize| {
            expected
                .causes
                .get(cause)
                .is_some_and(|cause| cause.rules.iter().any(|rule| rule == text(&finding["rule"])))
        };
        let points_at = |finding: &Value, cause: usize| {
            expected.causes.get(cause).is_some_and(|cause| {
                cause.places.is_empty() || cause.places.iter().any(|place| *place == place_of(finding))
            })
        };
        let causes = 0..expected.causes.len();
        let n_found = causes
            .clone()
            .filter(|cause| {
                findings.iter().any(|finding| names(finding, *cause) && points_at(finding, *cause))
            })
            .count();
        // Of two causes of much the same size either may come first.
        let is_first_right = first.map(|finding| causes.clone().any(|cause| names(finding, cause)));
        let is_place_right = first.map(|finding| causes.clone().any(|cause| points_at(finding, cause)));
        let part = |finding: &Value| {
            number(&finding["predicted_gain"]["throughput"]).map_or(0.0, |gain| 1.0 - 1.0 / gain)
        };
        // Several findings on one place see the same time. Parts of the time of two places add up; factors do not.
        let mut by_place: BTreeMap<String, f64> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| causes.clone().any(|cause| points_at(finding, cause)))
        {
            let largest = by_place.entry(place_of(finding)).or_default();
            *largest = largest.max(part(finding));
        }
        let parts: f64 = by_place.values().sum();
        // What slowpath says of all findings together, where all are of the planted causes.
        let is_planted = |finding: &Value| causes.clone().any(|cause| points_at(finding, cause));
        let of_all = number(&planted.report["gain_of_all"]).filter(|_| findings.iter().all(is_planted));
        let false_alarms = match twin {
            Some(twin) => alarms(&twin.report),
            None if is_healthy => findings.clone(),
            None => Vec::new(),
        };
        let ratio = |key: &[&str], inverted: bool| {
            let of =
                |answer: &Answer| key.iter().try_fold(&answer.report, |at, key| at.get(key)).and_then(number);
            let (planted, twin) = (of(planted)?, of(twin?)?);
            Some(if inverted { planted / twin } else { twin / planted })
        };
        Self {
            name: name.to_owned(),
            verdict: text(&planted.report["verdict"]["class"]).to_owned(),
            first: first.map_or("none".into(), in_short),
            is_first_right: (!is_healthy).then(|| is_first_right.unwrap_or(false)),
            is_place_right: (!is_healthy).then(|| is_place_right.unwrap_or(false)),
            n_causes: (n_found, expected.causes.len()),
            predicted: (!is_healthy)
                .then(|| of_all.unwrap_or_else(|| 1.0 / (1.0 - parts.min(1.0 - 1.0 / MAX_GAIN)))),
            measured: ratio(&["load", "requests_per_second"], false),
            brings_throughput: expected.brings_throughput,
            run_queue: planted.report["split"]["run_queue"].as_f64().unwrap_or(0.0),
            measured_cpu: ratio(&["load", "cpu_ms_per_request"], true),
            false_alarms: false_alarms.iter().map(in_short).collect(),
            doctor: planted.doctor.clone().map(|said| {
                let is_right = said == category(expected);
                (said, is_right)
            }),
            is_healthy,
            about: expected.about.clone(),
        }
    }

    fn is_gain_right(&self) -> Option<bool> {
        let (predicted, measured) = (self.predicted?, self.measured.filter(|_| self.brings_throughput)?);
        // At its largest, what is predicted is a bound.
        let is_bound = predicted > MAX_GAIN - 0.01 && measured >= predicted;
        Some(is_bound || (predicted / measured - 1.0).abs() <= GAIN_TOLERANCE)
    }

    pub(crate) fn in_a_line(&self) -> String {
        format!(
            "{:28} first {:5} place {:5} gain {} measured {} (by CPU {}) alarms {} | {} | {}",
            self.name,
            mark(self.is_first_right),
            mark(self.is_place_right),
            factor(self.predicted),
            factor(self.measured),
            factor(self.measured_cpu),
            if self.false_alarms.is_empty() { "none".into() } else { self.false_alarms.join("; ") },
            self.verdict,
            self.first
        )
    }
}

/// Returns what clinic doctor has to call a program.
fn category(expected: &Expected) -> &'static str {
    let is_of = |rules: &[&str]| expected.causes.iter().any(|cause| rules.contains(&cause.rules[0].as_str()));
    match expected.causes.len() {
        0 => "none",
        _ if is_of(WAITS) => "io",
        _ if is_of(MEMORY) => "gc",
        _ => "event-loop",
    }
}

/// Returns the findings that ask a person to do something.
fn alarms(report: &Value) -> Vec<Value> {
    let all = report["findings"].as_array().cloned().unwrap_or_default();
    // What the machine lacked is no fault of the program.
    all.into_iter().filter(|f| text(&f["severity"]) != "info" && text(&f["rule"]) != "cpu-starved").collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| *number > 0.0)
}

fn place_of(finding: &Value) -> String {
    let function = text(&finding["where"]["function"]);
    // One without a name is told by what it is for, in brackets.
    let function = if function.starts_with('(') { "(anonymous)" } else { function };
    format!("{} {function}", file_of(finding))
}

/// Returns the file that a finding names. Packages are linked into a program's folder, and named by where they are.
fn file_of(finding: &Value) -> &str {
    let file = text(&finding["where"]["file"]);
    file.find("/node_modules/").map_or(file, |at| &file[at + 1..])
}

fn in_short(finding: &Value) -> String {
    let line = finding["where"]["line"].as_u64().map_or(String::new(), |line| format!(":{line}"));
    let (rule, place) = (text(&finding["rule"]), &finding["where"]);
    format!("{rule} {} {}{line}", text(&place["function"]), file_of(finding)).trim().to_owned()
}

fn mark(right: Option<bool>) -> &'static str {
    match right {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "–",
    }
}

fn factor(factor: Option<f64>) -> String {
    factor.map_or("–".into(), |factor| format!("{factor:.2}×"))
}

/// What the columns are.
const EXPLANATION: &str = "Predicted and measured are factors on requests per second when the cause is gone: what slowpath says of the \
    program, and the twin's throughput over the program's. *By CPU* is the same of CPU time per request, which a crowded machine \
    disturbs less. *Waited for a CPU* is the share of the time that the main thread was ready and had none: with much of it, \
    throughput says more of the machine than of the program. A prediction of 20× means that much or more. Clinic doctor knows four answers: \
    `event-loop`, `io`, `gc` and `none`.";

/// Prints the table, and writes it into `folder` where one is given.
pub(crate) fn write_table(rows: &[Row], folder: Option<&Path>) -> Result<()> {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let mut table = format!("# Scoreboard of {date}\n\n{}\n\n{EXPLANATION}\n\n", totals(rows));
    table.push_str("| program | first finding | right? | place? | causes found | predicted | measured | by CPU | within 30 %? | waited for a CPU | false alarms | clinic doctor |\n");
    table.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        table.push_str(&format!(
            "| {} | {} | {} | {} | {} of {} | {} | {} | {} | {} | {:.0} % | {} | {} |\n",
            row.name,
            row.first,
            mark(row.is_first_right),
            mark(row.is_place_right),
            row.n_causes.0,
            row.n_causes.1,
            factor(row.predicted),
            factor(row.measured),
            factor(row.measured_cpu),
            mark(row.is_gain_right()),
            row.run_queue * 100.0,
            if row.false_alarms.is_empty() { "none".into() } else { row.false_alarms.join("; ") },
            row.doctor
                .as_ref()
                .map_or("–".into(), |(said, right)| format!("{said}{}", if *right { "" } else { " (NO)" }))
        ));
    }
    table.push_str("\n## Programs\n\n");
    for row in rows {
        table.push_str(&format!("- `{}`: {}.\n", row.name, row.about));
    }
    println!("{table}");
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{date}.md")), table)?;
    }
    Ok(())
}

fn totals(rows: &[Row]) -> String {
    let count =
        |marks: Vec<bool>| format!("{} of {}", marks.iter().filter(|mark| **mark).count(), marks.len());
    let judged: Vec<&Row> = rows.iter().filter(|row| row.n_causes.1 == 0 || row.measured.is_some()).collect();
    let quiet = judged.iter().map(|row| row.false_alarms.is_empty()).collect();
    let n_healthy = rows.iter().filter(|row| row.is_healthy).count();
    let doctor: Vec<bool> =
        rows.iter().filter_map(|row| row.doctor.as_ref().map(|(_, right)| *right)).collect();
    let doctor = match doctor.len() {
        0 => String::new(),
        _ => {
            format!(" The category that clinic doctor names is right: {}; it names no place.", count(doctor))
        }
    };
    format!(
        "First finding right: {}. File and function right: {}. Predicted gain within 30 % of the measured: {}. No false \
         alarm on a healthy program or twin: {} ({n_healthy} programs are healthy themselves).{doctor}",
        count(rows.iter().filter_map(|row| row.is_first_right).collect()),
        count(rows.iter().filter_map(|row| row.is_place_right).collect()),
        count(rows.iter().filter_map(Row::is_gain_right).collect()),
        count(quiet),
    )
}
