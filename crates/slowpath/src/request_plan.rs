//! Turns the load options into the load generator's plan; every mistake is an error before anything starts.

use crate::cli::LoadOptions;
use crate::exit_code::{ExitCode, Explained, usage};
use crate::load::{RequestOptions, apply_checks, apply_pacing, apply_requests, apply_transport};
use slowpath_load::{LoadError, LoadPlan, Pacing, Stage, Url};

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
    apply_pacing(&options.pacing, Some(options.duration), &mut plan)?;
    // The load goes on until the last phase has ended, however long settling takes.
    if let Pacing::Open { stages, .. } = &mut plan.pacing
        && let Some(&Stage { to, .. }) = stages.last()
    {
        stages.push(Stage { from: to, to, length: None });
    }
    plan.connections = options.connections;
    plan.threads = options.load_threads;
    plan.validate().map_err(|error| load_error(&error))?;
    Ok(Some(plan))
}

/// Turns a mistake in the plan into a usage error.
pub(crate) fn load_error(error: &LoadError) -> anyhow::Error {
    let hint = error.hint();
    Explained { message: error.to_string(), code: ExitCode::Usage, hint }.into()
}
