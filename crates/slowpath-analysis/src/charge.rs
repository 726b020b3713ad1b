//! Charges every busy sample to the nearest application function on its stack, whatever leaf it ended in.
//!
//! A collection has no stack of its own in V8's samples. Where allocations were sampled, collections are shared out by who allocates
//! (see [`crate::collections`]); else each is charged to the code that ran just before it, which is
//! most likely what allocated (the rule of Chrome's DevTools, less what hardly allocates). A function without
//! a name of its own, or too small to matter, is folded into the application function that nearly always calls it, so
//! that a cost spread over closures and small helpers shows where a person would look for it. What has no application
//! function on its stack stays visible as [`Unowned`].
//!
//! V8 samples the wall clock: a thread that loses its CPU gets its next sample when it runs again, and that whole gap would
//! be charged to what it ran last, most often the system call that woke another thread. So no sample counts for more than a
//! few intervals; what that takes away is spread over all.

use crate::app_tree::AppTree;
use crate::async_ops::Owners;
use crate::client_packages::{client_packages, client_stacks};
use crate::stack_class::{Doing, StackClasses};
use crate::threads::ServingThread;
use crate::unowned::{Unowned, UnownedSums};
use crate::{collections, microtasks};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Function, FunctionId, Profile, StackId, ThreadSamples, Timing, WeightUnit};
use slowpath_profile::{Nanos, SECOND};
use std::collections::{BTreeMap, BTreeSet};

/// A collection is charged to the sample before it if that is at most this old: a few sampling intervals.
const GC_CHARGE_WINDOW: Nanos = Nanos(20_000_000);

/// Blocks that time is cut into, at most; they are a second long in any run shorter than an hour.
const MAX_BLOCKS: u64 = 3600;

/// Longest time that one sample stands for, in sampling intervals. Under load the distance of samples varies by a factor of
/// two; beyond three the thread had no CPU, or the sampler had none, and neither says what the thread ran.
const MAX_INTERVALS: u64 = 3;

/// Time charged to one application function.
#[derive(Debug, Clone, PartialEq)]
pub struct AppFunction {
    /// The function.
    pub function: FunctionId,
    /// Time charged to it and to what was folded into it.
    pub charged: Nanos,
    /// Time with it innermost, folded functions included.
    pub own_code: Nanos,
    /// Share of the busy time of the serving threads.
    pub share: f64,
    /// 95 % confidence interval of `share`, from the variation between seconds.
    pub share_interval: (f64, f64),
    /// Samples charged.
    pub n_samples: u64,
    /// Where its time went below it: label, share of busy time; largest first.
    pub spent_in: Vec<(String, f64)>,
    /// What it calls outside of the application, with all below: function, share of busy time; largest first.
    pub called: Vec<(FunctionId, f64)>,
    /// Application functions that call it: function, share of its time; largest first.
    pub callers: Vec<(FunctionId, f64)>,
    /// Functions folded into it, largest first.
    pub folded: Vec<Folded>,
    /// Time of it that was in calls that block by nature.
    pub in_sync_calls: Nanos,
    /// Time of it in Node's own HTTP, stream and socket code below it: what requests and answers cost in any service.
    /// Connecting, TLS and name look-ups are not among it.
    pub in_exchange: Nanos,
    /// Time in Node's code for files, compression, cryptography and children that it, or what is folded into it, began and awaited
    /// without being on the stack, as [`Charges::begun`] says; not in `charged`.
    pub begun: Nanos,
    /// Time of it in packages that send requests, and in what they call, less `in_exchange`.
    pub in_clients: Nanos,
}

/// An application function that is folded into another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Folded {
    /// The function.
    pub function: FunctionId,
    /// Share of the busy time of the serving threads.
    pub share: f64,
    /// Of that, in Node's own HTTP, stream and socket code.
    pub in_exchange: f64,
    /// Its part of [`AppFunction::begun`], as share of the busy time; not in `share`.
    pub begun: f64,
}

impl AppFunction {
    /// Adds what it, and each function that is folded into it, began and awaited without being on the stack, ns.
    fn with_begun(mut self, begun: &BTreeMap<FunctionId, f64>, busy: u64) -> Self {
        self.begun = Nanos(begun.values().sum::<f64>() as u64);
        for (owner, time) in begun.iter().filter(|(owner, _)| **owner != self.function) {
            let begun = time / busy as f64;
            match self.folded.iter_mut().find(|folded| folded.function == *owner) {
                Some(folded) => folded.begun = begun,
                None => self.folded.push(Folded { function: *owner, share: 0.0, in_exchange: 0.0, begun }),
            }
        }
        self
    }
}

/// Time in one synchronous call, by the application function that makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncCall {
    /// The blocking function of Node, such as `readFileSync`.
    pub call: FunctionId,
    /// The application function that calls it.
    pub caller: Option<FunctionId>,
    /// Time in it.
    pub time: Nanos,
    /// Share of busy time.
    pub share: f64,
    /// 95 % confidence interval of `share`.
    pub share_interval: (f64, f64),
    /// Samples in it.
    pub n_samples: u64,
}

/// All charges.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charges {
    /// Busy time of the serving threads.
    pub busy: Nanos,
    /// Their busy samples.
    pub n_busy_samples: u64,
    /// By application function, largest first.
    pub functions: Vec<AppFunction>,
    /// By synchronous call, largest first.
    pub sync_calls: Vec<SyncCall>,
    /// Without an application function, largest first.
    pub unowned: Vec<Unowned>,
    /// Charged time by function before folding, for tables.
    pub charged_unfolded: BTreeMap<FunctionId, Nanos>,
    /// The same without collections.
    pub worked_unfolded: BTreeMap<FunctionId, Nanos>,
    /// Of the time without an application function on the stack: who began it and awaited its end, share of busy time,
    /// largest first. It is in `unowned` as well.
    pub begun: Vec<(FunctionId, f64)>,
    /// Share of busy time in making and closing connections, by Node's own functions for that and what is below them.
    pub connecting: f64,
    /// Share of busy time with an application owner: on the stack, or by `begun`.
    pub owned_share: f64,
    /// Share of busy time in Node's code that sends what was written, whoever is on the stack: pieces wait for each other, and
    /// leave when their writer is done.
    pub sending_share: f64,
    /// Packages that send the service's requests.
    pub client_packages: BTreeSet<String>,
}

/// What a function spends its time in, where V8 lost the frames: see [`crate::microtasks`].
const HIDDEN: &str = "native code without a frame";

/// What a function spends its time in, where modules are looked up, read or compiled.
pub const LOADING: &str = "loading and compiling code";

/// One busy sample with its judgement.
pub(crate) struct Charged {
    pub(crate) block: usize,
    pub(crate) start: Nanos,
    pub(crate) duration: u64,
    /// The stack that pays: for a collection, one of who allocates, or that of the sample before.
    pub(crate) stack: Option<StackId>,
    pub(crate) owner: Option<FunctionId>,
    pub(crate) doing: Doing,
    /// Whether its own code hid the stack, which is one that it may have had.
    pub(crate) is_hidden: bool,
    pub(crate) pid: u32,
    /// Whether it is one of its process's main thread.
    pub(crate) is_main_thread: bool,
}

impl Charges {
    pub(crate) fn of(profile: &Profile, serving: &[ServingThread], owners: &Owners) -> Self {
        let classes = StackClasses::of(profile);
        let (samples, blocks) = charged_samples(profile, serving, &classes);
        let busy: u64 = samples.iter().map(|sample| sample.duration).sum();
        if busy == 0 {
            return Self::default();
        }
        let tree =
            AppTree::of(profile, samples.iter().filter_map(|sample| Some((sample.stack?, sample.duration))));
        let into = tree.folds(profile, busy);
        // Who allocates may never have been sampled while it ran.
        let folded_into = |owner: FunctionId| into.get(&owner).copied().unwrap_or(owner);
        let exchanges = exchanging_stacks(profile);
        let works = stacks_below(profile, WORK_MODULES);
        let client_packages = client_packages(profile);
        let clients = client_stacks(profile, &client_packages);
        let called = called_by_owner(profile);
        let sends = sending_stacks(profile);
        let mut sending = 0;
        let connects = connecting_stacks(profile);
        let is_connecting = |sample: &&Charged| sample.stack.is_some_and(|stack| connects[stack.0 as usize]);
        let connecting: u64 = samples.iter().filter(is_connecting).map(|sample| sample.duration).sum();
        let mut functions: BTreeMap<FunctionId, FunctionSum> = BTreeMap::new();
        let mut sync_calls: BTreeMap<(FunctionId, Option<FunctionId>), (Vec<u64>, u64)> = BTreeMap::new();
        let mut unowned = UnownedSums::default();
        let mut charged_unfolded: BTreeMap<FunctionId, Nanos> = BTreeMap::new();
        let mut worked_unfolded: BTreeMap<FunctionId, Nanos> = BTreeMap::new();
        let mut begun: BTreeMap<FunctionId, f64> = BTreeMap::new();
        let mut begun_by_itself: BTreeMap<FunctionId, BTreeMap<FunctionId, f64>> = BTreeMap::new();
        for sample in &samples {
            if sample.stack.is_some_and(|stack| sends[stack.0 as usize]) {
                sending += sample.duration;
            }
            if let Doing::SyncCall(call) = sample.doing {
                let caller = sample.owner.map(&folded_into);
                let (by_block, n) =
                    sync_calls.entry((call, caller)).or_insert_with(|| (vec![0; blocks.len()], 0));
                by_block[sample.block] += sample.duration;
                *n += 1;
            }
            let Some(owner) = sample.owner else {
                unowned.add(profile, label_of(profile, sample), sample.stack, sample.duration);
                let mut shares = sample.stack.map_or(&[][..], |stack| owners.of_stack(profile, stack));
                if shares.is_empty() && sample.doing == Doing::Gc {
                    shares = owners.of_collection();
                }
                let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
                let is_own = sample.stack.is_some_and(|stack| works[stack.0 as usize]);
                for (owner, weight) in shares {
                    let time = sample.duration as f64 * *weight as f64 / total as f64;
                    *begun.entry(*owner).or_default() += time;
                    if is_own {
                        let of_function = begun_by_itself.entry(folded_into(*owner)).or_default();
                        *of_function.entry(*owner).or_default() += time;
                    }
                }
                continue;
            };
            let charged = charged_unfolded.entry(owner).or_default();
            *charged = *charged + Nanos(sample.duration);
            if sample.doing != Doing::Gc {
                let worked = worked_unfolded.entry(owner).or_default();
                *worked = *worked + Nanos(sample.duration);
            }
            let sum = functions.entry(folded_into(owner)).or_default();
            let exchanges =
                sample.doing != Doing::Gc && sample.stack.is_some_and(|stack| exchanges[stack.0 as usize]);
            sum.add(profile, owner, folded_into(owner), sample, exchanges);
            if let Some(called) =
                sample.stack.filter(|_| !sample.is_hidden).and_then(|stack| called[stack.0 as usize])
            {
                *sum.called.entry(called).or_default() += sample.duration;
            }
            if !exchanges && sample.stack.is_some_and(|stack| clients[stack.0 as usize]) {
                sum.in_clients += sample.duration;
            }
        }
        let share = |time: u64| time as f64 / busy as f64;
        let mut functions: Vec<_> = functions
            .into_iter()
            .map(|(function, sum)| {
                let begun = begun_by_itself.remove(&function).unwrap_or_default();
                sum.into_app_function(function, &blocks, busy, &tree).with_begun(&begun, busy)
            })
            .collect();
        functions.sort_by_key(|f| (std::cmp::Reverse(f.charged), f.function));
        let mut sync_calls: Vec<_> = sync_calls
            .into_iter()
            .map(|((call, caller), (by_block, n_samples))| {
                let time: u64 = by_block.iter().sum();
                let share_interval = interval(&by_block, &blocks);
                SyncCall { call, caller, time: Nanos(time), share: share(time), share_interval, n_samples }
            })
            .collect();
        sync_calls.sort_by_key(|call| (std::cmp::Reverse(call.time), call.call, call.caller));
        let mut begun: Vec<_> = begun.into_iter().map(|(owner, time)| (owner, time / busy as f64)).collect();
        begun.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let on_stack: u64 = charged_unfolded.values().map(|time| time.0).sum();
        Self {
            owned_share: share(on_stack) + begun.iter().map(|(_, share)| share).sum::<f64>(),
            sending_share: share(sending),
            client_packages,
            begun,
            connecting: connecting as f64 / busy as f64,
            busy: Nanos(busy),
            n_busy_samples: samples.len() as u64,
            functions,
            sync_calls,
            unowned: unowned.into_shares(busy),
            charged_unfolded,
            worked_unfolded,
        }
    }
}

/// Returns the busy samples, and the busy time of each block over all threads.
pub(crate) fn charged_samples(
    profile: &Profile,
    serving: &[ServingThread],
    classes: &StackClasses,
) -> (Vec<Charged>, Vec<u64>) {
    let threads: Vec<_> = serving.iter().map(|thread| &profile.threads[thread.index]).collect();
    let (mut samples, blocks) = charged_samples_of(profile, &threads, classes);
    microtasks::share_out(profile, &mut samples);
    collections::share_out(profile, &mut samples);
    (samples, blocks)
}

/// The same for any threads of the profile, collections being charged to what ran before them.
pub(crate) fn charged_samples_of(
    profile: &Profile,
    threads: &[&ThreadSamples],
    classes: &StackClasses,
) -> (Vec<Charged>, Vec<u64>) {
    let mut charged = Vec::new();
    let mut blocks: Vec<u64> = Vec::new();
    let mut busy = 0;
    let starts = threads.iter().filter_map(|samples| samples.start.first());
    let origin = starts.min().copied().unwrap_or_default();
    let ends = threads.iter().filter_map(|samples| samples.start.last());
    let span = ends.max().copied().unwrap_or_default().since(origin);
    let block_length = SECOND.max(span.0 / MAX_BLOCKS);
    for samples in threads {
        let longest = longest_duration(profile, samples);
        let mut before: Option<(Nanos, StackId)> = None;
        for ((start, duration), stack) in samples.start.iter().zip(&samples.duration).zip(&samples.stack) {
            let doing = classes.doing[stack.0 as usize];
            if doing == Doing::Idle {
                before = None;
                continue;
            }
            let block = (start.since(origin).0 / block_length) as usize;
            if block >= blocks.len() {
                blocks.resize(block + 1, 0);
            }
            let counted = duration.0.min(longest);
            busy += duration.0;
            blocks[block] += counted;
            let payer = if doing == Doing::Gc {
                before.filter(|(at, _)| start.since(*at) <= GC_CHARGE_WINDOW).map(|(_, stack)| stack)
            } else {
                Some(*stack)
            };
            match payer {
                // Through a run of collections the allocating stack stays the payer.
                Some(payer) if doing == Doing::Gc || may_allocate(profile, doing, *stack) => {
                    before = Some((*start + *duration, payer));
                }
                _ => {}
            }
            charged.push(Charged {
                block,
                start: *start,
                duration: counted,
                stack: payer,
                owner: payer.and_then(|payer| classes.owner[payer.0 as usize]),
                doing,
                is_hidden: false,
                pid: samples.pid,
                is_main_thread: samples.thread == 0,
            });
        }
    }
    spread(&mut charged, &mut blocks, busy);
    (charged, blocks)
}

/// Returns the longest time that a sample of a thread stands for.
fn longest_duration(profile: &Profile, samples: &ThreadSamples) -> u64 {
    let is_timed = profile.unit == WeightUnit::Nanoseconds && samples.timing == Timing::Recorded;
    match samples.effective_interval() {
        Some(interval) if is_timed && interval.0 > 0 => interval.0.saturating_mul(MAX_INTERVALS),
        _ => u64::MAX,
    }
}

/// Makes the samples add up to `busy` again, each by the same factor.
fn spread(charged: &mut [Charged], blocks: &mut [u64], busy: u64) {
    let counted: u64 = blocks.iter().sum();
    if counted == busy || counted == 0 {
        return;
    }
    let factor = busy as f64 / counted as f64;
    blocks.fill(0);
    for sample in charged {
        sample.duration = (sample.duration as f64 * factor) as u64;
        blocks[sample.block] += sample.duration;
    }
}

/// Node's own code for requests and answers.
pub(crate) const EXCHANGE_MODULES: &[&str] = &[
    "node:_http",
    "node:http",
    "node:net",
    "node:internal/http",
    "node:internal/stream_base_commons",
    "node:internal/streams/",
    "node:stream",
    "node:internal/deps/undici",
];

/// Node's own code that takes what is written to an answer to the socket.
const SENDING_MODULES: &[&str] =
    &["node:_http_outgoing", "node:internal/streams/writable", "node:internal/stream_base_commons"];

/// Returns for each stack whether what was written is being sent in it.
fn sending_stacks(profile: &Profile) -> Vec<bool> {
    let stacks = &profile.stacks;
    let mut sends: Vec<bool> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*function);
        let inherited = parent.is_some_and(|parent| sends[parent.0 as usize]);
        // Callbacks of the application may run below it.
        sends.push(match function.category {
            Category::App | Category::Dependency => false,
            _ => inherited || SENDING_MODULES.iter().any(|module| function.file.starts_with(module)),
        });
    }
    sends
}

/// Native work that belongs to connections rather than to what is exchanged over them.
pub(crate) const OF_CONNECTIONS: &[&str] = &["connect/close", "TLS", "dns"];

/// Node's files that make and close connections.
const CONNECTING_MODULES: &[&str] = &[
    "node:net",
    "node:tls",
    "node:_tls",
    "node:dns",
    "node:internal/dns",
    "node:_http_agent",
    "node:_http_client",
];

/// Its functions in them that do nothing else: Node 18 to 24.
const CONNECTING: &[&str] = &[
    "Socket",
    "TLSSocket",
    "_destroy",
    "afterConnect",
    "afterConnectMultiple",
    "connect",
    "createConnection",
    "createSocket",
    "emitLookup",
    "initSocketHandle",
    "installListeners",
    "internalConnect",
    "internalConnectMultiple",
    "lookup",
    "lookupAndConnect",
    "lookupAndConnectMultiple",
    "onSocketNT",
    "onconnectsecure",
    "socketCloseListener",
    "tickOnSocket",
];

/// Returns for each stack whether a connection is being made or closed in it.
fn connecting_stacks(profile: &Profile) -> Vec<bool> {
    let stacks = &profile.stacks;
    let mut connects: Vec<bool> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*function);
        let inherited = parent.is_some_and(|parent| connects[parent.0 as usize]);
        connects.push(match function.category {
            // What an application does in a callback of a new connection is its own.
            Category::App | Category::Dependency => false,
            Category::Node => {
                let name = function.name.rsplit('.').next().unwrap_or_default();
                let is_of_them = CONNECTING_MODULES.iter().any(|module| function.file.starts_with(module));
                inherited || (is_of_them && CONNECTING.contains(&name))
            }
            _ => inherited || function.kind.is_some_and(|kind| OF_CONNECTIONS.contains(&kind)),
        });
    }
    connects
}

/// Node's own code for what only the application asks for: a service has none of it that answers from memory.
const WORK_MODULES: &[&str] = &[
    "node:child_process",
    "node:crypto",
    "node:fs",
    "node:internal/child_process",
    "node:internal/crypto",
    "node:internal/fs",
    "node:zlib",
];

/// Returns for each stack whether a function of one of `modules` is on it.
fn stacks_below(profile: &Profile, modules: &[&str]) -> Vec<bool> {
    let stacks = &profile.stacks;
    let mut below: Vec<bool> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*function);
        let inherited = parent.is_some_and(|parent| below[parent.0 as usize]);
        below.push(inherited || modules.iter().any(|module| function.file.starts_with(module)));
    }
    below
}

/// Whether a function is of Node's own code for requests and answers.
pub(crate) fn is_exchange(function: &Function) -> bool {
    EXCHANGE_MODULES.iter().any(|module| function.file.starts_with(module))
}

/// Returns for each stack whether Node's HTTP or socket code runs below the nearest application function.
fn exchanging_stacks(profile: &Profile) -> Vec<bool> {
    let stacks = &profile.stacks;
    let mut exchanges: Vec<bool> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*function);
        let inherited = parent.is_some_and(|parent| exchanges[parent.0 as usize]);
        exchanges.push(match function.category {
            Category::App => false,
            Category::Node => inherited || is_exchange(function),
            _ if function.kind.is_some_and(|kind| OF_CONNECTIONS.contains(&kind)) => false,
            _ => inherited,
        });
    }
    exchanges
}

/// Returns for each stack the function that its nearest application function called.
fn called_by_owner(profile: &Profile) -> Vec<Option<FunctionId>> {
    let stacks = &profile.stacks;
    let mut called: Vec<Option<FunctionId>> = Vec::with_capacity(stacks.len());
    for (parent, function) in stacks.parent.iter().zip(&stacks.function) {
        let is_app = |id: FunctionId| profile.functions.get(id).category == Category::App;
        called.push(match parent {
            _ if is_app(*function) => None,
            Some(parent) if is_app(stacks.function[parent.0 as usize]) => Some(*function),
            Some(parent) => called[parent.0 as usize],
            None => None,
        });
    }
    called
}

/// Whether what runs is likely what fills the heap: code of the application and its dependencies, and built-ins that they
/// call, rather than Node's own code around them, writing to a socket or reading a file.
fn may_allocate(profile: &Profile, doing: Doing, stack: StackId) -> bool {
    let leaf = profile.functions.get(profile.stacks.function[stack.0 as usize]);
    match leaf.category {
        Category::App | Category::Dependency | Category::Wasm => true,
        Category::Native => doing == Doing::Native && leaf.kind.is_none(),
        _ => false,
    }
}

/// Names what a sample without an application function was busy with.
fn label_of(profile: &Profile, sample: &Charged) -> String {
    if sample.doing == Doing::Gc {
        return "garbage collection".into();
    }
    let Some(stack) = sample.stack else {
        return "unknown".into();
    };
    let mut frames = profile.stacks.frames(stack).map(|id| profile.functions.get(id));
    let leaf = profile.functions.get(profile.stacks.function[stack.0 as usize]);
    if leaf.category == Category::Program {
        return "native code outside JavaScript".into();
    }
    if let Some(package) = frames.find_map(|function| function.package.clone()) {
        return package;
    }
    match leaf.kind {
        Some(kind) => format!("native: {kind}"),
        None => "node core".into(),
    }
}

/// Sums of one function while samples are added.
#[derive(Default)]
struct FunctionSum {
    /// Few functions run in every block, and there may be a hundred thousand of them.
    by_block: BTreeMap<usize, u64>,
    own_code: u64,
    n_samples: u64,
    in_sync_calls: u64,
    in_exchange: u64,
    in_clients: u64,
    spent_in: BTreeMap<String, u64>,
    called: BTreeMap<FunctionId, u64>,
    /// Time, and of that in exchanges.
    folded: BTreeMap<FunctionId, (u64, u64)>,
}

impl FunctionSum {
    fn add(
        &mut self,
        profile: &Profile,
        owner: FunctionId,
        into: FunctionId,
        sample: &Charged,
        exchanges: bool,
    ) {
        let exchanged = if exchanges { sample.duration } else { 0 };
        self.in_exchange += exchanged;
        *self.by_block.entry(sample.block).or_default() += sample.duration;
        self.n_samples += 1;
        if matches!(sample.doing, Doing::SyncCall(_)) {
            self.in_sync_calls += sample.duration;
        }
        if owner != into {
            let folded = self.folded.entry(owner).or_default();
            *folded = (folded.0 + sample.duration, folded.1 + exchanged);
        }
        let leaf = sample.stack.map(|stack| profile.stacks.function[stack.0 as usize]);
        let label = match (sample.doing, leaf) {
            (Doing::Gc, _) => "garbage collection".to_owned(),
            _ if sample.is_hidden => HIDDEN.to_owned(),
            (_, Some(leaf)) if leaf == owner => {
                self.own_code += sample.duration;
                return;
            }
            (_, Some(leaf)) => spent_label(profile, sample, leaf),
            (_, None) => return,
        };
        *self.spent_in.entry(label).or_default() += sample.duration;
    }

    fn into_app_function(
        self,
        function: FunctionId,
        blocks: &[u64],
        busy: u64,
        tree: &AppTree,
    ) -> AppFunction {
        let mut by_block = vec![0; blocks.len()];
        for (block, time) in &self.by_block {
            by_block[*block] = *time;
        }
        let charged: u64 = by_block.iter().sum();
        let share = |time: u64| time as f64 / busy as f64;
        let below = tree.inclusive.get(&function).copied().unwrap_or(1) as f64;
        let callers = tree.callers.get(&function).cloned().unwrap_or_default();
        let folded = self.folded.into_iter().map(|(function, (time, exchanged))| Folded {
            function,
            share: share(time),
            in_exchange: share(exchanged),
            begun: 0.0,
        });
        let mut folded: Vec<_> = folded.collect();
        folded.sort_by(|a, b| b.share.total_cmp(&a.share));
        AppFunction {
            function,
            charged: Nanos(charged),
            own_code: Nanos(self.own_code),
            share: share(charged),
            share_interval: interval(&by_block, blocks),
            n_samples: self.n_samples,
            spent_in: by_share(self.spent_in, share),
            called: by_share(self.called, share),
            callers: by_share(callers, |time| time as f64 / below),
            folded,
            in_sync_calls: Nanos(self.in_sync_calls),
            in_exchange: Nanos(self.in_exchange),
            begun: Nanos(0),
            in_clients: Nanos(self.in_clients),
        }
    }
}

/// Names what was called between the owner and the leaf: the blocking call, the package, the kind, or the leaf itself.
fn spent_label(profile: &Profile, sample: &Charged, leaf: FunctionId) -> String {
    if sample.doing == Doing::Compile {
        return LOADING.to_owned();
    }
    if let Doing::SyncCall(call) = sample.doing {
        return format!("{}()", profile.functions.get(call).name);
    }
    let function = profile.functions.get(leaf);
    match (function.category, function.kind, &function.package) {
        (Category::Native, Some("RegExp"), _) => function.name.clone(),
        (_, Some(kind), _) => format!("native: {kind}"),
        (_, _, Some(package)) => format!("package {package}"),
        (Category::Wasm, ..) => "WebAssembly".to_owned(),
        (Category::Node, ..) => format!("{}() of node core", function.name),
        _ => format!("{}()", function.name),
    }
}

fn by_share<K: Ord>(times: BTreeMap<K, u64>, share: impl Fn(u64) -> f64) -> Vec<(K, f64)> {
    let mut rows: Vec<_> = times.into_iter().collect();
    rows.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    rows.into_iter().map(|(key, time)| (key, share(time))).collect()
}

/// Returns the 95 % interval of a ratio `Σ part / Σ whole` over blocks (ratio estimator; Cochran, Sampling Techniques,
/// 1977, §6.4). Samples within a second are not independent; seconds nearly are.
pub(crate) fn interval(part: &[u64], whole: &[u64]) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = part
        .iter()
        .zip(whole)
        .filter(|(_, whole)| **whole > 0)
        .map(|(p, w)| (*p as f64, *w as f64))
        .collect();
    let n = pairs.len() as f64;
    let total: f64 = pairs.iter().map(|(_, whole)| whole).sum();
    let ratio = pairs.iter().map(|(part, _)| part).sum::<f64>() / total;
    if pairs.len() < 2 {
        return (0.0, 1.0);
    }
    let residual: f64 = pairs.iter().map(|(part, whole)| (part - ratio * whole).powi(2)).sum();
    let standard_error = (n * residual / (n - 1.0)).sqrt() / total;
    // Two standard errors; Student's t would widen it by a fifth at ten blocks.
    ((ratio - 2.0 * standard_error).max(0.0), (ratio + 2.0 * standard_error).min(1.0))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::serving_threads;
    use slowpath_profile::tables::ThreadSamples;
    use slowpath_profile::waiting::WAITING;

    /// Builds a profile from lines such as `handle;renderRules;native:writev 30`, outermost first, one sample a unit.
    pub(crate) fn profile(text: &str) -> Profile {
        let mut profile = Profile::default();
        let mut samples = ThreadSamples { pid: 1, ..ThreadSamples::default() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (stack, n) = line.rsplit_once(' ').unwrap();
            let mut at = None;
            for name in stack.split(';') {
                let function = profile.functions.intern(function(name));
                at = Some(profile.stacks.intern(at, function));
            }
            for _ in 0..n.parse::<u64>().unwrap() {
                samples.start.push(Nanos(samples.start.len() as u64 * 100_000_000));
                samples.duration.push(Nanos(100_000_000));
                samples.stack.push(at.unwrap());
            }
        }
        profile.threads.push(samples);
        profile
    }

    fn function(text: &str) -> Function {
        let (prefix, name) = text.split_once(':').unwrap_or(("app", text));
        let (category, file) = match prefix {
            "native" | "waiting" => (Category::Native, ""),
            "dep" => (Category::Dependency, "node_modules/d/d.js"),
            "lib" | "util" => (Category::Dependency, "node_modules/other/index.js"),
            "fs" => (Category::Node, "node:fs"),
            "net" => (Category::Node, "node:net"),
            "client" => (Category::Node, "node:_http_client"),
            "gc" => (Category::Gc, ""),
            "idle" => (Category::Idle, ""),
            _ => (Category::App, "app.js"),
        };
        Function {
            name: name.to_owned(),
            file: file.to_owned(),
            line: 1,
            column: 1,
            category,
            package: match prefix {
                "dep" => Some("d".to_owned()),
                "lib" | "util" => Some(prefix.to_owned()),
                _ => None,
            },
            kind: (prefix == "waiting").then_some(WAITING),
        }
    }

    fn check(stacks: &str, expected: &[(&str, u64)]) {
        let profile = profile(stacks);
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let found: Vec<_> = charges
            .functions
            .iter()
            .map(|f| (profile.functions.get(f.function).name.as_str(), f.charged.0 / 100_000_000))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn native_and_dependency_leaves_are_charged_to_their_application_caller() {
        check(
            "handle 20\nhandle;render;dep:merge;native:x 60\nidle:(idle) 20",
            &[("render", 60), ("handle", 20)],
        );
    }

    #[test]
    fn the_same_leaf_from_two_callers_is_two_causes() {
        check("a;dep:clone 30\nb;dep:clone 50", &[("b", 50), ("a", 30)]);
    }

    #[test]
    fn a_collection_is_charged_to_what_ran_before_it() {
        check(
            "idle:(idle) 5\nb 10\na 30\ngc:(gc) 20\nidle:(idle) 5",
            &[("a", 30), ("b", 10)].map(|(f, n)| if f == "a" { (f, n + 20) } else { (f, n) }),
        );
    }

    #[test]
    fn closures_and_small_helpers_are_folded_into_their_caller() {
        check("h 30\nh;render;(anonymous) 40\nh;render;tiny 5\nh;render 25", &[("render", 70), ("h", 30)]);
    }

    #[test]
    fn a_helper_with_several_callers_stands_by_itself() {
        check("a;tiny 5\nb;tiny 4\na 50\nb 41", &[("a", 50), ("b", 41), ("tiny", 9)]);
    }

    #[test]
    fn functions_that_call_each_other_keep_all_their_time() {
        check("even;odd;even;odd 10\nodd;even 10", &[("even", 10), ("odd", 10)]);
    }

    #[test]
    fn a_thread_that_lost_its_cpu_does_not_charge_the_gap_to_what_it_ran_last() {
        let mut profile = profile("work 80\nsend 20");
        let samples = &mut profile.threads[0];
        samples.duration[99] = Nanos(10 * SECOND);
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let work = &charges.functions[0];
        assert_eq!(profile.functions.get(work.function).name, "work");
        assert!((work.share - 80.0 / 102.0).abs() < 1e-6, "{}", work.share);
        let whole: u64 = profile.threads[0].duration.iter().map(|duration| duration.0).sum();
        assert!(charges.busy.0.abs_diff(whole) < 1000, "the gap is spread over all");
    }

    #[test]
    fn what_answering_costs_in_any_service_is_told_apart() {
        let profile = profile("a;net:write;native:writev 30\na;native:parse 10\na 60");
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        assert_eq!(charges.functions[0].in_exchange, Nanos(3 * SECOND));
    }

    #[test]
    fn what_a_helper_began_without_being_on_the_stack_is_told_as_its_own() {
        let profile = profile("relay;send 10\nrelay 10\nidle:(idle) 1");
        let id = |name: &str| profile.functions.iter().find(|(_, f)| f.name == name).unwrap().0;
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let relay = AppFunction { folded: Vec::new(), ..charges.functions[0].clone() };
        let begun = BTreeMap::from([(id("send"), 6e8), (id("relay"), 2e8)]);
        let relay = AppFunction { function: id("relay"), ..relay }.with_begun(&begun, 2 * SECOND);
        assert_eq!(relay.begun, Nanos(800_000_000));
        let send = Folded { function: id("send"), share: 0.0, in_exchange: 0.0, begun: 0.3 };
        assert_eq!(relay.folded, [send]);
    }

    #[test]
    fn making_connections_is_told_from_using_them() {
        let profile =
            profile("a;net:createSocket;net:init 20\nnet:write;native:writev 30\na;net:connect;b 10\na 40");
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        assert!((charges.connecting - 0.2).abs() < 1e-9, "{}", charges.connecting);
    }

    #[test]
    fn synchronous_calls_are_listed_with_their_caller() {
        let profile = profile("load;fs:readFileSync;native:read 30\nwork 70");
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let call = &charges.sync_calls[0];
        assert_eq!(profile.functions.get(call.call).name, "readFileSync");
        assert_eq!(profile.functions.get(call.caller.unwrap()).name, "load");
        assert!((call.share - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_call_that_the_thread_slept_in_is_a_synchronous_one_whatever_its_name() {
        let profile = profile(
            "ask;waiting:Atomics.wait 40\nsave;native:commit;waiting:(waiting) 30\nsave;native:commit 30",
        );
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let name = |id: FunctionId| profile.functions.get(id).name.as_str();
        let calls: Vec<_> = charges
            .sync_calls
            .iter()
            .map(|call| (name(call.call), call.caller.map(name), call.n_samples))
            .collect();
        assert_eq!(calls, [("Atomics.wait", Some("ask"), 40), ("commit", Some("save"), 30)]);
    }

    #[test]
    fn all_busy_time_is_charged_or_named_as_unowned() {
        let profile = profile("a;dep:x 30\ndep:x 20\nnative:y 10\ngc:(gc) 1\nidle:(idle) 9");
        let charges = Charges::of(&profile, &serving_threads(&profile), &Owners::default());
        let charged: f64 = charges.functions.iter().map(|f| f.share).sum();
        let unowned: f64 = charges.unowned.iter().map(|u| u.share).sum();
        assert!((charged + unowned - 1.0).abs() < 1e-9, "{charged} + {unowned}");
    }
}
