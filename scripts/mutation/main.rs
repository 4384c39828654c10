//! Reads recipes, and pipelines that recipes use, with a mistake put into each, many times over.
//!
//! A development program of this project, run by `scripts/mutate`. Each case is read, planned and,
//! where that succeeds, rendered. No case may make the program panic or run for long, and whatever
//! is said of it names a line. The same seed gives the same cases; `--case` repeats one of them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod judge;
mod mutant;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use color_eyre::eyre::Result;

/// Read recipes with mistakes put into them.
#[derive(Debug, Parser)]
struct Cli {
    /// Directory with recipes, or with `recipes/`, and with `pipelines/` if they need any.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// How many mistakes.
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    /// Chooses the mistakes [default: the time].
    #[arg(long)]
    seed: Option<u64>,
    /// Show this case alone, and what is said of it.
    #[arg(long)]
    case: Option<u64>,
    /// How many seconds a case may take.
    #[arg(long, default_value_t = 60)]
    limit: u64,
}

fn main() -> Result<ExitCode> {
    color_eyre::install()?;
    let cli = Cli::parse();
    let seed = cli.seed.unwrap_or_else(time);
    let subjects = judge::Subjects::find(&cli.dirs)?;
    if let Some(case) = cli.case {
        print(&subjects.show(seed, case)?);
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("{} cases of {subjects}, seed {seed}\n", cli.cases));
    let limit = Duration::from_secs(cli.limit);
    let tally = run::all(subjects, seed, cli.cases, limit)?;
    print(&tally.to_string());
    Ok(if tally.is_good(cli.cases) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn time() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[expect(clippy::print_stdout, reason = "a program for developers")]
fn print(text: &str) {
    print!("{text}");
}
