//! Turns options into the load generator's plan; every mistake is an error before anything starts.

use super::drive::Limits;
use super::options::LoadCommandOptions;
use super::request_options::{
    ArrivalOption, CheckOptions, PacingOptions, RequestOptions, TransportOptions, When,
};
use crate::exit_code::{ExitCode, Explained, usage};
use crate::request_plan::load_error;
use slowpath_load::{
    ApiChecks, Arrival, HarOptions, LoadPlan, Pacing, RequestPlan, Shard, Stage, Tls, Transport, Url,
    hold_last_rate, multipart_from_json, parse_header, parse_json_check, parse_objectives, parse_stages,
    replace_id_markers, requests_from_har, requests_from_jsonl,
};
use std::path::Path;
use std::time::Duration;

/// How long a load runs where nothing says so, as in autocannon.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// How long answers are awaited after the end of a schedule where nothing says so. Cutting the last requests off at once, as
/// wrk2 does, leaves out just those that a stalled server keeps waiting; waiting for all of them, a server that does not keep
/// up would never let the load end. A second is what most services answer in.
const DEFAULT_DRAIN: Duration = Duration::from_secs(1);

/// A plan, and when to end it.
#[derive(Debug, Clone)]
pub(crate) struct TimedPlan {
    pub(crate) plan: LoadPlan,
    /// `None` where the plan itself ends.
    pub(crate) duration: Option<Duration>,
    /// How long answers are awaited after that, if requests start on a schedule.
    pub(crate) drain: Duration,
    /// What of the options could not be followed.
    pub(crate) warnings: Vec<String>,
}

impl TimedPlan {
    /// When the load ends.
    pub(crate) fn limits(&self) -> Limits {
        Limits { duration: self.duration, drain: self.drain, bailout: None }
    }
}

/// Returns the plan of a load towards `urls`; `shard` is the part that this process drives.
pub(crate) fn timed_plan(
    options: &LoadCommandOptions,
    urls: &[String],
    shard: Shard,
) -> anyhow::Result<TimedPlan> {
    let mut parsed = urls.iter().map(|url| Url::parse(url).map_err(|error| load_error(&error)));
    let Some(first) = parsed.next() else {
        return Err(usage(
            "no URL to send requests to",
            "pass it last, as in `slowpath load -c 100 http://localhost:3000`",
        ));
    };
    let mut plan = LoadPlan::new(first?);
    for url in parsed {
        plan.urls.push(url?);
    }
    let amount = &options.amount;
    let n_requests = amount.amount.or(options.compatibility.max_overall_requests);
    plan.connections = part_of(u64::from(amount.connections), shard, "connections", "-c")? as u32;
    plan.amount = n_requests;
    if let Some(n) = n_requests {
        part_of(n, shard, "requests", "-a")?;
    }
    plan.pipelining = amount.pipelining;
    plan.threads = amount.workers;
    plan.shard = shard;
    plan.transport.unix_socket.clone_from(&options.compatibility.socket_path);
    let mut warnings = apply_requests(&options.requests, &mut plan)?;
    apply_transport(&options.transport, &mut plan);
    apply_checks(&options.checks, &mut plan)?;
    let mut pace = options.pacing.clone();
    if let Some(rate) = options.compatibility.connection_rate {
        pace.rate = Some(rate * f64::from(amount.connections));
    }
    let duration = if let Some(n) = amount.amount {
        if amount.duration.is_some() {
            warnings.push(format!(
                "`-d` does not count beside `-a`, as in autocannon; `-O {n}` ends at whichever comes first"
            ));
        }
        None
    } else {
        amount.duration.or(pace.stages.is_none().then_some(DEFAULT_DURATION))
    };
    let duration = apply_pacing(&pace, duration, &mut plan)?;
    if duration == Some(Duration::ZERO) {
        return Err(usage("a load of no time", "pass a duration such as `-d 10`"));
    }
    plan.validate().map_err(|error| load_error(&error))?;
    if amount.drain.is_some() && plan.pacing == Pacing::Closed && amount.sweep.is_none() {
        return Err(usage(
            "`--drain` is for loads on a schedule: without one, requests under way are cut off at the end",
            "leave it out, or pass a rate such as `-R 500`",
        ));
    }
    let drain = amount.drain.unwrap_or(DEFAULT_DRAIN);
    Ok(TimedPlan { plan, duration, drain, warnings })
}

/// Sets when requests start. Returns how long that goes on: `duration`, or the length of the stages.
///
/// An open load's schedule ends by itself, so that its requests are the same however fast the server is.
pub(crate) fn apply_pacing(
    options: &PacingOptions,
    duration: Option<Duration>,
    plan: &mut LoadPlan,
) -> anyhow::Result<Option<Duration>> {
    plan.seed = options.seed;
    let arrival = match (options.burstiness, options.arrival) {
        (Some(shape), _) => Arrival::Gamma(shape),
        (None, Some(ArrivalOption::Poisson)) => Arrival::Poisson,
        (None, _) => Arrival::Constant,
    };
    let mut stages = match (options.rate, &options.stages) {
        (Some(rate), _) => vec![Stage { from: rate, to: rate, length: duration }],
        (None, Some(text)) => parse_stages(text).map_err(|error| load_error(&error))?,
        (None, None) if options.arrival.is_some() || options.burstiness.is_some() => {
            return Err(usage(
                "gaps between requests are drawn only where a rate is given",
                "pass `-R 500` or `--stages 0:50,30s:500` besides",
            ));
        }
        (None, None) => return Ok(duration),
    };
    let is_endless = stages.last().is_some_and(|stage| stage.length.is_none());
    if options.stages.is_some() {
        match (duration.or(is_endless.then_some(DEFAULT_DURATION)), is_endless) {
            (Some(duration), true) => stages = vec![Stage { length: Some(duration), ..stages[0] }],
            (Some(duration), false) => hold_last_rate(&mut stages, duration),
            (None, _) => {}
        }
    }
    let length = stages.iter().map(|stage| stage.length).sum();
    plan.pacing = Pacing::Open { stages, arrival };
    Ok(duration.or(length))
}

/// Returns how much of a whole belongs to one part: of the numbers from 0, those that are `index` modulo `count`.
fn part_of(whole: u64, shard: Shard, what: &str, option: &str) -> anyhow::Result<u64> {
    let (index, count) = (u64::from(shard.index), u64::from(shard.count));
    if whole < count {
        return Err(usage(
            format!("{whole} {what} cannot be parted among {count} shards"),
            format!("pass `{option} {count}` or more: it counts for the whole load"),
        ));
    }
    Ok(whole / count + u64::from(index < whole % count))
}

/// Sets what is sent. Returns what was left out, in words.
pub(crate) fn apply_requests(options: &RequestOptions, plan: &mut LoadPlan) -> anyhow::Result<Vec<String>> {
    let method = match &options.method {
        Some(method) => method.to_ascii_uppercase(),
        None if options.form.is_some() => "POST".to_owned(),
        None => "GET".to_owned(),
    };
    let mut headers = Vec::new();
    for header in &options.headers {
        headers.push(parse_header(header).map_err(|error| load_error(&error))?);
    }
    let mut request =
        RequestPlan { method, headers, is_template: options.template, ..RequestPlan::default() };
    if let Some(path) = &options.input {
        request.body = read_file(path, "-i")?;
    } else if let Some(body) = &options.body {
        if let Some(path) = body.strip_prefix('@').filter(|path| Path::new(path).is_file()) {
            return Err(usage(
                format!("the body would be the text `{body}`, which names a file"),
                format!("`-i {path}` sends what is in the file"),
            ));
        }
        request.body = body.clone().into_bytes();
    }
    if let Some(form) = &options.form {
        let (content_type, body) = multipart_from_json(form).map_err(|error| load_error(&error))?;
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        request.headers.push(("content-type".to_owned(), content_type));
        request.body = body;
    }
    let mut warnings = Vec::new();
    plan.requests = if let Some(path) = &options.bodies {
        requests_from_jsonl(path, &request).map_err(|error| load_error(&error))?
    } else if let Some(path) = &options.har {
        let origins = if options.har_origin.is_empty() {
            plan.urls.iter().map(ToString::to_string).collect()
        } else {
            options.har_origin.clone()
        };
        let har = HarOptions { origins, keeps_cookies: options.har_cookies };
        let taken = requests_from_har(path, &request, &har).map_err(|error| load_error(&error))?;
        if taken.n_elsewhere > 0 {
            warnings.push(format!(
                "{} requests of the HAR file went elsewhere and are left out",
                taken.n_elsewhere
            ));
        }
        warnings
            .extend(taken.skipped.into_iter().map(|reason| format!("left out of the HAR file: {reason}")));
        taken.requests
    } else {
        vec![request]
    };
    if options.id_replacement {
        replace_id_markers(plan);
    }
    Ok(warnings)
}

/// Sets how bytes travel.
pub(crate) fn apply_transport(options: &TransportOptions, plan: &mut LoadPlan) {
    plan.timeout = options.timeout;
    plan.total_timeout = options.timeout_total;
    plan.transport = Transport {
        http2: options.http2,
        unix_socket: plan.transport.unix_socket.take(),
        tls: Tls {
            insecure: options.insecure,
            cert: options.cert.clone(),
            key: options.key.clone(),
            ca: options.ca.clone(),
            server_name: options.sni.clone(),
        },
    };
}

/// Sets what an answer must be.
pub(crate) fn apply_checks(options: &CheckOptions, plan: &mut LoadPlan) -> anyhow::Result<()> {
    plan.checks.statuses.clone_from(&options.expect_status);
    plan.checks.body = options.expect_body.as_ref().map(|text| text.clone().into_bytes());
    for check in &options.expect_json {
        plan.checks.json.push(parse_json_check(check).map_err(|error| load_error(&error))?);
    }
    plan.checks.api = match options.api_checks {
        When::Auto => ApiChecks::Auto,
        When::On => ApiChecks::On,
        When::Off => ApiChecks::Off,
    };
    if let Some(text) = &options.goodput {
        plan.objectives = parse_objectives(text).map_err(|error| load_error(&error))?;
    }
    Ok(())
}

/// Reads a file that an option names.
fn read_file(path: &Path, option: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| {
        let message = format!("cannot read the body file `{}`", path.display());
        let hint = Some(format!("check the path given to `{option}`"));
        anyhow::Error::new(source).context(Explained { message, code: ExitCode::Usage, hint })
    })
}
