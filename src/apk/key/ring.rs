//! Public keys by name.
//!
//! Beneath the stages, a part of `key`. Where the keys come from is the repository's matter.

use std::collections::BTreeMap;

use aws_lc_rs::rsa::PublicKey;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};

use super::{Algorithm, MIN_BITS, Message, der, malformed};
use crate::apk::Error;

/// Public keys by file name.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: BTreeMap<String, Key>,
}

#[derive(Clone, Debug)]
struct Key {
    pem: Vec<u8>,
    der: Vec<u8>,
}

impl KeyRing {
    /// Adds a key in PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`). Of two with one name the later stays.
    pub fn add(&mut self, name: &str, pem: &[u8]) -> Result<(), Error> {
        if name.is_empty() || name.contains(['/', '\0', '\n']) {
            return Err(Error::Invalid(format!("`{name}` can't be the name of a key")));
        }
        let named = |problem: &str| malformed(&format!("`{name}`: {problem}"));
        let der = der::sections(pem)
            .ok_or_else(|| named("it is not PEM"))?
            .into_iter()
            .find(|(label, _)| matches!(label.as_str(), "PUBLIC KEY" | "RSA PUBLIC KEY"))
            .map(|(_, der)| der)
            .ok_or_else(|| named("there is no `PUBLIC KEY` in PEM"))?;
        // Reads PKIX and PKCS#1, gives PKCS#1.
        let key = PublicKey::from_der(&der).map_err(|_| named("it is not a public RSA key"))?;
        let bits = RsaParameters::public_modulus_len(key.as_ref())
            .map_err(|_| named("it is not a public RSA key"))?;
        if (bits as usize) < MIN_BITS {
            return Err(Error::Invalid(format!(
                "the key `{name}` has {bits} bits, which is not safe: it needs at least {MIN_BITS}"
            )));
        }
        self.keys.insert(name.to_owned(), Key { pem: pem.to_vec(), der: key.as_ref().to_vec() });
        Ok(())
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.keys.keys().map(String::as_str).collect()
    }

    /// The PEM text of a key, as it was added (it is installed in `/etc/apk/keys`).
    pub fn pem(&self, name: &str) -> Option<&[u8]> {
        self.keys.get(name).map(|key| key.pem.as_slice())
    }

    /// The PEM text of the key that a signature calls `name`: see [`KeyRing::verify`].
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.meant(name).map(|key| key.pem.as_slice())
    }

    fn meant(&self, name: &str) -> Option<&Key> {
        let bare = name.strip_suffix(".rsa.pub");
        self.keys.get(name).or_else(|| self.keys.get(bare?))
    }

    /// Whether the ring holds no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies a signature made by the key called `name`: an error names the key and says whether
    /// it is unknown or does not fit. As in apko, a key that was added without the ending
    /// `.rsa.pub` is found too.
    pub fn verify(
        &self,
        name: &str,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        self.verify_message(name, algorithm, &Message::new(message), signature)
    }

    /// As [`KeyRing::verify`], for one of several questions about the same bytes.
    pub fn verify_message(
        &self,
        name: &str,
        algorithm: Algorithm,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Result<(), Error> {
        let Some(key) = self.meant(name) else {
            return Err(Error::Untrusted(format!("the signing key `{name}` is not trusted")));
        };
        let verified = match algorithm {
            Algorithm::RsaSha1 => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, &key.der)
                    .verify(message.bytes(), signature)
            }
            Algorithm::RsaSha256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.der)
                .verify_digest(message.digest(), signature),
        };
        verified.map_err(|_| {
            Error::Untrusted(format!("the signature of the key `{name}` does not fit"))
        })
    }
}
