//! `melange2 update-cache`: fills a cache directory with what a recipe's `fetch` steps name.

use std::path::PathBuf;

use super::options::{PlanArgs, check_ca_file};
use crate::build_config::BuildConfig;
use crate::error::{Error, Kind, Result};
use crate::host_cache::{self, Outcome};
use crate::ui::Ui;
use crate::{config, plan};

/// Download what a recipe's `fetch` steps name into a cache directory, so that builds find it there.
///
/// Files are stored under their checksums, `sha256:…` and `sha512:…`. What is there is verified and
/// not downloaded again; downloads that broke off are continued.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory, which `build` takes by the same flag. (melange's default is
    /// `/var/cache/melange`, where its `build` does not look.)
    #[arg(long, value_name = "DIR", default_value = BuildConfig::CACHE_DIR)]
    cache_dir: PathBuf,
    /// Certificates (PEM) to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    check_ca_file(args.ca_file.as_deref())?;
    let config = args.plan.resolve(ui)?;
    let recipe = config::load(&config.recipe)?;
    let mut artifacts = Vec::new();
    for &arch in &config.archs {
        if let Some(plan) = plan::resolve(&recipe, &config.context(arch))? {
            artifacts.extend(host_cache::artifacts(&plan));
        }
    }
    artifacts.sort();
    artifacts.dedup();
    let outcomes = host_cache::fill(&args.cache_dir, &artifacts, args.ca_file.as_deref())?;
    let mut failed = false;
    for (artifact, outcome) in artifacts.iter().zip(outcomes) {
        match outcome {
            Outcome::Present => ui.status(&format!("there already: {artifact}")),
            Outcome::Stored(size) => {
                let size = indicatif::BinaryBytes(size);
                ui.status(&format!("stored {artifact} ({size})"));
            }
            Outcome::Nameless => ui.warning(&format!(
                "`{artifact}` is not stored: its step expects no checksum, so `fetch` downloads it \
                 each time"
            )),
            Outcome::Failed(error) => {
                let error = Error::from(error);
                ui.warning(&error.to_string());
                failed = true;
            }
        }
    }
    match failed {
        false => Ok(()),
        true => Err(Error::new(Kind::Repository, "not everything could be downloaded")),
    }
}
