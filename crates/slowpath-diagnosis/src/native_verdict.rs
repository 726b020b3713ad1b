//! The sentence for a recording of native stacks alone (`slowpath perf`): how busy the process was, and in what.

use crate::gain::SATURATED;
use crate::verdict::{Verdict, VerdictClass, verdict};
use crate::words::percent;
use slowpath_analysis::NativeMeasure;
use slowpath_profile::tables::{FunctionId, Profile};

/// Fewer samples than this say nothing about shares.
const MIN_SAMPLES: u64 = 100;

/// Kinds of work named in the detail.
const NAMED_WORK: usize = 3;

pub(crate) fn conclude(native: &NativeMeasure, profile: &Profile) -> Verdict {
    let utilisation = native.busiest_utilisation();
    let Some(busiest) = native.threads.first() else {
        return verdict(
            VerdictClass::Healthy,
            "Idle: the process used no CPU time that could be sampled",
            "Record while it has something to do.",
        );
    };
    let detail = detail(native);
    if native.n_samples < MIN_SAMPLES && utilisation >= SATURATED {
        let sentence = format!("Not enough data: {} samples, {MIN_SAMPLES} are needed", native.n_samples);
        return verdict(VerdictClass::NotEnoughData, sentence, "Record for longer (`--duration`).");
    }
    let share = percent(utilisation);
    if utilisation < SATURATED {
        let sentence =
            format!("Not CPU-bound: the busiest thread, {}, was on a CPU {share} of the time", busiest.name);
        return verdict(VerdictClass::Healthy, sentence, detail);
    }
    let hottest = native.functions.first().map_or(String::new(), |function| {
        let self_share = function.self_time.0 as f64 / native.cpu.0.max(1) as f64;
        let place = place(profile, function.function);
        format!(", and {} of all CPU time is in {place}", percent(self_share))
    });
    let sentence =
        format!("CPU-bound: the busiest thread, {}, was on a CPU {share} of the time{hottest}", busiest.name);
    verdict(VerdictClass::Cpu, sentence, detail)
}

fn place(profile: &Profile, id: FunctionId) -> String {
    let function = profile.functions.get(id);
    let at = match (function.line, &function.package) {
        (0, Some(package)) => package.clone(),
        (0, None) => function.file.clone(),
        (line, _) => format!("{}:{line}", function.file),
    };
    if at.is_empty() { function.name.clone() } else { format!("{} ({at})", function.name) }
}

fn detail(native: &NativeMeasure) -> String {
    let largest = native.work.iter().take(NAMED_WORK).map(|work| {
        let part = if work.part == "other" { String::new() } else { format!(" ({})", work.part) };
        format!("{}{part} {}", work.class.as_str(), percent(work.share))
    });
    let largest: Vec<_> = largest.collect();
    format!("{} samples of {} threads: {}", native.n_samples, native.threads.len(), largest.join(", "))
}
