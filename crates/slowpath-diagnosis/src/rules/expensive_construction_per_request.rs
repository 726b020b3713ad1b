//! `expensive-construction-per-request`: something costly is built anew for each request.

use super::counted::{counted, of_cost, with_collections};
use super::hot_code::{PerRequest, hot_functions, hot_lines, sampled_cost};
use super::{Breadth, Documentation, Example, Rule};
use crate::Facts;
use crate::finding::{Confidence, Finding};
use crate::words::{function_name, percent, place};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Function, FunctionId};

/// Least share of busy time: building something per request is common, and harmless below.
const MIN_SHARE: f64 = 0.10;

/// Calls per request from which on it is built anew for each.
const MIN_PER_REQUEST: f64 = 0.9;

/// Calls per request above which it is part of the request's own loop: `cpu-hot-function` names that.
const MAX_PER_REQUEST: f64 = 50.0;

/// Words that names of building functions begin with. Of `create` and `make`, which are said of answers too, only those that
/// end in something that is kept.
const BUILDING: &[&str] =
    &["compile", "construct", "init", "initialize", "initialise", "load", "setup", "bootstrap", "register"];
const MAKING: &[&str] = &["build", "create", "make", "get", "new", "generate"];
const KEPT: &[&str] = &[
    "tokenizer",
    "encoder",
    "decoder",
    "encoding",
    "client",
    "agent",
    "pool",
    "schema",
    "validator",
    "template",
    "parser",
    "formatter",
    "matcher",
    "regex",
    "regexp",
    "index",
    "table",
    "trie",
    "automaton",
    "registry",
    "container",
    "engine",
    "router",
    "converter",
    "adapter",
    "dictionary",
    "lookup",
    "map",
    "rules",
    "config",
    "catalog",
    "catalogue",
    "service",
    "instance",
];

/// Built-ins that are costly to make: ICU objects take 10 to 100 µs.
const BUILT_INS: &[&str] = &[
    "new Intl.",
    "Intl.DateTimeFormat(",
    "Intl.NumberFormat(",
    "Intl.Collator(",
    "Intl.Segmenter(",
    "toLocaleString(",
    "toLocaleDateString(",
    "toLocaleTimeString(",
    "new WebAssembly.",
    "vm.Script(",
    "new Function(",
];

pub(super) const RULE: Rule = Rule {
    id: "expensive-construction-per-request",
    summary: "something costly is built anew for each request",
    breadth: Breadth::Specific,
    documentation: Documentation {
        what: "\
A tokenizer, client, schema, index, table of rules or formatter is built while a request is served, used once, and dropped.",
        why_it_hurts: "\
What is built does not depend on the request, so its cost is paid over and over: milliseconds for a tokenizer's tables, some
10 µs for each `Intl` object, and the garbage of all of it.",
        how_recognised: "\
V8's call counts and CPU samples: a function that is called once per request and more (up to 50 times), takes 10 % of the
busy time with what it calls, and is named as one that builds: a class, `compile…`, `load…`, `init…`, or `build…`, `create…`, `get…` of
something that is kept (`createTokenizer`). Or a line with 10 % of the busy time that makes an `Intl` object, in such a function.
Whether what it builds is the same each time is not measured. A function that awaits another service is left out: it
fetches what holds now.",
        lookalikes: "\
A function that builds the answer itself depends on the request: `buildResponse` is not meant. A class whose
constructor does the request's work.",
        what_to_do: "\
Build it once at start, or at first use, and keep it; by key, where there are a few kinds (`Map`).",
        example: Example {
            language: "js",
            before: "const tokens = createTokenizer(model).encode(text).length;",
            after: "const tokenizer = (tokenizers[model] ??= createTokenizer(model)); // once per model",
        },
        thresholds: "\
10 % of busy time brings 1.1×. Above 50 calls per request it is a loop over the request's data.",
    },
    check,
};

fn check(facts: Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let busy = facts.measurements.charges.busy.0.max(1) as f64;
    // What is called, with all below it: the builder itself may be a dependency's.
    for time in &facts.measurements.functions {
        let function = facts.profile.functions.get(time.function);
        let share = (time.total_time.0 as f64 / busy).min(1.0);
        if share < MIN_SHARE || !builds(function) || !is_target_code(function) || asks_others(facts, function)
        {
            continue;
        }
        let often = (MIN_PER_REQUEST, MAX_PER_REQUEST);
        let Some(per_request) = PerRequest::of(facts, time.function, often) else { continue };
        // One constructor calls another: the outermost is the one to keep.
        let owner = if function.category == Category::App {
            time.function
        } else {
            match owner_of(facts, time.function) {
                Some(owner) => owner,
                None => continue,
            }
        };
        findings.push(finding(
            facts,
            owner,
            with_collections(facts, owner, share),
            per_request,
            &format!("{} ", function_name(function)),
            None,
        ));
    }
    for function in hot_functions(facts, MIN_SHARE) {
        let owners =
            [function.function].into_iter().chain(function.folded.iter().map(|folded| folded.function));
        for owner in owners {
            let lines = hot_lines(facts, owner);
            let making: Vec<_> =
                lines.iter().filter(|line| BUILT_INS.iter().any(|made| line.text.contains(made))).collect();
            let share: f64 = making.iter().map(|line| line.share).sum();
            let per_request = PerRequest::of(facts, owner, (MIN_PER_REQUEST, f64::INFINITY));
            let (Some(line), Some(per_request)) = (making.first(), per_request) else { continue };
            if share >= MIN_SHARE {
                findings.push(finding(
                    facts,
                    function.function,
                    share,
                    per_request,
                    "an Intl object or the like ",
                    Some(line.line),
                ));
            }
        }
    }
    findings.retain(|finding| finding.share.is_some_and(|share| share >= MIN_SHARE));
    findings.sort_by(|a, b| b.share.unwrap_or(0.0).total_cmp(&a.share.unwrap_or(0.0)));
    // Builders that call each other have much the same time: the outermost stands for all.
    findings.truncate(1);
    findings
}

/// Returns the application function that calls a dependency's builder, or calls the package that it belongs to.
fn owner_of(facts: Facts<'_>, builder: FunctionId) -> Option<FunctionId> {
    let functions = &facts.measurements.charges.functions;
    let package = |id: FunctionId| facts.profile.functions.get(id).package.as_deref();
    let calls = |which: &dyn Fn(FunctionId) -> bool| {
        functions.iter().find(|f| f.called.iter().any(|(id, share)| which(*id) && *share >= MIN_SHARE / 2.0))
    };
    let direct = calls(&|id| id == builder);
    let caller = direct.or_else(|| calls(&|id| package(id).is_some() && package(id) == package(builder)));
    caller.map(|caller| caller.function)
}

fn finding(
    facts: Facts<'_>,
    owner: FunctionId,
    share: f64,
    per_request: PerRequest,
    what: &str,
    line: Option<u32>,
) -> Finding {
    let cost = sampled_cost(facts, owner, share);
    let row = facts.profile.functions.get(owner);
    let name = function_name(row);
    let at = line.map_or(String::new(), |line| format!(", line {line}"));
    let mut sampled = counted(
        format!("{} of the busy time in {}{at}", percent(share), what.trim_end()),
        share,
        "share",
        cost.n_sampled as f64,
    );
    sampled.recorder = "cpu";
    let title = format!(
        "{name} builds anew for each request what could be kept: {} of the busy time",
        percent(share)
    );
    let kept = if line.is_some() { "it".to_owned() } else { format!("what {} builds", what.trim_end()) };
    let advice = format!(
        "In {name} at {}{at}: keep {kept} instead of building it for each request, if it does not depend on the request.",
        place(row)
    );
    let mut finding = of_cost(
        facts,
        &RULE,
        cost,
        title,
        std::iter::once(sampled).chain(per_request.evidence()).collect(),
        advice,
    );
    finding.confidence = finding.confidence.min(Confidence::Medium);
    finding.confidence_why.push_str("; that the result does not depend on the request is read from the name");
    finding
}

/// Whether a function awaits an answer from elsewhere each time: then it fetches what holds now, and builds nothing to keep.
fn asks_others(facts: Facts<'_>, function: &Function) -> bool {
    let sites = facts.measurements.async_ops.iter().flat_map(|followed| &followed.sites);
    let own =
        |place: &slowpath_analysis::WaitPlace| place.function == function.name && place.file == function.file;
    sites.map(|site| &site.place).any(|place| place.kind.is_upstream() && own(place))
}

fn is_target_code(function: &Function) -> bool {
    matches!(function.category, Category::App | Category::Dependency)
}

/// Whether a function is named as one that builds something to keep.
fn builds(function: &Function) -> bool {
    let name = function.name.rsplit(['.', ' ']).next().unwrap_or_default();
    let words = words_of(name);
    let Some(first) = words.first() else { return false };
    let last = words.last().map_or("", String::as_str);
    let is_class =
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().any(|c| c.is_ascii_lowercase());
    let ends_in_kept = KEPT.contains(&last) || last.strip_suffix('s').is_some_and(|one| KEPT.contains(&one));
    is_class || BUILDING.contains(&first.as_str()) || (MAKING.contains(&first.as_str()) && ends_in_kept)
}

/// Splits `createTokenizerPool` or `create_tokenizer` into lower-case words.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut begins = true;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            begins = true;
            continue;
        }
        if begins || c.is_uppercase() {
            words.push(String::new());
        }
        begins = false;
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Function {
        Function {
            name: name.into(),
            file: "a.js".into(),
            line: 1,
            column: 1,
            category: Category::App,
            package: None,
            kind: None,
        }
    }

    #[test]
    fn builders_are_told_from_what_makes_an_answer() {
        for name in [
            "createTokenizer",
            "get_encoding",
            "compileSchema",
            "Tiktoken",
            "buildRules",
            "loadDictionary",
            "ProviderPool",
        ] {
            assert!(builds(&named(name)), "{name}");
        }
        for name in [
            "buildResponse",
            "createCompletion",
            "generateContentStream",
            "getUser",
            "renderRules",
            "handle",
            "(anonymous)",
        ] {
            assert!(!builds(&named(name)), "{name}");
        }
    }
}
