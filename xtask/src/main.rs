//! Sets up, builds and checks slowpath: `cargo xtask demo`, `cargo xtask test` and their parts.
//!
//! Needs Rust and Node.js. Everything else (npm packages, cargo tools) it fetches with their own clients.

mod checks;
mod companions;
mod nightly;
mod scoreboard;
mod scoreboard_table;
mod setup;
mod shell;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  demo [ARGS]   set up, build, run the built-in demo, write and open its report (ARGS go to `slowpath demo`)
  test          set up, then everything that CI checks: format, lints, licences, types, unit and end-to-end tests
  page          build the report page (ui/dist/page.html)
  setup         fetch what the tests need: npm packages, Node 18 to 24, cargo tools
  scoreboard [NAME...]  run the programs with a planted cause and their healthy twins, and say how often slowpath is right;
                with SLOWPATH_SCOREBOARD_KEEP=DIR keep their recordings, with `--rejudge DIR` first report those anew instead
  rules-docs    write docs/rules from the rules' own documentation
  e2e [FILTER]  only the end-to-end tests
  nightly [S]   exports in other tools' parsers, and every fuzz target for S seconds, or 60; needs cargo-fuzz
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("help", &[][..]), |(c, rest)| (c.as_str(), rest));
    // `demo` has options of its own.
    let asks_for_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    match command {
        _ if asks_for_help && command != "demo" => {
            print!("{HELP}");
            Ok(())
        }
        "demo" => demo(rest),
        "test" => checks::all(),
        "page" => setup::page(),
        "setup" => setup::everything(),
        "scoreboard" => scoreboard::run(rest),
        "rules-docs" => rules_docs(),
        "nightly" => nightly::all(rest),
        "e2e" => checks::end_to_end(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command `{other}`\n\n{HELP}"),
    }
}

/// Writes the rules' documentation into `docs/rules`.
fn rules_docs() -> Result<()> {
    shell::cargo(&["run", "--quiet", "--package", "slowpath-diagnosis", "--example", "rules_docs"])
}

/// Builds the page and the release binary, and runs the demo with it.
fn demo(arguments: &[String]) -> Result<()> {
    setup::page()?;
    shell::cargo(&["build", "--release", "--package", "slowpath"])?;
    let mut command = std::process::Command::new(shell::target_dir().join("release/slowpath"));
    command.arg("demo").args(arguments);
    shell::run(&mut command)
}
