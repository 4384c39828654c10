//! What can keep a recipe from being bumped.

use std::path::PathBuf;

use crate::diagnostic::Diagnostics;

/// Why a recipe stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a version that apk can order.
    #[error("`{0}` is not a version that apk can order")]
    Version(String),
    /// The recipe is broken, or what should be changed can't be.
    #[error(transparent)]
    Recipe(#[from] Diagnostics),
    /// Files or commits of the new version that can't be had; each at its place.
    #[error("{0}")]
    Source(Diagnostics),
    /// Somebody else has changed the recipe.
    #[error("`{}` was changed by somebody else meanwhile", .0.display())]
    Raced(PathBuf),
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The network's configuration.
    #[error(transparent)]
    Network(#[from] crate::repo::Error),
}
