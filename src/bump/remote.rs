//! What is out there: files with their checksums, tags with their commits.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256, Sha512};

use crate::digest::hex;
use crate::repo::{self, Files};

/// The checksums of a file, in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// SHA-256.
    pub sha256: String,
    /// SHA-512.
    pub sha512: String,
}

/// Where sources are; tests have another than the network.
pub trait Remote {
    /// The checksums of what a URL has, or why it can't be had.
    fn checksums(&self, url: &str) -> Result<Checksums, String>;
    /// The commit that a full reference (`refs/tags/v1`) of a repository names, or why there is
    /// none.
    fn commit(&self, repository: &str, reference: &str) -> Result<String, String>;
}

/// The network: files over HTTP, commits by git.
pub struct Network {
    files: Files,
    ca_file: Option<PathBuf>,
}

impl Network {
    /// Trusts the certificates of `ca_file`, or else the system's.
    ///
    /// # Errors
    /// For an `HTTP_AUTH` that makes no sense.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, repo::Error> {
        let absolute = ca_file.map(std::path::absolute).transpose()?;
        Ok(Self { files: Files::new(ca_file)?, ca_file: absolute })
    }
}

/// A file while it arrives.
struct Hashing {
    sha256: Sha256,
    sha512: Sha512,
    /// The first bytes, which tell a web page from an archive.
    begin: Vec<u8>,
}

impl Remote for Network {
    fn checksums(&self, url: &str) -> Result<Checksums, String> {
        let begin = || Hashing { sha256: Sha256::new(), sha512: Sha512::new(), begin: Vec::new() };
        let take = |hashing: &mut Hashing, bytes: &[u8]| {
            hashing.sha256.update(bytes);
            hashing.sha512.update(bytes);
            let missing = 256_usize.saturating_sub(hashing.begin.len()).min(bytes.len());
            hashing.begin.extend(bytes.iter().take(missing));
        };
        let hashing = self.files.read(url, begin, take).map_err(|error| error.to_string())?;
        // Some servers answer with a page that says that there is no such file, and no error.
        if is_page(&hashing.begin) && !names_page(url) {
            return Err(format!("failed to fetch `{url}`: the server sent a web page"));
        }
        Ok(Checksums {
            sha256: hex(&hashing.sha256.finalize()),
            sha512: hex(&hashing.sha512.finalize()),
        })
    }

    fn commit(&self, repository: &str, reference: &str) -> Result<String, String> {
        let peeled = format!("{reference}^{{}}");
        // A tag may be an object of its own; what it names is the commit.
        let mut command = duct::cmd!("git", "ls-remote", "--", repository, reference, &peeled)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C.UTF-8")
            .stdin_null()
            .stdout_capture()
            .stderr_capture()
            .unchecked();
        if let Some(ca_file) = &self.ca_file {
            command = command.env("GIT_SSL_CAINFO", ca_file);
        }
        let output = command.run().map_err(|error| format!("failed to run `git`: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().find(|line| line.starts_with("fatal: "));
            let line = line.map_or("git failed", |line| line.trim_start_matches("fatal: "));
            return Err(format!("failed to look into `{repository}`: {line}"));
        }
        let listed = String::from_utf8_lossy(&output.stdout);
        commit_of(&listed, reference).ok_or_else(|| format!("`{repository}` has no `{reference}`"))
    }
}

/// The commit of a reference in what `git ls-remote` lists.
fn commit_of(listed: &str, reference: &str) -> Option<String> {
    let find = |name: &str| {
        let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(_, found)| *found == name).map(|(commit, _)| commit.to_owned())
    };
    find(&format!("{reference}^{{}}")).or_else(|| find(reference))
}

fn is_page(begin: &[u8]) -> bool {
    let text = String::from_utf8_lossy(begin).trim_start().to_ascii_lowercase();
    text.starts_with("<!doctype html") || text.starts_with("<html")
}

fn names_page(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.ends_with(".html") || path.ends_with(".htm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_object_is_peeled() {
        let listed = "aa\trefs/tags/v1\nbb\trefs/tags/v1^{}\ncc\trefs/tags/v2\n";
        assert_eq!(commit_of(listed, "refs/tags/v1").as_deref(), Some("bb"));
        assert_eq!(commit_of(listed, "refs/tags/v2").as_deref(), Some("cc"));
        assert_eq!(commit_of(listed, "refs/tags/v"), None);
    }

    #[test]
    fn pages_are_known() {
        assert!(is_page(b"\n<!DOCTYPE html>\n<html>") && is_page(b"<HTML lang=en>"));
        assert!(!is_page(b"\x1f\x8b\x08") && !is_page(b"<?xml?>"));
        assert!(names_page("https://a/b.html?x") && !names_page("https://a/b.tar.gz?c.html"));
    }
}
