//! The table of a sweep: rate, what was achieved, latency, errors, and where the curve bends.

use super::ink::{Ink, heads, row};
use super::sweep::{Step, Sweep, SweepPoint};
use super::units;

/// Returns the table, and the knee in a sentence.
pub(crate) fn table(sweep: &Sweep, ink: Ink) -> String {
    let names = ["offered", "achieved", "p50", "p99", "avg", "failed"].map(str::to_owned);
    let mut text = heads(ink, "requests/s", &names) + "\n";
    for (index, point) in sweep.points.iter().enumerate() {
        text += &(point_row(point, sweep.knee == Some(index), ink) + "\n");
    }
    text += "\n";
    text += &match sweep.knee_point() {
        Some(knee) => format!(
            "knee at {} requests/s with p99 {}: the greatest throughput over latency\n",
            units::rate(knee.achieved),
            units::time(knee.p99_us as f64)
        ),
        None => "no knee: the server kept up with none of the rates\n".to_owned(),
    };
    if let Some(highest) = sweep.highest_kept() {
        text += &format!(
            "kept up with {} requests/s at most, with p99 {}\n",
            units::rate(highest.achieved),
            units::time(highest.p99_us as f64)
        );
    }
    text
}

fn point_row(point: &SweepPoint, is_knee: bool, ink: Ink) -> String {
    let (name, offered) = match point.step {
        Step::Synchronous => ("1 connection", "-".to_owned()),
        Step::Saturation => ("saturation", "-".to_owned()),
        Step::Rate { offered } => match (is_knee, point.keeps_up) {
            (true, _) => ("rate   <- knee", units::rate(offered)),
            (false, true) => ("rate", units::rate(offered)),
            (false, false) => ("rate, too high", units::rate(offered)),
        },
    };
    let cells = [
        offered,
        units::rate(point.achieved),
        units::time(point.p50_us as f64),
        units::time(point.p99_us as f64),
        units::time(point.mean_us),
        units::count(point.n_failed),
    ];
    row(ink, name, &cells)
}
