//! The live view: what a load does right now, drawn in the terminal until it ends.
//!
//! On the alternate screen of standard error, so that standard output stays data and the scroll-back stays clean. Keys go
//! on making signals (Ctrl-C ends early); only their echo is off.

mod picture;
mod screen;

use super::drive::SoFar;
use super::settings::Settings;
use picture::Picture;
use screen::Screen;
use std::time::{Duration, Instant};

/// How often it is drawn.
const REDRAW: Duration = Duration::from_millis(250);

/// A live view, or none where nobody would see it.
pub(crate) struct LiveView {
    drawing: Option<Drawing>,
}

struct Drawing {
    screen: Screen,
    heading: String,
    duration: Option<Duration>,
    amount: Option<u64>,
    last_drawn: Option<Instant>,
}

impl LiveView {
    /// A view that shows nothing.
    pub(crate) fn off() -> Self {
        Self { drawing: None }
    }

    /// Takes over the terminal. `what` names the load among several, such as the steps of a sweep.
    pub(crate) fn on(
        settings: &Settings,
        what: &str,
        duration: Option<Duration>,
        amount: Option<u64>,
    ) -> Self {
        let title = settings.title.as_ref().map_or(String::new(), |title| format!("{title}: "));
        let heading = format!("{title}{what}{}", settings.urls.join(", "));
        let drawing =
            Screen::enter().map(|screen| Drawing { screen, heading, duration, amount, last_drawn: None });
        Self { drawing }
    }

    /// Whether a view can be shown: standard error is a terminal that can move its cursor.
    pub(crate) fn is_possible() -> bool {
        screen::is_possible()
    }

    /// Draws, if it is time to.
    pub(crate) fn draw(&mut self, so_far: &SoFar, elapsed: Duration) {
        let Some(drawing) = &mut self.drawing else { return };
        if drawing.last_drawn.is_some_and(|last| last.elapsed() < REDRAW) {
            return;
        }
        drawing.last_drawn = Some(Instant::now());
        let picture = Picture {
            heading: &drawing.heading,
            elapsed,
            duration: drawing.duration,
            amount: drawing.amount,
            so_far,
        };
        drawing.screen.draw(&picture);
    }
}
