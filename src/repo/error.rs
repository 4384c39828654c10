//! What can go wrong with repositories.

/// A failure to reach, trust or solve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A package, index or key that can't be read or trusted.
    #[error("{location}: {source}")]
    Format {
        /// URL or path.
        location: String,
        /// What is wrong.
        source: crate::apk::Error,
    },
    /// The network.
    #[error("failed to fetch `{url}`: {problem}")]
    Fetch {
        /// What was asked for, without user name and password.
        url: String,
        /// Why it failed, attempts included.
        problem: String,
    },
    /// The request can't be met.
    #[error("{problem}")]
    Unsolvable {
        /// Why, in terms of what was asked.
        problem: String,
        /// The atoms of the request that the problem is about, as they were asked for; the first
        /// is the one that can't be met.
        atoms: Vec<String>,
        /// Whether nothing provides what the problem is about.
        unknown: bool,
        /// What to do about it.
        hints: Vec<String>,
    },
    /// A malformed repository, key or atom on the command line or in a recipe.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unsolvable { hints, .. } => hints.clone(),
            // A key that is known and does not fit is no reason to look away.
            Self::Format { location, source: crate::apk::Error::Untrusted(why) }
                if location.ends_with("APKINDEX.tar.gz") && why.contains("does not fit") =>
            {
                vec!["the index is damaged, or signed with another key of that name".to_owned()]
            }
            Self::Format { location, source: crate::apk::Error::Untrusted(_) }
                if location.ends_with("APKINDEX.tar.gz") =>
            {
                vec!["name its key with `-k`, or pass `--ignore-signatures`".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
