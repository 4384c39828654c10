//! Repositories: fetched, verified, cached, and asked what to install.
//!
//! Beneath the stages, of which it knows nothing; stands on `apk`. In running order: `address`
//! reads where something is, `http` reaches it, `cache` keeps what may change (indexes, keys),
//! `catalog` makes an index answer questions, `snapshot` keeps that, `solver` chooses, `download` gets
//! packages, `file` anything else; `origins` is what an environment says of it; [`Universe`] puts it
//! together.
//!
//! Everything in the cache directory may be deleted at any time, and is shared by concurrent
//! processes: files appear by rename, and those who want the same one wait for each other.

mod address;
mod cache;
mod catalog;
mod download;
mod error;
mod file;
mod http;
mod origins;
mod snapshot;
mod solver;
mod spec;
mod universe;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use file::{File, Files};
pub use origins::Origins;
pub use spec::{Choice, Fetched, Options, Spec};
pub use universe::Universe;
