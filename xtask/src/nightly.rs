//! What takes too long for every change, or depends on V8's mood: what `slowpath export` writes in other tools' own parsers,
//! end-to-end tests that are left out otherwise, and each fuzz target for a while.

use crate::{setup, shell};
use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// How long each target runs where nothing else is asked for.
const DEFAULT_SECONDS: u32 = 60;

/// An input that takes longer is a finding: the targets parse kilobytes.
const LONGEST_INPUT_S: u32 = 10;

/// Opens exports in other tools, runs the tests that are left out otherwise, and every fuzz target.
pub(crate) fn all(arguments: &[String]) -> Result<()> {
    exports_elsewhere()?;
    shell::cargo(&["nextest", "run", "--locked", "--package", "slowpath", "--run-ignored", "only"])?;
    fuzz(arguments)
}

/// Opens what `slowpath export` writes with the parsers of the tools that it is written for.
fn exports_elsewhere() -> Result<()> {
    setup::everything()?;
    setup::npm_packages("bench/formats")?;
    shell::cargo(&["build", "--release", "--locked", "--package", "slowpath"])?;
    let mut node = std::process::Command::new("node");
    shell::run(node.arg("bench/formats/open-elsewhere.mjs").current_dir(shell::root()))
}

/// Runs every fuzz target for the seconds given as the only argument, and names those that found something.
fn fuzz(arguments: &[String]) -> Result<()> {
    let seconds = match arguments {
        [] => DEFAULT_SECONDS,
        [seconds] => seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?,
        _ => bail!("too many arguments: write `cargo xtask nightly [SECONDS]`"),
    };
    if !shell::exists("cargo-fuzz", "--version") {
        bail!(
            "`cargo-fuzz` does not run: install it with `cargo install cargo-fuzz --locked`; libFuzzer also needs a C++ compiler"
        );
    }
    let folder = shell::root().join("fuzz");
    let mut failed = Vec::new();
    for target in targets(&folder)? {
        let (corpus, own_seeds) = (folder.join("corpus").join(&target), folder.join("seeds").join(&target));
        // The importers share theirs: each has something of the others to refuse.
        let seeds = if own_seeds.exists() { own_seeds } else { folder.join("seeds/import") };
        std::fs::create_dir_all(&corpus).with_context(|| format!("{}", corpus.display()))?;
        let paths = [corpus, seeds].map(|path| path.display().to_string());
        let total = format!("-max_total_time={seconds}");
        let longest = format!("-timeout={LONGEST_INPUT_S}");
        let [corpus, seeds] = &paths;
        // Without a sanitizer the stable toolchain does; fuzz/README.md says what that leaves out.
        let outcome = shell::cargo(&[
            "fuzz",
            "run",
            "--sanitizer",
            "none",
            &target,
            corpus,
            seeds,
            "--",
            &total,
            &longest,
        ]);
        if let Err(error) = outcome {
            eprintln!("{error:#}");
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!("fuzzing failed: {}; what was found is in fuzz/artifacts", failed.join(", "));
    }
    Ok(())
}

/// Returns the names of all fuzz targets, sorted.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let sources = folder.join("fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&sources).with_context(|| format!("{}", sources.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
