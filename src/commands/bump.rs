//! `melange2 bump`: changes a recipe to a new version.
//!
//! Around the stages. The work is done by `bump`.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::bump::{self, Bumped, Network, Options};
use crate::commands::options::{LibraryArgs, check_ca_file};
use crate::error::Result;
use crate::plan::Context;
use crate::ui::Ui;

/// Change a recipe to a new version.
///
/// Sets the version and the epoch (0, or one more than it was if the version is the recipe's own),
/// and computes checksums and commits anew: `expected-sha256` and `expected-sha512` of each `fetch`
/// whose URL is another one for the new version, and `expected-commit` of each `git-checkout` whose
/// tag, branch or repository is. Comments, quotes, order and blank lines stay as they are.
///
/// Where a file can't be fetched or a tag is not there, nothing is changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recipe.
    #[arg(value_name = "RECIPE")]
    recipe: PathBuf,
    /// The new version, without `v` and without an epoch.
    #[arg(value_name = "VERSION")]
    to: String,
    /// The commit of the new version; without it, the server is asked which commit the tag names.
    #[arg(long, value_name = "COMMIT", value_parser = commit)]
    expected_commit: Option<String>,
    /// Show what would be changed, as a diff on stdout, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Architecture whose sources count where they differ [default: this machine's].
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    #[command(flatten)]
    library: LibraryArgs,
    /// Certificates (PEM) to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let mut pipeline_dirs = args.library.directories()?;
    pipeline_dirs.extend(args.library.beside(&args.recipe));
    let context = Context { pipeline_dirs, ..Context::new(args.arch.unwrap_or_else(Arch::host)) };
    // An empty one is what robots give that know none.
    let expected_commit = args.expected_commit.clone().filter(|commit| !commit.is_empty());
    let options = Options { context, expected_commit };
    check_ca_file(args.ca_file.as_deref())?;
    let network = Network::new(args.ca_file.as_deref()).map_err(bump::Error::from)?;
    let bumped = bump::bump(&args.recipe, &args.to, &options, &network)?;
    ui.diagnostics(&bumped.notes);
    if args.dry_run {
        return Ok(ui.data(&diff(args, &bumped))?);
    }
    bump::write(&args.recipe, &bumped)?;
    for change in &bumped.changes {
        let (place, what) = (format!("{}:{}", args.recipe.display(), change.line), &change.what);
        ui.status(&match change.from.as_str() {
            "" => format!("{place}: {what} {}", change.to),
            from => format!("{place}: {what} {from} -> {}", change.to),
        });
    }
    Ok(())
}

/// A unified diff.
fn diff(args: &Args, bumped: &Bumped) -> String {
    let name = args.recipe.display().to_string();
    similar::TextDiff::from_lines(&bumped.before, &bumped.after)
        .unified_diff()
        .header(&name, &name)
        .to_string()
}

fn commit(text: &str) -> Result<String, String> {
    let hex = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex || text.is_empty() {
        return Ok(text.to_ascii_lowercase());
    }
    Err("a commit has 40 hexadecimal digits".to_owned())
}
