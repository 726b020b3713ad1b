//! Any profile, written and read back: the same weights on the same stacks, at the same moments where the format has them.

use crate::drawn::{Drawn, Place, Sample, drawn, samples};
use proptest::prelude::*;
use slowpath_profile::Nanos;
use slowpath_profile::classify::Category;
use slowpath_profile::export::{ExportError, ExportFormat, Selection, View, export};
use slowpath_profile::import::{Content, import_bytes};
use slowpath_profile::tables::{Profile, WeightUnit};
use std::collections::BTreeMap;
use std::io::Read as _;

pub(crate) fn written(profile: &Profile, selection: &Selection, format: ExportFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(&View::new(profile, selection), format, "a <title>", &mut bytes).unwrap();
    bytes
}

fn read_back(profile: &Profile, selection: &Selection, format: ExportFormat) -> (Profile, Content) {
    let mut bytes = written(profile, selection, format);
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        bytes = unpacked;
    }
    let mut again = Profile::default();
    let (_, content) = import_bytes(&bytes, &mut again).expect("recognised").expect("in order");
    (again, content)
}

/// Weight by stack of all threads; `keep` says which parts of a place the format holds.
fn sums(threads: Vec<Vec<Sample>>, keep: fn(Place) -> Place) -> BTreeMap<Vec<Place>, u64> {
    let mut sums = BTreeMap::new();
    for (_, weight, places) in threads.into_iter().flatten() {
        *sums.entry(places.into_iter().map(keep).collect()).or_default() += weight;
    }
    sums
}

fn all_of_it(place: Place) -> Place {
    place
}

fn check_moments(drawn: &Drawn, format: ExportFormat) -> Result<(), TestCaseError> {
    let profile = drawn.profile(WeightUnit::Nanoseconds);
    let (again, content) = read_back(&profile, &Selection::default(), format);
    prop_assert_eq!(content.unit, WeightUnit::Nanoseconds);
    prop_assert_eq!(samples(&again, &content.threads), samples(&profile, &profile.threads));
    Ok(())
}

fn check_sums(
    drawn: &Drawn,
    unit: WeightUnit,
    format: ExportFormat,
    keep: fn(Place) -> Place,
) -> Result<(), TestCaseError> {
    let profile = drawn.profile(unit);
    let (again, content) = read_back(&profile, &Selection::default(), format);
    if format != ExportFormat::Collapsed {
        prop_assert_eq!(content.unit, unit);
    }
    prop_assert_eq!(
        sums(samples(&again, &content.threads), keep),
        sums(samples(&profile, &profile.threads), keep)
    );
    Ok(())
}

/// V8's format names the kernel's functions as any native one; the others tell them.
fn kernel_functions(profile: &Profile) -> Vec<&str> {
    let of_kernel = profile.functions.iter().filter(|(_, function)| function.category == Category::Kernel);
    let mut names: Vec<_> = of_kernel.map(|(_, function)| function.name.as_str()).collect();
    names.sort_unstable();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_cpuprofile_keeps_every_sample(drawn in drawn(1)) {
        check_moments(&drawn, ExportFormat::CpuProfile)?;
    }

    #[test]
    fn a_speedscope_file_keeps_every_sample_of_every_thread(drawn in drawn(3)) {
        check_moments(&drawn, ExportFormat::Speedscope)?;
        check_sums(&drawn, WeightUnit::Bytes, ExportFormat::Speedscope, all_of_it)?;
        check_sums(&drawn, WeightUnit::Samples, ExportFormat::Speedscope, all_of_it)?;
    }

    #[test]
    fn a_firefox_profile_keeps_every_sample_of_every_thread(drawn in drawn(3)) {
        check_moments(&drawn, ExportFormat::Firefox)?;
        check_sums(&drawn, WeightUnit::Bytes, ExportFormat::Firefox, all_of_it)?;
    }

    #[test]
    fn collapsed_stacks_keep_every_weight(drawn in drawn(1)) {
        for unit in [WeightUnit::Nanoseconds, WeightUnit::Bytes, WeightUnit::Samples] {
            check_sums(&drawn, unit, ExportFormat::Collapsed, all_of_it)?;
        }
    }

    #[test]
    fn pprof_keeps_every_weight_of_every_thread(drawn in drawn(3)) {
        let without_column = |(name, file, line, _): Place| (name, file, line, 0);
        for unit in [WeightUnit::Nanoseconds, WeightUnit::Bytes, WeightUnit::Samples] {
            check_sums(&drawn, unit, ExportFormat::Pprof, without_column)?;
        }
        let profile = drawn.profile(WeightUnit::Nanoseconds);
        let (_, content) = read_back(&profile, &Selection::default(), ExportFormat::Pprof);
        let keys: Vec<_> = content.threads.iter().map(|thread| (thread.pid, thread.thread)).collect();
        prop_assert_eq!(keys, [(7, 0), (7, 1), (7, 2)]);
        let n_samples = profile.threads.iter().map(|thread| thread.stack.len() as u64).sum::<u64>();
        prop_assert_eq!(content.n_samples(), n_samples);
    }

    #[test]
    fn functions_of_the_kernel_stay_the_kernels(drawn in drawn(1)) {
        let profile = drawn.profile(WeightUnit::Nanoseconds);
        let used: std::collections::BTreeSet<_> = profile.threads[0].stack.iter().flat_map(|stack| profile.stacks.frames(*stack)).collect();
        let is_used = |name: &&str| used.iter().any(|id| profile.functions.get(*id).name == **name);
        let expected: Vec<_> = kernel_functions(&profile).into_iter().filter(is_used).collect();
        for format in [ExportFormat::Collapsed, ExportFormat::Pprof, ExportFormat::Speedscope, ExportFormat::Firefox] {
            let (again, _) = read_back(&profile, &Selection::default(), format);
            prop_assert_eq!(&kernel_functions(&again), &expected, "{:?}", format);
        }
    }
}

fn two_threads() -> Profile {
    let place = |name: &str| (name.to_owned(), "src/a.js".to_owned(), 1, 2);
    let drawn = Drawn {
        functions: vec![place("a"), place("b")],
        stacks: vec![vec![0], vec![0, 1]],
        threads: vec![vec![(0, 10, 0), (5, 10, 1), (0, 10, 0)], vec![(0, 50, 1)]],
    };
    drawn.profile(WeightUnit::Nanoseconds)
}

#[test]
fn threads_and_intervals_are_chosen() {
    let profile = two_threads();
    let start = profile.threads[0].start[0];
    let chosen = Selection {
        threads: vec![(7, 0)],
        windows: Some(vec![(start + Nanos(10), start + Nanos(25))]),
        ..Selection::default()
    };
    let (again, content) = read_back(&profile, &chosen, ExportFormat::Speedscope);
    let rows = samples(&again, &content.threads);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        rows[0].iter().map(|(_, weight, places)| (*weight, places.len())).collect::<Vec<_>>(),
        [(10, 2)]
    );
    let mut with_async = two_threads();
    with_async.async_threads = with_async.threads.split_off(1);
    let whole = View::new(&with_async, &Selection::default()).busiest_first();
    assert_eq!(whole.len(), 1, "the async phase costs more, so it counts only where it is chosen");
    let of_phase = Selection { windows: Some(vec![(start, start + Nanos(100))]), ..Selection::default() };
    assert_eq!(View::new(&with_async, &of_phase).busiest_first().len(), 2);
    let nothing = Selection { threads: vec![(8, 0)], ..Selection::default() };
    assert!(View::new(&profile, &nothing).is_empty());
    let busiest = View::new(&profile, &Selection::default()).busiest_first();
    assert_eq!(busiest, [((7, 1), "worker 1 (7)".to_owned()), ((7, 0), "main (7)".to_owned())]);
}

#[test]
fn lines_of_a_whole_profile_are_in_its_cpuprofile() {
    let mut profile = two_threads();
    profile.threads.truncate(1);
    let function = profile.stacks.function[0];
    profile.line_ticks.insert((function, 3), 2);
    let (again, _) = read_back(&profile, &Selection::default(), ExportFormat::CpuProfile);
    assert_eq!(again.line_ticks.values().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn what_v8s_format_cannot_hold_is_refused() {
    let refusal = |profile: &Profile| {
        let view = View::new(profile, &Selection::default());
        export(&view, ExportFormat::CpuProfile, "", &mut Vec::new()).unwrap_err()
    };
    let mut profile = two_threads();
    assert!(matches!(refusal(&profile), ExportError::SeveralThreads(2)));
    profile.unit = WeightUnit::Bytes;
    assert!(matches!(refusal(&profile), ExportError::NotTime("bytes")));
}

#[test]
fn rows_that_overlap_keep_their_weight() {
    let mut profile = two_threads();
    let thread = &mut profile.threads[0];
    // As the native recorder's: each weighs a period, whenever it came.
    thread.duration = vec![Nanos(12); 3];
    for format in [ExportFormat::Speedscope, ExportFormat::CpuProfile] {
        let one = Selection { threads: vec![(7, 0)], ..Selection::default() };
        let (again, content) = read_back(&profile, &one, format);
        let weights: Vec<_> =
            samples(&again, &content.threads)[0].iter().map(|(_, weight, _)| *weight).collect();
        assert_eq!(weights, [12; 3], "{format:?}");
    }
}
