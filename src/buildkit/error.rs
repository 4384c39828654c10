//! What can go wrong with BuildKit.

use std::time::Duration;

/// A failure of stage 4.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system or a pipe.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// No daemon was found or could be started: says which places were looked at.
    #[error("{message}")]
    Unreachable {
        /// What happened.
        message: String,
        /// What was tried, a line each.
        tried: Vec<String>,
        /// The end of the log of a private daemon that did not start.
        log: Vec<String>,
    },
    /// The daemon refused the spec, or broke on it.
    #[error("{0}")]
    Broken(String),
    /// A cache that a solve waited for was given up.
    #[error("a cache was given up: {0}")]
    Cache(String),
    /// The daemon was there and is gone.
    #[error("{0}")]
    Lost(String),
    /// The daemon can't or may not do what the spec asks for.
    #[error("{message}")]
    Unsupported {
        /// What it can't do.
        message: String,
        /// How it could.
        hint: String,
    },
    /// A step of the recipe failed.
    #[error("step failed with exit code {}", .0.exit_code)]
    Step(StepFailure),
    /// The build took longer than it may.
    #[error("the build took longer than its timeout of {0:?}")]
    Timeout(Duration),
    /// A signal.
    #[error("cancelled")]
    Cancelled,
    /// What reads the output stream failed.
    #[error(transparent)]
    Sink(crate::error::Error),
}

impl Error {
    /// What to do about it, a line each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Error::Unreachable { tried, .. } => {
                tried.iter().map(|place| format!("looked at {place}")).collect()
            }
            Error::Unsupported { hint, .. } => vec![hint.clone()],
            Error::Timeout(_) => {
                vec!["give it more by `--timeout`, or by the recipe's `timeout`".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// Text to show as it is, before the message.
    pub fn report(&self) -> Option<String> {
        match self {
            Error::Unreachable { log, .. } if !log.is_empty() => Some(log.join("\n")),
            _ => None,
        }
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// Index into `Spec::stages`.
    pub stage: usize,
    /// The exit code of its script.
    pub exit_code: i32,
    /// The last lines of its log.
    pub log: Vec<String>,
    /// How long it ran.
    pub duration: Duration,
}
