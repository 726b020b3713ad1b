//! `cpu-starved`: the target was ready to run but did not get a CPU.

use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Severity};
use crate::verdict::WORTHWHILE_GAIN;
use crate::words::percent;
use crate::{Facts, gain};
use slowpath_analysis::SplitClass;

/// Least share of wall time in the run queue. A tenth of the time lost is what a person would act on.
const MIN_SHARE: f64 = 0.10;

/// Share from which on nothing else can be read from this run.
const HIGH_SHARE: f64 = 0.30;

/// Stolen or throttled time from which on the CPU is rationed, whatever else runs.
const RATIONED: f64 = 0.05;

pub(super) const RULE: Rule = Rule {
    id: "cpu-starved",
    summary: "the target was ready to run but did not get a CPU",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
The main thread was runnable and waited for a CPU: others had it, or the cgroup's quota was used up.",
        why_it_hurts: "\
Time in the run queue is added to every request, and no change in the service's code removes it.",
        how_recognised: "\
The kernel counts run-queue wait per thread (`/proc/*/schedstat`). Fires from 10 % of wall time on. Who had the CPU is
read from `/proc/stat` (other work, stolen time), `cpu.stat` (quota) and slowpath's own use.",
        lookalikes: "\
A load generator on the same machine that takes the CPU itself: that is said, and is no fault of the service. Programs
that merely run beside the measurement: findings in the service's code come first then.",
        what_to_do: "\
Give the service more CPU or fewer neighbours, raise the quota, or drive the load from another machine.",
        example: Example {
            language: "sh",
            before: "\
docker run --cpus 0.5 gateway             # throttled: the quota runs out in every period",
            after: "\
docker run --cpus 2 gateway",
        },
        thresholds: "\
A tenth of the time lost is what a person would act on. From 30 % on nothing else can be read from the run.",
    },
    check,
};

/// Whether programs that have nothing to do with the target have the CPU that it lacks: a noisy measurement, more than a
/// slow service.
pub(crate) fn is_by_neighbours(facts: Facts<'_>) -> bool {
    let machine = &facts.measurements.machine;
    let is_rationed = machine.steal.max(machine.throttled.unwrap_or(0.0)) >= RATIONED;
    !is_rationed && machine.others > machine.target
}

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(split) = &facts.measurements.split else {
        return Vec::new();
    };
    let share = split.share(SplitClass::RunQueue);
    if share < MIN_SHARE {
        return Vec::new();
    }
    let machine = &facts.measurements.machine;
    let users = [
        ("other programs", machine.others),
        ("slowpath and its load generator", machine.slowpath),
        ("the hypervisor (stolen time)", machine.steal),
        ("the target's own processes and threads", machine.target),
    ];
    let mut evidence = vec![Evidence {
        text: format!(
            "the main thread was runnable but waiting for a CPU for {} of the time",
            percent(share)
        ),
        value: Some(share),
        unit: "share",
        n_samples: None,
        recorder: "proc",
    }];
    evidence.extend(users.iter().map(|(who, share)| Evidence {
        text: format!("{} of all {} CPUs went to {who}", percent(*share), machine.n_cpus),
        value: Some(*share),
        unit: "share",
        n_samples: None,
        recorder: "proc",
    }));
    if let Some(throttled) = machine.throttled.filter(|throttled| *throttled > 0.0) {
        evidence.push(Evidence {
            text: format!("its cgroup was throttled for {} of the time", percent(throttled)),
            value: Some(throttled),
            unit: "share",
            n_samples: None,
            recorder: "proc",
        });
    }
    let predicted_gain = gain::of_more_cpu(facts, share);
    // A thread that waits for something else most of the time would wait for that instead.
    let matters = predicted_gain.is_none_or(|gain| gain.throughput >= WORTHWHILE_GAIN);
    vec![Finding {
        rule: RULE.id,
        title: format!("the main thread waited for a CPU {} of the time", percent(share)),
        severity: if share >= HIGH_SHARE && matters { Severity::High } else { Severity::Info },
        confidence: Confidence::High,
        confidence_why: "counted by the kernel".into(),
        share: Some(share),
        share_of: "wall time of the main thread",
        predicted_gain,
        location: None,
        evidence,
        advice: "Give the service more CPU or fewer neighbours, or drive the load from another machine."
            .into(),
        function: None,
        intervals: Vec::new(),
    }]
}
