//! Where something is: a URL or a path, safe to print.
//!
//! User names and passwords are cut off when an address is read and never printed; what a query
//! holds may be a token and is not printed either.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::Error;

/// Where a repository, a key or a package is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A path on this machine.
    Local(PathBuf),
    /// A URL that is fetched.
    Remote(RemoteAddress),
}

/// An `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RemoteAddress {
    url: Url,
    credentials: Option<Credentials>,
}

/// For basic authentication. Printed by nobody.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl Address {
    /// Reads `https://…`, `http://…`, `file://…` or a path.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::Local(PathBuf::from(text)));
        };
        // The text itself is not repeated: it may hold a password.
        let mut url = Url::parse(text)
            .map_err(|problem| Error::Invalid(format!("malformed `{scheme}` URL: {problem}")))?;
        match url.scheme() {
            "http" | "https" => {
                let credentials = credentials(&url);
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_fragment(None);
                Ok(Self::Remote(RemoteAddress { url, credentials }))
            }
            "file" => url.to_file_path().map(Self::Local).map_err(|()| {
                Error::Invalid(format!("`{text}` does not name a path on this machine"))
            }),
            other => Err(Error::Invalid(format!(
                "`{other}` URLs are not supported: use `https`, `http`, `file` or a path"
            ))),
        }
    }

    /// What lies below, a name per level.
    pub(super) fn join(&self, names: &[&str]) -> Self {
        match self {
            Self::Local(path) => {
                Self::Local(names.iter().fold(path.clone(), |path, name| path.join(name)))
            }
            Self::Remote(remote) => {
                let mut remote = remote.clone();
                if let Ok(mut segments) = remote.url.path_segments_mut() {
                    segments.pop_if_empty().extend(names);
                }
                Self::Remote(remote)
            }
        }
    }

    /// The last part of the path.
    pub(super) fn file_name(&self) -> Option<String> {
        match self {
            Self::Local(path) => Some(path.file_name()?.to_str()?.to_owned()),
            Self::Remote(remote) => {
                let last = remote.url.path_segments()?.next_back()?;
                (!last.is_empty()).then(|| last.to_owned())
            }
        }
    }
}

fn credentials(url: &Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode(text);
    Some(Credentials {
        user: decode(url.username()),
        password: decode(url.password().unwrap_or_default()),
    })
}

/// `%XX` as it is meant; what is not that stays.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%');
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl RemoteAddress {
    /// The URL, without credentials.
    pub(super) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The repository's URL for everybody to read: without credentials, without a query, which may
    /// be a token, and the same however many slashes it was written with.
    pub(super) fn public(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// The credentials that the URL held.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Whether `realm` names the server: its host, with the port if that is not the usual one.
    pub(super) fn is_at(&self, realm: &str) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => realm == format!("{host}:{port}"),
            None => realm == host,
        }
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url.as_str().split_once('?') {
            Some((before, _)) => write!(f, "{before}?…"),
            None => f.write_str(self.url.as_str()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> RemoteAddress {
        match Address::parse(text).unwrap() {
            Address::Remote(remote) => remote,
            Address::Local(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let address = Address::parse("https://me:p%40ss@host/os?token=abc").unwrap();
        assert_eq!(address.to_string(), "https://host/os?…");
        assert_eq!(format!("{address:?}"), "Address(https://host/os?…)");
        let remote = remote("https://me:p%40ss@host/os");
        let credentials = remote.credentials().unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("me", "p@ss"));
        assert_eq!(remote.url(), "https://host/os");
        let error = Address::parse("https://me:secret@:x").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn one_repository_has_one_public_url() {
        for text in [
            "https://host/os",
            "https://host/os/",
            "https://HOST:443/./os//",
            "https://me:p%40ss@host/os?token=abc#fragment",
        ] {
            assert_eq!(remote(text).public(), "https://host/os", "{text}");
        }
        assert_eq!(remote("http://host:8080").public(), "http://host:8080");
    }

    #[test]
    fn paths_are_joined_and_named() {
        for (base, file) in [
            ("https://host/os/", "https://host/os/x86_64/g++-1.apk"),
            ("https://host", "https://host/x86_64/g++-1.apk"),
            ("file:///srv/os", "/srv/os/x86_64/g++-1.apk"),
            ("packages", "packages/x86_64/g++-1.apk"),
        ] {
            let address = Address::parse(base).unwrap().join(&["x86_64", "g++-1.apk"]);
            assert_eq!(address.to_string(), file);
            assert_eq!(address.file_name().unwrap(), "g++-1.apk");
        }
        let error = Address::parse("ftp://host/os").unwrap_err().to_string();
        assert!(error.starts_with("`ftp` URLs are not supported"), "{error}");
    }

    #[test]
    fn a_realm_is_a_server() {
        assert!(remote("https://host/os").is_at("host"));
        assert!(remote("http://host:8080/os").is_at("host:8080"));
        assert!(!remote("http://host:8080/os").is_at("host"));
        assert!(!remote("https://host.evil/os").is_at("host"));
    }
}
