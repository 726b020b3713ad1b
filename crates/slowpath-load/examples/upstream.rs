//! Runs the mock LLM upstream until its standard input ends: `upstream [port]`. It is not the user's command.

use slowpath_load::upstream::{UpstreamOptions, serve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let upstream = serve(UpstreamOptions { port, ..UpstreamOptions::default() })?;
    println!("http://127.0.0.1:{}/v1/chat/completions", upstream.port());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    eprintln!("{} requests on {} connections", upstream.n_requests(), upstream.n_connections());
    upstream.stop();
    Ok(())
}
