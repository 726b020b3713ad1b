//! Runs the mock LLM upstream until its standard input ends: `upstream [port] [settings as JSON]`. It is not the user's
//! command: that is `slowpath mock`.

use serde_json::Value;
use slowpath_load::upstream::{Settings, UpstreamOptions, serve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let changes = std::env::args().nth(2).map_or(Ok(Value::Null), |text| serde_json::from_str(&text))?;
    let settings = match changes {
        Value::Object(changes) => Settings::default().changed(&changes)?,
        _ => Settings::default(),
    };
    let upstream = serve(UpstreamOptions { port, settings, ..UpstreamOptions::default() })?;
    println!("http://{}", upstream.address());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    eprintln!("{} requests on {} connections", upstream.n_requests(), upstream.n_connections());
    upstream.stop();
    Ok(())
}
