//! `slowpath demo`: the whole on a small built-in gateway with a planted bottleneck, in front of the mock upstream.

use crate::cli::DemoOptions;
use crate::exit_code::{ExitCode, explained};
use crate::native_phase::NativePlan;
use crate::phase_plan::{self, Besides};
use crate::run_command::{Prepared, run_prepared};
use crate::session::{Ending, SessionPlan};
use crate::summaries::Summary;
use anyhow::Context as _;
use slowpath_capture::{CpuSampling, LaunchPlan};
use slowpath_load::upstream::{Settings, TimeDistribution, UpstreamOptions, serve};
use slowpath_load::{LoadPlan, Url};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The gateway's files.
const FILES: &[(&str, &str)] = &[
    ("src/server.js", include_str!("../../../fixtures/demo/src/server.js")),
    ("src/convert.js", include_str!("../../../fixtures/demo/src/convert.js")),
    ("src/prompt/rules.js", include_str!("../../../fixtures/demo/src/prompt/rules.js")),
    ("package.json", include_str!("../../../fixtures/demo/package.json")),
];

/// How long the upstream takes: short enough that the gateway's own time shows.
const UPSTREAM_LATENCY: Duration = Duration::from_millis(20);

/// What each request asks.
const BODY: &str = r#"{"model":"gpt-4","messages":[{"role":"user","content":"Why is my service slow?"}]}"#;

pub(crate) fn run(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err(explained(
            ExitCode::Usage,
            "the demo needs Node.js: `node` is not in the PATH",
            "install Node.js 18 or later",
        ));
    }
    let service = tempfile::Builder::new()
        .prefix("slowpath-demo-")
        .tempdir()
        .context("cannot write the demo service")?;
    write_service(service.path()).context("cannot write the demo service")?;
    let settings =
        Settings { unary_latency: Some(TimeDistribution::constant(UPSTREAM_LATENCY)), ..Settings::default() };
    let upstream = serve(UpstreamOptions { settings, ..UpstreamOptions::default() })
        .context("cannot start the mock upstream")?;
    let port = free_port().context("no free port")?;
    let url = format!("http://127.0.0.1:{port}/v1/chat/completions");
    let mut load = LoadPlan::new(Url::parse(&url)?);
    load.requests[0].method = "POST".into();
    load.requests[0].headers = vec![("content-type".into(), "application/json".into())];
    load.requests[0].body = BODY.into();
    load.connections = options.connections;
    let env = vec![
        ("PORT".to_owned(), port.to_string()),
        ("UPSTREAM_PORT".to_owned(), upstream.port().to_string()),
        ("DEMO_FIXED".to_owned(), if options.fixed { "1" } else { "" }.to_owned()),
    ];
    let command = vec!["node".to_owned(), "src/server.js".to_owned()];
    let prepared = Prepared {
        target: LaunchPlan { command, env, cwd: Some(service.path().to_owned()), ..LaunchPlan::default() },
        running: None,
        project: None,
        title: if options.fixed { "demo-gateway-fixed" } else { "demo-gateway" }.into(),
        shown_url: Some(url),
        load: Some(load),
        scale: None,
        phases: phase_plan::plan(options.duration, None, None, Besides::default())?,
        ending: Ending::LastPhase,
        summary: Summary::Verdict,
    };
    let code = run_prepared(
        prepared,
        &options.output,
        |layout, prepared| SessionPlan {
            target: prepared.target,
            running: prepared.running,
            load: prepared.load,
            scale: None,
            phases: prepared.phases,
            ending: prepared.ending,
            ready_url: None,
            ready_timeout: Duration::from_secs(20),
            grace: Duration::from_secs(3),
            cpu_sampling: CpuSampling::AUTO,
            stall: Duration::from_millis(20),
            keeps_sources: true,
            native: NativePlan::None,
            layout,
        },
        CpuSampling::AUTO,
    );
    upstream.stop();
    code
}

fn write_service(dir: &Path) -> std::io::Result<()> {
    for (name, text) in FILES {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Picks a port that is free now. Another program could take it before the demo does; the run then says so.
fn free_port() -> std::io::Result<u16> {
    TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port())
}
