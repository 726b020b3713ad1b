//! What the live view shows, for 80 columns and 24 lines; more when there is more room. Draws numbers, computes none that
//! the tables at the end would not.

use super::super::drive::SoFar;
use super::super::measured::n_failed;
use super::super::units;
use hdrhistogram::Histogram;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph, Sparkline};
use slowpath_load::Interval;
use std::time::Duration;

/// Percentiles of the table.
const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// Width of a column of the table, and of the names before it.
const CELL_WIDTH: usize = 10;
const NAME_WIDTH: usize = 17;

/// Most bars of the latency histogram.
const MAX_BARS: usize = 10;

/// Everything that is drawn.
pub(super) struct Picture<'a> {
    pub(super) heading: &'a str,
    pub(super) elapsed: Duration,
    pub(super) duration: Option<Duration>,
    pub(super) amount: Option<u64>,
    pub(super) so_far: &'a SoFar,
}

impl Picture<'_> {
    pub(super) fn render(&self, frame: &mut Frame<'_>) {
        let outcomes = self.outcomes();
        let [heading, progress, _, rate, chart, _, table, _, bars, _, counts, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(3),
            Constraint::Length(1),
            Constraint::Length(3),
            Constraint::Length(1),
            Constraint::Max(MAX_BARS as u16),
            Constraint::Length(1),
            Constraint::Length(outcomes.len() as u16),
            Constraint::Length(1),
        ])
        .areas(frame.area().inner(ratatui::layout::Margin::new(1, 0)));
        frame.render_widget(Line::from(self.heading).bold(), heading);
        self.render_progress(frame, progress);
        frame.render_widget(self.rate_line(), rate);
        self.render_chart(frame, chart);
        frame.render_widget(Paragraph::new(self.table()), table);
        if let Some(whole) = &self.so_far.whole {
            frame.render_widget(Paragraph::new(latency_bars(&whole.latency, bars)), bars);
        }
        frame.render_widget(Paragraph::new(outcomes), counts);
        frame.render_widget(Line::from("Ctrl-C ends early with results").dim(), foot);
    }

    fn n_done(&self) -> u64 {
        self.so_far.whole.as_ref().map_or(0, |whole| whole.n_requests + n_failed(whole))
    }

    fn render_progress(&self, frame: &mut Frame<'_>, area: Rect) {
        let elapsed = self.elapsed.as_secs_f64();
        let (ratio, label) = match (self.amount, self.duration) {
            (Some(amount), _) => (
                self.n_done() as f64 / amount as f64,
                format!("{} of {} requests", units::count(self.n_done()), units::count(amount)),
            ),
            (None, Some(duration)) => {
                let left = (duration.as_secs_f64() - elapsed).max(0.0);
                let label =
                    if left > 0.0 { format!("{left:>4.0} s left") } else { "last answers".to_owned() };
                (elapsed / duration.as_secs_f64(), label)
            }
            (None, None) => (0.0, format!("{elapsed:.0} s")),
        };
        let gauge = LineGauge::default()
            .ratio(ratio.clamp(0.0, 1.0))
            .label(label)
            .filled_style(Style::new().fg(Color::Cyan))
            .filled_symbol("━")
            .unfilled_symbol("─");
        frame.render_widget(gauge, area);
    }

    fn rate_line(&self) -> Line<'static> {
        let Some(last) = &self.so_far.last else { return Line::from("the first second is under way").dim() };
        let rate = self
            .so_far
            .seconds
            .last()
            .map_or(0.0, |second| second.n_requests as f64 / second.length_s.max(1e-9));
        let mut line = Line::from(vec![
            format!("{} requests/s", units::rate(rate)).bold(),
            format!("   {} connections", units::count(last.open_connections)).into(),
        ]);
        let cpu = last.busiest_thread_cpu_share;
        let text = format!("   generator {:.0} % of a CPU", cpu * 100.0);
        line.push_span(if cpu > 0.9 { Span::from(text).yellow() } else { text.into() });
        if last.uncorrected.is_some() {
            line.push_span(format!("   {} late", units::count(last.n_late)));
        }
        line
    }

    /// Successful requests of the last seconds.
    fn render_chart(&self, frame: &mut Frame<'_>, area: Rect) {
        let seconds = &self.so_far.seconds;
        let newest = &seconds[seconds.len().saturating_sub(usize::from(area.width))..];
        let data: Vec<u64> = newest.iter().map(|second| second.n_requests).collect();
        frame.render_widget(Sparkline::default().data(&data).style(Style::new().fg(Color::Cyan)), area);
    }

    fn table(&self) -> Vec<Line<'static>> {
        let mut head = format!("{:<NAME_WIDTH$}", "latency");
        for percent in PERCENTILES {
            head += &format!("{:>CELL_WIDTH$}", units::percentile(percent));
        }
        head += &format!("{:>CELL_WIDTH$}", "max");
        let row = |name: &str, interval: Option<&Interval>| {
            let mut text = format!("{name:<NAME_WIDTH$}");
            if let Some(latency) =
                interval.map(|interval| &interval.latency).filter(|times| !times.is_empty())
            {
                let at = |percent: f64| latency.value_at_quantile(percent / 100.0);
                for us in PERCENTILES.map(at).into_iter().chain([latency.max()]) {
                    text += &format!("{:>CELL_WIDTH$}", units::time(us as f64));
                }
            }
            Line::from(text)
        };
        vec![
            Line::from(head).dim(),
            row("  last second", self.so_far.last.as_ref()),
            row("  so far", self.so_far.whole.as_ref()),
        ]
    }

    /// Statuses, streams and errors, one line each.
    fn outcomes(&self) -> Vec<Line<'static>> {
        let Some(whole) = &self.so_far.whole else { return Vec::new() };
        let mut lines = Vec::new();
        let statuses = whole.status.iter().map(|(status, n)| format!("{status}: {}", units::count(*n)));
        lines.push(Line::from(format!("status   {}", statuses.collect::<Vec<_>>().join("   "))));
        if let (Some(stream), Some(last)) = (&whole.stream, self.so_far.last.as_ref()) {
            let tokens = last.stream.as_ref().map_or(0, |stream| stream.n_output_tokens);
            lines.push(Line::from(format!(
                "streams  {}   ttft p99 {}   itl p99 {}   {} tokens/s",
                units::count(stream.n_streams),
                units::time(stream.ttft.value_at_quantile(0.99) as f64),
                units::time(stream.itl.value_at_quantile(0.99) as f64),
                units::count(tokens)
            )));
        }
        if !whole.errors.is_empty() {
            let errors = whole.errors.iter().map(|(class, n)| format!("{class}: {}", units::count(*n)));
            lines.push(Line::from(format!("errors   {}", errors.collect::<Vec<_>>().join("   "))).red());
        }
        lines
    }
}

/// Bars of how many requests took how long, on a logarithmic scale of time from the fastest to the slowest.
fn latency_bars(latency: &Histogram<u64>, area: Rect) -> Vec<Line<'static>> {
    let n_bars = usize::from(area.height);
    if latency.is_empty() || n_bars == 0 {
        return Vec::new();
    }
    let (fastest, slowest) = (latency.min().max(1) as f64, latency.max().max(2) as f64);
    let factor = (slowest / fastest).powf(1.0 / n_bars as f64);
    let mut below = 0;
    let mut counts = Vec::with_capacity(n_bars);
    let mut limits = Vec::with_capacity(n_bars);
    for bar in 1..=n_bars {
        let limit = if bar == n_bars { slowest } else { fastest * factor.powi(bar as i32) };
        let up_to = latency.count_between(0, limit as u64);
        counts.push(up_to - below);
        limits.push(limit);
        below = up_to;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let room = usize::from(area.width).saturating_sub(NAME_WIDTH + CELL_WIDTH + 2).max(1);
    let bar = |(limit, count): (&f64, &u64)| {
        let eighths = (*count as f64 / most as f64 * (room * 8) as f64).ceil() as usize;
        let mut drawn = "█".repeat(eighths / 8);
        drawn.extend(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied());
        Line::from(vec![
            format!("  up to {:>9}  ", units::time(*limit)).into(),
            format!("{:>CELL_WIDTH$}  ", units::count(*count)).into(),
            Span::from(drawn).fg(Color::Cyan),
        ])
    };
    limits.iter().zip(&counts).map(bar).collect()
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
