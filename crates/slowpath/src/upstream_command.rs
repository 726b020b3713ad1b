//! `slowpath mock-upstream`: serves the mock LLM upstream until it is told to end.

use crate::cli::UpstreamCommandOptions;
use crate::exit_code::{ExitCode, Explained};
use crate::signals::StopRequests;
use slowpath_load::upstream::{UpstreamOptions, serve};
use std::time::Duration;

pub(crate) fn run(options: &UpstreamCommandOptions) -> anyhow::Result<ExitCode> {
    let stop = StopRequests::listen()?;
    let upstream = serve(UpstreamOptions {
        port: options.port,
        latency: options.latency,
        chunk_interval: options.chunk_interval,
        n_chunks: options.chunks,
    })
    .map_err(|source| {
        anyhow::Error::new(source).context(Explained {
            message: format!("cannot serve on port {}", options.port),
            code: ExitCode::Failed,
            hint: Some("pass `--port 0` for a free port".into()),
        })
    })?;
    println!("http://127.0.0.1:{}/v1", upstream.port());
    while !stop.stop() {
        std::thread::sleep(Duration::from_millis(50));
    }
    upstream.stop();
    Ok(ExitCode::Done)
}
