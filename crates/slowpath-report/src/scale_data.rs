//! Puts the comparison of loads into the shape of `report.json`. `ui/src/contract.ts` documents the fields, as for `data.rs`.
#![allow(missing_docs)]

use serde::Serialize;
use slowpath_analysis::{Cost, CostGrowth, Input, InputMeasure, Measurements};
use slowpath_diagnosis::{Pace, expected_exponent};
use slowpath_profile::tables::Profile;

/// How costs grow with the load, from `--scale`: connections, then bodies.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleData {
    pub inputs: Vec<ScaleInputData>,
}

/// One input that was varied, or why it was not.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleInputData {
    pub input: &'static str,
    pub not_measured: Option<String>,
    pub levels: Vec<ScaleLevelData>,
    pub rows: Vec<ScaleRowData>,
}

/// The load at one value of the input.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleLevelData {
    pub value: f64,
    pub phases: Vec<String>,
    pub seconds: f64,
    pub requests: u64,
    pub errors: u64,
    pub windows: usize,
    pub utilisation: f64,
}

/// How one cost grows.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleRowData {
    pub cost: &'static str,
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub function_index: Option<u32>,
    /// At each level, smallest first.
    pub ms_per_request: Vec<f64>,
    pub share: Option<f64>,
    pub n_samples: Option<u64>,
    pub exponent: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub expected: f64,
    pub pace: &'static str,
}

pub(crate) fn scale(profile: &Profile, m: &Measurements) -> Option<ScaleData> {
    let measure = m.scale.as_ref()?;
    Some(ScaleData { inputs: measure.inputs.iter().map(|measure| input(profile, measure)).collect() })
}

fn input(profile: &Profile, measure: &InputMeasure) -> ScaleInputData {
    let levels = measure.levels.iter().map(|level| ScaleLevelData {
        value: level.value,
        phases: level.phases.clone(),
        seconds: level.seconds,
        requests: level.n_requests,
        errors: level.n_errors,
        windows: level.n_windows,
        utilisation: level.utilisation,
    });
    ScaleInputData {
        input: match measure.input {
            Input::Connections => "connections",
            Input::BodyBytes => "body-bytes",
        },
        not_measured: measure.fixed.clone(),
        levels: levels.collect(),
        rows: measure.costs.iter().map(|cost| row(profile, measure.input, cost)).collect(),
    }
}

fn row(profile: &Profile, input: Input, row: &CostGrowth) -> ScaleRowData {
    let function = match row.cost {
        Cost::Function(id) => Some((id, profile.functions.get(id))),
        _ => None,
    };
    ScaleRowData {
        cost: match row.cost {
            Cost::Cpu => "cpu",
            Cost::Busy => "busy",
            Cost::Gc => "gc",
            Cost::Waiting => "waiting",
            Cost::Latency => "latency",
            Cost::Function(_) => "function",
        },
        function: function.map(|(_, function)| function.name.clone()),
        file: function.map(|(_, function)| function.file.clone()),
        line: function.and_then(|(_, function)| (function.line > 0).then_some(function.line)),
        function_index: function.map(|(id, _)| id.0),
        ms_per_request: row.per_request.clone(),
        share: row.share,
        n_samples: row.n_samples,
        exponent: row.growth.map(|growth| growth.exponent),
        low: row.growth.map(|growth| growth.low),
        high: row.growth.map(|growth| growth.high),
        expected: expected_exponent(input, row.cost),
        pace: Pace::of(input, row).as_str(),
    }
}
