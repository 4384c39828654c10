//! Files that change on the server, kept with what tells whether they have: indexes and keys.
//!
//! Each URL has a directory in the cache with the `body` and what the server said of it (`meta`).
//! The server is asked every time, so that nobody builds with an old index without knowing it: if
//! it can't be reached, that is an error even where a copy is at hand. Processes that want the same
//! URL wait for each other, and the second one gets its copy confirmed rather than sent again.

use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use ureq::http::{Response, StatusCode};

use super::Error;
use super::address::RemoteAddress;
use super::http::{Client, Failure};
use crate::digest::Sha256;
use crate::fsutil::{FileLock, write_atomic};

/// What the server said of the copy in the cache.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Meta {
    etag: Option<String>,
    last_modified: Option<String>,
    /// Of the body: a copy that does not fit is not used.
    sha256: String,
}

/// Fetches a file of at most `limit` bytes, or has the copy in the cache confirmed.
pub(super) fn get(
    client: &Client,
    cache_dir: &Path,
    address: &RemoteAddress,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let key = Sha256::of(address.url().as_bytes()).to_string();
    let directory = cache_dir.join("http").join(&key[..32]);
    let _lock = FileLock::exclusive(&directory.join("lock"))?;
    let (body_path, meta_path) = (directory.join("body"), directory.join("meta"));
    let copy = read_copy(&body_path, &meta_path);
    let headers = copy.as_ref().map(|(meta, _)| conditions(meta)).unwrap_or_default();
    let answer = client.with_retries(address, || {
        let response = client.get(address, &headers)?;
        match response.status() {
            StatusCode::NOT_MODIFIED => Ok(None),
            StatusCode::OK => {
                let meta = meta_of(&response);
                Ok(Some((meta, read_body(response, limit)?)))
            }
            status => Err(Failure::final_(format!("the server answered `{status}`"))),
        }
    })?;
    match (answer, copy) {
        (None, Some((_, bytes))) => Ok(bytes),
        (None, None) => Err(Error::Fetch {
            url: address.to_string(),
            problem: "the server confirmed a copy that it was not asked about".to_owned(),
        }),
        (Some((meta, bytes)), _) => {
            if meta.etag.is_some() || meta.last_modified.is_some() {
                let meta = Meta { sha256: Sha256::of(&bytes).to_string(), ..meta };
                write_atomic(&body_path, &bytes)?;
                write_atomic(&meta_path, &serde_json::to_vec(&meta).unwrap_or_default())?;
            }
            Ok(bytes)
        }
    }
}

/// The copy in the cache, if it is whole.
fn read_copy(body_path: &Path, meta_path: &Path) -> Option<(Meta, Vec<u8>)> {
    let meta: Meta = serde_json::from_slice(&fs_err::read(meta_path).ok()?).ok()?;
    let bytes = fs_err::read(body_path).ok()?;
    (Sha256::of(&bytes).to_string() == meta.sha256).then_some((meta, bytes))
}

fn conditions(meta: &Meta) -> Vec<(&'static str, String)> {
    let etag = meta.etag.iter().map(|value| ("if-none-match", value.clone()));
    let date = meta.last_modified.iter().map(|value| ("if-modified-since", value.clone()));
    etag.chain(date).collect()
}

fn meta_of<T>(response: &Response<T>) -> Meta {
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    Meta { etag: header("etag"), last_modified: header("last-modified"), sha256: String::new() }
}

fn read_body(response: Response<ureq::Body>, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(limit + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::passing(format!("the answer broke off: {error}")))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::final_(format!("the file is larger than {limit} bytes")));
    }
    Ok(bytes)
}
