//! Runs a load from the command line and prints what each request cost; used by `bench/load/run.sh`. It is not the
//! user's command: that is `slowpath load`.
//!
//! `load URL [connections] [seconds] [method] [body] [threads]`

use std::time::Duration;

use slowpath_load::{LoadPlan, Url, start};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, default: &str| arguments.get(i).cloned().unwrap_or_else(|| default.to_owned());
    let mut plan = LoadPlan::new(Url::parse(&argument(0, "http://127.0.0.1:8080/"))?);
    plan.connections = argument(1, "50").parse()?;
    let duration = Duration::from_secs_f64(argument(2, "5").parse()?);
    plan.requests[0].method = argument(3, "GET");
    plan.requests[0].body = argument(4, "").into_bytes();
    plan.threads = argument(5, "1").parse()?;

    let load = start(plan, |interval| eprintln!("{} requests", interval.n_requests))?;
    std::thread::sleep(duration);
    let whole = load.stop().whole;
    let seconds = (whole.end_ns - whole.start_ns) as f64 / 1e9;
    println!(
        "requests {} rps {:.0} p50_us {} p99_us {} max_us {} errors {:?} {:?} reconnects {} cpu_share {}",
        whole.n_requests,
        whole.n_requests as f64 / seconds,
        whole.latency.value_at_quantile(0.5),
        whole.latency.value_at_quantile(0.99),
        whole.latency.max(),
        whole.errors,
        whole.error_samples,
        whole.n_reconnects,
        whole.busiest_thread_cpu_share,
    );
    Ok(())
}
