//! The terminal: the target's output passed through, one status line below it, errors, the closing lines.
//!
//! Standard output carries data only (the target's own, or what `--quiet` and `--json` promise); all of ours goes to
//! standard error. Without a terminal the status line becomes plain lines, one a phase.

use crate::exit_code::Explained;
use std::io::{self, IsTerminal, Write};

/// How much we say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Everything.
    Normal,
    /// Nothing but errors: standard output belongs to a promise.
    Quiet,
}

/// Writes to the person's terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    talk: Talk,
    is_live: bool,
    status: String,
    is_drawn: bool,
    at_line_start: bool,
}

impl Terminal {
    /// Prepares; draws a live status line only where standard error is a terminal.
    pub(crate) fn new(talk: Talk) -> Self {
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let is_live = talk == Talk::Normal && io::stderr().is_terminal() && !dumb;
        Self { talk, is_live, status: String::new(), is_drawn: false, at_line_start: true }
    }

    /// Whether a status line is drawn.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Passes the target's standard output on.
    pub(crate) fn pass_stdout(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.talk == Talk::Quiet {
            return Ok(());
        }
        self.clear_status();
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())?;
        self.at_line_start = bytes.ends_with(b"\n");
        Ok(())
    }

    /// Passes the target's standard error on.
    pub(crate) fn pass_stderr(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.talk == Talk::Quiet {
            return Ok(());
        }
        self.clear_status();
        io::stderr().lock().write_all(bytes)?;
        self.at_line_start = bytes.ends_with(b"\n");
        Ok(())
    }

    /// Prints a line of ours.
    pub(crate) fn say(&mut self, line: &str) {
        if self.talk == Talk::Normal {
            self.clear_status();
            let start = if self.at_line_start { "" } else { "\n" };
            eprintln!("{start}{}", self.dim(line));
            self.at_line_start = true;
            self.draw_status();
        }
    }

    /// Replaces the status line.
    pub(crate) fn set_status(&mut self, status: String) {
        if self.is_live {
            self.clear_status();
            self.status = status;
            self.draw_status();
        }
    }

    /// Takes the status line away for good.
    pub(crate) fn end_status(&mut self) {
        self.clear_status();
        self.status.clear();
    }

    fn draw_status(&mut self) {
        // Over a half line of the target it would garble; it comes back with the next whole line.
        if !self.is_live || self.status.is_empty() || !self.at_line_start {
            return;
        }
        let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col));
        let line: String = self.status.chars().take(width.saturating_sub(1)).collect();
        eprint!("\r{}\x1b[K", self.dim(&line));
        let _ = io::stderr().flush();
        self.is_drawn = true;
    }

    fn clear_status(&mut self) {
        if self.is_drawn {
            eprint!("\r\x1b[K");
            self.is_drawn = false;
        }
    }

    fn dim(&self, text: &str) -> String {
        style(text, "2", self.is_live)
    }
}

/// Wraps `text` in an SGR code where colour is wanted.
pub(crate) fn style(text: &str, code: &str, terminal: bool) -> String {
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Prints where the report is.
pub(crate) fn print_report_path(path: &std::path::Path) {
    eprintln!("{}", style(&format!("report: {}", path.display()), "36", io::stderr().is_terminal()));
}

/// Prints what to know beside a result.
pub(crate) fn print_note(text: &str) {
    eprintln!("{}", style(&format!("note: {text}"), "2", io::stderr().is_terminal()));
}

/// Prints the closing lines: the verdict, the place, what a command was asked for besides, the path.
pub(crate) fn print_conclusion(
    report: &slowpath_report::ReportData,
    summary: &[String],
    path: &std::path::Path,
) {
    let terminal = io::stderr().is_terminal();
    eprintln!("\n{}", style(&report.verdict.sentence, "1", terminal));
    let starved = report.verdict.class == "starved";
    let speaks_of_it = |finding: &&slowpath_report::FindingData| starved == (finding.rule == "cpu-starved");
    let finding = report.findings.iter().find(speaks_of_it);
    let is_named = |finding: &&slowpath_report::FindingData| match report.verdict.class {
        "not-enough-data" => false,
        // The sentence names what could still be better.
        "healthy" => matches!(finding.severity, "high" | "medium"),
        _ => true,
    };
    match finding.filter(is_named) {
        Some(finding) => eprintln!("{}", finding.advice),
        None => eprintln!("{}", report.verdict.detail),
    }
    if let Some(gain) = report.gain_of_all.filter(|gain| *gain >= 1.05) {
        let what = if report.load.is_some() { "the requests" } else { "as fast" };
        eprintln!("All findings mended: about {gain:.1}× {what}.");
    }
    for line in summary {
        eprintln!("{line}");
    }
    print_report_path(path);
}

/// Prints an error with its causes and its hint.
pub(crate) fn print_error(error: &anyhow::Error) {
    let terminal = io::stderr().is_terminal();
    eprintln!("{} {error}", style("error:", "1;31", terminal));
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
    let hint = error.downcast_ref::<Explained>().and_then(|explained| explained.hint.as_ref());
    if let Some(hint) = hint {
        eprintln!("\n{} {hint}", style("hint:", "1", terminal));
    }
}
