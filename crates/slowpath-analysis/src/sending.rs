//! Busy time in sending requests to other services, by who sends them.
//!
//! A request that is sent costs time in three places: in Node's client below the function that sends it; in the package that
//! sends it, which hears of the answer with nobody else on the stack; and in Node's client alone, when sockets are given out, what
//! was written leaves, and answers are parsed. That last part says nothing of whose request it is: it is told apart by counts.

use crate::charge::{EXCHANGE_MODULES, charged_samples, interval};
use crate::stack_class::StackClasses;
use crate::threads::ServingThread;
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{FunctionId, Profile};
use std::collections::BTreeSet;

/// Node's code that only a client runs.
const CLIENT_MODULES: &[&str] =
    &["node:_http_client", "node:_http_agent", "node:http", "node:https", "node:internal/deps/undici"];

/// Who sends requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Senders {
    /// Functions of the application: what Node's client does below them counts.
    pub functions: BTreeSet<FunctionId>,
    /// Whether these write answers, too: then writing below them does not count.
    pub answer: bool,
    /// Packages: all that they do counts.
    pub packages: BTreeSet<String>,
    /// Whether nobody waits for the answers. Otherwise packages that call these may be called back by them, which does not count; what
    /// else these call does.
    pub is_unawaited: bool,
    /// Their part of all requests that are sent, by which Node's client alone is divided.
    pub part: f64,
}

/// Busy time in sending requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendingTime {
    /// Share of the busy time of the serving threads.
    pub share: f64,
    /// 95 % confidence interval of `share`, from the variation between seconds.
    pub share_interval: (f64, f64),
    /// Of that, in Node's client alone, divided by counts.
    pub divided: f64,
    /// Samples in it, divided ones included.
    pub n_samples: u64,
}

/// What a stack is to some senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Theirs,
    Anybodys,
    Not,
}

/// Where the innermost function of a stack is to the senders' packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Outside,
    /// In them, or called by them.
    Below,
    /// Called by them, and by a package that calls them.
    CalledBack,
}

/// What a stack has on it, from its root on.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The innermost function of the application or a package.
    owner: Option<FunctionId>,
    /// Whether Node's client is below that function; and any of its code for requests and answers.
    client: bool,
    exchange: bool,
    reach: Reach,
}

/// Returns the busy time in which `senders` send requests and take their answers.
pub fn time_sending(profile: &Profile, serving: &[ServingThread], senders: &Senders) -> SendingTime {
    let classes = StackClasses::of(profile);
    let parts = parts(profile, senders);
    let (samples, blocks) = charged_samples(profile, serving, &classes);
    let mut by_block = vec![0; blocks.len()];
    let (mut n_samples, mut divided) = (0, 0.0);
    for sample in &samples {
        let part = sample.stack.map_or(Part::Not, |stack| parts[stack.0 as usize]);
        let time = match part {
            Part::Theirs => sample.duration as f64,
            Part::Anybodys => sample.duration as f64 * senders.part,
            Part::Not => continue,
        };
        if part == Part::Anybodys {
            divided += time;
        }
        by_block[sample.block] += time as u64;
        n_samples += 1;
    }
    let busy: u64 = blocks.iter().sum();
    let inside: u64 = by_block.iter().sum();
    SendingTime {
        share: inside as f64 / busy.max(1) as f64,
        share_interval: if busy > 0 { interval(&by_block, &blocks) } else { (0.0, 1.0) },
        divided: divided / busy.max(1) as f64,
        n_samples,
    }
}

fn parts(profile: &Profile, senders: &Senders) -> Vec<Part> {
    let stacks = &profile.stacks;
    let callers = callers_of(profile, senders);
    let mut seen: Vec<Seen> = Vec::with_capacity(stacks.len());
    // Parents come before children.
    for (parent, id) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*id);
        let outer = parent.map_or(Seen::default(), |parent| seen[parent.0 as usize]);
        let is_of = |modules: &[&str]| modules.iter().any(|module| function.file.starts_with(module));
        seen.push(match function.category {
            Category::App | Category::Dependency => {
                let is_caller = function.package.as_deref().is_some_and(|package| callers.contains(package));
                let reach = match outer.reach {
                    Reach::Outside if is_sender(profile, senders, *id) => Reach::Below,
                    Reach::Below if is_caller => Reach::CalledBack,
                    reach => reach,
                };
                Seen { owner: Some(*id), client: false, exchange: false, reach }
            }
            Category::Node => Seen {
                client: outer.client || is_of(CLIENT_MODULES),
                exchange: outer.exchange || is_of(EXCHANGE_MODULES),
                ..outer
            },
            _ => outer,
        });
    }
    let is_theirs = |seen: &Seen, owner: FunctionId| {
        if profile.functions.get(owner).category == Category::App {
            // Below a function that sends, writing is sending; below any other it may be the answer.
            return senders.functions.contains(&owner) && (seen.client || seen.exchange && !senders.answer);
        }
        match seen.reach {
            Reach::Outside => false,
            Reach::Below => true,
            // Packages that watch a service wrap Node's client: they are called back only to call it.
            Reach::CalledBack => seen.client || senders.is_unawaited || is_sender(profile, senders, owner),
        }
    };
    let part = |seen: &Seen| match seen.owner {
        None if seen.client => Part::Anybodys,
        Some(owner) if is_theirs(seen, owner) => Part::Theirs,
        _ => Part::Not,
    };
    seen.iter().map(part).collect()
}

/// Returns the packages that call senders, others than they themselves.
fn callers_of<'a>(profile: &'a Profile, senders: &Senders) -> BTreeSet<&'a str> {
    let stacks = &profile.stacks;
    let mut callers = BTreeSet::new();
    for (parent, id) in stacks.parent.iter().zip(&stacks.function) {
        if !is_sender(profile, senders, *id) {
            continue;
        }
        let mut at = *parent;
        while let Some(outer) = at {
            let function = stacks.function[outer.0 as usize];
            let package = profile.functions.get(function).package.as_deref();
            if !is_sender(profile, senders, function) {
                callers.extend(package);
            }
            at = stacks.parent[outer.0 as usize];
        }
    }
    callers
}

fn is_sender(profile: &Profile, senders: &Senders, id: FunctionId) -> bool {
    let package = profile.functions.get(id).package.as_deref();
    senders.functions.contains(&id) || package.is_some_and(|package| senders.packages.contains(package))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::tests::profile;
    use crate::serving_threads;

    /// Returns the share of the busy time, percent, that `send` of the application and the packages take to send half of all requests.
    fn sending(stacks: &str, functions: &[&str], packages: &[&str]) -> f64 {
        let profile = profile(stacks);
        let is_named = |name: &str| functions.contains(&name);
        let ids = profile.functions.iter().filter(|(_, function)| is_named(&function.name));
        let senders = Senders {
            functions: ids.map(|(id, _)| id).collect(),
            answer: false,
            is_unawaited: false,
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            part: 0.5,
        };
        (time_sending(&profile, &serving_threads(&profile), &senders).share * 100.0).round()
    }

    #[test]
    fn what_a_function_does_besides_sending_is_not_sending() {
        assert!(
            (sending("send;net:write;native:writev 30\nsend 20\nask;net:write 50", &["send"], &[]) - 30.0)
                .abs()
                < 0.1
        );
    }

    #[test]
    fn all_that_a_package_does_that_only_sends_is_sending() {
        let stacks = "dep:flush 10\nhandle;dep:post;net:write 20\ndep:flush;handle 30\nhandle 40";
        assert!((sending(stacks, &[], &["d"]) - 30.0).abs() < 0.1);
    }

    #[test]
    fn what_a_package_calls_is_its_own_but_not_who_it_calls_back() {
        let stacks =
            "lib:verify;dep:ask 10\ndep:ask;util:parse 20\ndep:ask;lib:verified;util:check 30\nhandle 40";
        assert!((sending(stacks, &[], &["d"]) - 30.0).abs() < 0.1);
    }

    #[test]
    fn node_alone_is_divided_by_counts() {
        let stacks = "client:onSocket;net:write 40\nnet:accept 20\nhandle 40";
        assert!((sending(stacks, &["send"], &[]) - 20.0).abs() < 0.1);
    }

    #[test]
    fn an_idle_thread_sends_nothing() {
        assert!(sending("idle:(idle) 10", &["send"], &["d"]).abs() < 0.1);
    }
}
