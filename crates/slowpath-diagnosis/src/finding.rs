//! What a rule says: a cause, its evidence, what to change, and what that would bring.

use slowpath_profile::tables::{Function, FunctionId};

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Little to gain.
    Low,
    /// Worth doing.
    Medium,
    /// Do this first.
    High,
}

impl Severity {
    /// Returns the word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Judges by the predicted factor: half as fast again is high, 15 % is worth a change, less is low; what a load test cannot
    /// tell (5 %) is no more than worth knowing at this load, unless it is a tenth of the busy time: that is CPU to pay for. Low
    /// where nothing can be predicted.
    pub(crate) fn of_gain(gain: Option<PredictedGain>, share: f64) -> Self {
        match gain.map(|gain| gain.throughput) {
            Some(gain) if gain >= 1.5 => Self::High,
            Some(gain) if gain >= 1.15 => Self::Medium,
            Some(gain) if gain < 1.05 && share < 0.10 => Self::Info,
            _ => Self::Low,
        }
    }
}

/// How sure the rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Few samples, or another cause looks the same.
    Low,
    /// Likely.
    Medium,
    /// Many samples and no rival.
    High,
}

impl Confidence {
    /// Returns the word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Judges a share by its interval and its samples: its lower end must exclude half of it for `Low`.
    pub(crate) fn of_share(share: f64, interval: (f64, f64), n_samples: u64) -> (Self, String) {
        let relative = if share > 0.0 { (interval.1 - interval.0) / share } else { f64::INFINITY };
        let why = format!(
            "{n_samples} samples; the share varies between {:.0} % and {:.0} % (95 %)",
            interval.0 * 100.0,
            interval.1 * 100.0
        );
        let confidence = match (n_samples, relative) {
            (200.., ..=0.5) => Self::High,
            (50.., ..=1.0) => Self::Medium,
            _ => Self::Low,
        };
        (confidence, why)
    }
}

/// One number with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The sentence.
    pub text: String,
    /// The number in it.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'static str,
    /// Samples or requests behind it.
    pub n_samples: Option<u64>,
    /// The recorder that it comes from.
    pub recorder: &'static str,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Function name.
    pub function: String,
    /// File.
    pub file: String,
    /// Line, where known.
    pub line: Option<u32>,
    /// Column, where known.
    pub column: Option<u32>,
    /// npm package, for dependencies.
    pub package: Option<String>,
    /// Process id, where it concerns one.
    pub process: Option<u32>,
}

impl Location {
    pub(crate) fn of(function: &Function, process: Option<u32>) -> Self {
        Self {
            function: function.name.clone(),
            file: function.file.clone(),
            line: (function.line > 0).then_some(function.line),
            column: (function.column > 0).then_some(function.column),
            package: function.package.clone(),
            process,
        }
    }
}

/// Factor on requests per second if the cause were gone; 1 is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedGain {
    /// Best estimate.
    pub throughput: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// What would be gone.
    pub saving: Saving,
}

/// What would be gone with a cause.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Saving {
    /// Share of the busy time of the serving threads.
    pub busy: f64,
    /// Share of a request's time: a wait that is over before the next begins.
    pub waiting: f64,
}

/// One cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Id of the rule.
    pub rule: &'static str,
    /// What is wrong, in a line.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// How sure the rule is.
    pub confidence: Confidence,
    /// Why it is that sure.
    pub confidence_why: String,
    /// Its share, 0..1.
    pub share: Option<f64>,
    /// Of what.
    pub share_of: &'static str,
    /// What fixing it brings, where that can be computed.
    pub predicted_gain: Option<PredictedGain>,
    /// Where to look.
    pub location: Option<Location>,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// What to change.
    pub advice: String,
    /// The function, for links.
    pub function: Option<FunctionId>,
    /// Intervals it speaks of, in seconds since the start.
    pub intervals: Vec<(f64, f64)>,
}
