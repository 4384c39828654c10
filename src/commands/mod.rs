//! The commands, one file each: what was typed, turned into calls of the library.
//!
//! Around the stages. A command holds no logic of its own.

pub mod build;
pub mod bump;
pub mod compile;
pub mod completion;
pub mod daemon;
pub mod index;
pub mod keygen;
pub mod lint;
pub mod options;
pub mod package_version;
pub mod pipelines;
pub mod query;
pub mod render;
pub mod schema;
pub mod sign;
pub mod sign_index;
pub mod solve;
pub mod update_cache;
pub mod version;
