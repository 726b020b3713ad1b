//! Threads that compute: which function is blamed, and when none is.

use crate::check::check;
use crate::drawing::Drawing;

/// Functions of a twentieth of the time each: nothing to take out.
pub(crate) fn flat(n_functions: usize) -> String {
    flat_below("", n_functions)
}

fn flat_below(callers: &str, n_functions: usize) -> String {
    let lines: Vec<_> = (1..=n_functions).map(|n| format!("{callers}step{n}@{n} 5")).collect();
    lines.join("\n")
}

#[test]
fn blames_the_one_hot_function() {
    let drawing = Drawing::of(&format!("handle@3;render@12;native:writev 60\n{}", flat(8))).load(100, 150.0);
    let found = check(&drawing, "cpu", &["cpu-hot-function render app.js:12"]);
    assert!(
        found.sentence().contains("render() takes 60 % of the busy time (app.js:12)"),
        "{}",
        found.sentence()
    );
}

#[test]
fn blames_the_function_that_its_closures_and_helpers_work_for() {
    let closures = "
        handle@3 8
        handle@3;render@12 10
        handle@3;render@12;(anonymous)@13 30
        handle@3;render@12;(anonymous)@13;(anonymous)@14 25
        handle@3;render@12;escape@40 7";
    let drawing = Drawing::of(&format!("{closures}\n{}", flat(2))).load(100, 150.0);
    let found = check(&drawing, "cpu", &["cpu-hot-function render app.js:12"]);
    let share = found.first().share.expect("a share");
    assert!((share - 72.0 / 90.0).abs() < 1e-9, "{share}");
}

#[test]
fn two_independent_causes_are_both_findings_the_larger_first() {
    let drawing = Drawing::of(&format!("a;parse@5 25\nb;render@12 45\n{}", flat(6))).load(100, 150.0);
    check(&drawing, "cpu", &["cpu-hot-function render app.js:12", "cpu-hot-function parse app.js:5"]);
}

#[test]
fn a_hot_native_leaf_is_charged_to_the_function_that_calls_it() {
    let regexp = "native:RegExp: (a+)+$";
    let drawing = Drawing::of(&format!("handle@3;validate@7;{regexp} 70\n{}", flat(6))).load(100, 150.0);
    let found = check(&drawing, "cpu", &["regex-backtracking validate app.js:7"]);
    let names_it = found.first().evidence.iter().any(|evidence| evidence.text.contains("(a+)+$"));
    assert!(names_it, "{:#?}", found.first());
}

#[test]
fn a_full_core_without_a_hot_function_is_healthy_while_it_answers_fast() {
    let found = check(&Drawing::of(&flat(20)).load(5000, 5.0), "healthy", &[]);
    assert!(found.sentence().contains("no application function stands out"), "{}", found.sentence());
}

#[test]
fn a_full_core_without_a_hot_function_is_cpu_bound_when_it_answers_slowly() {
    let found = check(&Drawing::of(&flat(20)).load(100, 300.0), "cpu", &[]);
    assert!(found.sentence().contains("no function stands out"), "{}", found.sentence());
}

#[test]
fn an_entry_point_that_all_requests_pass_through_is_no_cause() {
    let stacks = format!("handle@50 5\n{}", flat_below("handle@50;", 19));
    check(&Drawing::of(&stacks).load(5000, 5.0), "healthy", &[]);
}

#[test]
fn a_package_without_an_application_frame_is_named_as_itself() {
    let spread = "http:parserOnIncoming;dep:route@3 20\nhttp:parserOnIncoming;dep:route@3;dep:layer@9 20\n\
         http:parserOnIncoming;dep:route@3;dep:next@5 20";
    let drawing = Drawing::of(&format!("{spread}\n{}", flat(8))).load(100, 300.0);
    let found = check(&drawing, "cpu", &["cpu-hot-dependency"]);
    assert!(
        found.first().title.ends_with("takes 60 % of the busy time by itself"),
        "{}",
        found.first().title
    );
}

#[test]
fn the_one_function_that_a_package_spends_its_time_in_is_where_to_look() {
    let text = format!("http:parserOnIncoming;dep:route;dep:sign@9 60\n{}", flat(8));
    let drawing = Drawing::of(&text).load(100, 300.0);
    let found = check(&drawing, "cpu", &["cpu-hot-dependency sign node_modules/dep/index.js:9"]);
    assert!(found.first().title.ends_with("of the busy time in sign()"), "{}", found.first().title);
}

#[test]
fn a_package_that_only_another_one_asks_is_looked_at_where_it_is_asked_and_needs_no_slow_answers() {
    let text = format!("http:onread;lib:verify@7;dep:compare;dep:round 60\n{}", flat(8));
    let drawing = Drawing::of(&text).load(100, 50.0);
    let found = check(&drawing, "cpu", &["cpu-hot-dependency verify node_modules/lib/index.js:7"]);
    let first = found.first();
    assert!(first.title.ends_with("takes 60 % of the busy time for verify() of lib"), "{}", first.title);
    let gain = first.predicted_gain.expect("a gain");
    assert!((gain.throughput - 2.5).abs() < 0.1 && gain.low <= 1.0, "{gain:?}");
}

#[test]
fn what_a_hot_function_calls_of_a_package_is_said_with_its_share() {
    let stacks =
        format!("handle@3;count@12;dep:encode 50\nhandle@3;count@12;dep:free;dep:drop 20\n{}", flat(4));
    let found = check(&Drawing::of(&stacks).load(100, 300.0), "cpu", &["cpu-hot-function count app.js:12"]);
    let first = found.first();
    assert!(first.title.ends_with(", most of it in dep"), "{}", first.title);
    for said in ["% in encode() of dep", "% in free() of dep"] {
        assert!(first.evidence.iter().any(|row| row.text.ends_with(said)), "{said}: {:?}", first.evidence);
    }
}

#[test]
fn native_work_outside_any_function_stays_visible() {
    let found = check(&Drawing::of(&format!("program 50\n{}", flat(10))).load(100, 300.0), "cpu", &[]);
    let unowned = &found.measurements.charges.unowned[0];
    assert_eq!(unowned.label, "native code outside JavaScript");
}

#[test]
fn a_hot_function_in_an_idle_thread_that_nobody_waits_for_is_no_finding() {
    check(&Drawing::of("handle@3;log@9 4\nhandle@3 2").load(20, 5.0), "healthy", &[]);
}

#[test]
fn what_the_numbers_exclude_is_listed_as_refuted() {
    let found = check(&Drawing::of(&flat(20)).load(5000, 5.0), "healthy", &[]);
    for suspicion in ["garbage collection", "synchronous calls", "event-loop delay", "waiting for a CPU"] {
        assert!(found.refutes(suspicion), "{suspicion}: {:?}", found.diagnosis.refuted);
    }
}

#[test]
fn what_import_goes_on_with_counts_for_the_function_that_calls_it() {
    let drawing = |begun: &str, later: u32| {
        let text =
            format!("handle@3;{begun} 2\nesm:link;native:compileSourceTextModule {later}\n{}", flat(7));
        Drawing::of(&text).load(100, 150.0)
    };
    let found = check(
        &drawing("providerOf@12;esm:import", 40),
        "cpu",
        &["module-load-at-runtime providerOf app.js:12"],
    );
    let share = found.first().share.expect("a share");
    assert!((share - 42.0 / 77.0).abs() < 0.02, "{share}");
    // A lazy import now and then, and modules that nobody of the application asks for.
    let rare = format!("handle@3;providerOf@12;esm:import 1\nesm:link 1\n{}", flat(12));
    check(&Drawing::of(&rare).load(100, 5.0), "healthy", &[]);
    let of_nobody = format!("handle@3;providerOf@12 2\nesm:link 20\n{}", flat(7));
    check(&Drawing::of(&of_nobody).load(100, 5.0), "healthy", &[]);
}
