//! Turns Debian packages and their dependencies into a signed apk repository.
//!
//! A development program of this project: its quickstart, tests and benchmarks need a distribution
//! that can be had where only Debian's mirror is reachable. Not shipped, and not a distribution to
//! run: no install script of Debian's runs, documentation is left out.
//!
//! `build` in running order: [`content`] (the list), [`apt`] with [`sources_list`] (fetch),
//! [`select`] with [`control`] and [`version`] (which apks), [`convert`] with [`tree`], [`layout`]
//! and [`scan`] (their files). [`sources`] fetches release tarballs, [`serve`] offers them and git
//! repositories on loopback.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod apt;
mod build;
mod content;
mod control;
mod convert;
mod layout;
mod scan;
mod select;
mod serve;
mod sources;
mod sources_list;
mod tree;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use color_eyre::eyre::Result;

use build::Freshness;

/// Make a demo distribution of apk packages from Debian packages.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the repository in DIR/repo, signed by DIR/keys/demo.rsa.
    Build {
        /// Where everything goes.
        dir: PathBuf,
        /// Look for newer Debian packages.
        #[arg(long)]
        refresh: bool,
    },
    /// Fetch upstream's release tarballs of Debian packages into DIR/sources.
    Sources {
        /// Where everything goes.
        dir: PathBuf,
        /// Debian source packages.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Serve the files of a directory, and the git repositories in it, by HTTP on loopback.
    Serve {
        /// What is served.
        dir: PathBuf,
        /// Gets the port's number when the server listens.
        #[arg(long, value_name = "FILE")]
        port_file: Option<PathBuf>,
        /// Port; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Build { dir, refresh } => {
            let freshness = if refresh { Freshness::Refresh } else { Freshness::Keep };
            build::run(&dir, freshness)
        }
        Command::Sources { dir, names } => sources::run(&dir, &names),
        Command::Serve { dir, port_file, port } => serve::run(&dir, port_file.as_deref(), port),
    }
}

/// Says something to the person who waits.
#[expect(clippy::print_stderr, reason = "the one place where this program prints")]
fn note(text: &str) {
    eprintln!("{text}");
}
