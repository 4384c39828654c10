//! Groups of flags that several commands share.

mod daemon;
mod dotenv;
mod recipe;
mod repository;

pub use daemon::DaemonArgs;
pub use recipe::{OutputArgs, RecipeArgs};
pub use repository::RepositoryArgs;
