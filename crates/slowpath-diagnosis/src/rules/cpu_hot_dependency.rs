//! `cpu-hot-dependency`: a package takes busy time with no application function on the stack.

use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Location, Severity};
use crate::verdict::WORTHWHILE_GAIN;
use crate::words::{function_name, percent, place};
use crate::{Facts, gain};
use slowpath_analysis::Unowned;
use slowpath_profile::tables::FunctionId;

/// Least share of busy time: see `cpu-hot-function`.
const MIN_SHARE: f64 = 0.10;

/// Least share of wall time: see `cpu-hot-function`.
const MIN_SHARE_OF_WALL: f64 = 0.05;

/// Functions of the package whose own time is below this share of busy time are not worth a line.
const MIN_PART: f64 = 0.02;

/// Functions of the package named.
const MAX_INSIDE: usize = 3;

/// Part of a package's time that one function must have to be the place to look at: with less it is spread over the package,
/// as routing and middleware are.
const MOST: f64 = 0.6;

/// A framework at this share is doing what frameworks do; above it something is unusual.
const UNUSUAL_SHARE: f64 = 0.35;

pub(super) const RULE: Rule = Rule {
    id: "cpu-hot-dependency",
    summary: "a package takes a large part of the busy time with no application function on the stack",
    breadth: Breadth::General,
    documentation: Documentation {
        what: "\
Busy time in a package that no application function called directly: a framework's routing and middleware, a client
library's parsing in a callback.",
        why_it_hurts: "\
It is paid on every request, and the application's own code does not show it.",
        how_recognised: "\
Samples without an application function on the stack, summed by the innermost package; Node's own HTTP and socket code below it is not
counted: answering costs that in any service. Fires from 10 % of busy time on. Where 60 % of
that is called by one function of another package, or is of one function of its own, that is the place.",
        lookalikes: "\
Work that the application started and that went on behind an `await`: the caller is then lost to a sampling profiler.",
        what_to_do: "\
Check how the package is configured (middleware that is not needed, validation, logging), whether a newer version is
faster, or what the application asks of it.",
        example: Example {
            language: "js",
            before: "\
app.use(bodyParser.json());               // and again below, for every route
app.use(morgan('combined'));",
            after: "\
app.post('/v1/chat', express.json(), chat); // where it is needed",
        },
        thresholds: "\
10 % of busy time, as for `cpu-hot-function`. A framework at up to 35 % is doing what frameworks do; above that something is
unusual, and the severity rises where half of it would bring 1.1× and more.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let charges = &facts.measurements.charges;
    let utilisation = facts.measurements.split.as_ref().map_or(0.0, slowpath_analysis::Split::utilisation);
    let packages: std::collections::BTreeSet<_> =
        facts.profile.functions.iter().filter_map(|(_, function)| function.package.as_deref()).collect();
    let hot = charges.unowned.iter().filter(|unowned| {
        own_share(unowned) >= MIN_SHARE
            && own_share(unowned) * utilisation >= MIN_SHARE_OF_WALL
            && packages.contains(unowned.label.as_str())
            // What recording costs is told by phase.
            && unowned.label != slowpath_profile::classify::RECORDER_PACKAGE
    });
    hot.map(|unowned| {
        let (package, share) = (&unowned.label, own_share(unowned));
        let look_at = Look::at(unowned);
        // One call can be left out or its result kept; all of what a package does nobody can remove. The range starts at none.
        let removed = match look_at {
            Some(Look::Caller(_)) => share,
            _ => share / 2.0,
        };
        let predicted_gain = gain::of_removing(facts, removed, (0.0, share));
        let is_worth_it = predicted_gain.is_some_and(|gain| gain.throughput >= WORTHWHILE_GAIN);
        let severity = if share >= UNUSUAL_SHARE && is_worth_it { Severity::Medium } else { Severity::Info };
        // What any framework takes is no place to go to.
        let function = look_at.map(Look::function).filter(|_| severity >= Severity::Medium);
        let location =
            function.map(|id| Location::of(facts.profile.functions.get(id), facts.process_running(id)));
        Finding {
            rule: RULE.id,
            title: format!(
                "package {package} takes {} of the busy time {}",
                percent(share),
                look_at.map_or("by itself".into(), |look_at| look_at.words(facts))
            ),
            severity,
            confidence: Confidence::Medium,
            confidence_why: "callers behind an `await` are not seen by a sampling profiler".into(),
            share: Some(share),
            share_of: "busy main-thread time",
            predicted_gain,
            location,
            evidence: evidence(facts, unowned),
            advice: advice(facts, unowned),
            function,
            intervals: Vec::new(),
        }
    })
    .collect()
}

/// Returns the share of busy time of a package without Node's HTTP and sockets below it: who answers needs them, with any framework.
fn own_share(unowned: &Unowned) -> f64 {
    unowned.share - unowned.in_exchange
}

/// The function where nearly all of a package's time can be looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Of another package, which calls it.
    Caller(FunctionId),
    /// Of its own.
    Inside(FunctionId),
}

impl Look {
    fn at(unowned: &Unowned) -> Option<Self> {
        let most = |rows: &[(FunctionId, f64)]| {
            rows.first().filter(|(_, share)| *share >= own_share(unowned) * MOST).map(|(id, _)| *id)
        };
        most(&unowned.callers).map(Self::Caller).or_else(|| most(&unowned.functions).map(Self::Inside))
    }

    fn function(self) -> FunctionId {
        match self {
            Self::Caller(id) | Self::Inside(id) => id,
        }
    }

    fn words(self, facts: Facts<'_>) -> String {
        let function = facts.profile.functions.get(self.function());
        match (self, function.package.as_deref()) {
            (Self::Caller(_), Some(package)) => format!("for {} of {package}", function_name(function)),
            _ => format!("in {}", function_name(function)),
        }
    }
}

fn evidence(facts: Facts<'_>, unowned: &Unowned) -> Vec<Evidence> {
    let (package, share) = (&unowned.label, own_share(unowned));
    let charges = &facts.measurements.charges;
    let row = |text: String, value: f64| Evidence {
        text,
        value: Some(value),
        unit: "share",
        n_samples: Some(charges.n_busy_samples),
        recorder: "cpu",
    };
    let text = format!(
        "{} of the busy time in {package} without an application function on the stack",
        percent(share)
    );
    let mut rows = vec![row(text, share)];
    if unowned.in_exchange >= MIN_PART {
        let text = format!(
            "{} more below it in Node's HTTP and sockets, which answering costs in any service; not counted here",
            percent(unowned.in_exchange)
        );
        rows.push(row(text, unowned.in_exchange));
    }
    let functions = &facts.profile.functions;
    let named = |what: &'static str| {
        move |(id, share): &(FunctionId, f64)| {
            let function = functions.get(*id);
            let text =
                format!("{} {what} {} at {}", percent(*share), function_name(function), place(function));
            row(text, *share)
        }
    };
    let large = |rows: &[(FunctionId, f64)]| {
        rows.iter().filter(|(_, share)| *share >= MIN_PART).take(MAX_INSIDE).copied().collect::<Vec<_>>()
    };
    rows.extend(large(&unowned.callers).iter().map(named("called by")));
    rows.extend(large(&unowned.functions).iter().map(named("in")));
    rows.extend(main_caller(facts, package).map(|(caller, share)| {
        let function = functions.get(caller);
        let text =
            format!("{} more of it below {} at {}", percent(share), function_name(function), place(function));
        row(text, share)
    }));
    rows
}

/// Says what can be done about a package: it is asked for something somewhere.
fn advice(facts: Facts<'_>, unowned: &Unowned) -> String {
    let package = &unowned.label;
    let by_another = match Look::at(unowned) {
        Some(Look::Caller(caller)) => Some(caller),
        _ => None,
    };
    let by = main_caller(facts, package).map(|(caller, _)| caller).or(by_another);
    let by = by.map(|caller| facts.profile.functions.get(caller));
    let by = by.map_or(String::new(), |f| format!(" {} at {} calls it.", function_name(f), place(f)));
    format!(
        "{package} is not yours to make faster.{by} Ask less of it, leave out what is not needed of it (interceptors, validation, \
         transforms, logging), try its current version, or a leaner package for this path. The gain is that of {} of its time.",
        if by_another.is_some() { "all" } else { "half" }
    )
}

/// Returns the application function with most time in a package below it, and that time's share of busy time.
fn main_caller(facts: Facts<'_>, package: &str) -> Option<(FunctionId, f64)> {
    let is_of_it = |id: &FunctionId| facts.profile.functions.get(*id).package.as_deref() == Some(package);
    let shares = facts.measurements.charges.functions.iter().map(|function| {
        let called = function.called.iter().filter(|(called, _)| is_of_it(called));
        (function.function, called.map(|(_, share)| share).sum::<f64>())
    });
    shares.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share > 0.0)
}
