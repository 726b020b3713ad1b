//! A histogram in the shapes that are drawn: bars on a logarithmic axis, and percentiles on that of HdrHistogram's plots.

use super::super::series::Series;
use super::data::{Bar, Spectrum};
use hdrhistogram::Histogram;

/// Bars at most: enough to see two modes apart, few enough to be seen themselves.
const MAX_BARS: f64 = 48.0;

/// Narrowest bar as a ratio of its edges: the histogram itself tells apart what differs by 0.1 %.
const MIN_RATIO: f64 = 1.002;

/// Points of a spectrum from one power of ten to the next.
const POINTS_A_DECADE: i32 = 20;

/// Powers of ten that a spectrum goes to: 5 is p99.999.
const MAX_DECADES: i32 = 5;

/// Returns the bars from the least to the greatest time, empty ones included; none of an empty histogram.
pub(super) fn bars(times: &Histogram<u64>) -> Vec<Bar> {
    if times.is_empty() {
        return Vec::new();
    }
    let edges = edges(times);
    let mut counts = vec![0; edges.len() - 1];
    for step in times.iter_recorded() {
        let above = edges.partition_point(|edge| *edge <= step.value_iterated_to() as f64);
        let bar = above.saturating_sub(1).min(counts.len() - 1);
        counts[bar] += step.count_at_value();
    }
    let width = |bar: usize| (edges[bar + 1] / edges[bar]).ln();
    let density = |bar: usize| counts[bar] as f64 / width(bar);
    let highest = (0..counts.len()).map(density).fold(0.0, f64::max);
    let bar = |index: usize| Bar {
        from_ms: edges[index] / 1e3,
        to_ms: edges[index + 1] / 1e3,
        count: counts[index],
        share: rounded(counts[index] as f64 / times.len() as f64),
        height: rounded(density(index) / highest),
    };
    (0..counts.len()).map(bar).collect()
}

/// Edges of bars in µs, from the least time to beyond the greatest, at about equal ratios: where the histogram has a step
/// itself, because half a step more or less in a bar would make a comb.
fn edges(times: &Histogram<u64>) -> Vec<f64> {
    let (min, max) = (times.min().max(1) as f64, times.max() as f64);
    let ratio = ((max + 1.0) / min).powf(1.0 / MAX_BARS).max(MIN_RATIO);
    let mut edges = vec![min];
    let mut edge = min;
    while edges.last().is_some_and(|last| *last <= max) {
        edge *= ratio;
        let step = times.lowest_equivalent(edge.round() as u64) as f64;
        if edges.last().is_some_and(|last| *last < step) {
            edges.push(step);
        }
    }
    edges
}

/// Returns the percentiles up to the last one that the number of times bears; its last point is the greatest time.
pub(super) fn spectrum(series: Series, times: &Histogram<u64>) -> Spectrum {
    let mut spectrum = Spectrum { series, inverse: Vec::new(), ms: Vec::new() };
    if times.is_empty() {
        return spectrum;
    }
    for step in 0..=POINTS_A_DECADE * MAX_DECADES {
        let inverse = 10_f64.powf(f64::from(step) / f64::from(POINTS_A_DECADE));
        if inverse > times.len() as f64 {
            break;
        }
        spectrum.inverse.push(rounded(inverse));
        spectrum.ms.push(times.value_at_quantile(1.0 - 1.0 / inverse) as f64 / 1e3);
    }
    let n = times.len() as f64;
    if n < 10_f64.powi(MAX_DECADES) && spectrum.inverse.last().is_some_and(|last| *last < n) {
        spectrum.inverse.push(n);
        spectrum.ms.push(times.max() as f64 / 1e3);
    }
    spectrum
}

/// To four significant decimals of numbers around 1; a drawing needs no more.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(times: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        times.into_iter().for_each(|time| histogram.record(time).unwrap());
        histogram
    }

    #[test]
    fn every_time_is_in_one_bar() {
        for times in [histogram([1]), histogram([7, 7, 8]), histogram(100_000..100_900), histogram(1..50_000)]
        {
            let bars = bars(&times);
            assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), times.len());
            assert!(bars.windows(2).all(|pair| pair[0].to_ms.total_cmp(&pair[1].from_ms).is_eq()));
            assert!(bars[0].from_ms <= times.min() as f64 / 1e3);
            assert!(
                bars.iter().any(|bar| bar.height.total_cmp(&1.0).is_eq()),
                "the highest bar is of height 1"
            );
        }
        assert_eq!(bars(&histogram([])), []);
    }

    #[test]
    fn a_narrow_histogram_has_no_comb() {
        let bars = bars(&histogram(100_000..110_000));
        let inner = &bars[1..bars.len() - 1];
        let is_smooth = |pair: &[Bar]| (pair[0].height / pair[1].height - 1.0).abs() < 0.01;
        assert!(inner.len() > 10 && inner.windows(2).all(is_smooth), "{bars:?}");
    }

    #[test]
    fn equal_density_on_the_axis_is_equal_height() {
        // As many times between 1 and 2 as between 2 and 4 and so on: flat on a logarithmic axis.
        let times = histogram((0..14_000).map(|k| (1000.0 * 2_f64.powf(f64::from(k) / 1000.0)) as u64));
        let bars = bars(&times);
        let inner = &bars[1..bars.len() - 2];
        assert!(inner.iter().all(|bar| bar.height > 0.9), "{inner:?}");
    }

    #[test]
    fn a_spectrum_ends_at_the_greatest_time_that_was_measured() {
        let check = |n: u64, inverse: f64, ms: f64| {
            let spectrum = spectrum(Series::Latency, &histogram(1..=n));
            assert_eq!(spectrum.inverse.len(), spectrum.ms.len());
            let last = (*spectrum.inverse.last().unwrap(), *spectrum.ms.last().unwrap());
            assert!((last.0 - inverse).abs() < 1e-6 && (last.1 / ms - 1.0).abs() < 2e-3, "{last:?}");
        };
        check(1, 1.0, 0.001);
        check(50, 50.0, 0.05);
        check(1_000, 1_000.0, 1.0);
        check(300_000, 100_000.0, 300.0);
        assert!(spectrum(Series::Latency, &histogram([])).ms.is_empty());
    }

    #[test]
    fn a_spectrum_has_the_percentiles_that_the_table_has() {
        let times = histogram(1..=100_000);
        let spectrum = spectrum(Series::Latency, &times);
        for (inverse, quantile) in [(10.0, 0.9), (100.0, 0.99), (1_000.0, 0.999)] {
            let at = spectrum.inverse.iter().position(|at| (at - inverse).abs() < 1e-6).unwrap();
            let ms = times.value_at_quantile(quantile) as f64 / 1e3;
            assert!((spectrum.ms[at] / ms - 1.0).abs() < 1e-3);
        }
    }
}
