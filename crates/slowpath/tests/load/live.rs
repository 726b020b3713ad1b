//! The live view in a terminal of its own: it comes, and the terminal is given back however the load ends.

use crate::harness::{interrupt, slowpath, wait_until};
use crate::server::Server;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read;
use std::process::Child;
use std::sync::{Arc, Mutex};

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

/// Starts the command with a terminal as standard error; what it draws is collected.
fn start(args: &[&str]) -> (Child, Arc<Mutex<Vec<u8>>>) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
    let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("UTF-8");
    let terminal = File::options().read(true).write(true).open(name).expect("it opens");
    let mut command = slowpath(["load"]);
    let child = command.args(args).env("TERM", "xterm-256color").stderr(terminal).spawn().expect("it starts");
    drop(command);
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&drawn);
    std::thread::spawn(move || {
        let mut master = File::from(master);
        let mut buffer = [0; 4096];
        // Ends with an error when the last process has closed the terminal.
        while let Ok(n @ 1..) = master.read(&mut buffer) {
            sink.lock().expect("no thread panics with it").extend_from_slice(&buffer[..n]);
        }
    });
    (child, drawn)
}

fn text(drawn: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&drawn.lock().expect("no thread panics with it")).into_owned()
}

#[test]
fn a_terminal_gets_a_live_view_and_then_the_tables() {
    let server = Server::start();
    let (mut child, drawn) = start(&["-d", "60", "-c", "2", &server.url("/")]);
    wait_until("the view shows a rate", || text(&drawn).contains("requests/s"));
    interrupt(&child);
    assert!(child.wait().expect("it ends").success());
    wait_until("the tables are printed", || text(&drawn).contains("stopped by hand"));
    let text = text(&drawn);
    let (enter, leave) = (text.find(ENTER).expect("entered"), text.rfind(LEAVE).expect("left"));
    assert!(enter < leave && text[leave..].contains("p99.9"), "tables come after the view: {text}");
    assert!(text[leave..].contains("\u{1b}[?25h"), "the cursor is back");
}

#[test]
fn no_progress_means_no_live_view() {
    let server = Server::start();
    let (mut child, drawn) = start(&["-n", "-a", "20", "-c", "2", &server.url("/")]);
    assert!(child.wait().expect("it ends").success());
    wait_until("the tables are printed", || text(&drawn).contains("requests in"));
    assert!(!text(&drawn).contains(ENTER));
}
