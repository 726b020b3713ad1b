//! The part of `report.md` on how costs grow with the load.

use crate::data::ReportData;
use crate::markdown::{cell, code, inline};
use crate::scale_data::{ScaleInputData, ScaleRowData};
use slowpath_analysis::Growth;

pub(crate) fn scale(report: &ReportData) -> String {
    let Some(scale) = &report.scale else { return String::new() };
    let inputs: String = scale.inputs.iter().map(input).collect();
    format!("\n## Scale: what grows with the load\n{inputs}")
}

fn input(input: &ScaleInputData) -> String {
    let (what, unit) = match input.input {
        "connections" => ("Connections", ""),
        _ => ("Size of the bodies", " B"),
    };
    if let Some(why) = &input.not_measured {
        return format!("\n{what}: not measured: {}.\n", inline(why));
    }
    let levels: Vec<String> = input
        .levels
        .iter()
        .map(|level| {
            format!(
                "{:.0}{unit} ({} requests in {:.1} s, {} errors, {:.0} % busy)",
                level.value,
                level.requests,
                level.seconds,
                level.errors,
                level.utilisation * 100.0
            )
        })
        .collect();
    let columns: Vec<String> =
        input.levels.iter().map(|level| format!("ms at {:.0}{unit}", level.value)).collect();
    let mut text = format!(
        "\n{what}: {}.\n\n| per request | {} | exponent (95 %) | in step would be | |\n|---|{}---|---|---|\n",
        levels.join(" against "),
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in &input.rows {
        let costs: Vec<String> = row.ms_per_request.iter().map(|ms| format!("{ms:.3}")).collect();
        let exponent = match (row.exponent, row.low, row.high) {
            (Some(exponent), Some(low), Some(high)) => Growth { exponent, low, high }.words(),
            _ => "too little data".to_owned(),
        };
        let judgement = match row.pace {
            "faster" => "**grows faster**",
            "in-step" => "in step",
            _ => "cannot tell",
        };
        text.push_str(&format!(
            "| {} | {} | {exponent} | {:.0} | {judgement} |\n",
            cell(&name(row)),
            costs.join(" | "),
            row.expected
        ));
    }
    text
}

fn name(row: &ScaleRowData) -> String {
    match row.cost {
        "cpu" => "CPU time of all processes".to_owned(),
        "busy" => "busy time of the serving threads".to_owned(),
        "gc" => "garbage collection".to_owned(),
        "waiting" => "waiting while the threads were idle".to_owned(),
        "latency" => "mean latency".to_owned(),
        _ => {
            let line = row.line.map_or(String::new(), |line| format!(":{line}"));
            let (function, file) = (row.function.as_deref().unwrap_or(""), row.file.as_deref().unwrap_or(""));
            format!("{} {}{line}", code(function), inline(file))
        }
    }
}
