//! The apk v2 format: packages, indexes, signatures, versions, dependencies.
//!
//! Beneath the stages, of which it knows nothing. Shapes and rules are apk-tools' and melange's.
//!
//! A package is two or three gzip members: [`writer`] makes them, [`reader`] cuts them apart. What
//! is in them is [`tar`] with apk's own PAX records, [`gzip`] compresses on all cores, [`pkginfo`]
//! describes the package, [`key`] signs and verifies. [`index`] lists the packages of a repository;
//! [`version`] and [`dependency`] say which of them satisfies what.
//!
//! ```
//! use melange2::apk::dependency::Atom;
//!
//! let atom: Atom = "hello>=2.12".parse()?;
//! assert!(atom.accepts("2.12.1-r0") && !atom.accepts("2.12_rc1"));
//! # Ok::<(), melange2::apk::Error>(())
//! ```

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
