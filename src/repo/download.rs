//! Packages: fetched once, verified, kept under the identity that the index gives them. And other
//! files, for `files.rs`, in the same way.
//!
//! A file is written to `NAME.part` under a lock on that very file, verified there and then
//! renamed, so that what has its name is whole. What a broken connection or a killed process left
//! is continued with a range request by whoever comes next; that it all belongs together is shown
//! by the checksums in the end. (This file does not use `AtomicFile`, whose nameless temporary
//! files can't be found again.)

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use ureq::http::{Response, StatusCode};

use super::Error;
use super::address::RemoteAddress;
use super::http::{Client, Failure, Retry};
use crate::digest::Sha1;

/// What an index says of a package's size may be a little off (it was signed anew since).
const SLACK: u64 = 1 << 20;
/// The most that a package of unknown size may have.
const LARGEST: u64 = 64 << 30;

/// A package to fetch.
pub(super) struct Package<'a> {
    pub(super) address: &'a RemoteAddress,
    /// `name-version`, for the file's name.
    pub(super) label: &'a str,
    /// The identity in the index.
    pub(super) identity: Sha1,
    /// Bytes, as the index has it; 0 if it does not say.
    pub(super) size: u64,
}

impl Package<'_> {
    /// Where it is in a cache.
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        let plain = |char: char| char.is_ascii_alphanumeric() || "+-._".contains(char);
        let label: String =
            self.label.chars().map(|char| if plain(char) { char } else { '_' }).take(160).collect();
        directory.join(format!("{label}.{}.apk", self.identity))
    }
}

/// A file to fetch.
pub(super) struct Wanted<'a> {
    pub(super) address: &'a RemoteAddress,
    /// Its place.
    pub(super) path: PathBuf,
    /// Where it is until it is whole: on the same file system.
    pub(super) part: PathBuf,
    /// Bytes, 0 if nobody knows.
    pub(super) size: u64,
}

impl Wanted<'_> {
    fn limit(&self) -> u64 {
        if self.size == 0 { LARGEST } else { self.size + SLACK }
    }
}

/// Returns the verified package's file in `directory`, fetched if it is not there yet.
pub(super) fn package(
    client: &Client,
    directory: &Path,
    package: &Package<'_>,
    verify: impl Fn(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let path = package.path(directory);
    let mut part = path.clone().into_os_string();
    part.push(".part");
    let (address, size) = (package.address, package.size);
    file(client, &Wanted { address, path, part: part.into(), size }, verify)
}

/// Returns the verified file, fetched if it is not there yet.
pub(super) fn file(
    client: &Client,
    wanted: &Wanted<'_>,
    verify: impl Fn(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let path = &wanted.path;
    let before = identity_of(path);
    if before.is_some() {
        match verify(path) {
            Ok(()) => return Ok(path.clone()),
            // Damaged on disk: what is fetched anew replaces it.
            Err(error) => tracing::debug!("fetching again what was damaged: {error}"),
        }
    }
    for directory in [path.parent(), wanted.part.parent()].into_iter().flatten() {
        fs::create_dir_all(directory)?;
    }
    let Some(mut part) = Part::lock(wanted, before)? else {
        verify(path)?;
        return Ok(path.clone());
    };
    if part.size()? > 0 {
        part.fetch(client, wanted)?;
        if verify(&part.path).is_ok() {
            return part.commit(path);
        }
        // The beginning was of something else.
        part.file.set_len(0)?;
    }
    part.fetch(client, wanted)?;
    match verify(&part.path) {
        Ok(()) => part.commit(path),
        Err(error) => {
            fs::remove_file(&part.path)?;
            Err(error)
        }
    }
}

/// The unfinished file, locked.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    /// Waits for the lock. `None` if the target is not what it was `before`: somebody else was
    /// faster.
    fn lock(wanted: &Wanted<'_>, before: Option<(u64, u64)>) -> io::Result<Option<Self>> {
        let path = wanted.part.clone();
        loop {
            let mut options = fs::OpenOptions::new();
            let (file, _) = options
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)?
                .into_parts();
            file.lock()?;
            // Whoever had the lock has renamed or removed the file: this is not `path` any more.
            let locked = file.metadata()?;
            if identity_of(&path) != Some((locked.dev(), locked.ino())) {
                continue;
            }
            let part = Self { path, file };
            if identity_of(&wanted.path) == before {
                return Ok(Some(part));
            }
            fs::remove_file(&part.path)?;
            return Ok(None);
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Gets what is missing.
    fn fetch(&mut self, client: &Client, wanted: &Wanted<'_>) -> Result<(), Error> {
        let limit = wanted.limit();
        // A server without ranges begins anew each time: that it sends something is no progress.
        let mut furthest = self.size()?;
        client.with_retries(wanted.address, || {
            let begun = self.file.seek(io::SeekFrom::End(0))?;
            if wanted.size > 0 && begun == wanted.size {
                return Ok(());
            }
            let range = (begun > 0).then(|| ("range", format!("bytes={begun}-")));
            let response = client.get(wanted.address, range.as_slice())?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT if starts_at(&response, begun) => {}
                StatusCode::OK => self.restart()?,
                StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if begun > 0 => {
                    self.restart()?;
                    let problem = "the server has another file than before";
                    return Err(Failure::passing(problem));
                }
                status => return Err(Failure::final_(format!("the server answered `{status}`"))),
            }
            self.receive(response, limit, &mut furthest)
        })
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()
    }

    fn receive(
        &mut self,
        response: Response<ureq::Body>,
        limit: u64,
        furthest: &mut u64,
    ) -> Result<(), Failure> {
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; 128 << 10];
        let mut size = self.file.stream_position()?;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    size += count as u64;
                    if size > limit {
                        self.restart()?;
                        let problem = "the package is larger than its index says";
                        return Err(Failure::final_(problem));
                    }
                    self.file.write_all(&buffer[..count])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let retry = if size > *furthest { Retry::Progress } else { Retry::Later };
                    *furthest = size.max(*furthest);
                    let problem = format!("the answer broke off: {error}");
                    return Err(Failure { problem, retry });
                }
            }
        }
    }

    /// Gives the file its name while the lock is held.
    fn commit(self, target: &Path) -> Result<PathBuf, Error> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        if let Some(directory) = target.parent() {
            fs::File::open(directory)?.sync_all()?;
        }
        Ok(target.to_owned())
    }
}

fn identity_of(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether an answer to a range request begins where it should.
fn starts_at<T>(response: &Response<T>, begun: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {begun}-")))
}
