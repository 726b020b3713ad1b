//! What `quadratic-work` takes from loads that were compared: functions whose cost per request grows faster than its input.

use super::counted::number;
use super::hot_code::{callers_of, calls_per_request, hot_lines};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::growth::{Pace, excess};
use crate::words::{function_name, millis, percent, place};
use crate::{BUSY_TIME, Facts, gain};
use slowpath_analysis::{AppFunction, Cost, CostGrowth, Growth, Input, InputMeasure};
use slowpath_profile::tables::FunctionId;

/// Least share of the busy time, at the largest input or at the run's own load: half of what `cpu-hot-function` asks for, since it
/// grows.
const MIN_SHARE: f64 = 0.05;

/// Part of a function's line samples from which on a line is where its cost is.
const MOST: f64 = 0.5;

/// Calls per request from which on it is a loop that makes them.
const LOOPS: f64 = 2.0;

/// How a function grows with an input.
#[derive(Clone, Copy)]
struct Grown<'a> {
    measure: &'a InputMeasure,
    row: &'a CostGrowth,
    growth: Growth,
}

/// Returns a finding for each function that grows faster than an input, or what is folded into it does; largest share first.
pub(super) fn findings(facts: Facts<'_>, rule: &'static str) -> Vec<Finding> {
    let functions = &facts.measurements.charges.functions;
    let found = functions.iter().filter_map(|hot| {
        let ids = [hot.function].into_iter().chain(hot.folded.iter().map(|folded| folded.function));
        let mut grown: Vec<_> = ids.flat_map(|function| faster(facts, function)).collect();
        grown.retain(|grown| hot.share.max(grown.row.share.unwrap_or(0.0)) >= MIN_SHARE);
        // The one that explains more of the cost comes first.
        let part = |grown: &Grown<'_>| grown.excess().0;
        grown.sort_by(|a, b| part(b).total_cmp(&part(a)));
        Some(finding(facts, rule, hot, grown.first()?, &grown))
    });
    found.collect()
}

/// Returns how the cost of a function was measured to grow, as evidence, for findings that rest on something else.
pub(super) fn evidence_of(facts: Facts<'_>, function: FunctionId) -> Vec<Evidence> {
    rows_of(facts, function).map(|grown| grown.exponent_evidence()).collect()
}

fn rows_of(facts: Facts<'_>, function: FunctionId) -> impl Iterator<Item = Grown<'_>> {
    let inputs = facts.measurements.scale.iter().flat_map(|scale| &scale.inputs);
    inputs.filter_map(move |measure| {
        let row = measure.cost(Cost::Function(function))?;
        Some(Grown { measure, row, growth: row.growth? })
    })
}

fn faster(facts: Facts<'_>, function: FunctionId) -> Vec<Grown<'_>> {
    rows_of(facts, function)
        .filter(|grown| Pace::of(grown.measure.input, grown.row) == Pace::Faster)
        .collect()
}

fn finding(
    facts: Facts<'_>,
    rule: &'static str,
    hot: &AppFunction,
    most: &Grown<'_>,
    all: &[Grown<'_>],
) -> Finding {
    let function = facts.profile.functions.get(hot.function);
    let name = function_name(function);
    let (part, (low, high)) = most.excess();
    let removed = (hot.share_interval.0 * low, hot.share_interval.1 * high);
    let predicted_gain = gain::of_removing(facts, hot.share * part, removed);
    let (confidence, why) = Confidence::of_share(hot.share, hot.share_interval, hot.n_samples);
    let line = hot_line(facts, hot.function);
    let at_line = line.map_or(String::new(), |(line, _)| format!(" (line {line})"));
    let mut evidence = vec![Evidence {
        text: format!("{} of the busy time in {name}", percent(hot.share)),
        value: Some(hot.share),
        unit: "share",
        n_samples: Some(hot.n_samples),
        recorder: "cpu",
    }];
    evidence.extend(all.iter().flat_map(|grown| [grown.cost_evidence(&name), grown.exponent_evidence()]));
    evidence.extend(line.map(|(line, share)| Evidence {
        text: format!("{} of its line samples are on line {line}", percent(share)),
        value: Some(share),
        unit: "share",
        n_samples: None,
        recorder: "cpu",
    }));
    evidence.extend(callers_of(facts, hot, MOST));
    let remedy = match most.measure.input {
        Input::BodyBytes => {
            "its work grows faster than what is sent: put the list that is searched for each element into a Set or a Map before the \
             loop, add pieces up once, and do not go through the whole again for each part of it."
        }
        Input::Connections => {
            "each request pays for the others that are under way: keep them in a Map by what they are looked up with instead of going \
             through all, and let whoever waits be called instead of asking again and again."
        }
    };
    Finding {
        rule,
        title: format!("{name} {}, {} of the busy time", most.words(), percent(hot.share)),
        severity: Severity::of_gain(predicted_gain, hot.share),
        confidence,
        confidence_why: format!(
            "{why}; measured at {} loads, the interval of the exponent does not reach what is in step",
            most.measure.levels.len()
        ),
        share: Some(hot.share),
        share_of: BUSY_TIME,
        predicted_gain,
        location: Some(Location::of(function, facts.process_running(hot.function))),
        evidence,
        advice: format!("In {}{at_line}{}: {remedy}", place(function), calling_loop(facts, hot)),
        function: Some(hot.function),
        intervals: Vec::new(),
    }
}

/// Says who calls a function again and again for a request: the loop is there.
fn calling_loop(facts: Facts<'_>, hot: &AppFunction) -> String {
    let often = calls_per_request(facts, hot.function).filter(|n| *n >= LOOPS);
    let caller = hot.callers.first().filter(|(_, share)| *share >= MOST);
    let (Some(often), Some((caller, _))) = (often, caller) else { return String::new() };
    let caller = facts.profile.functions.get(*caller);
    format!(", called {} times per request by {} at {}", number(often), function_name(caller), place(caller))
}

/// Returns the line with most of a function's line samples and its part of them, where that is most.
fn hot_line(facts: Facts<'_>, function: FunctionId) -> Option<(u32, f64)> {
    let lines = hot_lines(facts, function);
    let all: f64 = lines.iter().map(|line| line.share).sum();
    let hottest = lines.first()?;
    let part = hottest.share / all.max(f64::MIN_POSITIVE);
    (part >= MOST).then_some((hottest.line, part))
}

impl Grown<'_> {
    fn excess(&self) -> (f64, (f64, f64)) {
        excess(self.measure.input, self.row.cost, self.growth, self.measure.spread())
    }

    /// Says what it costs at both ends.
    fn words(&self) -> String {
        let spread = self.measure.spread();
        let (first, last) = (self.row.per_request.first(), self.row.per_request.last());
        // What no sample fell into at the smaller load has no factor.
        let factor = match (first, last) {
            (Some(first), Some(last)) if *first > 0.0 => last / first,
            _ => self.growth.factor(spread),
        };
        let (factor, spread) = (number(factor), number(spread));
        match self.measure.input {
            Input::BodyBytes => format!("costs {factor} times as much for a body {spread} times as large"),
            Input::Connections => {
                format!("costs {factor} times as much per request with {spread} times the connections")
            }
        }
    }

    fn cost_evidence(&self, name: &str) -> Evidence {
        let at = |(cost, value): (&f64, f64)| match self.measure.input {
            Input::BodyBytes => format!("{} with bodies of {value:.0} bytes", millis(*cost)),
            Input::Connections => format!("{} with {value:.0} connections", millis(*cost)),
        };
        let levels = self.measure.levels.iter().map(|level| level.value);
        let costs: Vec<String> = self.row.per_request.iter().zip(levels).map(at).collect();
        Evidence {
            text: format!("busy time of {name} per request: {}", costs.join(", ")),
            value: self.row.per_request.last().copied(),
            unit: "ms",
            n_samples: self.row.n_samples,
            recorder: "cpu",
        }
    }

    fn exponent_evidence(&self) -> Evidence {
        let (of, in_step) = match self.measure.input {
            Input::BodyBytes => ("the size of the body", "1 is in step with it, 2 its square"),
            Input::Connections => {
                ("the number of connections", "0 is in step, 1 is a scan of all that is under way")
            }
        };
        Evidence {
            text: format!("it grows with {of} to the power of {} (95 %); {in_step}", self.growth.words()),
            value: Some(self.growth.exponent),
            unit: "exponent",
            n_samples: self.row.n_samples,
            recorder: "cpu",
        }
    }
}
