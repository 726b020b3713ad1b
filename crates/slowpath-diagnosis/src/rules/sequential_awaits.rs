//! `sequential-awaits`: one function awaits several things one after the other.

use super::waits::{MIN_WAIT_MS, Said, Waits, at, measured};
use super::{Breadth, Documentation, Example, Rule};
use crate::finding::{Confidence, Evidence, Finding, Severity};
use crate::words::{millis, percent};
use crate::{Facts, gain};
use slowpath_analysis::{AsyncMeasure, AsyncSite};
use std::collections::BTreeMap;

/// Least share of a request's time in such a row of waits.
const MIN_SHARE: f64 = 0.4;

/// Least share of a request's time that doing them side by side would save.
const MIN_SAVED: f64 = 0.2;

pub(super) const RULE: Rule = Rule {
    id: "sequential-awaits",
    summary: "a function awaits several answers one after the other that it may be able to await together",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
One function asks, waits for the answer, asks the next, waits again: `await` in a loop, or a row of them.",
        why_it_hurts: "\
The times add up. Asked side by side, all answers would be there after the longest.",
        how_recognised: "\
On the critical path of followed requests, waits for other services that were begun in the same function, each after the one before had ended. Fires when
they take 40 % of the time of requests and doing them side by side would save 20 % of it, 5 ms at least.",
        lookalikes: "\
Awaits that need what the one before gave cannot be done side by side: whether that is so, the recorder does not see. Parts of one answer that
comes as a stream count as one wait.",
        what_to_do: "\
Begin everything first and await it together (`Promise.all`); for many items with a limit on how many at once; or ask for all in one question
(pipeline, `MGET`, `IN (…)`).",
        example: Example {
            language: "js",
            before: "\
const user = await getUser(id);
const quota = await getQuota(id);",
            after: "\
const [user, quota] = await Promise.all([getUser(id), getQuota(id)]);",
        },
        thresholds: "\
40 % of the time in the row and 20 % to be saved: below that the change is not worth its risk. At least 10 followed requests.",
    },
    check,
};

/// Waits that one function begins.
#[derive(Default)]
struct InSeries<'a> {
    sites: Vec<&'a AsyncSite>,
    /// Waits in series per request.
    n: f64,
    held_up_ms: f64,
    longest_ms: f64,
}

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let Some(measure) = measured(facts) else { return Vec::new() };
    let mut by_function: BTreeMap<(&str, &str), InSeries<'_>> = BTreeMap::new();
    for site in measure.sites.iter().filter(|site| may_be_parallel(site)) {
        let row = by_function.entry((&site.place.file, &site.place.function)).or_default();
        let held_up_ms = site.held_up.as_millis_f64() / measure.n_followed as f64;
        let per_request = site.mean_in_series * site.n_requests as f64 / measure.n_followed as f64;
        row.sites.push(site);
        row.n += per_request;
        row.held_up_ms += held_up_ms;
        row.longest_ms = row.longest_ms.max(held_up_ms / per_request.max(1.0));
    }
    let rows = by_function.into_values().filter_map(|row| finding(facts, measure, &row));
    rows.max_by(|a, b| a.share.unwrap_or(0.0).total_cmp(&b.share.unwrap_or(0.0))).into_iter().collect()
}

/// Whether waits at this place are questions of their own, begun by code of the application. One `readFile` is several tasks
/// in a row: files are left out.
fn may_be_parallel(site: &AsyncSite) -> bool {
    let place = &site.place;
    let is_part = matches!(place.call.as_str(), "read" | "next" | "text" | "json" | "arrayBuffer");
    place.is_app && place.kind.is_upstream() && !is_part && site.mean_in_series > 0.0
}

fn finding(facts: Facts<'_>, measure: &AsyncMeasure, row: &InSeries<'_>) -> Option<Finding> {
    // Half of the requests with two waits is already a row of 1.5.
    if row.n < 1.5 {
        return None;
    }
    let waits = Waits::of(measure, |place| row.sites.iter().any(|site| site.place == *place));
    let saved_ms = row.held_up_ms - row.longest_ms;
    let saved = saved_ms / measure.all.mean.as_millis_f64();
    if waits.share < MIN_SHARE || saved < MIN_SAVED || saved_ms < MIN_WAIT_MS {
        return None;
    }
    let said = Said {
        rule: RULE.id,
        title: format!(
            "requests wait {:.1} times in series in one function, {} of their time",
            row.n,
            percent(waits.share)
        ),
        severity: if saved >= 2.0 * MIN_SAVED { Severity::High } else { Severity::Medium },
        confidence: Confidence::Medium,
        confidence_why: "that they follow one another was seen; whether each needs the one before was not"
            .into(),
        predicted_gain: gain::of_waiting_less(facts, saved),
        evidence: vec![Evidence {
            text: format!(
                "{:.1} waits one after the other, {} in all, the longest {}",
                row.n,
                millis(row.held_up_ms),
                millis(row.longest_ms)
            ),
            value: Some(row.n),
            unit: "waits per request",
            n_samples: Some(measure.n_followed),
            recorder: "async",
        }],
        advice: format!(
            "If they do not need one another, begin them together in {} and await them with `Promise.all`: that would save about {} of {}.",
            at(waits.place()),
            millis(saved_ms),
            millis(measure.all.mean.as_millis_f64())
        ),
    };
    Some(waits.finding(facts, measure, said))
}
