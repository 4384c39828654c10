//! Groups of flags that several commands share.

use std::path::Path;

use crate::error::{Error, Result};

mod cache;
mod daemon;
mod dotenv;
mod library;
mod plan;
mod recipe;
mod repository;

pub use cache::CacheArgs;
pub use daemon::DaemonArgs;
pub use library::LibraryArgs;
pub use plan::PlanArgs;
pub(crate) use plan::parse_archs;
pub use recipe::{OutputArgs, RecipeArgs};
pub use repository::RepositoryArgs;

/// A bundle that is named must be there: where nothing is fetched over TLS it would be missed by
/// the first step that needs it, or never.
pub(crate) fn check_ca_file(path: Option<&Path>) -> Result<()> {
    match path.filter(|path| !path.is_file()) {
        Some(path) => {
            let path = path.display();
            Err(Error::config(format!("`--ca-file {path}`: there is no such file"))
                .hint("name a file of certificates in PEM"))
        }
        None => Ok(()),
    }
}
