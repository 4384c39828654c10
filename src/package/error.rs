//! What can go wrong when packages are emitted.

/// A failure of stage 5.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system or the stream.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The formats.
    #[error(transparent)]
    Apk(#[from] crate::apk::Error),
    /// Something in the output that can't be packaged.
    #[error("package `{package}`: {problem}")]
    Content {
        /// The package.
        package: String,
        /// What is wrong, with the path.
        problem: String,
    },
    /// The build was cancelled before its packages had their names.
    #[error("cancelled")]
    Cancelled,
    /// The output stream is not one that our spec makes.
    #[error("the build's output stream {0}")]
    Stream(String),
}
