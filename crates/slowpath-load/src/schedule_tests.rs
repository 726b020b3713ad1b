//! Tests of the schedule: counts, order, distribution of gaps, shards, and the bits themselves.

use proptest::prelude::*;

use super::*;

fn stage(from: f64, to: f64, seconds: f64) -> Stage {
    Stage { from, to, length: Some(Duration::from_secs_f64(seconds)) }
}

fn endless(rate: f64) -> Stage {
    Stage { from: rate, to: rate, length: None }
}

fn starts(stages: &[Stage], arrival: Arrival, seed: u64) -> Vec<u64> {
    Schedule::new(stages, arrival, seed).collect()
}

fn seconds(start_ns: u64) -> f64 {
    start_ns as f64 / NS_PER_S
}

#[test]
fn a_constant_rate_starts_at_once_and_every_gap_is_equal() {
    assert_eq!(
        starts(&[stage(4.0, 4.0, 1.0)], Arrival::Constant, 0),
        [0, 250_000_000, 500_000_000, 750_000_000]
    );
    let thousand = starts(&[stage(1000.0, 1000.0, 60.0)], Arrival::Constant, 0);
    assert_eq!(thousand.len(), 60_000);
    assert!(thousand.iter().enumerate().all(|(k, start)| *start == k as u64 * 1_000_000));
}

#[test]
fn a_ramp_brings_the_area_under_it() {
    // From 0 to 10 requests/s in 10 s: t seconds bring t² / 2 requests.
    let up = starts(&[stage(0.0, 10.0, 10.0)], Arrival::Constant, 0);
    assert_eq!(up.len(), 50);
    for (k, start_ns) in up.iter().enumerate() {
        assert!((seconds(*start_ns) - (2.0 * k as f64).sqrt()).abs() < 1e-9, "{k}");
    }
    let down = starts(&[stage(10.0, 0.0, 10.0)], Arrival::Constant, 0);
    assert_eq!(down.len(), 50);
    for (k, start_ns) in down.iter().enumerate() {
        // Seen from its end, a falling ramp is a rising one.
        assert!((10.0 - seconds(*start_ns) - (2.0 * (50 - k) as f64).sqrt()).abs() < 1e-9, "{k}");
    }
}

#[test]
fn nothing_starts_while_the_rate_is_0() {
    let stages = [stage(0.0, 0.0, 5.0), stage(2.0, 2.0, 1.0), stage(0.0, 0.0, 3.0), stage(2.0, 2.0, 1.0)];
    assert_eq!(
        starts(&stages, Arrival::Constant, 0),
        [5_000_000_000, 5_500_000_000, 9_000_000_000, 9_500_000_000]
    );
    for start_ns in starts(&stages, Arrival::Poisson, 3) {
        assert!((5.0..6.0).contains(&seconds(start_ns)) || (9.0..10.0).contains(&seconds(start_ns)));
    }
    assert_eq!(starts(&[stage(2.0, 2.0, 1.0), endless(0.0)], Arrival::Constant, 0), [0, 500_000_000]);
    assert!(starts(&[endless(0.0)], Arrival::Constant, 0).is_empty());
    assert!(starts(&[stage(9.0, 9.0, 0.0)], Arrival::Constant, 0).is_empty());
}

#[test]
fn an_endless_stage_never_ends() {
    for arrival in [Arrival::Constant, Arrival::Poisson, Arrival::Gamma(0.5)] {
        let mut schedule = Schedule::new(&[stage(0.0, 100.0, 1.0), endless(100.0)], arrival, 1);
        let far = schedule.nth(1_000_050).unwrap();
        assert!((seconds(far) - 10_001.0).abs() < 100.0, "{arrival:?}: {far}");
    }
    // Centuries later the clock is at its end; the schedule stays there.
    let mut slow = Schedule::new(&[endless(1e-9)], Arrival::Constant, 1);
    assert_eq!(slow.nth(100), Some(u64::MAX - 1));
}

#[test]
fn gaps_at_a_constant_rate_have_the_distribution_asked_for() {
    fn check(arrival: Arrival, variation: f64) {
        let all = starts(&[stage(1000.0, 1000.0, 100.0)], arrival, 7);
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean / 1e6 - 1.0).abs() < 5.0 * variation / n.sqrt() + 1e-9, "{arrival:?}: mean {mean}");
        assert!((deviation / mean - variation).abs() < 0.03 * variation + 1e-9, "{arrival:?}: {deviation}");
    }
    check(Arrival::Constant, 0.0);
    check(Arrival::Poisson, 1.0);
    check(Arrival::Gamma(0.25), 2.0);
    check(Arrival::Gamma(4.0), 0.5);
}

#[test]
fn random_arrivals_follow_a_ramp() {
    // 0 to 2,000 requests/s in 10 s: a quarter of the 10,000 requests in the first half.
    let all = starts(&[stage(0.0, 2000.0, 10.0)], Arrival::Poisson, 2);
    let n_first = all.iter().filter(|start| seconds(**start) < 5.0).count();
    // Five standard deviations of Poisson counts.
    assert!(all.len().abs_diff(10_000) < 500, "{}", all.len());
    assert!(n_first.abs_diff(2500) < 250, "{n_first}");
}

#[test]
fn the_times_of_a_seed_never_change() {
    let stages = [stage(10.0, 100.0, 1.0), endless(100.0)];
    let first = |arrival, seed| Schedule::new(&stages, arrival, seed).take(4).collect::<Vec<_>>();
    assert_eq!(first(Arrival::Constant, 0), first(Arrival::Constant, 1));
    assert_eq!(first(Arrival::Poisson, 0), [226_589_432, 227_696_215, 232_317_899, 260_977_175]);
    assert_eq!(first(Arrival::Poisson, 1), [86_515_698, 131_633_431, 141_668_091, 148_172_319]);
    assert_eq!(first(Arrival::Gamma(0.3), 1), [15_549_179, 80_623_026, 149_257_198, 204_321_429]);
}

#[test]
fn refuses_what_cannot_be_followed() {
    fn check(stages: &[Stage], arrival: Arrival, expected: &str) {
        let message = validate(stages, arrival).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
    let fine = [stage(0.0, 1.0, 1.0)];
    assert!(validate(&fine, Arrival::Gamma(0.1)).is_ok());
    check(&[], Arrival::Constant, "no request");
    check(&[stage(0.0, 0.0, 9.0)], Arrival::Constant, "no request");
    check(&[stage(-1.0, 2.0, 9.0)], Arrival::Constant, "rate `-1`");
    check(&[stage(1.0, f64::NAN, 9.0)], Arrival::Constant, "rate `NaN`");
    check(&[stage(1.0, f64::INFINITY, 9.0)], Arrival::Constant, "rate `inf`");
    check(&[endless(1.0), stage(1.0, 1.0, 9.0)], Arrival::Constant, "only the last");
    check(&fine, Arrival::Gamma(0.0), "burstiness `0`");
    check(&fine, Arrival::Gamma(f64::NAN), "burstiness `NaN`");
}

fn rates() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..2.0_f64, 0.0..1000.0_f64]
}

fn some_stages() -> impl Strategy<Value = Vec<Stage>> {
    let one = (rates(), rates(), prop_oneof![Just(0.0), 0.0..3.0_f64])
        .prop_map(|(from, to, length)| stage(from, to, length));
    prop::collection::vec(one, 0..5)
}

fn arrivals() -> impl Strategy<Value = Arrival> {
    prop_oneof![Just(Arrival::Constant), Just(Arrival::Poisson), (0.05..20.0_f64).prop_map(Arrival::Gamma)]
}

/// Area under the rate until `at_s`.
fn area(stages: &[Stage], at_s: f64) -> f64 {
    let mut start_s = 0.0;
    let mut sum = 0.0;
    for stage in stages {
        let length_s = stage.length.unwrap().as_secs_f64();
        let t = (at_s - start_s).clamp(0.0, length_s);
        let rate_at_t =
            if length_s > 0.0 { stage.from + (stage.to - stage.from) * t / length_s } else { 0.0 };
        sum += f64::midpoint(stage.from, rate_at_t) * t;
        start_s += length_s;
    }
    sum
}

proptest! {
    #[test]
    fn starts_never_decrease_and_lie_before_the_end(
        stages in some_stages(), arrival in arrivals(), seed in any::<u64>(),
    ) {
        let all = starts(&stages, arrival, seed);
        let end_ns: u128 = stages.iter().map(|stage| stage.length.unwrap().as_nanos()).sum();
        prop_assert!(all.is_sorted());
        prop_assert!(all.iter().all(|start| u128::from(*start) < end_ns));
    }

    #[test]
    fn request_k_starts_where_the_area_is_k(stages in some_stages()) {
        let all = starts(&stages, Arrival::Constant, 0);
        let end_s: f64 = stages.iter().map(|stage| stage.length.unwrap().as_secs_f64()).sum();
        prop_assert!((all.len() as f64 - area(&stages, end_s)).abs() <= 1.0);
        for (k, start_ns) in all.iter().enumerate() {
            // A nanosecond at 1,000 requests/s is an area of 1e-6.
            prop_assert!((area(&stages, seconds(*start_ns)) - k as f64).abs() < 1e-5, "{} at {}", k, start_ns);
        }
    }

    #[test]
    fn a_stage_brings_its_area_to_within_one(stages in some_stages()) {
        let all = starts(&stages, Arrival::Constant, 0);
        let mut start_ns = 0;
        for stage in &stages {
            let length = stage.length.unwrap();
            let end_ns = start_ns + length.as_nanos() as u64;
            let n = all.iter().filter(|start| (start_ns..end_ns).contains(start)).count();
            prop_assert!((n as f64 - expected(stage, length)).abs() <= 1.0 + 1e-6, "{:?}: {}", stage, n);
            start_ns = end_ns;
        }
    }

    #[test]
    fn shards_together_are_the_whole(
        stages in some_stages(), arrival in arrivals(), seed in any::<u64>(), count in 1_usize..7,
    ) {
        let whole = starts(&stages, arrival, seed);
        let mut union: Vec<u64> = (0..count)
            .flat_map(|index| Schedule::new(&stages, arrival, seed).skip(index).step_by(count))
            .collect();
        union.sort_unstable();
        prop_assert_eq!(union, whole);
    }
}
