//! What the rules on waiting share: when they may speak, and how a finding on places that requests wait at is put.

use crate::Facts;
use crate::finding::{Confidence, Evidence, Finding, Location, PredictedGain, Severity};
use crate::gain::SATURATED;
use crate::words::{millis, named, percent};
use slowpath_analysis::{AsyncMeasure, Row, WaitKind, WaitPlace};

/// Fewer followed requests than this say nothing about where requests in general spend their time.
const MIN_FOLLOWED: u64 = 10;

/// Followed requests from which on their mean is known well, and very well.
const WELL_FOLLOWED: (u64, u64) = (50, 200);

/// A mean wait below this is nobody's complaint: a twentieth of the 100 ms that people commonly ask of an API's p99.
pub(super) const MIN_WAIT_MS: f64 = 5.0;

/// Returns what followed requests say, where it can be the cause: on a full thread everything waits, for the thread. A thread that
/// others keep from a CPU is not full: its requests' waits are told apart from their queueing for it.
pub(super) fn measured(facts: Facts<'_>) -> Option<&AsyncMeasure> {
    let saturated =
        facts.measurements.split.as_ref().is_some_and(|split| split.own_utilisation() >= SATURATED);
    facts.measurements.async_ops.as_ref().filter(|measure| measure.n_followed >= MIN_FOLLOWED && !saturated)
}

/// Time that requests wait at some places.
#[derive(Debug)]
pub(super) struct Waits<'a> {
    /// Those places, most time first.
    pub(super) rows: Vec<&'a Row>,
    /// Mean time of a request in all of them, ms.
    pub(super) mean_ms: f64,
    /// Share of the mean duration of a request.
    pub(super) share: f64,
}

impl<'a> Waits<'a> {
    /// Sums the waits of all requests that `counts` holds of.
    pub(super) fn of(measure: &'a AsyncMeasure, counts: impl Fn(&WaitPlace) -> bool) -> Self {
        let rows: Vec<_> =
            measure.all.rows.iter().filter(|row| row.place.as_ref().is_some_and(&counts)).collect();
        let mean_ms: f64 = rows.iter().map(|row| row.mean.as_millis_f64()).sum();
        let duration = measure.all.mean.as_millis_f64();
        Self { rows, mean_ms, share: if duration > 0.0 { mean_ms / duration } else { 0.0 } }
    }

    /// Sums those of one kind.
    pub(super) fn of_kind(measure: &'a AsyncMeasure, kind: WaitKind) -> Self {
        Self::of(measure, |place| place.kind == kind)
    }

    /// Returns the place to show: the one with most time that the application's own code awaits.
    pub(super) fn place(&self) -> Option<&'a WaitPlace> {
        let places = || self.rows.iter().filter_map(|row| row.place.as_ref());
        places().find(|place| place.is_app).or_else(|| places().find(|place| !place.file.is_empty()))
    }

    /// Returns the finding on these waits.
    pub(super) fn finding(&self, facts: Facts<'_>, measure: &AsyncMeasure, said: Said) -> Finding {
        let mut evidence = vec![Evidence {
            text: format!(
                "requests wait {} for it on average, {} of their {}",
                millis(self.mean_ms),
                percent(self.share),
                millis(measure.all.mean.as_millis_f64())
            ),
            value: Some(self.mean_ms),
            unit: "ms per request",
            n_samples: Some(measure.n_followed),
            recorder: "async",
        }];
        evidence.extend(said.evidence);
        evidence.extend(self.rows.iter().take(3).map(|row| Evidence {
            text: format!(
                "{}: {} of a request on average, {} of a slow one",
                row.place.as_ref().map_or(String::new(), WaitPlace::name),
                millis(row.mean.as_millis_f64()),
                millis(row.slow.as_millis_f64())
            ),
            value: Some(row.mean.as_millis_f64()),
            unit: "ms per request",
            n_samples: Some(measure.n_followed),
            recorder: "async",
        }));
        let function = self.place().and_then(|place| {
            facts.profile.functions.iter().find(|(_, f)| f.name == place.function && f.file == place.file)
        });
        Finding {
            rule: said.rule,
            title: said.title,
            severity: said.severity,
            confidence: said.confidence,
            confidence_why: said.confidence_why,
            share: Some(self.share),
            share_of: "time of requests",
            predicted_gain: said.predicted_gain,
            location: self.place().map(location_of),
            evidence,
            advice: said.advice,
            function: function.map(|(id, _)| id),
            intervals: Vec::new(),
        }
    }
}

/// What a rule has to say of waits.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) rule: &'static str,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) confidence_why: String,
    pub(super) predicted_gain: Option<PredictedGain>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) advice: String,
}

/// Names a place with its function, for sentences: `loadTemplate() in src/templates.js:61`.
pub(super) fn at(place: Option<&WaitPlace>) -> String {
    match place {
        Some(place) if !place.file.is_empty() => {
            format!("{} in {}:{}", named(&place.function), place.file, place.line)
        }
        _ => "code that was not seen".into(),
    }
}

/// How sure a rule is that rests on so many followed requests.
pub(super) fn confidence(n_followed: u64) -> (Confidence, String) {
    let confidence = match n_followed {
        n if n >= WELL_FOLLOWED.1 => Confidence::High,
        n if n >= WELL_FOLLOWED.0 => Confidence::Medium,
        _ => Confidence::Low,
    };
    (confidence, format!("{n_followed} requests were followed from head to last byte"))
}

pub(super) fn location_of(place: &WaitPlace) -> Location {
    Location {
        function: place.function.clone(),
        file: place.file.clone(),
        line: (place.line > 0).then_some(place.line),
        column: (place.column > 0).then_some(place.column),
        package: (!place.is_app).then(|| place.package.clone()).flatten(),
        process: None,
    }
}
