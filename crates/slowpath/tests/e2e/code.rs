//! Whose fault a sample is when V8 does not say: inlined, compiled from TypeScript, bundled, below WebAssembly or below a
//! dependency that several functions call.

use crate::fixtures::{Planted, app, planted, root};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;
use std::path::Path;
use std::process::Command;

/// Least share of busy time that the planted function and its helpers must have been given.
const MOST: f64 = 0.7;

fn run_in(directory: &Path, command: [&str; 3], fixed: &str) -> Recorded {
    let run = Invocation::run().cwd(directory).load("/", "5").env("FIXED", fixed);
    run.args(["-c", "10"]).target(command).finish().expect_code(0).report()
}

fn check_plain(program: &str, function: &str) -> Recorded {
    let sick = run_in(&app("plain"), ["node", "--no-warnings", program], "");
    sick.expect_clean_load().expect_whole_recorders().expect_whole_split();
    let planted = planted("plain", program, function);
    sick.blames_cpu_of(&planted);
    let well = run_in(&app("plain"), ["node", "--no-warnings", program], "1");
    assert!(well.cpu_finding(&planted).is_none(), "the twin is blamed:\n{}", well.summary());
    sick
}

#[test]
fn an_inlined_function_is_blamed_itself() {
    undisturbed(|| {
        check_plain("inlined.js", "mixByte");
    });
}

#[test]
fn webassembly_is_charged_to_the_function_that_calls_it() {
    undisturbed(|| {
        check_plain("wasm.js", "countTokens");
    });
}

#[test]
fn a_dependency_that_three_functions_call_is_split_among_them() {
    undisturbed(|| {
        let sick = check_plain("three-callers.js", "loadFilters");
        let share = |function: &str| {
            let finding = sick.blames_cpu_of(&planted("plain", "three-callers.js", function));
            finding["share"].as_f64().expect("a share")
        };
        let (filters, sorting) = (share("loadFilters"), share("loadSorting"));
        let ratio = filters / sorting;
        assert!(
            (1.5..=2.7).contains(&ratio),
            "six calls to three: {filters} to {sorting}\n{}",
            sick.summary()
        );
    });
}

/// Copies the TypeScript service to a directory of its own, where nothing of it is compiled.
fn typescript() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("e2e-ts-").tempdir().expect("a temporary directory");
    let to = directory.path();
    std::fs::create_dir(to.join("src")).expect("our own directory");
    for file in ["src/server.ts", "src/pricing.ts", "tsconfig.json", "package.json"] {
        std::fs::copy(app("compiled").join(file), to.join(file)).expect("the app has this file");
    }
    std::os::unix::fs::symlink(root().join("node_modules"), to.join("node_modules"))
        .expect("our own directory");
    directory
}

fn tool(directory: &Path, name: &str, args: &[&str]) {
    let path = root().join("node_modules/.bin").join(name);
    let output = Command::new(path).args(args).current_dir(directory).output().expect("an installed tool");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{name}: {}{}", said(&output.stdout), said(&output.stderr));
}

/// Checks that the report names the TypeScript source, whatever was run.
fn check_typescript(directory: &Path, command: [&str; 3]) {
    undisturbed(|| {
        let report = run_in(directory, command, "");
        report.expect_clean_load().expect_whole_recorders();
        let at = |function: &str| Planted {
            file: "src/pricing.ts".into(),
            ..planted("compiled", "src/pricing.ts", function)
        };
        let share = |function: &str| {
            report.cpu_finding(&at(function)).and_then(|finding| finding["share"].as_f64()).unwrap_or(0.0)
        };
        let given = share("rateOf") + share("quote");
        assert!(given >= MOST, "{given} of the busy time is given to src/pricing.ts:\n{}", report.summary());
    });
}

#[test]
fn typescript_compiled_with_source_maps_is_blamed_at_its_source() {
    let directory = typescript();
    tool(directory.path(), "tsc", &["-p", "."]);
    check_typescript(directory.path(), ["node", "--no-warnings", "dist/server.js"]);
}

#[test]
fn a_minified_bundle_is_blamed_at_its_source() {
    let directory = typescript();
    let bundle = ["--bundle", "--minify", "--platform=node", "--sourcemap", "--format=cjs"];
    let args = [&["src/server.ts", "--outfile=out/server.cjs"][..], &bundle].concat();
    tool(directory.path(), "esbuild", &args);
    check_typescript(directory.path(), ["node", "--no-warnings", "out/server.cjs"]);
}

#[test]
fn a_bundle_of_compiled_code_is_followed_to_the_source() {
    let directory = typescript();
    tool(directory.path(), "tsc", &["-p", "."]);
    let args =
        ["dist/server.js", "--outfile=out/server.cjs", "--bundle", "--platform=node", "--sourcemap=inline"];
    tool(directory.path(), "esbuild", &args);
    check_typescript(directory.path(), ["node", "--no-warnings", "out/server.cjs"]);
}

#[test]
fn typescript_compiled_in_memory_is_blamed_at_its_source() {
    let directory = typescript();
    check_typescript(directory.path(), ["node", "--import=tsx", "src/server.ts"]);
}
