//! RSA keys: made, read, written, used to sign and to verify.

use std::collections::BTreeMap;
use std::path::Path;

use super::Error;

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `.SIGN.RSA.`: SHA-1, verified but never made.
    RsaSha1,
    /// `.SIGN.RSA256.`: SHA-256.
    RsaSha256,
}

/// A private key and the name under which others know its public half (`melange.rsa.pub`).
#[derive(Debug)]
pub struct Signer {
    _private: (),
}

impl Signer {
    /// Makes a key of `bits` bits (at least 2048).
    pub fn generate(bits: u32, name: &str) -> Result<Self, Error> {
        todo!("{bits} {name}")
    }

    /// Reads a PEM file (`RSA PRIVATE KEY` or `PRIVATE KEY`); the public key's name is the file's
    /// name with `.pub`.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        todo!("{}", path.display())
    }

    /// The public key's file name, as in `.SIGN.RSA256.NAME`.
    pub fn name(&self) -> &str {
        todo!()
    }

    /// PEM, PKCS#1 `RSA PRIVATE KEY`, as melange writes it.
    pub fn private_pem(&self) -> Result<String, Error> {
        todo!()
    }

    /// PEM, PKIX `PUBLIC KEY`.
    pub fn public_pem(&self) -> Result<String, Error> {
        todo!()
    }

    /// RSA PKCS#1 v1.5 over SHA-256.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        todo!("{}", message.len())
    }
}

/// Public keys by file name.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    _keys: BTreeMap<String, Vec<u8>>,
}

impl KeyRing {
    /// Adds a key in PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`).
    pub fn add(&mut self, name: &str, pem: &[u8]) -> Result<(), Error> {
        todo!("{name} {}", pem.len())
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&str> {
        todo!()
    }

    /// The PEM text of a key, as it was added (it is installed in `/etc/apk/keys`).
    pub fn pem(&self, name: &str) -> Option<&[u8]> {
        todo!("{name}")
    }

    /// Whether the ring holds no key.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// Verifies a signature made by the key called `name`: an error names the key and says whether
    /// it is unknown or does not fit.
    pub fn verify(
        &self,
        name: &str,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        todo!("{name} {algorithm:?} {} {}", message.len(), signature.len())
    }
}
