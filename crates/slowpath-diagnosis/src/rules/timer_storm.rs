//! `timer-storm`: timers fire so often that they cost the main thread a noticeable share, requests or not.

use super::counted::{Cost, MIN_SHARE, counted, number, of_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::Finding;
use crate::words::{function_name, millis, percent, place};
use slowpath_analysis::{CounterMeasure, CounterSum, FunctionSum};

/// Runs a second from which on a timer is frequent: health checks and flushes run some times a second at most.
const MIN_RATE: f64 = 20.0;

pub(super) const RULE: Rule = Rule {
    id: "timer-storm",
    summary: "timers fire so often that they cost the main thread a noticeable share",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
Intervals with a period of a few milliseconds, or very many of them (one per connection or account): health checks, flushes,
polls.",
        why_it_hurts: "\
Their work comes on top of the requests', at a rate that does not depend on the load; each run delays what waits behind it,
and the process never sleeps.",
        how_recognised: "\
The counters phase knows every `setInterval` of the process, also those of before, and counts its runs, their time and where it
was made. Fires where the intervals made in one function run 20 times a second and more, and take 5 % of the busy time.",
        lookalikes: "\
A rare timer with a long run is a stall: `event-loop-stall`. A timer per request that is cleared in time costs little.",
        what_to_do: "\
Lengthen the period; check on demand, or when something changes, instead of all the time. One timer for all accounts instead
of one each. Move long checks off the main thread.",
        example: Example {
            language: "js",
            before: "for (const p of providers) setInterval(() => check(p), 5);",
            after: "setInterval(() => checkNext(providers), 1000).unref(); // one timer, one provider a second",
        },
        thresholds: "\
5 % of busy time is what a load test can just tell. Timers that run less than 20 times a second are ordinary.",
    },
    check,
};

/// Returns the runs of intervals by the function that made them. Of very many intervals only some places are known: the others of the
/// same period are taken to be made where those are.
fn intervals_by_function(counters: &CounterMeasure) -> Vec<FunctionSum> {
    let mut sums = counters.by_function(|row| row.kind == "timer.interval");
    for sum in &mut sums {
        let mut all = CounterSum::default();
        for row in counters.of_kind("timer.interval") {
            let known = |counted: fn(&CounterSum) -> f64| -> f64 {
                row.places.iter().filter(|place| place.site.is_some()).map(|place| counted(&place.sum)).sum()
            };
            let own = |counted: fn(&CounterSum) -> f64| -> f64 {
                let of_function = row
                    .places
                    .iter()
                    .filter(|place| place.site.as_ref().is_some_and(|site| site.function == sum.function));
                of_function.map(|place| counted(&place.sum)).sum()
            };
            let scaled = |counted: fn(&CounterSum) -> f64| {
                let known = known(counted);
                if known > 0.0 { counted(&row.sum) * own(counted) / known } else { 0.0 }
            };
            all.n += scaled(|sum| sum.n);
            all.ms += scaled(|sum| sum.ms);
        }
        sum.sum = all;
    }
    sums
}

fn check(facts: Facts<'_>) -> Vec<Finding> {
    // Timers do not need requests.
    let Some(counters) = &facts.measurements.counters else { return Vec::new() };
    let seconds = (counters.wall_ms / 1e3).max(1e-9);
    let mut findings = Vec::new();
    for sum in intervals_by_function(counters) {
        let rate = sum.sum.n / seconds;
        // What an interval's callback costs is charged to the callback, not to where it was made: nothing bounds it here.
        let share = counters.share_of_busy(sum.sum.ms);
        let relative = 0.25;
        let interval = (share * (1.0 - relative), (share * (1.0 + relative)).min(1.0));
        let cost = Cost { function: sum.function, share, interval, n_sampled: sum.n_sampled };
        if rate < MIN_RATE || !cost.matters(facts, MIN_SHARE) {
            continue;
        }
        let function = facts.profile.functions.get(sum.function);
        let name = function_name(function);
        let periods: Vec<_> = counters
            .of_kind("timer.interval")
            .filter(|row| {
                row.places.iter().any(|at| at.site.as_ref().is_some_and(|site| site.function == sum.function))
            })
            .map(|row| row.key.as_str())
            .collect();
        let each = sum.sum.ms / sum.sum.n.max(1.0);
        let text = format!(
            "{} runs a second, {} each, of intervals of {}, made at line {}",
            number(rate),
            millis(each),
            periods.join(", "),
            sum.line
        );
        let mut evidence = vec![counted(text, rate, "per second", sum.sum.n)];
        let lag = counters.total("timer.lag");
        if lag.n > 0.0 {
            let late = lag.ms / lag.n;
            evidence.push(counted(
                format!("intervals run {} late on average", millis(late)),
                late,
                "ms",
                lag.n,
            ));
        }
        let title = format!(
            "timers of {name} run {} times a second: {} of the busy time",
            number(rate),
            percent(share)
        );
        let advice = format!("In {name} at {}: lengthen the period, or check on demand.", place(function));
        findings.push(of_cost(facts, &RULE, cost, title, evidence, advice));
    }
    findings
}
