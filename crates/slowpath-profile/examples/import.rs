//! Imports profiles and says what they hold and how long that took: `import FILE…`. For benchmarks.

use slowpath_profile::import::open_files;
use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let start = Instant::now();
    match open_files(&files) {
        Ok(imported) => {
            println!("seconds {:.4}", start.elapsed().as_secs_f64());
            for file in &imported.files {
                println!("{}: {}, {} samples", file.path.display(), file.format.as_str(), file.n_samples);
            }
            let profile = &imported.profile;
            println!("{} functions, {} stacks", profile.functions.len(), profile.stacks.len());
        }
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            eprintln!("{error}: {source}");
            std::process::exit(1);
        }
    }
}
