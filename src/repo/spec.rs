//! What callers say: which repositories, and how they are reached and trusted.

use std::path::PathBuf;
use std::str::FromStr;

use super::Error;
use super::address::Address;

/// A repository as named on a command line or in a recipe: `https://…`, a directory, `@tag …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// `@tag`, without the `@`.
    pub tag: Option<String>,
    /// URL or directory, as written.
    pub location: String,
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let (tag, location) = match text.strip_prefix('@') {
            None => (None, text),
            Some(rest) => match rest.split_once(char::is_whitespace) {
                Some((tag, location)) if !tag.is_empty() => (Some(tag.to_owned()), location.trim()),
                _ => {
                    return Err(Error::Invalid(format!(
                        "`{text}` is not a repository: after the tag comes a blank and a URL or \
                         directory"
                    )));
                }
            },
        };
        if location.is_empty() {
            return Err(Error::Invalid("a repository must not be empty".to_owned()));
        }
        Address::parse(location)?;
        Ok(Self { tag, location: location.to_owned() })
    }
}

/// How repositories are reached and trusted.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where indexes, keys and packages are kept, shared by concurrent processes.
    pub cache_dir: PathBuf,
    /// Keys: files or URLs.
    pub keys: Vec<String>,
    /// Take indexes and packages without checking signatures (checksums are still checked).
    pub ignore_signatures: bool,
    /// A bundle of certificates in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Options {
    /// No keys; what is fetched is kept below the user's cache directory.
    fn default() -> Self {
        Self {
            cache_dir: crate::fsutil::user_cache_dir().join("apk"),
            keys: Vec::new(),
            ignore_signatures: false,
            ca_file: None,
        }
    }
}

/// A package that was chosen, in installation order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The package's name.
    pub name: String,
    /// Its version, with `-rN`.
    pub version: String,
    /// `C:` of the index.
    pub checksum: String,
    /// Bytes of the file.
    pub size: u64,
    /// The tag of its repository.
    pub tag: Option<String>,
    /// URL (without credentials) or path of the package file.
    pub location: String,
    /// The index's `origin`.
    pub origin: String,
}

/// A package on disk whose checksum, signature and data hash were verified.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What was chosen.
    pub choice: Choice,
    /// The file in the cache (or in the local repository).
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match text.parse::<Spec>() {
            Ok(spec) => format!("{:?} {}", spec.tag, spec.location),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn repositories_are_read_with_and_without_a_tag() {
        assert_eq!(read("https://host/os"), "None https://host/os");
        assert_eq!(read(" @edge  ./packages "), "Some(\"edge\") ./packages");
        assert_eq!(read(""), "a repository must not be empty");
        assert_eq!(
            read("@edge"),
            "`@edge` is not a repository: after the tag comes a blank and a URL or directory"
        );
        assert_eq!(
            read("ftp://host"),
            "`ftp` URLs are not supported: use `https`, `http`, `file` or a path"
        );
    }
}
