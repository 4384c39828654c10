//! Groups of flags that several commands share.

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
