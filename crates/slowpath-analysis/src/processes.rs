//! The process tree: who was there, what each thread cost, how each process ended.

use crate::phases::Phases;
use crate::waiting::ThreadWait;
use slowpath_profile::recording::{Event, ProcessHello, ProcessSample, signal_name};
use slowpath_profile::tables::Profile;
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// One process of the target's tree.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessMeasure {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// What it is to the target.
    pub role: String,
    /// Command line, redacted, or its name where that is unknown.
    pub command: String,
    /// Node version, if it is a Node process with an agent.
    pub node: Option<String>,
    /// Threads with some CPU time or samples, busiest first.
    pub threads: Vec<ThreadMeasure>,
    /// How it ended, where known.
    pub exit: Option<String>,
    /// Largest resident memory, bytes.
    pub rss_peak: u64,
    /// Most open descriptors at once.
    pub fds_peak: u32,
}

/// One thread.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadMeasure {
    /// Kernel thread id, where known.
    pub tid: Option<u32>,
    /// Node's `threadId`, where known.
    pub thread: Option<u32>,
    /// Name.
    pub name: String,
    /// CPU time as a share of one core over the measured phases.
    pub cpu_share: Option<f64>,
    /// Run-queue wait as a share of the measured phases.
    pub run_queue_share: Option<f64>,
    /// CPU samples.
    pub n_samples: usize,
    /// What it slept in of the time that samples saw it in code.
    pub waiting: Option<ThreadWait>,
}

/// Kernel threads below this share of a core are summed up in one row.
const SHOWN_SHARE: f64 = 0.005;

pub(crate) fn measure(recording: &Recording, profile: &Profile, phases: &Phases) -> Vec<ProcessMeasure> {
    let hellos: BTreeMap<u32, &ProcessHello> = recording
        .events
        .iter()
        .filter_map(|timed| match &timed.event {
            Event::Process(hello) => Some((hello.pid, hello)),
            _ => None,
        })
        .collect();
    let mut seen: BTreeMap<u32, Vec<(Nanos, &ProcessSample)>> = BTreeMap::new();
    for sample in &recording.system {
        for process in &sample.processes {
            seen.entry(process.pid).or_default().push((sample.t, process));
        }
    }
    for pid in hellos.keys() {
        seen.entry(*pid).or_default();
    }
    let first_node = hellos.keys().min_by_key(|pid| first_hello(recording, **pid)).copied();
    let mut rows: Vec<_> = seen
        .into_iter()
        .map(|(pid, samples)| {
            let hello = hellos.get(&pid).copied();
            let ppid = hello.map(|h| h.ppid).or_else(|| samples.first().map(|(_, p)| p.ppid)).unwrap_or(0);
            let name = samples.last().map(|(_, process)| process.name.clone()).unwrap_or_default();
            // Package managers are called `node` before they have set their title, or always: the command line has their name.
            let mut names: Vec<&str> = samples.iter().map(|(_, process)| process.name.as_str()).collect();
            if launched(recording) == Some(pid) {
                names.extend(recording.manifest.command.first().and_then(|path| path.rsplit('/').next()));
            }
            let manages = names.iter().any(|name| is_package_manager(name));
            ProcessMeasure {
                pid,
                ppid,
                role: role(hello, manages, Some(pid) == first_node, hellos.contains_key(&ppid)),
                command: hello.map_or(name, |hello| hello.argv.join(" ")),
                node: hello.map(|hello| hello.node.clone()),
                threads: threads(recording, profile, phases, pid, hello, &samples),
                exit: exit(recording, pid),
                rss_peak: samples.iter().map(|(_, process)| process.rss).max().unwrap_or(0),
                fds_peak: samples.iter().map(|(_, process)| process.n_fds).max().unwrap_or(0),
            }
        })
        .collect();
    rows.sort_by_key(|row| row.pid);
    rows
}

fn first_hello(recording: &Recording, pid: u32) -> Option<Nanos> {
    let hello = recording.events.iter().find(|t| matches!(&t.event, Event::Process(h) if h.pid == pid));
    hello.map(|timed| timed.t)
}

fn launched(recording: &Recording) -> Option<u32> {
    let pid = |event: &Event| match event {
        Event::Launched { pid } | Event::Attached { pid } => Some(*pid),
        _ => None,
    };
    recording.events.iter().find_map(|timed| pid(&timed.event))
}

fn is_package_manager(name: &str) -> bool {
    ["npm", "npx", "pnpm", "yarn", "corepack"].iter().any(|manager| name.starts_with(manager))
}

fn role(hello: Option<&ProcessHello>, manages: bool, is_first_node: bool, parent_is_node: bool) -> String {
    match hello {
        Some(ProcessHello { cluster_worker: Some(id), .. }) => format!("cluster worker {id}"),
        Some(_) if is_first_node => "main".into(),
        Some(_) if parent_is_node => "forked child".into(),
        Some(_) => "node".into(),
        None if manages => "package manager".into(),
        None => "other".into(),
    }
}

fn threads(
    recording: &Recording,
    profile: &Profile,
    phases: &Phases,
    pid: u32,
    hello: Option<&ProcessHello>,
    samples: &[(Nanos, &ProcessSample)],
) -> Vec<ThreadMeasure> {
    let measured: Vec<_> = samples.iter().filter(|(t, _)| phases.is_measured(*t)).collect();
    let workers = recording.workers(pid);
    let worker_of = |tid: u32| workers.iter().find(|(_, (_, known))| *known == Some(tid));
    let relay = hello.and_then(|hello| hello.relay_tid);
    let samples_of = |thread: u32| profile.threads.iter().find(|t| t.pid == pid && t.thread == thread);
    let n_samples = |thread: u32| samples_of(thread).map_or(0, |samples| samples.stack.len());
    let waiting = |thread: u32| ThreadWait::of(profile, samples_of(thread)?);
    let mut rows = Vec::new();
    if let (Some((t0, first)), Some((t1, last))) = (measured.first(), measured.last()) {
        let wall = t1.since(*t0).0.max(1) as f64;
        let mut rest = (0, 0.0);
        for task in &last.tasks {
            let earlier = first.tasks.iter().find(|earlier| earlier.tid == task.tid);
            let (run, wait) = earlier.map_or((Nanos(0), Nanos(0)), |earlier| (earlier.run, earlier.wait));
            let cpu_share = task.run.since(run).0 as f64 / wall;
            let (thread, name) = match worker_of(task.tid) {
                _ if task.tid == pid => (Some(0), "main".to_owned()),
                _ if relay == Some(task.tid) => (None, "slowpath's own (relay)".to_owned()),
                Some((thread, (title, _))) => (Some(*thread), worker_name(*thread, title)),
                None => (None, task.name.clone()),
            };
            if thread.is_none() && cpu_share < SHOWN_SHARE {
                rest = (rest.0 + 1, rest.1 + cpu_share);
                continue;
            }
            rows.push(ThreadMeasure {
                tid: Some(task.tid),
                thread,
                name,
                cpu_share: Some(cpu_share),
                run_queue_share: Some(task.wait.since(wait).0 as f64 / wall),
                n_samples: thread.map_or(0, n_samples),
                waiting: thread.and_then(waiting),
            });
        }
        if rest.0 > 0 {
            rows.push(ThreadMeasure {
                tid: None,
                thread: None,
                name: format!("{} quiet threads", rest.0),
                cpu_share: Some(rest.1),
                run_queue_share: None,
                n_samples: 0,
                waiting: None,
            });
        }
    }
    // Workers that have ended, or whose kernel thread is not known.
    for (thread, (title, _)) in &workers {
        if !rows.iter().any(|row| row.thread == Some(*thread)) {
            rows.push(ThreadMeasure {
                tid: None,
                thread: Some(*thread),
                name: worker_name(*thread, title),
                cpu_share: None,
                run_queue_share: None,
                n_samples: n_samples(*thread),
                waiting: waiting(*thread),
            });
        }
    }
    rows.sort_by(|a, b| {
        let key = |row: &ThreadMeasure| row.cpu_share.unwrap_or(0.0);
        key(b).total_cmp(&key(a)).then(a.thread.cmp(&b.thread)).then(a.tid.cmp(&b.tid))
    });
    rows
}

fn worker_name(thread: u32, title: &str) -> String {
    // Node's own title of a worker without a name says no more than its number.
    if title.is_empty() || title.starts_with("[worker ") {
        format!("worker {thread}")
    } else {
        format!("worker {thread}: {title}")
    }
}

fn exit(recording: &Recording, pid: u32) -> Option<String> {
    let mut best: Option<(Option<i32>, Option<i32>, bool)> = None;
    for timed in &recording.events {
        if let Event::ProcessEnded { pid: of, code, signal, stopping } = timed.event
            && of == pid
            && best.is_none_or(|(code, signal, _)| code.is_none() && signal.is_none())
        {
            best = Some((code, signal, stopping));
        }
    }
    let (code, signal, stopping) = best?;
    let how = match (code, signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by {}", signal_name(signal)),
        (None, None) => "gone without running its exit handlers (killed or crashed)".into(),
    };
    Some(if stopping { format!("stopped by slowpath: {how}") } else { how })
}
