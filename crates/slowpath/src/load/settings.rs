//! What was asked of a load, as results keep it: enough to repeat and to compare it, nothing secret.
//!
//! Values of headers, bodies and paths of files are left out; URLs lose the secrets in their query.

use serde::{Deserialize, Serialize};
use slowpath_capture::redact_url;
use slowpath_load::{ApiChecks, Arrival, LoadPlan, Objectives, Pacing};
use std::time::Duration;

/// The options of a load. Counts and rates are of the whole load, over all shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unix_socket: Option<String>,
    pub(crate) http2: bool,
    /// Of the first kind of request.
    pub(crate) method: String,
    /// How many kinds of requests are drawn from.
    pub(crate) n_request_kinds: usize,
    /// Names of the first kind's headers.
    pub(crate) header_names: Vec<String>,
    /// Length of the first kind's body.
    pub(crate) body_bytes: usize,
    pub(crate) is_template: bool,
    pub(crate) connections: u32,
    pub(crate) pipelining: u32,
    /// Threads of each process.
    pub(crate) threads: u32,
    pub(crate) pace: Pace,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration_s: Option<f64>,
    /// Only where requests start on a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drain_s: Option<f64>,
    pub(crate) timeout_s: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_total_s: Option<f64>,
    pub(crate) expected_statuses: Vec<u16>,
    pub(crate) expects_body: bool,
    /// Paths of expected JSON values.
    pub(crate) expected_json: Vec<String>,
    /// `auto`, `on` or `off`.
    pub(crate) api_checks: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) objectives: Option<Limits>,
    pub(crate) seed: u64,
}

/// Who decides when a request starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub(crate) enum Pace {
    /// Each connection sends its next request when the last one is answered.
    Closed,
    /// Requests start on a schedule.
    Open { stages: Vec<PaceStage>, arrival: ArrivalKind },
}

/// A part of a schedule: the rate goes linearly from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PaceStage {
    pub(crate) from: f64,
    pub(crate) to: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) length_s: Option<f64>,
}

/// How gaps are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum ArrivalKind {
    Constant,
    Poisson,
    Gamma { shape: f64 },
}

/// Limits that a good request meets, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the name")]
pub(crate) struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttft_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tpot_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) e2el_ms: Option<f64>,
}

/// Counts that are of the whole load where the plan has only this process's part of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct WholeLoad {
    pub(crate) title: Option<String>,
    pub(crate) connections: u32,
    pub(crate) amount: Option<u64>,
    pub(crate) duration: Option<Duration>,
    pub(crate) drain: Option<Duration>,
}

impl Settings {
    pub(crate) fn of(plan: &LoadPlan, whole: WholeLoad) -> Self {
        let request = &plan.requests[0];
        Self {
            title: whole.title,
            urls: plan.urls.iter().map(|url| redact_url(&url.to_string())).collect(),
            unix_socket: plan.transport.unix_socket.as_ref().map(|path| path.display().to_string()),
            http2: plan.transport.http2,
            method: request.method.clone(),
            n_request_kinds: plan.requests.len(),
            header_names: request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect(),
            body_bytes: request.body.len(),
            is_template: request.is_template,
            connections: whole.connections,
            pipelining: plan.pipelining,
            threads: plan.threads,
            pace: Pace::of(&plan.pacing),
            amount: whole.amount,
            duration_s: whole.duration.map(|duration| duration.as_secs_f64()),
            drain_s: whole.drain.map(|drain| drain.as_secs_f64()),
            timeout_s: plan.timeout.as_secs_f64(),
            timeout_total_s: plan.total_timeout.map(|timeout| timeout.as_secs_f64()),
            expected_statuses: plan.checks.statuses.clone(),
            expects_body: plan.checks.body.is_some(),
            expected_json: plan.checks.json.iter().map(|(path, _)| path.clone()).collect(),
            api_checks: match plan.checks.api {
                ApiChecks::Auto => "auto",
                ApiChecks::On => "on",
                ApiChecks::Off => "off",
            }
            .to_owned(),
            objectives: Limits::of(&plan.objectives),
            seed: plan.seed,
        }
    }

    /// Whether requests start on a schedule.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.pace, Pace::Open { .. })
    }
}

impl Pace {
    pub(crate) fn of(pacing: &Pacing) -> Self {
        let Pacing::Open { stages, arrival } = pacing else { return Self::Closed };
        let stage = |stage: &slowpath_load::Stage| PaceStage {
            from: stage.from,
            to: stage.to,
            length_s: stage.length.map(|length| length.as_secs_f64()),
        };
        Self::Open {
            stages: stages.iter().map(stage).collect(),
            arrival: match *arrival {
                Arrival::Constant => ArrivalKind::Constant,
                Arrival::Poisson => ArrivalKind::Poisson,
                Arrival::Gamma(shape) => ArrivalKind::Gamma { shape },
            },
        }
    }

    /// Adds the rates of another schedule of the same lengths that runs beside this one.
    pub(crate) fn add(&mut self, other: &Self) {
        if let (Self::Open { stages, .. }, Self::Open { stages: others, .. }) = (self, other) {
            for (stage, other) in stages.iter_mut().zip(others) {
                stage.from += other.from;
                stage.to += other.to;
            }
        }
    }

    /// Returns the one rate of a schedule that does not change it.
    pub(crate) fn steady_rate(&self) -> Option<f64> {
        let Self::Open { stages, .. } = self else { return None };
        let first = stages.first()?.from;
        let is_steady =
            |stage: &PaceStage| stage.from.total_cmp(&first).is_eq() && stage.to.total_cmp(&first).is_eq();
        stages.iter().all(is_steady).then_some(first)
    }
}

impl Limits {
    fn of(objectives: &Objectives) -> Option<Self> {
        let Objectives { ttft_ms, tpot_ms, e2el_ms } = *objectives;
        (*objectives != Objectives::default()).then_some(Self { ttft_ms, tpot_ms, e2el_ms })
    }

    /// Returns `ttft ≤ 200 ms, tpot ≤ 50 ms`.
    pub(crate) fn in_words(&self) -> String {
        let limits = [("ttft", self.ttft_ms), ("tpot", self.tpot_ms), ("e2el", self.e2el_ms)];
        let words = limits.iter().filter_map(|(name, limit)| limit.map(|ms| format!("{name} ≤ {ms} ms")));
        words.collect::<Vec<_>>().join(", ")
    }
}
