//! Turns the load options into the load generator's plan; every mistake is an error before anything starts.

use crate::cli::LoadOptions;
use crate::exit_code::{ExitCode, Explained, usage};
use crate::load::{RequestOptions, apply_checks, apply_pacing, apply_requests, apply_transport};
use slowpath_load::{LoadError, LoadPlan, Pacing, Stage, Url};

/// Connections where neither the command line nor `slowpath.toml` says.
const DEFAULT_CONNECTIONS: u32 = 10;

/// Returns the plan, or `None` without a URL.
pub(crate) fn request_plan(options: &LoadOptions) -> anyhow::Result<Option<LoadPlan>> {
    let Some(url) = &options.url else {
        let RequestOptions { headers, body, input, form, bodies, har, .. } = &options.requests;
        let has_file = [input, bodies, har].iter().any(|file| file.is_some());
        if has_file || body.is_some() || form.is_some() || !headers.is_empty() {
            return Err(usage(
                "a body or a header was given, but no URL to send it to",
                "pass `--url http://127.0.0.1:PORT/path`",
            ));
        }
        return Ok(None);
    };
    let mut plan = LoadPlan::new(Url::parse(url).map_err(|error| load_error(&error))?);
    for warning in apply_requests(&options.requests, &mut plan)? {
        eprintln!("warning: {warning}");
    }
    apply_transport(&options.transport, &mut plan);
    apply_checks(&options.checks, &mut plan)?;
    apply_pacing(&options.pacing, Some(options.duration()), &mut plan)?;
    // The load goes on until the last phase has ended, however long settling takes.
    if let Pacing::Open { stages, .. } = &mut plan.pacing
        && let Some(&Stage { to, .. }) = stages.last()
    {
        stages.push(Stage { from: to, to, length: None });
    }
    plan.connections = options.connections.unwrap_or(DEFAULT_CONNECTIONS);
    plan.threads = options.load_threads;
    plan.validate().map_err(|error| load_error(&error))?;
    Ok(Some(plan))
}

/// Turns a mistake in the plan into a usage error.
pub(crate) fn load_error(error: &LoadError) -> anyhow::Error {
    let hint = error.hint();
    Explained { message: error.to_string(), code: ExitCode::Usage, hint }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, Command};
    use clap::Parser as _;
    use slowpath_load::Arrival;
    use std::time::Duration;

    fn plan(options: &[&str]) -> anyhow::Result<Option<LoadPlan>> {
        let command_line = ["slowpath", "run"].iter().chain(options).chain(&["--", "node", "a.js"]);
        let Command::Run(options) = Arguments::try_parse_from(command_line)?.command else {
            panic!("it is `run`")
        };
        request_plan(&options.load)
    }

    #[test]
    fn a_run_takes_the_options_of_a_load() {
        let options = "--url http://h/ -R 100 --arrival poisson -d 20 -m put -H a:b -b x --expect-status 201 -t 3 --goodput e2el:9";
        let plan = plan(&options.split(' ').collect::<Vec<_>>()).unwrap().unwrap();
        let stage = |length| Stage { from: 100.0, to: 100.0, length };
        let stages = vec![stage(Some(Duration::from_secs(20))), stage(None)];
        assert_eq!(
            plan.pacing,
            Pacing::Open { stages, arrival: Arrival::Poisson },
            "it goes on until it is stopped"
        );
        assert_eq!((plan.requests[0].method.as_str(), &plan.requests[0].body[..]), ("PUT", &b"x"[..]));
        assert_eq!((plan.checks.statuses, plan.timeout), (vec![201], Duration::from_secs(3)));
        assert_eq!(plan.objectives.e2el_ms, Some(9.0));
    }

    #[test]
    fn without_a_url_there_is_no_load_and_nothing_to_send() {
        assert!(plan(&["-d", "5"]).unwrap().is_none());
        assert!(plan(&["-b", "x"]).unwrap_err().to_string().contains("no URL to send it to"));
        assert!(plan(&["--har", "x"]).unwrap_err().to_string().contains("no URL to send it to"));
    }

    #[test]
    fn a_body_that_names_a_file_as_curl_would_take_it_is_asked_about() {
        let with_body = |body| plan(&["--url", "http://127.0.0.1:1/", "-m", "POST", "-b", body]);
        let refused = with_body("@Cargo.toml").unwrap_err().to_string();
        assert!(refused.contains("names a file"), "{refused}");
        assert!(with_body("@nobody").is_ok(), "it is no file");
    }
}
