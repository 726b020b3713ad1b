//! The slowpath program: joins load, capture and report. Reads the command line, runs one command, prints an error once.

mod attach_command;
mod cli;
mod clinic_commands;
mod config;
mod demo;
mod durations;
mod exit_code;
mod explain_command;
mod export_command;
mod function_names;
mod init_command;
mod live_load;
mod load;
mod mock_command;
mod native_phase;
mod open_command;
mod out_dir;
mod package_imports;
mod perf_command;
mod phase_plan;
mod port_guess;
mod project;
mod readiness;
mod report_command;
mod request_plan;
mod run_command;
mod scale_plan;
mod session;
mod signals;
mod summaries;
mod terminal;
mod viewer;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let outcome = match arguments.command {
        cli::Command::Run(options) => run_command::run(&options),
        cli::Command::Attach(options) => attach_command::run(&options),
        cli::Command::Flame(options) => clinic_commands::flame(options),
        cli::Command::Doctor(options) => clinic_commands::doctor(options),
        cli::Command::Bubble(options) => clinic_commands::bubble(options),
        cli::Command::Demo(options) => demo::run(&options),
        cli::Command::Load(options) => load::run(&options),
        cli::Command::Merge(options) => load::run_merge(&options),
        cli::Command::Perf(options) => perf_command::run(&options),
        cli::Command::Report(options) => report_command::run(&options),
        cli::Command::Open(options) => open_command::run(&options),
        cli::Command::Init(options) => init_command::run(&options),
        cli::Command::Explain(options) => explain_command::run(&options),
        cli::Command::Export(options) => export_command::run(&options),
        cli::Command::Mock(options) => mock_command::run(&options),
        cli::Command::MockUpstream(options) => mock_command::run_by_its_older_name(&options),
    };
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            terminal::print_error(&error);
            exit_code::of_error(&error).into()
        }
    }
}
