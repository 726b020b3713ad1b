//! Which application function calls a package, for work that a package begins with nobody else on the stack.
//!
//! A client such as axios sends its request some promises after it was called: neither the stack nor V8's asynchronous one
//! shows who called it then. CPU samples do, of the call itself; where nearly all of those are of one function, it is meant.

use crate::async_ops::{AsyncMeasure, WaitPlace};
use crate::charge::Charges;
use crate::counters::CounterMeasure;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile};
use std::collections::BTreeMap;

/// Part of a package's time below the application that one function must have to be the one that calls it.
const MOST: f64 = 0.6;

/// The application functions that call packages, each nearly alone.
#[derive(Debug)]
pub(crate) struct PackageCallers<'a> {
    profile: &'a Profile,
    callers: BTreeMap<&'a str, FunctionId>,
}

impl<'a> PackageCallers<'a> {
    pub(crate) fn of(profile: &'a Profile, charges: &Charges) -> Self {
        let mut shares: BTreeMap<&str, Vec<(f64, FunctionId)>> = BTreeMap::new();
        for function in &charges.functions {
            for (called, share) in &function.called {
                if let Some(package) = &profile.functions.get(*called).package {
                    shares.entry(package).or_default().push((*share, function.function));
                }
            }
        }
        let main_caller = |(package, mut shares): (&'a str, Vec<(f64, FunctionId)>)| {
            let total: f64 = shares.iter().map(|(share, _)| share).sum();
            let mut of_one: BTreeMap<FunctionId, f64> = BTreeMap::new();
            for (share, function) in shares.drain(..) {
                *of_one.entry(function).or_default() += share;
            }
            let (function, most) = of_one.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
            (most >= total * MOST).then_some((package, function))
        };
        Self { profile, callers: shares.into_iter().filter_map(main_caller).collect() }
    }

    /// Names the caller where a package's own code is all that is known of a wait.
    pub(crate) fn name_waits(&self, measure: &mut AsyncMeasure) {
        let compositions = std::iter::once(&mut measure.all).chain(&mut measure.routes);
        let rows = compositions.flat_map(|composition| &mut composition.rows);
        let places = rows.filter_map(|row| row.place.as_mut());
        places.chain(measure.sites.iter_mut().map(|site| &mut site.place)).for_each(|place| self.name(place));
    }

    fn name(&self, place: &mut WaitPlace) {
        let package = place.package.as_deref().filter(|_| !place.is_app);
        let Some(caller) = package.and_then(|package| self.callers.get(package)) else { return };
        let function = self.profile.functions.get(*caller);
        place.function.clone_from(&function.name);
        place.file.clone_from(&function.file);
        (place.line, place.column, place.is_app) = (function.line, function.column, true);
    }

    /// Names the caller where a package's own code is all that is known of counted calls.
    pub(crate) fn name_counted(&self, measure: &mut CounterMeasure) {
        let places = measure.rows.iter_mut().flat_map(|row| &mut row.places);
        for site in places.filter_map(|place| place.site.as_mut()) {
            let function = self.profile.functions.get(site.function);
            let package = function.package.as_deref().filter(|_| function.category == Category::Dependency);
            if let Some((package, caller)) = package.and_then(|package| self.callers.get_key_value(package)) {
                site.through = Some((*package).to_owned());
                site.function = *caller;
                site.line = self.profile.functions.get(*caller).line;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::async_ops::WaitKind;
    use crate::charge::AppFunction;
    use slowpath_profile::Nanos;
    use slowpath_profile::tables::Function;

    fn function(name: &str, category: Category, package: Option<&str>) -> Function {
        let (file, package) = (format!("{name}.js"), package.map(str::to_owned));
        Function { name: name.into(), file, line: 7, column: 3, category, package, kind: None }
    }

    /// Returns how a wait of `client`'s own code is named, where `ask` and `tell` call that package for these shares.
    fn named(shares: (f64, f64), is_app: bool) -> String {
        let mut profile = Profile::default();
        let post = profile.functions.intern(function("post", Category::Dependency, Some("client")));
        let mut caller = |name: &str, share: f64| AppFunction {
            function: profile.functions.intern(function(name, Category::App, None)),
            charged: Nanos(1),
            own_code: Nanos(0),
            share,
            share_interval: (share, share),
            n_samples: 1,
            spent_in: Vec::new(),
            called: vec![(post, share)],
            callers: Vec::new(),
            folded: Vec::new(),
            in_sync_calls: Nanos(0),
            in_exchange: Nanos(0),
            begun: Nanos(0),
            in_clients: Nanos(0),
        };
        let functions = vec![caller("ask", shares.0), caller("tell", shares.1)];
        let charges = Charges { functions, ..Charges::default() };
        let mut place = WaitPlace {
            kind: WaitKind::Http,
            remote: None,
            call: "client".into(),
            function: "send".into(),
            file: "node_modules/client/send.js".into(),
            line: 1,
            column: 1,
            is_app,
            package: Some("client".into()),
        };
        PackageCallers::of(&profile, &charges).name(&mut place);
        place.name()
    }

    #[test]
    fn a_wait_of_a_packages_own_code_is_that_of_the_function_that_calls_the_package() {
        assert_eq!(named((0.3, 0.1), false), "await client in ask (ask.js:7)");
    }

    #[test]
    fn where_two_functions_call_the_package_nobody_is_blamed() {
        assert_eq!(named((0.2, 0.2), false), "await client in send (send.js:1)");
    }

    #[test]
    fn what_the_stack_shows_stays() {
        assert_eq!(named((0.3, 0.1), true), "await client in send (send.js:1)");
    }
}
