//! Turns the load options into the load generator's plan; every mistake is an error before anything starts.

use crate::cli::LoadOptions;
use crate::exit_code::{ExitCode, Explained, usage};
use slowpath_load::{LoadError, LoadPlan, Url, parse_header};

/// Returns the plan, or `None` without a URL.
pub(crate) fn request_plan(options: &LoadOptions) -> anyhow::Result<Option<LoadPlan>> {
    let Some(url) = &options.url else {
        if options.body.is_some() || options.input.is_some() || !options.headers.is_empty() {
            return Err(usage(
                "a body or a header was given, but no URL to send it to",
                "pass `--url http://127.0.0.1:PORT/path`",
            ));
        }
        return Ok(None);
    };
    let mut plan = LoadPlan::new(Url::parse(url).map_err(|error| load_error(&error))?);
    plan.requests[0].method = options.method.to_ascii_uppercase();
    for header in &options.headers {
        plan.requests[0].headers.push(parse_header(header).map_err(|error| load_error(&error))?);
    }
    if let Some(path) = &options.input {
        plan.requests[0].body = std::fs::read(path).map_err(|source| {
            let message = format!("cannot read the body file `{}`", path.display());
            anyhow::Error::new(source).context(Explained {
                message,
                code: ExitCode::Usage,
                hint: Some("check the path given to `-i`".into()),
            })
        })?;
    } else if let Some(body) = &options.body {
        plan.requests[0].body = body.clone().into_bytes();
    }
    plan.connections = options.connections;
    plan.threads = options.load_threads;
    plan.timeout = options.timeout;
    plan.validate().map_err(|error| load_error(&error))?;
    Ok(Some(plan))
}

/// Turns a mistake in the plan into a usage error.
pub(crate) fn load_error(error: &LoadError) -> anyhow::Error {
    let hint = error.hint();
    Explained { message: error.to_string(), code: ExitCode::Usage, hint }.into()
}
