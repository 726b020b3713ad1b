//! Opens the report in the browser when there is a person with a desktop.

use crate::cli::OutputOptions;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};

/// Programs that open a file in the user's browser, in order of preference.
const OPENERS: &[&str] = &["xdg-open", "wslview", "open"];

/// Whether the report should be opened.
pub(crate) fn wanted(options: &OutputOptions) -> bool {
    if options.no_open {
        return false;
    }
    options.open || (!options.quiet && !options.json && has_person())
}

/// Whether somebody sits at a desktop and sees what is printed.
pub(crate) fn has_person() -> bool {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    desktop && std::io::stdout().is_terminal()
}

/// Opens a file; answers whether some program took it. Does not wait for it.
pub(crate) fn open(path: &Path) -> bool {
    let own = std::env::var("BROWSER").ok().filter(|browser| !browser.contains([' ', '%', ':']));
    let openers = own.iter().map(String::as_str).chain(OPENERS.iter().copied());
    for opener in openers {
        let mut command = Command::new(opener);
        command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if command.spawn().is_ok() {
            return true;
        }
    }
    false
}
