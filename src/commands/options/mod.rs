//! Groups of flags that several commands share.

mod cache;
mod daemon;
mod dotenv;
mod plan;
mod recipe;
mod repository;

pub use cache::CacheArgs;
pub use daemon::DaemonArgs;
pub use plan::PlanArgs;
pub use recipe::{OutputArgs, RecipeArgs};
pub use repository::RepositoryArgs;
