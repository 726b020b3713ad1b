//! The same load with small and with large bodies, where the plan gives bodies of several sizes. Sends nothing.

use std::collections::BTreeMap;

use crate::error::LoadError;
use crate::plan::{BodySize, LoadPlan, RequestPlan};
use crate::request_source::RequestSource;

/// The large bodies must be at least this many times the small ones: with less, twice the cost and four times the cost are hard
/// to tell apart.
const MIN_RATIO: f64 = 2.0;

/// Requests that are filled in to learn how large bodies are: at least so many, since expressions may be random.
const MIN_SAMPLES: u64 = 64;

/// And at most so many, so that a file of hundreds of thousands of lines is planned in a moment.
const MAX_SAMPLES: u64 = 20_000;

/// A load at two sizes of its bodies; each with the mean size, bytes.
#[derive(Debug, Clone)]
pub struct SizedPlans {
    /// With small bodies.
    pub small: (LoadPlan, f64),
    /// With large bodies.
    pub large: (LoadPlan, f64),
    /// Whether the large bodies are those of the plan itself.
    pub large_is_given: bool,
}

/// Returns the mean size of the bodies of a plan in bytes, and the plan with small and with large ones.
///
/// Where a template's expressions give sizes ([`BodySize`]), they are varied; otherwise, of the requests to the same method and
/// path, the third with the smallest bodies is taken against the third with the largest. The latter compares different
/// requests, which may differ in more than their size.
///
/// The second part is an error in words where all bodies have about the same size: why, and what to give.
///
/// # Errors
/// What a plan that is not valid, or names files that cannot be used, gives.
pub fn body_sizes(plan: &LoadPlan) -> Result<(f64, Result<SizedPlans, String>), LoadError> {
    let (given, of_request) = mean_sizes(plan)?;
    if given == 0.0 {
        return Ok((given, Err("the requests have no body".to_owned())));
    }
    for (small, large) in [by_template(plan), by_request(plan, &of_request)].into_iter().flatten() {
        let (small_bytes, large_bytes) = (mean_sizes(&small)?.0, mean_sizes(&large)?.0);
        if small_bytes > 0.0 && large_bytes >= small_bytes * MIN_RATIO {
            let large_is_given = (large_bytes - given).abs() <= given * 0.01;
            let sizes =
                SizedPlans { small: (small, small_bytes), large: (large, large_bytes), large_is_given };
            return Ok((given, Ok(sizes)));
        }
    }
    let why = if plan.requests.len() > 1 {
        "the bodies have about the same size: the largest third is less than twice the smallest; give larger and smaller \
         ones, each size to the same path"
    } else {
        "the body has one size; write `--template` and `{{repeat 200 '{\"n\":#}' ','}}` in it, or give bodies of several \
         sizes with `--bodies FILE.jsonl`"
    };
    Ok((given, Err(why.to_owned())))
}

/// Returns the plans with the sizes that templates give, if there is a template.
fn by_template(plan: &LoadPlan) -> Option<(LoadPlan, LoadPlan)> {
    let with = |size| {
        let mut sized = plan.clone();
        sized.requests.iter_mut().for_each(|request| request.body_size = size);
        sized
    };
    let has_template = plan.requests.iter().any(|request| request.is_template);
    has_template.then(|| (with(BodySize::Small), with(BodySize::Large)))
}

/// Returns the plans with the smallest and the largest third of the requests with a body, of each method and path that has several.
fn by_request(plan: &LoadPlan, bytes: &[f64]) -> Option<(LoadPlan, LoadPlan)> {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (index, request) in plan.requests.iter().enumerate() {
        if request.weight > 0 && bytes[index] > 0.0 {
            groups.entry((&request.method, request.path.as_deref())).or_default().push(index);
        }
    }
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for indices in groups.values_mut() {
        indices.sort_by(|a, b| bytes[*a].total_cmp(&bytes[*b]).then(a.cmp(b)));
        let third = indices.len().div_ceil(3);
        let (smallest, largest) = (&indices[..third], &indices[indices.len() - third..]);
        let sum = |part: &[usize]| part.iter().map(|index| bytes[*index]).sum::<f64>();
        if indices.len() > 1 && sum(largest) >= sum(smallest) * MIN_RATIO {
            small.extend_from_slice(smallest);
            large.extend_from_slice(largest);
        }
    }
    let of = |mut chosen: Vec<usize>| {
        chosen.sort_unstable();
        let requests: Vec<RequestPlan> =
            chosen.into_iter().map(|index| plan.requests[index].clone()).collect();
        LoadPlan { requests, ..plan.clone() }
    };
    (!small.is_empty()).then(|| (of(small), of(large)))
}

/// Returns the mean size of the bodies as they are sent, and of each request of the plan (0 where none of it was filled in).
fn mean_sizes(plan: &LoadPlan) -> Result<(f64, Vec<f64>), LoadError> {
    let source = RequestSource::new(plan)?;
    // Whole rounds, where requests are sent in turn.
    let round = plan.requests.len() as u64;
    let n = (MIN_SAMPLES.div_ceil(round).max(4) * round).min(MAX_SAMPLES);
    let mut sums = vec![(0_u64, 0_u64); plan.requests.len()];
    for number in 0..n {
        let parts = source.parts(number, 0);
        let (bytes, count) = &mut sums[parts.index];
        *bytes += parts.body.len() as u64;
        *count += 1;
    }
    let all: u64 = sums.iter().map(|(bytes, _)| bytes).sum();
    let of_request = sums.iter().map(|(bytes, count)| *bytes as f64 / (*count).max(1) as f64);
    Ok((all as f64 / n as f64, of_request.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Url;

    fn plan(bodies: &[&str], is_template: bool) -> LoadPlan {
        let request = |body: &&str| RequestPlan {
            method: "POST".to_owned(),
            body: body.as_bytes().to_vec(),
            is_template,
            ..RequestPlan::default()
        };
        let requests = bodies.iter().map(request).collect();
        LoadPlan { requests, ..LoadPlan::new(Url::parse("http://h/").unwrap()) }
    }

    #[track_caller]
    fn sizes(plan: &LoadPlan) -> (f64, f64) {
        let sized = body_sizes(plan).unwrap().1.unwrap();
        (sized.small.1, sized.large.1)
    }

    #[test]
    fn a_template_that_gives_a_size_is_made_smaller() {
        let given = plan(&["[{{repeat 80 '1234567' ','}}]"], true);
        assert_eq!(sizes(&given), (10.0 * 8.0 + 1.0, 80.0 * 8.0 + 1.0));
        assert!(body_sizes(&given).unwrap().1.unwrap().large_is_given);
        assert_eq!(sizes(&plan(&["{{randomString 800}}"], true)), (100.0, 800.0));
    }

    #[test]
    fn names_and_keys_are_no_size() {
        let why = body_sizes(&plan(&["{{id}} {{randomString 32}}"], true)).unwrap().1.unwrap_err();
        assert!(why.contains("one size") && why.contains("repeat"), "{why}");
    }

    #[test]
    fn the_smallest_third_of_several_bodies_is_taken_against_the_largest() {
        let (short, middle, long) = ("x".repeat(10), "x".repeat(50), "x".repeat(300));
        let given = plan(&[&long, &short, &middle], false);
        assert_eq!(sizes(&given), (10.0, 300.0));
        assert!(!body_sizes(&given).unwrap().1.unwrap().large_is_given);
    }

    #[test]
    fn bodies_of_other_paths_are_not_compared() {
        let (short, long) = ("x".repeat(10), "x".repeat(300));
        let mut given = plan(&[&short, &long], false);
        given.requests[1].path = Some("/other".to_owned());
        assert!(body_sizes(&given).unwrap().1.unwrap_err().contains("about the same size"));
    }

    #[test]
    fn one_body_and_no_body_cannot_be_varied() {
        let (bytes, why) = body_sizes(&plan(&["abc"], false)).unwrap();
        assert!((bytes - 3.0).abs() < 1e-9 && why.unwrap_err().contains("--bodies"));
        assert!(body_sizes(&plan(&[""], false)).unwrap().1.unwrap_err().contains("no body"));
    }
}
