//! What the rules on synchronous calls share: one finding for each pair of call and application caller.

use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::words::{function_name, percent, place};
use crate::{Facts, gain};
use slowpath_profile::tables::Function;

/// Least share of busy time. Half of what a hot function needs: a call that blocks delays every other request as well.
const MIN_SHARE: f64 = 0.05;

/// Least share of wall time: below it nobody waits for it noticeably.
const MIN_SHARE_OF_WALL: f64 = 0.03;

/// Least samples, so that one slow call at start is not a finding.
const MIN_SAMPLES: u64 = 20;

/// Returns findings for calls of functions in files that start with one of `modules`.
pub(super) fn findings(facts: Facts<'_>, rule: &'static str, modules: &[&str], remedy: &str) -> Vec<Finding> {
    let is_of_them = |call: &Function| modules.iter().any(|module| call.file.starts_with(module));
    findings_of(facts, rule, is_of_them, remedy)
}

/// Returns findings for calls of functions that are `meant`.
pub(super) fn findings_of(
    facts: Facts<'_>,
    rule: &'static str,
    meant: impl Fn(&Function) -> bool,
    remedy: &str,
) -> Vec<Finding> {
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let functions = &facts.profile.functions;
    let calls = facts.measurements.charges.sync_calls.iter().filter(|call| {
        meant(functions.get(call.call))
            && call.share >= MIN_SHARE
            && call.share * utilisation >= MIN_SHARE_OF_WALL
            && call.n_samples >= MIN_SAMPLES
    });
    calls
        .map(|call| {
            let name = function_name(functions.get(call.call));
            let caller = call.caller.map(|caller| functions.get(caller));
            let by = caller.map_or("code without an application caller".into(), |caller| {
                format!("{} at {}", function_name(caller), place(caller))
            });
            let predicted_gain = gain::of_removing(facts, call.share, call.share_interval);
            let (confidence, confidence_why) =
                Confidence::of_share(call.share, call.share_interval, call.n_samples);
            let pid = facts.process_running(call.caller.unwrap_or(call.call));
            let slept = facts.measurements.split.as_ref().and_then(|split| split.slept_while_busy);
            let mut evidence = vec![Evidence {
                text: format!("{} of the busy time inside {name}, called by {by}", percent(call.share)),
                value: Some(call.share),
                unit: "share",
                n_samples: Some(call.n_samples),
                recorder: "cpu",
            }];
            if let Some(slept) = slept.filter(|slept| *slept >= MIN_SHARE_OF_WALL) {
                evidence.push(Evidence {
                    text: format!("the thread slept inside calls for {} of the wall time", percent(slept)),
                    value: Some(slept),
                    unit: "share",
                    n_samples: None,
                    recorder: "proc",
                });
            }
            Finding {
                rule,
                title: format!("{name} blocks the main thread for {} of its busy time", percent(call.share)),
                // It blocks every other request too: never less than worth doing.
                severity: Severity::of_gain(predicted_gain, call.share).max(Severity::Medium),
                confidence,
                confidence_why,
                share: Some(call.share),
                share_of: "busy main-thread time",
                predicted_gain,
                location: caller.map(|caller| Location::of(caller, pid)),
                evidence,
                advice: format!("In {by}: {remedy}"),
                function: call.caller.or(Some(call.call)),
                intervals: Vec::new(),
            }
        })
        .collect()
}
