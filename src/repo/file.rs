//! Files that no index describes: fetched by their URL, and handed on while they arrive, or stored
//! where the caller wants them, as packages are.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Error;
use super::address::Address;
use super::download::{self, Wanted};
use super::http::{Client, Failure};
use super::universe::in_parallel;

/// The most that is read of one file.
const LARGEST: u64 = 64 << 30;

/// A file to store.
#[derive(Clone, Debug)]
pub struct File {
    /// An `http` or `https` URL.
    pub url: String,
    /// Its place.
    pub path: PathBuf,
    /// Where it is until it is whole, on the same file system: what is found there is continued.
    pub part: PathBuf,
}

/// Fetches files, with the certificates, credentials and retries of repositories.
pub struct Files {
    client: Client,
}

impl Files {
    /// Trusts the certificates of `ca_file`, or else the system's. `HTTP_AUTH` is read here.
    ///
    /// # Errors
    /// `Invalid` for an `HTTP_AUTH` that makes no sense.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, Error> {
        let http_auth = std::env::var("HTTP_AUTH").ok();
        Ok(Self::with(Client::new(ca_file, http_auth.as_deref())?))
    }

    pub(super) fn with(client: Client) -> Self {
        Self { client }
    }

    /// Reads a file from its beginning. `begin` makes what takes it, anew for each attempt.
    ///
    /// # Errors
    /// `Invalid` for what is no `http` or `https` URL, `Fetch` for what can't be had.
    pub fn read<T>(
        &self,
        url: &str,
        mut begin: impl FnMut() -> T,
        take: impl Fn(&mut T, &[u8]),
    ) -> Result<T, Error> {
        let Address::Remote(address) = Address::parse(url)? else {
            return Err(Error::Invalid(format!("`{url}` is not an `http` or `https` URL")));
        };
        self.client.with_retries(&address, || {
            let response = self.client.get(&address, &[])?;
            let status = response.status();
            if !status.is_success() {
                return Err(Failure::final_(format!("the server answered `{status}`")));
            }
            let expected = response.body().content_length();
            let mut reader = response.into_body().into_with_config().limit(LARGEST).reader();
            let (mut taker, mut buffer, mut total) = (begin(), vec![0; 64 << 10], 0);
            loop {
                let broken = |error| Failure::passing(format!("the answer broke off: {error}"));
                match reader.read(&mut buffer).map_err(broken)? {
                    0 => break,
                    count => {
                        total += count as u64;
                        take(&mut taker, &buffer[..count]);
                    }
                }
            }
            match expected.filter(|expected| *expected != total) {
                Some(expected) => {
                    let text = format!("the answer has {total} bytes instead of {expected}");
                    Err(Failure::passing(text))
                }
                None => Ok(taker),
            }
        })
    }

    /// Stores files, several at once, but for those that are there and pass `verify`, which says
    /// what is wrong with a file: one that is wrong never gets its name. One result for each.
    ///
    /// # Errors
    /// As with [`Files::read`], and `Io`.
    pub fn store(
        &self,
        files: &[File],
        verify: impl Fn(&File, &Path) -> Result<(), String> + Sync,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let fetch = |file: &File| {
            let Address::Remote(address) = Address::parse(&file.url)? else {
                let text = format!("`{}` is not an `http` or `https` URL", file.url);
                return Err(Error::Invalid(text));
            };
            let (path, part) = (file.path.clone(), file.part.clone());
            let checked = |path: &Path| {
                verify(file, path)
                    .map_err(|problem| Error::Fetch { url: address.to_string(), problem })
            };
            let wanted = Wanted { address: &address, path, part, size: 0 };
            download::file(&self.client, &wanted, checked)?;
            Ok(())
        };
        // An error of one is no reason to do without the others.
        in_parallel(files, |file| Ok(fetch(file)))
    }
}
