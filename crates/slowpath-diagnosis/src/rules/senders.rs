//! Who sends requests to a host, where packages do it with no application function on the stack; and what that costs.

use crate::Facts;
use crate::finding::Evidence;
use crate::words::{function_name, place};
use slowpath_analysis::{
    CounterMeasure, CounterRow, PlaceRow, Senders, SendingTime, WaitPlace, time_sending,
};
use slowpath_profile::classify::Category;
use slowpath_profile::recording::Import;
use slowpath_profile::tables::{Function, FunctionId};
use std::collections::{BTreeMap, BTreeSet};

use super::counted::is_same_host;

/// A package that sends requests.
#[derive(Debug, Clone)]
pub(super) struct PackageSender<'a> {
    /// The package to look at: the project's own choice where one on the stack is, else the one that sends.
    pub(super) package: String,
    /// Its function that sends, or through which it is sent.
    pub(super) function: FunctionId,
    /// Where the project loads the package, if it was found.
    pub(super) import: Option<&'a Import>,
    /// All packages that take part, from the one that sends to the one to look at.
    pub(super) packages: BTreeSet<String>,
    /// The one that sends.
    pub(super) client: Option<String>,
}

impl<'a> PackageSender<'a> {
    /// Returns the package behind `places`, calls for `host` made with packages alone on the stack.
    pub(super) fn of<'p>(
        facts: Facts<'a>,
        counters: &CounterMeasure,
        host: &str,
        places: impl Iterator<Item = &'p PlaceRow>,
    ) -> Option<Self> {
        let mut stacks: BTreeMap<&[FunctionId], f64> = BTreeMap::new();
        let is_package = |id: FunctionId| facts.profile.functions.get(id).category == Category::Dependency;
        for row in places {
            if let Some(site) = row.site.as_ref().filter(|site| is_package(site.function)) {
                *stacks.entry(&site.packages).or_default() += row.sum.n;
            }
        }
        let (stack, _) = stacks.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let functions = &facts.profile.functions;
        // What others send through too, such as a client that all share or a package that watches, did not choose to send.
        let shared = functions_asking_others(counters, host);
        let own: Vec<FunctionId> = stack.iter().copied().filter(|id| !shared.contains(id)).collect();
        let own = if own.is_empty() { stack.to_vec() } else { own };
        let package_of = |id: &FunctionId| functions.get(*id).package.clone();
        let imported =
            |id: &FunctionId| package_of(id).is_some_and(|package| import_of(facts, &package).is_some());
        let chosen = own.iter().copied().find(imported);
        // Who awaits the answer knows of packages that the stack has lost.
        let awaiting = awaited_by(facts, host).and_then(|place| place.package.clone());
        let function = chosen.or_else(|| own.last().copied())?;
        let package = match awaiting {
            Some(package) if chosen.is_none() && import_of(facts, &package).is_some() => package,
            _ => package_of(&function)?,
        };
        // One without a name is known by the function around it.
        let around = |id: &&FunctionId| {
            let (inner, outer) = (functions.get(function), functions.get(**id));
            outer.file == inner.file && !outer.is_nameless()
        };
        let named = own.iter().skip_while(|id| **id != function).find(around).copied();
        let function = named.unwrap_or(function);
        let up_to = own.iter().position(|id| *id == function).unwrap_or(0);
        let packages = own[..=up_to].iter().filter_map(package_of).chain([package.clone()]).collect();
        let client = own.iter().find_map(package_of);
        let import = import_of(facts, &package);
        Some(Self { package, function, import, packages, client })
    }

    /// Says who sends, of `n` requests.
    pub(super) fn evidence(&self, facts: Facts<'_>, n: f64) -> Evidence {
        let text = format!("no application function is on the stack: {}", self.place(facts));
        Evidence { text, value: None, unit: "", n_samples: Some(n as u64), recorder: "counters" }
    }

    /// Says where to look, for an advice.
    pub(super) fn place(&self, facts: Facts<'_>) -> String {
        let function = facts.profile.functions.get(self.function);
        let sends = format!("{} of {} at {}", function_name(function), self.package, place(function));
        match self.import {
            Some(import) => format!("{sends}, which {}:{} loads", import.file, import.line),
            None => sends,
        }
    }
}

/// Returns where the project loads a package: in a file that ran, if one did, and not in a test.
fn import_of<'a>(facts: Facts<'a>, package: &str) -> Option<&'a Import> {
    let imports = facts.measurements.imports.iter().filter(|import| import.package == package);
    let ran =
        |import: &Import| facts.profile.functions.iter().any(|(_, function)| function.file == import.file);
    let is_test = |import: &Import| {
        let parts = import.file.split(['/', '.']);
        parts
            .into_iter()
            .any(|part| matches!(part, "test" | "tests" | "__tests__" | "spec" | "bench" | "examples"))
    };
    imports.min_by_key(|import| (is_test(import), !ran(import), &import.file, import.line))
}

/// Returns the functions of packages on the stacks of requests to other hosts.
fn functions_asking_others(counters: &CounterMeasure, host: &str) -> BTreeSet<FunctionId> {
    let of_others = sent_rows(counters).filter(|row| !is_same_host(host_of(row), host));
    let places = of_others.flat_map(|row| &row.places).filter_map(|place| place.site.as_ref());
    places.flat_map(|site| site.packages.iter().copied()).collect()
}

/// Returns the rows whose places are where requests are sent from.
fn sent_rows(counters: &CounterMeasure) -> impl Iterator<Item = &CounterRow> {
    counters.of_kind("http.agent").chain(counters.of_kind("http.request"))
}

/// The host in a key such as `host:port true Infinity 256` or `host:port`.
fn host_of(row: &CounterRow) -> &str {
    row.key.split(' ').next().unwrap_or(&row.key)
}

/// Returns the places that requests to `host` are sent from: Node's agent is asked at once, and knows best.
pub(super) fn places_sending<'a>(counters: &'a CounterMeasure, host: &str) -> Vec<&'a PlaceRow> {
    let of_kind = |kind: &'static str| {
        let rows = counters.of_kind(kind).filter(|row| is_same_host(host_of(row), host));
        let known = rows.flat_map(|row| &row.places).filter(|place| place.site.is_some());
        known.collect::<Vec<_>>()
    };
    let at_once = of_kind("http.agent");
    if at_once.is_empty() { of_kind("http.request") } else { at_once }
}

/// Returns the part of all requests sent that go to `host`.
pub(super) fn part_of_all(counters: &CounterMeasure, n: f64) -> f64 {
    (n / counters.total("http.request").n.max(1.0)).min(1.0)
}

/// Returns the place where followed requests wait longest for `host`.
pub(super) fn awaited_by<'a>(facts: Facts<'a>, host: &str) -> Option<&'a WaitPlace> {
    let sites = facts.measurements.async_ops.iter().flat_map(|followed| &followed.sites);
    let of_host =
        sites.filter(|site| site.place.remote.as_deref().is_some_and(|remote| is_same_host(remote, host)));
    of_host.max_by_key(|site| (site.held_up, site.waited)).map(|site| &site.place)
}

/// Returns the application function that a wait is known by.
pub(super) fn function_awaiting(facts: Facts<'_>, place: &WaitPlace) -> Option<FunctionId> {
    let is_it = |function: &Function| {
        function.category == Category::App
            && function.file == place.file
            && function.name == place.function
            && function.line <= place.line
    };
    let of_name = facts.profile.functions.iter().filter(|(_, function)| place.is_app && is_it(function));
    of_name.max_by_key(|(_, function)| function.line).map(|(id, _)| id)
}

/// Returns what it costs that a package asks, `part` of all requests: whoever waits for the answer may be called back by it.
pub(super) fn cost_of_asking(facts: Facts<'_>, sender: &PackageSender<'_>, part: f64) -> SendingTime {
    let senders = Senders { packages: sender.packages.clone(), part, ..Senders::default() };
    time_sending(facts.profile, &facts.measurements.serving, &senders)
}

/// Returns what it costs that a package sends what nobody waits for, `part` of all requests.
pub(super) fn cost_of_telling(facts: Facts<'_>, sender: &PackageSender<'_>, part: f64) -> SendingTime {
    let packages = sender.client.iter().cloned().collect();
    let senders = Senders { packages, is_unawaited: true, part, ..Senders::default() };
    time_sending(facts.profile, &facts.measurements.serving, &senders)
}

/// Returns what sending costs that a function of the application does, `part` of all requests.
pub(super) fn cost_of_function(
    facts: Facts<'_>,
    counters: &CounterMeasure,
    function: FunctionId,
    part: f64,
) -> SendingTime {
    let answers = counters.of_kind("response.end").chain(counters.of_kind("response.write"));
    let mut sites = answers.flat_map(|row| &row.places).filter_map(|place| place.site.as_ref());
    let answer = sites.any(|site| site.function == function);
    let senders = Senders { functions: BTreeSet::from([function]), answer, part, ..Senders::default() };
    time_sending(facts.profile, &facts.measurements.serving, &senders)
}
