//! Puts the answers of a checkpoint pack and of the check-list into the report.

use crate::data::{CheckpointData, PackData, PointData, ReportData, WarningData};
use crate::report_data::evidence_data;
use slowpath_diagnosis::{Answer, Diagnosis, Facts, Pack, answer_checklist, answer_checkpoints};
use slowpath_profile::Recording;

/// Fills in what the recording's pack, if it has one, asks, and the check-list.
pub(crate) fn fill(data: &mut ReportData, recording: &Recording, facts: Facts<'_>, diagnosis: &Diagnosis) {
    let project = recording.project.as_ref();
    let chosen = project.and_then(|project| project.pack.as_ref());
    let mut p99_ms = None;
    match chosen.map(|chosen| (chosen, Pack::parse(&chosen.text))) {
        Some((chosen, Ok(pack))) => {
            p99_ms = pack.slo.p99_ms;
            let answers = answer_checkpoints(facts, diagnosis, &pack, project);
            for answer in answers.iter().filter(|answer| answer.answer == Answer::Refuted) {
                let share = answer
                    .share
                    .map_or(String::new(), |share| format!(" ({:.1} % of busy time)", share * 100.0));
                data.refuted.push(format!("{}{share}", answer.title));
            }
            data.checkpoints = answers.into_iter().map(checkpoint).collect();
            if !chosen.fits {
                data.warnings.push(WarningData {
                    text: format!("nothing of the project matches the pack `{}`: {}", pack.name, chosen.why),
                    about: "checkpoints",
                });
            }
            data.pack = Some(PackData {
                name: pack.name,
                title: pack.title,
                version: pack.version,
                why: chosen.why.clone(),
                fits: chosen.fits,
            });
        }
        Some((_, Err(error))) => {
            data.warnings
                .push(WarningData { text: format!("the recorded pack: {error}"), about: "checkpoints" });
        }
        None => {}
    }
    let points = answer_checklist(facts, diagnosis, p99_ms);
    data.checklist = points
        .into_iter()
        .map(|point| PointData {
            id: point.id,
            title: point.title,
            answer: point.answer.as_str(),
            evidence: evidence_data(&point.evidence),
            how: point.how,
        })
        .collect();
}

fn checkpoint(checkpoint: slowpath_diagnosis::Checkpoint) -> CheckpointData {
    CheckpointData {
        evidence: evidence_data(&checkpoint.evidence),
        id: checkpoint.id,
        title: checkpoint.title,
        suspicion: checkpoint.suspicion,
        answer: checkpoint.answer.as_str(),
        share: checkpoint.share,
        advice: checkpoint.advice,
    }
}
