//! Groups of flags that several commands share.

mod daemon;
mod repository;

pub use daemon::DaemonArgs;
pub use repository::RepositoryArgs;
