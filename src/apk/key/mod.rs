//! RSA keys: made, read, written, used to sign and to verify.
//!
//! Beneath the stages. Signatures are RSA PKCS#1 v1.5; those over SHA-1, which old Alpine indexes
//! have, are verified and never made. Nothing here prints or logs a private key; `Debug` shows the
//! name alone.

mod der;
mod message;
mod ring;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

pub use message::Message;
pub use ring::KeyRing;

use super::Error;
use crate::fsutil::AtomicFile;

/// Bits below which a key is not safe.
const MIN_BITS: usize = 2048;

/// The most that a key file may have.
const MAX_FILE: u64 = 64 << 10;

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `.SIGN.RSA.`: SHA-1, verified but never made.
    RsaSha1,
    /// `.SIGN.RSA256.`: SHA-256.
    RsaSha256,
}

impl Algorithm {
    /// The algorithm and the key's name in the name of a signature, `.SIGN.RSA256.NAME`. `None` for
    /// other algorithms (`DSA`, `RSA512`), which are passed over.
    pub fn of_entry(name: &str) -> Option<(Self, &str)> {
        if let Some(key) = name.strip_prefix(".SIGN.RSA256.") {
            return Some((Algorithm::RsaSha256, key));
        }
        name.strip_prefix(".SIGN.RSA.").map(|key| (Algorithm::RsaSha1, key))
    }
}

/// What happens to key files that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and writing fails.
    Keep,
    /// They are replaced.
    Replace,
}

/// A private key and the name under which others know its public half (`melange.rsa.pub`).
pub struct Signer {
    pair: KeyPair,
    name: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Signer {
    /// Makes a key of `bits` bits: 2048, 3072, 4096 or 8192. `name` is the public key's file name.
    pub fn generate(bits: u32, name: &str) -> Result<Self, Error> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            0..2048 => {
                return Err(Error::Invalid(format!(
                    "a key of {bits} bits is not safe: it needs at least {MIN_BITS}"
                )));
            }
            _ => {
                return Err(Error::Invalid(format!(
                    "a key can't have {bits} bits: choose 2048, 3072, 4096 or 8192"
                )));
            }
        };
        let pair = KeyPair::generate(size)
            .map_err(|_| Error::Invalid("the key could not be made".to_owned()))?;
        Self::new(pair, name)
    }

    /// Reads a PEM file (`RSA PRIVATE KEY` or `PRIVATE KEY`); the public key's name is the file's
    /// name with `.pub`.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let pem = read_limited(path)?;
        let file_name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Error::Invalid(format!("`{}` can't be the name of a signing key", path.display()))
        })?;
        Self::from_pem(&pem, &format!("{file_name}.pub")).map_err(|error| match error {
            Error::Malformed { what, problem } => {
                Error::Malformed { what, problem: format!("`{}`: {problem}", path.display()) }
            }
            error => error,
        })
    }

    /// Reads PEM (`RSA PRIVATE KEY` or `PRIVATE KEY`); `name` is the public key's file name.
    pub fn from_pem(pem: &[u8], name: &str) -> Result<Self, Error> {
        if pem.windows(9).any(|window| window == b"ENCRYPTED") {
            return Err(malformed("the private key is encrypted, which is not supported"));
        }
        let sections = der::sections(pem).ok_or_else(|| malformed("it is not PEM"))?;
        for (label, der) in sections {
            let pair = match label.as_str() {
                "RSA PRIVATE KEY" => KeyPair::from_der(&der),
                "PRIVATE KEY" => KeyPair::from_pkcs8(&der),
                _ => continue,
            };
            let pair = pair.map_err(|rejected| {
                malformed(&format!("the private RSA key is not usable ({rejected})"))
            })?;
            return Self::new(pair, name);
        }
        Err(malformed("there is no `RSA PRIVATE KEY` or `PRIVATE KEY` in PEM"))
    }

    fn new(pair: KeyPair, name: &str) -> Result<Self, Error> {
        if name.is_empty() || name.contains(['/', '\0', '\n']) {
            return Err(Error::Invalid(format!("`{name}` can't be the name of a key")));
        }
        let bits = pair.public_modulus_len() * 8;
        if bits < MIN_BITS {
            return Err(Error::Invalid(format!(
                "the key `{name}` has {bits} bits, which is not safe: it needs at least {MIN_BITS}"
            )));
        }
        Ok(Self { pair, name: name.to_owned() })
    }

    /// The public key's file name, as in `.SIGN.RSA256.NAME`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// PEM, PKCS#1 `RSA PRIVATE KEY`, as melange writes it.
    pub fn private_pem(&self) -> Result<String, Error> {
        let failed = || Error::Invalid("the private key could not be written".to_owned());
        let document = AsDer::<Pkcs8V1Der<'_>>::as_der(&self.pair).map_err(|_| failed())?;
        let pkcs1 = der::pkcs1_of_pkcs8(document.as_ref()).ok_or_else(failed)?;
        Ok(der::pem("RSA PRIVATE KEY", pkcs1))
    }

    /// PEM, PKIX `PUBLIC KEY`.
    pub fn public_pem(&self) -> Result<String, Error> {
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(self.pair.public_key())
            .map_err(|_| Error::Invalid("the public key could not be written".to_owned()))?;
        Ok(der::pem("PUBLIC KEY", public.as_ref()))
    }

    /// Writes the private key to `path`, readable by its owner alone, and the public key beside it
    /// as `PATH.pub`, whose path is returned.
    ///
    /// # Errors
    /// `Invalid` if one of the files exists and shall stay.
    pub fn write_files(&self, path: &Path, existing: Existing) -> Result<PathBuf, Error> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        for path in [path, &public] {
            // A dangling link is in the way too.
            if existing == Existing::Keep && fs_err::symlink_metadata(path).is_ok() {
                return Err(Error::Invalid(format!("`{}` exists already", path.display())));
            }
        }
        for (path, mode, pem) in
            [(path, 0o600, self.private_pem()?), (&public, 0o644, self.public_pem()?)]
        {
            let mut file = AtomicFile::create_with_mode(path, mode)?;
            file.write_all(pem.as_bytes())?;
            file.commit()?;
        }
        Ok(public)
    }

    /// RSA PKCS#1 v1.5 over SHA-256.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| Error::Invalid(format!("signing for `{}` failed", self.name)))?;
        Ok(signature)
    }
}

fn malformed(problem: &str) -> Error {
    Error::Malformed { what: "key", problem: problem.to_owned() }
}

fn read_limited(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(malformed(&format!("`{}` is too long for a key", path.display())));
    }
    Ok(bytes)
}
