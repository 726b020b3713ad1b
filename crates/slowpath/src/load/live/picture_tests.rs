//! Snapshots of the live view on a terminal of 80 columns and 24 lines: each was read.

use super::super::super::measured::Second;
use super::super::super::samples;
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

fn shown(so_far: &SoFar, elapsed: u64, amount: Option<u64>, size: (u16, u16)) -> String {
    let picture = Picture {
        heading: "http://localhost:3000/v1/models",
        elapsed: Duration::from_secs(elapsed),
        duration: amount.is_none().then_some(Duration::from_secs(10)),
        amount,
        so_far,
    };
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| picture.render(frame)).unwrap();
    terminal.backend().to_string()
}

fn so_far(second: fn(u64) -> Interval) -> SoFar {
    let intervals = [second(0), second(1), second(2)];
    SoFar {
        seconds: intervals.iter().map(Second::of).collect(),
        whole: Some(samples::measured(&intervals).whole),
        last: Some(second(2)),
    }
}

#[test]
fn a_load_with_errors() {
    insta::assert_snapshot!(shown(&so_far(samples::troubled_second), 3, None, (80, 24)));
}

#[test]
fn an_open_load_of_streams() {
    insta::assert_snapshot!(shown(&so_far(samples::streaming_second), 11, None, (80, 24)));
}

#[test]
fn before_the_first_second() {
    insta::assert_snapshot!(shown(&SoFar::default(), 0, Some(5000), (80, 24)));
}

#[test]
fn no_size_is_too_small() {
    for size in [(1, 1), (20, 5), (200, 3), (3, 60), (300, 100)] {
        shown(&so_far(samples::streaming_second), 3, Some(5000), size);
    }
}
