//! `.PKGINFO`: what a package says of itself.

use crate::digest::Sha256;

/// The fields of `.PKGINFO`, in the order in which melange writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PkgInfo {
    /// `pkgname`
    pub name: String,
    /// `pkgver`, with `-rN`.
    pub version: String,
    /// `arch`
    pub arch: String,
    /// `size`: bytes when installed.
    pub size: u64,
    /// `origin`
    pub origin: String,
    /// `pkgdesc`
    pub description: String,
    /// `url`
    pub url: String,
    /// `commit`
    pub commit: String,
    /// `maintainer` (melange: the namespace).
    pub maintainer: String,
    /// `builddate`, seconds since 1970; left out when 0.
    pub build_date: i64,
    /// `license`, a line each.
    pub licenses: Vec<String>,
    /// `depend`
    pub depends: Vec<String>,
    /// `provides`
    pub provides: Vec<String>,
    /// `replaces`
    pub replaces: Vec<String>,
    /// `install_if`
    pub install_if: Vec<String>,
    /// `# vendored =`, a comment that scanners read.
    pub vendored: Vec<String>,
    /// `provider_priority`
    pub provider_priority: Option<i64>,
    /// `replaces_priority`
    pub replaces_priority: Option<i64>,
    /// `triggers`
    pub triggers: Vec<String>,
    /// `datahash`: SHA-256 of the compressed data segment.
    pub datahash: Option<Sha256>,
}

impl PkgInfo {
    /// Reads the text; unknown keys are passed over.
    pub fn parse(text: &str) -> Result<Self, super::Error> {
        todo!("{text}")
    }

    /// The text as melange writes it. A value with a line break is an error.
    pub fn to_text(&self) -> Result<String, super::Error> {
        todo!()
    }
}
