//! The terminal while the live view has it: taken over, drawn on, and given back whatever happens.

use super::picture::Picture;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _, Stderr};
use std::sync::{Mutex, Once, PoisonError};

/// What is to be given back; `Some` while the view has the terminal. Static, because a panic must find it.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// The terminal as it was.
struct Taken {
    /// `None` where standard input is no terminal.
    modes: Option<Termios>,
}

static PANIC_HOOK: Once = Once::new();

/// The screen; dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
}

/// Whether standard error is a terminal that can be drawn on.
pub(super) fn is_possible() -> bool {
    io::stderr().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb" && !term.is_empty())
}

impl Screen {
    /// Takes over the terminal; `None` if it cannot be, which is no reason to have no load.
    pub(super) fn enter() -> Option<Self> {
        if !is_possible() {
            return None;
        }
        PANIC_HOOK.call_once(|| {
            let print = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                print(info);
            }));
        });
        let terminal = Terminal::new(CrosstermBackend::new(io::stderr())).ok()?;
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Taken { modes: hide_typing() });
        let screen = Self { terminal };
        execute!(io::stderr(), EnterAlternateScreen, Hide).ok()?;
        Some(screen)
    }

    pub(super) fn draw(&mut self, picture: &Picture<'_>) {
        // A terminal that has gone away must not end the load.
        let _ = self.terminal.draw(|frame| picture.render(frame));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Turns the echo of keys off, and returns the modes before that.
fn hide_typing() -> Option<Termios> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).ok()?;
    let mut hidden = before.clone();
    // Signals stay on: Ctrl-C, Ctrl-Z and Ctrl-\ do what they always do.
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
    tcsetattr(&stdin, OptionalActions::Now, &hidden).ok()?;
    Some(before)
}

fn give_back() {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Taken { modes }) = taken {
        let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
        if let Some(modes) = modes {
            // What was typed meanwhile was meant for nobody.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &modes);
        }
    }
}
