//! `slowpath export RECORDING|FILE`: writes a profile in another tool's format.

use crate::cli::{self, ExportOptions};
use crate::exit_code::{self, ExitCode, Explained};
use crate::{open_command, report_command, terminal};
use anyhow::Context as _;
use slowpath_profile::Recording;
use slowpath_profile::export::{ExportError, ExportFormat, Selection, ThreadKey, View, export};
use slowpath_profile::import::open_files;
use slowpath_profile::tables::{Profile, ThreadSamples};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;

pub(crate) fn run(options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let is_for_people = options.out.is_none() && io::stdout().is_terminal();
    if options.format == cli::ExportFormat::Pprof && is_for_people {
        return Err(exit_code::usage("pprof is not text", "name a file with `-o`, or pass it on with `|`"));
    }
    let source = Source::open(options)?;
    let profile = &source.profile;
    let mut selection = Selection {
        threads: Vec::new(),
        windows: source.windows(&options.phases)?,
        native: options.native || profile.threads.is_empty(),
    };
    let all = if selection.native { &profile.native } else { &profile.threads };
    selection.threads = chosen_threads(&options.threads, all)?;
    let mut view = View::new(profile, &selection);
    if view.is_empty() {
        let hint = match (selection.native, &options.phases[..]) {
            (true, _) => "record them with `slowpath perf`",
            (false, []) => "record for longer",
            (false, _) => {
                "samples are taken in the phase `cpu` and those before it; leave `--phase` out for all"
            }
        };
        return Err(exit_code::explained(ExitCode::Failed, "there are no samples to export", hint));
    }
    // This format holds one thread: the busiest, unless another was chosen.
    if options.format == cli::ExportFormat::Cpuprofile && options.threads.is_empty() {
        let threads = view.busiest_first();
        selection.threads = vec![threads[0].0];
        if threads.len() > 1 {
            terminal::print_note(&only_one(&threads));
        }
        view = View::new(profile, &selection);
    }
    write(options, &view, &source.title)?;
    Ok(ExitCode::Done)
}

/// What is exported.
struct Source {
    profile: Profile,
    title: String,
    recording: Option<Recording>,
}

impl Source {
    fn open(options: &ExportOptions) -> anyhow::Result<Self> {
        let is_recording = |path: &PathBuf| path.is_dir();
        if let ([dir], true) = (&options.sources[..], options.sources.iter().any(is_recording)) {
            let recording = Recording::open(dir).map_err(report_command::explain)?;
            let profile = Profile::from_recording(&recording);
            let title = recording.manifest.command.join(" ");
            return Ok(Self { profile, title, recording: Some(recording) });
        }
        if options.sources.iter().any(is_recording) {
            let hint = "export each on its own";
            return Err(exit_code::usage("a recording cannot be exported together with other files", hint));
        }
        let imported = open_files(&options.sources).map_err(open_command::explain)?;
        let title = match &options.sources[..] {
            [file] => file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            files => format!("{} profiles", files.len()),
        };
        Ok(Self { profile: imported.profile, title, recording: None })
    }

    fn windows(
        &self,
        phases: &[String],
    ) -> anyhow::Result<Option<Vec<(slowpath_profile::Nanos, slowpath_profile::Nanos)>>> {
        if phases.is_empty() {
            return Ok(None);
        }
        let Some(recording) = &self.recording else {
            return Err(exit_code::usage("a profile file has no phases", "leave `--phase` out"));
        };
        let all = recording.phases();
        if let Some(unknown) = phases.iter().find(|phase| all.iter().all(|(name, ..)| name != phase)) {
            let names: Vec<_> = all.iter().map(|(name, ..)| format!("`{name}`")).collect();
            let hint = format!("its phases are {}", names.join(", "));
            return Err(exit_code::usage(format!("the recording has no phase `{unknown}`"), hint));
        }
        let chosen = all.iter().filter(|(name, ..)| phases.iter().any(|phase| phase == name));
        Ok(Some(chosen.map(|(_, start, end)| (*start, *end)).collect()))
    }
}

fn chosen_threads(wanted: &[String], all: &[ThreadSamples]) -> anyhow::Result<Vec<ThreadKey>> {
    let mut chosen = Vec::new();
    for text in wanted {
        let key = |thread: &ThreadSamples| (thread.pid, thread.thread);
        let is_it = |thread: &&ThreadSamples| {
            format!("{}/{}", thread.pid, thread.thread) == *text || thread.display_name() == *text
        };
        let n_before = chosen.len();
        chosen.extend(all.iter().filter(is_it).map(key));
        if chosen.len() == n_before {
            let name = |thread: &ThreadSamples| {
                format!("{}/{} ({})", thread.pid, thread.thread, thread.display_name())
            };
            let names: Vec<_> = all.iter().map(name).collect();
            let hint = format!("threads with samples are {}", names.join(", "));
            return Err(exit_code::usage(format!("there is no thread `{text}`"), hint));
        }
    }
    Ok(chosen)
}

fn only_one(threads: &[(ThreadKey, String)]) -> String {
    let name =
        |((pid, thread), label): &(ThreadKey, String)| format!("`--thread {pid}/{thread}` for {label}");
    let others: Vec<_> = threads[1..].iter().map(name).collect();
    format!("a .cpuprofile holds one thread, here {}; others: {}", threads[0].1, others.join(", "))
}

fn write(options: &ExportOptions, view: &View<'_>, title: &str) -> anyhow::Result<()> {
    let format = match options.format {
        cli::ExportFormat::Cpuprofile => ExportFormat::CpuProfile,
        cli::ExportFormat::Collapsed => ExportFormat::Collapsed,
        cli::ExportFormat::Pprof => ExportFormat::Pprof,
        cli::ExportFormat::Speedscope => ExportFormat::Speedscope,
        cli::ExportFormat::Firefox => ExportFormat::Firefox,
        cli::ExportFormat::Svg => ExportFormat::Svg,
    };
    let outcome = match &options.out {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
            export(view, format, title, &mut BufWriter::new(file))
        }
        None => export(view, format, title, &mut BufWriter::new(io::stdout().lock()) as &mut dyn Write),
    };
    match outcome {
        // Whoever read has seen enough, as `head` does.
        Err(ExportError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(explain),
    }
}

fn explain(error: ExportError) -> anyhow::Error {
    let (code, hint) = match &error {
        ExportError::Io(_) => (ExitCode::Failed, "check that there is room on the disk"),
        ExportError::NotTime(_) => (ExitCode::Usage, "the other formats hold it: try `--format pprof`"),
        ExportError::SeveralThreads(_) => (ExitCode::Usage, "choose one with `--thread PID/THREAD`"),
    };
    let context = Explained { message: "cannot export the profile".into(), code, hint: Some(hint.into()) };
    anyhow::Error::new(error).context(context)
}
