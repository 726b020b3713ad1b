//! Whose fault a sample is when V8 does not say: inlined, compiled from TypeScript, bundled, below WebAssembly or below a
//! dependency that several functions call, or behind an `await`. In each, nine tenths of the busy time must be given to what
//! was planted, by name, original file and line.

use crate::fixtures::{Planted, app, planted, root};
use crate::harness::Invocation;
use crate::patience::undisturbed;
use crate::recorded::Recorded;
use std::path::Path;
use std::process::Command;

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
        let sick = check_plain("wasm.js", "countTokens");
        sick.expect_most_given_to(&[planted("plain", "wasm.js", "countTokens")]);
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
        let callers = ["loadFilters", "loadSorting", "loadPage"];
        sick.expect_most_given_to(&callers.map(|caller| planted("plain", "three-callers.js", caller)));
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
        // Answering is the handler's own, and on a busy machine no small part.
        let text = std::fs::read_to_string(app("compiled").join("src/server.ts")).expect("the app has it");
        let line = text.lines().position(|line| line.starts_with("const handle")).expect("it has a handler");
        let handle =
            Planted { function: "handle".into(), file: "src/server.ts".into(), line: line as u32 + 1 };
        report.expect_most_given_to(&[at("rateOf"), at("quote"), handle]);
        report.blames_cpu_of(&at("rateOf"));
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

/// Copies the program whose work a package does in later turns of the loop, with the package where packages lie.
fn awaited() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("e2e-awaited-").tempdir().expect("a temporary directory");
    let (from, package) = (app("awaited"), directory.path().join("node_modules/later-parse"));
    std::fs::create_dir_all(&package).expect("our own directory");
    for file in ["server.js", "package.json"] {
        std::fs::copy(from.join(file), directory.path().join(file)).expect("the app has this file");
        let file = if file == "server.js" { "index.js" } else { file };
        std::fs::copy(from.join("packages/later-parse").join(file), package.join(file))
            .expect("the package has this file");
    }
    directory
}

#[test]
fn work_behind_an_await_is_given_to_the_function_that_awaits() {
    let directory = awaited();
    undisturbed(|| {
        let run = Invocation::run().cwd(directory.path()).load("/", "8");
        let run =
            run.args(["-c", "10", "--phases", "cpu:2,async:3,baseline:1"]).target(["node", "server.js"]);
        let report = run.finish().expect_code(0).report();
        report.expect_clean_load().expect_whole_recorders().expect_whole_split();
        let [load, handle] = ["loadOrders", "handle"].map(|name| planted("awaited", "server.js", name));
        // Answering is the handler's own, and on a busy machine no small part.
        report.expect_most_given_to(&[load.clone(), handle]);
        assert!(report.given_to(&[load]) > 0.5, "{}", report.summary());
        let on_stack = report.json["cpu_owners"]["on_stack_share"].as_f64().expect("followed requests tell");
        assert!(on_stack < 0.5, "nothing hides here: {on_stack}\n{}", report.summary());
    });
}
