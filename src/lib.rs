//! melange2 builds apk packages from melange recipes with plain `buildctl`.
//!
//! The program in running order:
//!
//! 1. [`config`]: the recipe's text as typed values that keep their place in the file;
//! 2. [`plan`]: everything decided: substituted, pipelines inlined, conditions evaluated;
//! 3. [`dockerfile`]: the plan as a Dockerfile that a person can read and build by hand;
//! 4. [`buildkit`]: the Dockerfile run by `buildctl`;
//! 5. [`package`]: the output stream as signed apks and an index.
//!
//! Beneath them, knowing nothing of the stages: [`apk`], [`repo`], [`image`]. Around them:
//! [`commands`], [`ui`], [`error`], [`diagnostic`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod apk;
pub mod arch;
mod build;
mod build_config;
pub mod buildkit;
pub mod bump;
pub mod cache;
mod cli;
pub mod commands;
pub mod config;
pub mod diagnostic;
pub mod digest;
pub mod dockerfile;
mod environment;
pub mod error;
pub mod fsutil;
pub mod go_template;
pub mod host_cache;
pub mod image;
pub mod lint;
pub mod package;
pub mod plan;
pub mod repo;
pub mod ui;

#[cfg(test)]
#[path = "../tests/support/required.rs"]
mod required;

pub use build::build;
pub use build_config::BuildConfig;
pub use cache::{
    CacheConfig, CacheMode, CacheMount, ccache_cache_mounts, default_cache_mounts, go_cache_mounts,
    node_cache_mounts, python_cache_mounts, rust_cache_mounts,
};
pub use cli::run;
