//! Why a plan can't be rendered.

/// A plan or an option that no Dockerfile can express.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in the plan that no Dockerfile can express.
    #[error("{0}")]
    Invalid(String),
    /// `run-as` names nobody.
    #[error("`run-as: {name}` names no user of the recipe: `accounts.users` has {}", list(.known))]
    UnknownUser {
        /// The name.
        name: String,
        /// The users that there are.
        known: Vec<String>,
    },
    /// A name that Linux does not know.
    #[error("`{0}` is not a Linux capability: write a name such as `CAP_NET_ADMIN`")]
    UnknownCapability(String),
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Self {
        Error::Invalid(error.to_string())
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nobody".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
