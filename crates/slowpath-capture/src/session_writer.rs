//! Appends to the session log from any thread. A full disk is remembered once and said at the end, not panicked over.

use crate::now;
use slowpath_profile::recording::{Event, JsonLines, Layout, RecorderState, TimedEvent};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A shared writer of the session log.
#[derive(Debug, Clone)]
pub struct SessionWriter {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    lines: JsonLines,
    first_failure: Option<String>,
}

impl SessionWriter {
    /// Opens the session log of a recording.
    pub fn open(layout: &Layout) -> io::Result<Self> {
        let lines = JsonLines::append_to(&layout.session_log())?;
        Ok(Self { inner: Arc::new(Mutex::new(Inner { lines, first_failure: None })) })
    }

    /// Appends `event` with the present time.
    pub fn push(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let timed = TimedEvent { t: now(), event };
        if let Err(error) = inner.lines.push(&timed) {
            inner
                .first_failure
                .get_or_insert_with(|| format!("the session log could not be written: {error}"));
        }
    }

    /// Appends a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.push(Event::Warning { text: text.into() });
    }

    /// Appends the state of a recorder.
    pub fn recorder(&self, recorder: &str, pid: Option<u32>, state: RecorderState, why: impl Into<String>) {
        self.push(Event::Recorder { recorder: recorder.to_owned(), pid, state, why: why.into() });
    }

    /// Remembers that something could not be written; the first such failure is kept.
    pub fn note_write_failure(&self, what: &str, error: &dyn std::fmt::Display) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.first_failure.get_or_insert_with(|| format!("{what} could not be written: {error}"));
    }

    /// Returns the first failure to write anything, if there was one.
    pub fn write_failure(&self) -> Option<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).first_failure.clone()
    }
}
