//! What can be wrong with an apk, an index or a key.

/// A failure in the apk formats.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system or the stream.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes are not what the format says.
    #[error("malformed {what}: {problem}")]
    Malformed {
        /// "apk", "index", "tar archive", "key" …
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A signature, digest or key that does not fit.
    #[error("{0}")]
    Untrusted(String),
    /// A request that can't be met (a key that is too short, a name that is not allowed).
    #[error("{0}")]
    Invalid(String),
}
