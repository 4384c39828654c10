//! Stage 3: a plan as a Dockerfile that a person can read, diff, and build by hand.
//!
//! Pure: reads a plan, returns text and what must be given to `buildctl` with it. The structure
//! of the text stands in `templates/`, every value in it goes through `quote.rs`.
//!
//! The shape: `FROM env AS workspace`, then one stage per step (`FROM step-01 AS step-02`, so that
//! a progress event names its step), then `FROM scratch AS out` with one `COPY` per package.

mod around_mounts;
mod cache_mounts;
mod capabilities;
mod error;
mod host_cache;
mod places;
mod quote;
mod render;
mod shell_words;
mod spec;
mod step;
mod template;
mod user;
mod variables;
mod workspace;
mod workspace_data;

pub use around_mounts::obstacle;
pub use capabilities::required_packages;
pub use error::Error;
pub use host_cache::{HostCacheMount, host_cache_mount};
pub use render::render;
pub use spec::{CacheChoice, Context, Environment, Options, Secret, Spec};
pub use user::runs_as_root;
