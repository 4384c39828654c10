//! What an environment tells of where its packages are from.
//!
//! It stands in a layer, and so in the cache key of every step: nothing in it is a secret, or differs
//! between two machines that take the same packages from the same repositories.

use super::address::Address;
use super::{Error, Spec};
use crate::apk::key::KeyRing;

/// `/etc/apk/repositories` and `/etc/apk/keys`.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Lines of `/etc/apk/repositories`: URLs without credentials, however they were written.
    /// Directories of this machine mean nothing inside a step and are left out.
    pub repositories: Vec<String>,
    /// The keys that the indexes of these repositories are signed with, by the names that the
    /// signatures have for them. Whatever else is trusted, such as the key of the packages that are
    /// built here, is left out.
    pub keys: KeyRing,
}

/// The key that an index is signed with.
pub(super) struct SignedBy {
    /// The signature's name for it.
    pub(super) name: String,
    pub(super) pem: Vec<u8>,
}

impl Origins {
    /// Adds a repository; `key` is that of its index, if it is known.
    pub(super) fn add(
        &mut self,
        spec: &Spec,
        root: &Address,
        key: Option<&SignedBy>,
    ) -> Result<(), Error> {
        let Address::Remote(remote) = root else { return Ok(()) };
        let url = remote.public();
        self.repositories.push(match &spec.tag {
            Some(tag) => format!("@{tag} {url}"),
            None => url,
        });
        if let Some(SignedBy { name, pem }) = key {
            let invalid = |error| Error::Invalid(format!("key `{name}`: {error}"));
            self.keys.add(name, pem).map_err(invalid)?;
        }
        Ok(())
    }
}
