//! What signatures are made over.
//!
//! Beneath the stages, a part of `key`.

use std::cell::OnceCell;

use aws_lc_rs::digest::{Digest, SHA256, digest};

use crate::digest::Sha256;

/// Bytes that were signed, and their SHA-256: computed once, however many signatures are verified
/// and whoever else asks for it.
#[derive(Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    sha256: OnceCell<Digest>,
}

impl<'a> Message<'a> {
    /// These bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, sha256: OnceCell::new() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Their digest.
    pub fn sha256(&self) -> Sha256 {
        let mut sha256 = Sha256([0; 32]);
        sha256.0.copy_from_slice(self.digest().as_ref());
        sha256
    }

    pub(super) fn digest(&self) -> &Digest {
        self.sha256.get_or_init(|| digest(&SHA256, self.bytes))
    }
}
