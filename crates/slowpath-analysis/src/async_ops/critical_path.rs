//! Where one request's time went: cuts it into parts that add up to its duration.
//!
//! Code of the request runs in slices; between two slices it waits. Which wait held it up is found backwards from its
//! end: the last slice began with something that was made at a moment `since`; from then on the request was held up by
//! that and by nothing else, so every gap back to the slice that made it belongs to it; from that slice on the same.
//!
//! ```text
//! slices   [1]         [2]            [3]
//!           ^ made here: what slice 3 began with; so both gaps are its, and slice 2 was off the critical path
//! gaps         ~~~~~~~~~   ~~~~~~~~~~~
//! ```
//!
//! A slice without length marks that the wait that began at its `since` was at first for what its source says, such as a free
//! connection; it owns the time before it.
//!
//! Of each gap the time at its end in which the next slice was ready but others ran is apart: queued.

use slowpath_profile::Nanos;
use slowpath_profile::recording::{FollowedRequest, Slice};

/// What a part of a request's time went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// Its own code ran.
    Running,
    /// It could have gone on, but other callbacks ran.
    Queued,
    /// It waited for what slice number so-and-so began with.
    Waiting(usize),
    /// Its answer was on its way to the system.
    Sending,
}

/// Returns the parts of a request in time order; their lengths add up to its duration.
pub(crate) fn parts(request: &FollowedRequest) -> Vec<(Part, Nanos)> {
    let owners = gap_owners(request);
    let mut parts = Vec::new();
    let mut add = |part, length: Nanos| {
        if length > Nanos(0) {
            parts.push((part, length));
        }
    };
    let mut at = request.start;
    for (index, slice) in request.slices.iter().enumerate() {
        let gap = slice.start.since(at);
        let queued = slice.queued.min(gap);
        add(Part::Waiting(owners[index]), gap.since(queued));
        add(Part::Queued, queued);
        let length = slice.end.since(slice.start);
        add(Part::Running, slice.ran);
        // In the same turn, but other requests' promise jobs.
        add(Part::Queued, length.since(slice.ran));
        at = slice.end;
    }
    // Of one that was cut nothing is known of its answer.
    let last = if request.cut { last_wait(request) } else { Part::Sending };
    add(last, request.end.since(at));
    parts
}

/// Returns what a request that was cut is taken to wait for: what its last slice had waited for.
fn last_wait(request: &FollowedRequest) -> Part {
    request.slices.len().checked_sub(1).map_or(Part::Queued, Part::Waiting)
}

/// Returns for the gap before each slice the slice whose beginning the request was held up for.
fn gap_owners(request: &FollowedRequest) -> Vec<usize> {
    let slices = &request.slices;
    let mut owners: Vec<usize> = (0..slices.len()).collect();
    let mut at = slices.len();
    while at > 1 {
        let waiting = at - 1;
        let maker = maker_of(slices, waiting);
        let mut owner = waiting;
        for index in (maker + 1..=waiting).rev() {
            // A mark in the middle of the same wait: until then it was for something else.
            if is_mark(&slices[index]) && slices[index].since == slices[waiting].since {
                owner = index;
            }
            owners[index] = owner;
        }
        at = maker + 1;
    }
    owners
}

/// Returns for each slice whether the request went on with what it began with: the waits on the critical path, however short they are
/// beside what is queued for.
pub(crate) fn on_path(request: &FollowedRequest) -> Vec<bool> {
    let slices = &request.slices;
    let mut on_path = vec![false; slices.len()];
    let mut at = slices.len();
    while at > 1 {
        let waiting = at - 1;
        on_path[waiting] = true;
        at = maker_of(slices, waiting) + 1;
    }
    on_path
}

/// Returns the slice that made what another one began with.
fn maker_of(slices: &[Slice], waiting: usize) -> usize {
    slices[waiting]
        .since
        .map_or(waiting - 1, |since| slices[..waiting].iter().rposition(|s| s.start <= since).unwrap_or(0))
}

/// Whether nothing ran in a slice: it marks a moment of a wait.
fn is_mark(slice: &Slice) -> bool {
    slice.start == slice.end && slice.since.is_some()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Builds a request from `(start, end, since)` of its slices, in ms.
    pub(crate) fn request(end: u64, slices: &[(u64, u64, Option<u64>)]) -> FollowedRequest {
        let ms = |ms: u64| Nanos(ms * 1_000_000);
        let slice = |&(start, end, since): &(u64, u64, Option<u64>)| Slice {
            start: ms(start),
            end: ms(end),
            ran: ms(end - start),
            since: since.map(ms),
            queued: Nanos(0),
            site: 0,
            source: 0,
            again: false,
            waker: 0,
        };
        FollowedRequest {
            thread: 0,
            route: "GET /".into(),
            port: 0,
            status: 200,
            start: Nanos(0),
            end: ms(end),
            cut: false,
            queued: Nanos(0),
            slices: slices.iter().map(slice).collect(),
            runs: Vec::new(),
        }
    }

    fn check(request: &FollowedRequest, expected: &[(Part, u64)]) {
        let found: Vec<_> =
            parts(request).iter().map(|(part, length)| (*part, length.0 / 1_000_000)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_nobody_goes_on_with_is_not_on_the_path() {
        // Both are made at first; the request goes on with the later one.
        let request = request(30, &[(0, 1, None), (10, 11, Some(1)), (29, 30, Some(1))]);
        assert_eq!(on_path(&request), [false, false, true]);
        let request = self::request(30, &[(0, 1, None), (10, 11, Some(1)), (29, 30, Some(11))]);
        assert_eq!(on_path(&request), [false, true, true]);
    }

    #[test]
    fn waits_in_series_are_each_their_own() {
        let request = request(30, &[(0, 1, None), (10, 11, Some(1)), (29, 30, Some(11))]);
        let (run, wait) = (Part::Running, Part::Waiting);
        check(&request, &[(run, 1), (wait(1), 9), (run, 1), (wait(2), 18), (run, 1)]);
    }

    #[test]
    fn of_waits_side_by_side_the_longest_counts() {
        let request = request(30, &[(0, 1, None), (10, 11, Some(0)), (29, 30, Some(1))]);
        let (run, wait) = (Part::Running, Part::Waiting);
        check(&request, &[(run, 1), (wait(2), 9), (run, 1), (wait(2), 18), (run, 1)]);
    }

    #[test]
    fn a_mark_tells_what_the_first_part_of_a_wait_was_for() {
        let request = request(31, &[(0, 1, None), (20, 20, Some(1)), (30, 31, Some(1))]);
        let (run, wait) = (Part::Running, Part::Waiting);
        check(&request, &[(run, 1), (wait(1), 19), (wait(2), 10), (run, 1)]);
    }

    #[test]
    fn a_request_that_was_cut_still_waits_for_what_it_waited_for() {
        let mut request = request(30, &[(0, 1, None), (30, 30, Some(1))]);
        request.cut = true;
        check(&request, &[(Part::Running, 1), (Part::Waiting(1), 29)]);
    }

    #[test]
    fn what_was_ready_but_not_called_is_queued() {
        let mut request = request(12, &[(0, 1, None), (10, 12, Some(1))]);
        request.slices[1].queued = Nanos(4_000_000);
        request.slices[1].ran = Nanos(1_500_000);
        let found = parts(&request);
        assert_eq!(
            found.iter().map(|(part, length)| (*part, length.0)).collect::<Vec<_>>(),
            [
                (Part::Running, 1_000_000),
                (Part::Waiting(1), 5_000_000),
                (Part::Queued, 4_000_000),
                (Part::Running, 1_500_000),
                (Part::Queued, 500_000),
            ]
        );
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_duration_whatever_was_recorded(
            lengths in prop::collection::vec((0_u64..50, 0_u64..50, prop::option::of(0_u64..3000), 0_u64..80, 0_u64..60), 0..40),
            rest in 0_u64..20,
        ) {
            let (mut at, mut slices) = (0, Vec::new());
            for (gap, length, since, ..) in &lengths {
                slices.push((at + gap, at + gap + length, *since));
                at += gap + length;
            }
            let mut request = request(at + rest, &slices);
            for (slice, (.., queued, ran)) in request.slices.iter_mut().zip(&lengths) {
                slice.queued = Nanos(queued * 1_000_000);
                slice.ran = Nanos(ran * 1_000_000).min(slice.end.since(slice.start));
            }
            let sum: u64 = parts(&request).iter().map(|(_, length)| length.0).sum();
            prop_assert_eq!(sum, request.end.since(request.start).0);
        }
    }
}
