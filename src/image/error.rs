//! What can go wrong when an environment is assembled.

/// A failure to assemble.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A package that can't be read.
    #[error("{package}: {source}")]
    Package {
        /// Its file.
        package: String,
        /// What is wrong.
        source: crate::apk::Error,
    },
    /// Two packages that own one file, without `replaces`.
    #[error("`{path}` is in both `{first}` and `{second}`, and neither replaces the other")]
    Conflict {
        /// The file.
        path: String,
        /// The package installed first.
        first: String,
        /// The other.
        second: String,
    },
    /// A request that makes no sense.
    #[error("{0}")]
    Invalid(String),
}
