//! Packages that send the service's requests: axios, got, follow-redirects and their like, known by what they do, whatever their name.

use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Profile, StackId};
use std::collections::BTreeSet;

/// Where Node makes an outgoing request.
const SENDING_REQUESTS: &str = "node:_http_client";

/// Packages nearest to Node's client that a request goes through: one that is called, and one that it is built on (axios on
/// follow-redirects). What is above them asks for more than a request.
const MAX_PACKAGES: usize = 2;

/// A client that does not use Node's: the same code as Node's own `fetch`.
const WITHOUT_NODES_CLIENT: &str = "undici";

/// Returns for each stack whether a package that sends requests runs in it, or what that calls, below the nearest application function.
pub(crate) fn client_stacks(profile: &Profile, clients: &BTreeSet<String>) -> Vec<bool> {
    let stacks = &profile.stacks;
    let mut sends: Vec<bool> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*function);
        let inherited = parent.is_some_and(|parent| sends[parent.0 as usize]);
        let is_client = function.package.as_deref().is_some_and(|package| clients.contains(package));
        sends.push(function.category != Category::App && (inherited || is_client));
    }
    sends
}

/// Returns the packages through which application functions make outgoing requests.
pub(crate) fn client_packages(profile: &Profile) -> BTreeSet<String> {
    let (stacks, functions) = (&profile.stacks, &profile.functions);
    let mut clients = BTreeSet::from([WITHOUT_NODES_CLIENT.to_owned()]);
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let function = functions.get(*function);
        if function.category != Category::Node || function.file != SENDING_REQUESTS {
            continue;
        }
        let above = std::iter::successors(*parent, |at: &StackId| stacks.parent[at.0 as usize]);
        let above = above.map(|at| functions.get(stacks.function[at.0 as usize]));
        let mut nearest: Vec<&str> = Vec::new();
        let mut is_asked_by_app = false;
        for caller in above {
            if caller.category == Category::App {
                is_asked_by_app = true;
                break;
            }
            let package = caller.package.as_deref().filter(|package| !nearest.contains(package));
            nearest.extend(package.filter(|_| nearest.len() < MAX_PACKAGES));
        }
        if is_asked_by_app {
            clients.extend(nearest.into_iter().map(str::to_owned));
        }
    }
    clients
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::tests::profile;
    use slowpath_profile::tables::Function;

    /// Returns the last names of the stacks, drawn as in `charge`, in which a client runs; `axios:`, `follow:` and `express:` are packages.
    fn clients(text: &str) -> Vec<String> {
        let mut drawn = profile(text);
        let rename = |function: &Function| {
            let (package, name) = function.name.split_once('.')?;
            let category = if package == "http" { Category::Node } else { Category::Dependency };
            let is_node = category == Category::Node;
            Some(Function {
                name: name.to_owned(),
                file: if is_node { SENDING_REQUESTS.into() } else { format!("node_modules/{package}/i.js") },
                category,
                package: (!is_node).then(|| package.to_owned()),
                ..function.clone()
            })
        };
        let renamed: Vec<_> = drawn.functions.iter().map(|(_, f)| rename(f).unwrap_or(f.clone())).collect();
        drawn.functions = slowpath_profile::tables::Functions::default();
        for function in renamed {
            drawn.functions.intern(function);
        }
        let sends = client_stacks(&drawn, &client_packages(&drawn));
        let running = sends.iter().zip(&drawn.stacks.function).filter(|(sends, _)| **sends);
        running.map(|(_, function)| drawn.functions.get(*function).name.clone()).collect()
    }

    #[test]
    fn packages_between_the_application_and_nodes_client_are_clients_and_all_they_call_too() {
        let text = "post;axios.send;follow.request;http.ClientRequest 3\npost;axios.merge;native:x 5\npost;marked.parse 9";
        assert_eq!(clients(text), ["send", "request", "ClientRequest", "merge", "x"]);
    }

    #[test]
    fn a_framework_that_calls_a_proxy_is_no_client() {
        let text =
            "check;express.next;middleware.proxy;proxy.web;http.ClientRequest 3\nrender;express.json 5";
        assert_eq!(clients(text), ["proxy", "web", "ClientRequest"]);
    }

    #[test]
    fn callbacks_of_the_application_are_not_what_sending_costs() {
        assert_eq!(clients("post;undici.dispatch;onData 9"), ["dispatch"]);
    }

    #[test]
    fn where_no_application_function_asks_nobody_knows_who_is_a_client() {
        assert!(clients("express.handle;proxy.web;http.ClientRequest 3").is_empty());
    }
}
