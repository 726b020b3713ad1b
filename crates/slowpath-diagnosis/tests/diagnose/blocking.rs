//! Calls that block by their nature: the finding names the call, and the application function that makes it.

use crate::check::check;
use crate::cpu::flat;
use crate::drawing::Drawing;

/// Draws a thread that spends 60 % in `call`, made by `blocker` in line 20, and checks that both are named.
fn check_call(call: &str, rule: &str, name: &str) {
    let drawing = Drawing::of(&format!("handle@3;blocker@20;{call} 60\n{}", flat(7))).load(100, 150.0);
    let found = check(&drawing, "blocked", &[&format!("{rule} blocker app.js:20")]);
    assert!(
        found.first().title.starts_with(&format!("{name}() blocks the main thread")),
        "{}",
        found.first().title
    );
    assert!(!found.refutes("synchronous calls"), "{:?}", found.diagnosis.refuted);
}

#[test]
fn a_synchronous_file_read_is_blamed_on_its_caller() {
    check_call("fs:readFileSync;native:readFileUtf8", "sync-fs", "readFileSync");
}

#[test]
fn a_synchronous_key_derivation_is_blamed_on_its_caller() {
    check_call("crypto:pbkdf2Sync;native:run", "sync-crypto-or-zlib", "pbkdf2Sync");
}

#[test]
fn a_synchronous_child_is_blamed_on_its_caller_by_the_call_that_it_wrote() {
    check_call("child:execSync;child:spawnSync;native:spawn", "sync-child-process", "execSync");
}

#[test]
fn a_call_by_a_package_is_blamed_on_the_application_function_below_it() {
    check_call("dep:load;fs:readFileSync;native:open", "sync-fs", "readFileSync");
}

#[test]
fn long_synchronous_calls_of_an_idle_thread_are_blocking_too() {
    let starts: Vec<f64> = (2..29).map(|second| f64::from(second) + 0.5).collect();
    let stack = "handle@3;blocker@20;child:execSync;native:spawn";
    let drawing = Drawing::of("handle@3 2").stalls(&starts, 200.0, stack).slow_requests(0.2, 180.0);
    let found = check(
        &drawing,
        "blocked",
        &["event-loop-stall blocker app.js:20", "sync-child-process blocker app.js:20"],
    );
    assert!(found.sentence().contains("execSync()"), "{}", found.sentence());
}

#[test]
fn a_rare_synchronous_call_is_no_finding() {
    let drawing = Drawing::of(&format!("handle@3;load@20;fs:readFileSync;native:open 2\n{}", flat(19)));
    let found = check(&drawing, "healthy", &[]);
    assert!(found.refutes("synchronous calls"), "{:?}", found.diagnosis.refuted);
}
