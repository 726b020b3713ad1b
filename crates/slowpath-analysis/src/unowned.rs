//! Busy time without an application function on the stack: whose it is, what of a package takes it, and which other
//! package calls that. A library's callback is often all that is left on a stack after an `await` or an event.

use crate::charge::{OF_CONNECTIONS, is_exchange};
use slowpath_profile::classify::{Category, RECORDER_PACKAGE};
use slowpath_profile::tables::{Function, FunctionId, Profile, StackId};
use std::collections::BTreeMap;

/// Functions and callers kept of each package: what a reader may want to see.
const MAX_NAMED: usize = 5;

/// Busy time without an application function on the stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unowned {
    /// Package, kind of native work, or `node core`.
    pub label: String,
    /// Share of busy time.
    pub share: f64,
    /// Of a package: share of busy time in Node's own HTTP, stream and socket code below it, as [`crate::AppFunction::in_exchange`].
    pub in_exchange: f64,
    /// Of a package: its functions with what they call outside it, exchanges left out, share of busy time, largest first.
    pub functions: Vec<(FunctionId, f64)>,
    /// Of a package: functions of other packages that call it, exchanges left out, share of busy time, largest first.
    pub callers: Vec<(FunctionId, f64)>,
}

/// Sums while samples are added.
#[derive(Default)]
pub(crate) struct UnownedSums(BTreeMap<String, Sum>);

#[derive(Default)]
struct Sum {
    time: u64,
    in_exchange: u64,
    functions: BTreeMap<FunctionId, u64>,
    callers: BTreeMap<FunctionId, u64>,
}

impl UnownedSums {
    pub(crate) fn add(&mut self, profile: &Profile, label: String, stack: Option<StackId>, time: u64) {
        let places = stack.map(|stack| Places::of(profile, stack, &label)).unwrap_or_default();
        let sum = self.0.entry(label).or_default();
        sum.time += time;
        if places.exchanges {
            sum.in_exchange += time;
            return;
        }
        if let Some(innermost) = places.innermost {
            *sum.functions.entry(innermost).or_default() += time;
        }
        if let Some(caller) = places.caller {
            *sum.callers.entry(caller).or_default() += time;
        }
    }

    /// Returns the sums as shares of `busy`, largest first.
    pub(crate) fn into_shares(self, busy: u64) -> Vec<Unowned> {
        let share = |time: u64| time as f64 / busy.max(1) as f64;
        let largest = |sums: BTreeMap<FunctionId, u64>| {
            let mut sums: Vec<_> = sums.into_iter().collect();
            sums.sort_by_key(|(id, time)| (std::cmp::Reverse(*time), *id));
            sums.into_iter().take(MAX_NAMED).map(|(id, time)| (id, share(time))).collect::<Vec<_>>()
        };
        let mut rows: Vec<_> = self.0.into_iter().collect();
        rows.sort_by(|a, b| b.1.time.cmp(&a.1.time).then(a.0.cmp(&b.0)));
        let row = |(label, sum): (String, Sum)| Unowned {
            label,
            share: share(sum.time),
            in_exchange: share(sum.in_exchange),
            functions: largest(sum.functions),
            callers: largest(sum.callers),
        };
        rows.into_iter().map(row).collect()
    }
}

/// Where a stack is in a package.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Places {
    innermost: Option<FunctionId>,
    /// Whether Node's code for requests and answers runs below that.
    exchanges: bool,
    /// What calls the outermost function of the package, built-ins such as `Array.map` left out. A package that is further
    /// out as well was not called by what it calls: a framework's middleware does not ask for the framework.
    caller: Option<FunctionId>,
}

impl Places {
    fn of(profile: &Profile, stack: StackId, package: &str) -> Self {
        let is_of_it = |function: &Function| function.package.as_deref() == Some(package);
        let mut places = Self::default();
        let mut is_next_the_caller = false;
        let leaf = profile.functions.get(profile.stacks.function[stack.0 as usize]);
        let is_of_connection = leaf.kind.is_some_and(|kind| OF_CONNECTIONS.contains(&kind));
        for id in profile.stacks.frames(stack) {
            let function = profile.functions.get(id);
            if is_of_it(function) {
                places.innermost = places.innermost.or(Some(id));
                (places.caller, is_next_the_caller) = (None, true);
            } else if places.innermost.is_none() {
                places.exchanges |= !is_of_connection && is_exchange(function);
            } else if is_next_the_caller && function.category != Category::Native {
                is_next_the_caller = false;
                let is_another = function.category == Category::Dependency
                    && function.package.as_deref() != Some(RECORDER_PACKAGE);
                places.caller = Some(id).filter(|_| is_another);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Functions by name, with their shares.
    type Shares = Vec<(String, f64)>;

    /// Adds stacks as [`lib`] does; returns the functions of `lib` and who calls it.
    fn of_lib(text: &str) -> (Shares, Shares) {
        let (_, functions, callers) = lib(text);
        (functions, callers)
    }

    /// Adds stacks, each of `package:function` from the outermost to the innermost and a weight; says what is known of `lib`: its share in
    /// exchanges, its functions, who calls it.
    fn lib(text: &str) -> (f64, Shares, Shares) {
        let mut profile = Profile::default();
        let mut sums = UnownedSums::default();
        let mut busy = 0;
        for line in text.lines().map(str::trim) {
            let (stack, weight) = line.rsplit_once(' ').expect("a stack and its weight");
            let weight: u64 = weight.parse().expect("a weight");
            let mut at = None;
            for frame in stack.split(';') {
                let (package, name) = frame.split_once(':').expect("package and function");
                let category = match package {
                    "node" | "http" => Category::Node,
                    "native" => Category::Native,
                    _ => Category::Dependency,
                };
                let is_package = category == Category::Dependency;
                let function = profile.functions.intern(Function {
                    name: name.into(),
                    file: if package == "http" {
                        "node:_http_outgoing".into()
                    } else {
                        format!("{package}.js")
                    },
                    line: 1,
                    column: 1,
                    category,
                    package: is_package.then(|| package.to_owned()),
                    kind: None,
                });
                at = Some(profile.stacks.intern(at, function));
            }
            sums.add(&profile, "lib".into(), at, weight);
            busy += weight;
        }
        let lib = sums.into_shares(busy).remove(0);
        let named = |rows: Vec<(FunctionId, f64)>| {
            rows.into_iter().map(|(id, share)| (profile.functions.get(id).name.clone(), share)).collect()
        };
        (lib.in_exchange, named(lib.functions), named(lib.callers))
    }

    #[test]
    fn names_the_function_of_another_package_that_calls_it() {
        let (functions, callers) = of_lib(
            "node:onread;auth:verify;lib:compare;lib:encipher 6\nnode:onread;auth:verify;native:map;lib:compare;native:hash 4",
        );
        assert_eq!(functions, [("encipher".to_owned(), 0.6), ("compare".to_owned(), 0.4)]);
        assert_eq!(callers, [("verify".to_owned(), 1.0)]);
    }

    #[test]
    fn what_a_framework_calls_does_not_call_the_framework() {
        let (functions, callers) = of_lib("node:emit;lib:handle;compose:dispatch;lib:respond 5");
        assert_eq!(functions, [("respond".to_owned(), 1.0)]);
        assert_eq!(callers, []);
    }

    #[test]
    fn what_node_calls_back_has_no_caller() {
        let (_, callers) = of_lib("auth:verify;node:emit;lib:compare 5");
        assert_eq!(callers, []);
    }

    #[test]
    fn sending_an_answer_is_told_from_what_a_framework_does_for_it() {
        let (in_exchange, functions, _) = lib(
            "http:parserOnIncoming;lib:respond;http:end;native:writev 8\nhttp:parserOnIncoming;lib:respond;native:join 2",
        );
        assert!((in_exchange - 0.8).abs() < 1e-9, "{in_exchange}");
        assert_eq!(functions, [("respond".to_owned(), 0.2)]);
    }
}
