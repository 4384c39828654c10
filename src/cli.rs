//! The command line: global flags and the list of commands. The commands' own flags stand in
//! their files.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::error::{Kind, Result};
use crate::ui::{Format, Ui, Verbosity};

/// Build apk packages from melange recipes with plain `buildctl`.
#[derive(Debug, Parser)]
#[command(name = "melange2", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say more: also the logs of the steps.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// How errors and warnings are written: for people, or as a JSON object on each line. They go to
    /// stderr, which gets nothing else then; what `lint` finds goes to stdout.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The same as a word, melange's: `debug` is `--verbose`, `warn` leaves warnings, `error` is
    /// `--quiet`. Those flags come before it.
    #[arg(long, global = true, value_name = "LEVEL", ignore_case = true)]
    log_level: Option<LogLevel>,
    /// melange's: logs for Google's cloud. Accepted so that its command lines work.
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true)]
    gcplog: Option<Option<bool>>,
    #[command(subcommand)]
    command: Command,
}

/// melange's levels.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl Cli {
    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose, self.log_level) {
            (true, ..) => Verbosity::Quiet,
            (_, true, _) | (.., Some(LogLevel::Debug)) => Verbosity::Verbose,
            (.., Some(LogLevel::Warn)) => Verbosity::Warnings,
            (.., Some(LogLevel::Error)) => Verbosity::Quiet,
            (.., Some(LogLevel::Info) | None) => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<commands::build::Args>),
    Render(Box<commands::render::Args>),
    Compile(Box<commands::compile::Args>),
    Lint(commands::lint::Args),
    Query(commands::query::Args),
    PackageVersion(commands::package_version::Args),
    Bump(commands::bump::Args),
    Schema(commands::schema::Args),
    Pipelines(commands::pipelines::Args),
    Solve(commands::solve::Args),
    UpdateCache(commands::update_cache::Args),
    Index(commands::index::Args),
    Keygen(commands::keygen::Args),
    Sign(commands::sign::Args),
    SignIndex(commands::sign_index::Args),
    Daemon(commands::daemon::Args),
    Version(commands::version::Args),
    Completion(commands::completion::Args),
}

/// Runs the program: parses, runs the command, prints what went wrong, returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" to clap, which knows where each is printed.
            let _ = error.print();
            let code = if error.use_stderr() { Kind::Config.exit_code() } else { 0 };
            return ExitCode::from(code);
        }
    };
    let ui = Ui::new(cli.verbosity(), cli.format);
    match dispatch(cli.command, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn dispatch(command: Command, ui: &Ui) -> Result<()> {
    match command {
        Command::Build(args) => commands::build::run(&args, ui),
        Command::Render(args) => commands::render::run(&args, ui),
        Command::Compile(args) => commands::compile::run(&args, ui),
        Command::Bump(args) => commands::bump::run(&args, ui),
        Command::Lint(args) => commands::lint::run(&args, ui),
        Command::Query(args) => commands::query::run(&args, ui),
        Command::PackageVersion(args) => commands::package_version::run(&args, ui),
        Command::Schema(args) => commands::schema::run(&args, ui),
        Command::Pipelines(args) => commands::pipelines::run(&args, ui),
        Command::Solve(args) => commands::solve::run(&args, ui),
        Command::UpdateCache(args) => commands::update_cache::run(&args, ui),
        Command::Index(args) => commands::index::run(&args, ui),
        Command::Keygen(args) => commands::keygen::run(&args, ui),
        Command::Sign(args) => commands::sign::run(&args, ui),
        Command::SignIndex(args) => commands::sign_index::run(&args, ui),
        Command::Daemon(args) => commands::daemon::run(&args, ui),
        Command::Version(args) => commands::version::run(&args, ui),
        Command::Completion(args) => commands::completion::run(&args, ui),
    }
}

/// The clap command, for completions.
pub(crate) fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_are_melanges_and_stand_anywhere() {
        for (line, verbosity) in [
            ("version", Verbosity::Normal),
            ("--log-level debug version", Verbosity::Verbose),
            ("version --log-level=DEBUG", Verbosity::Verbose),
            ("version --log-level info", Verbosity::Normal),
            ("version --log-level INFO --gcplog", Verbosity::Normal),
            ("--gcplog=true --log-level Warn version", Verbosity::Warnings),
            ("version --log-level error", Verbosity::Quiet),
            ("version --log-level error -v", Verbosity::Verbose),
            ("version --log-level debug -q", Verbosity::Quiet),
        ] {
            let words = std::iter::once("melange2").chain(line.split(' '));
            let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(cli.verbosity(), verbosity, "{line}");
        }
        assert!(Cli::try_parse_from(["melange2", "version", "--log-level", "loud"]).is_err());
    }
}
