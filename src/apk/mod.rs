//! The apk v2 format: packages, indexes, signatures, versions, dependencies.
//!
//! Beneath the stages, of which it knows nothing. Shapes and rules are apk-tools' and melange's.

pub mod dependency;
mod error;
pub mod gzip;
pub mod index;
pub mod key;
pub mod pkginfo;
pub mod reader;
pub mod tar;
pub mod version;
pub mod writer;

pub use error::Error;
