//! Which repositories and keys are used: flags of `build`, `render` and `solve`.

use std::path::PathBuf;

use crate::error::Result;
use crate::repo;

/// Which repositories and keys are used.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Repositories")]
pub struct RepositoryArgs {
    /// Repository to take packages from: URL, directory, or `@tag URL`.
    #[arg(short, long, value_name = "REPO", value_delimiter = ',')]
    pub repository_append: Vec<String>,
    /// Key that repositories may be signed with: file or URL.
    #[arg(short, long, value_name = "KEY", value_delimiter = ',')]
    pub keyring_append: Vec<String>,
    /// Take indexes and packages without looking at their signatures.
    #[arg(long)]
    pub ignore_signatures: bool,
    /// Where indexes and packages are kept between builds [default: below the user's cache
    /// directory].
    #[arg(long, value_name = "DIR")]
    pub apk_cache_dir: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the system's, here and inside the steps.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl RepositoryArgs {
    /// How repositories are reached and trusted, as `repo` takes it.
    pub fn options(&self) -> Result<repo::Options> {
        super::check_ca_file(self.ca_file.as_deref())?;
        let default = repo::Options::default();
        Ok(repo::Options {
            cache_dir: self.apk_cache_dir.clone().unwrap_or(default.cache_dir),
            keys: self.keyring_append.clone(),
            ignore_signatures: self.ignore_signatures,
            ca_file: self.ca_file.clone(),
        })
    }
}
