//! The indexes of some repositories: opened, verified, asked; and the packages they name.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::address::{Address, RemoteAddress};
use super::cache;
use super::catalog::{self, Catalog};
use super::http::Client;
use super::origins::{Origins, SignedBy};
use super::snapshot::Snapshots;
use super::solver::{self, Repository};
use super::{Choice, Error, Fetched, Options, Spec, download};
use crate::apk;
use crate::apk::dependency::Atom;
use crate::apk::key::KeyRing;
use crate::apk::reader::Apk;
use crate::arch::Arch;
use crate::digest::{Sha1, Sha256};

/// The most that an index may have, as it is sent.
const LARGEST_INDEX: u64 = 512 << 20;
/// The most that a key may have.
const LARGEST_KEY: u64 = 1 << 20;
/// How many packages are fetched or verified at once.
const THREADS: usize = 6;
/// How many pieces of an index may be unpacked ahead of its reader.
const PIECES_AHEAD: usize = 8;

/// The indexes of some repositories for one architecture.
pub struct Universe {
    arch: Arch,
    client: Client,
    keys: KeyRing,
    ignore_signatures: bool,
    packages_dir: PathBuf,
    repositories: Vec<Repository>,
    /// Where each repository's packages of this architecture are.
    addresses: Vec<Address>,
    origins: Origins,
    warnings: Vec<String>,
    /// Waited for when this is dropped.
    _storing: Vec<Storing>,
}

impl std::fmt::Debug for Universe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Universe").field("repositories", &self.repositories).finish_non_exhaustive()
    }
}

impl Universe {
    /// Fetches (or has confirmed what is in the cache) and verifies the indexes.
    ///
    /// An index is trusted if one of its signatures was made by one of the keys. A directory
    /// without an index is an empty repository, as with apko: that is what a directory of packages
    /// looks like before the first build; [`Universe::warnings`] tells. `HTTP_AUTH` is read here.
    ///
    /// # Errors
    /// `Invalid` for a key or location that makes no sense; `Fetch`, `Format` or `Io`, with the
    /// place, for what can't be reached or trusted.
    pub fn open(specs: &[Spec], arch: Arch, options: &Options) -> Result<Self, Error> {
        let http_auth = std::env::var("HTTP_AUTH").ok();
        let client = Client::new(options.ca_file.as_deref(), http_auth.as_deref())?;
        Self::open_with(client, specs, arch, options, &crate::fsutil::user_state_dir())
    }

    pub(super) fn open_with(
        client: Client,
        specs: &[Spec],
        arch: Arch,
        options: &Options,
        state_dir: &Path,
    ) -> Result<Self, Error> {
        let keys = if options.ignore_signatures && options.keys.is_empty() {
            KeyRing::default()
        } else {
            load_keys(&client, options)?
        };
        let opener = Opener {
            client: &client,
            keys: &keys,
            options,
            snapshots: Snapshots::new(options.cache_dir.join("snapshots"), state_dir),
        };
        let roots: Vec<Address> = specs
            .iter()
            .map(|spec| Address::parse(&spec.location))
            .collect::<Result<_, Error>>()?;
        let addresses: Vec<Address> = roots.iter().map(|root| root.join(&[arch.apk()])).collect();
        let catalogs = in_parallel(&addresses, |address| opener.catalog(address))?;
        let (mut warnings, mut repositories, mut storing) = (Vec::new(), Vec::new(), Vec::new());
        let mut origins = Origins::default();
        for (((spec, root), address), catalog) in
            specs.iter().zip(&roots).zip(&addresses).zip(catalogs)
        {
            origins.add(spec, root, catalog.as_ref().and_then(|opened| opened.key.as_ref()))?;
            let catalog = match catalog {
                Some(opened) => {
                    storing.push(opened.storing);
                    opened.catalog
                }
                None => {
                    warnings.push(format!("there is no `APKINDEX.tar.gz` in `{address}`"));
                    Arc::new(empty_catalog()?)
                }
            };
            repositories.push(Repository { tag: spec.tag.clone(), catalog });
        }
        drop(opener);
        Ok(Self {
            arch,
            client,
            keys,
            ignore_signatures: options.ignore_signatures,
            packages_dir: options.cache_dir.join("packages"),
            repositories,
            addresses,
            origins,
            warnings,
            _storing: storing,
        })
    }

    /// What to install so that all atoms are met, dependencies first.
    ///
    /// # Errors
    /// `Unsolvable`, which says why in terms of what was asked.
    pub fn solve(&self, request: &[Atom]) -> Result<Vec<Choice>, Error> {
        let solved = solver::solve(&self.repositories, self.arch, request)?;
        Ok(solved.into_iter().map(|solved| self.choice(solved)).collect())
    }

    /// Fetches packages, several at once; each is verified before it is returned. Order is kept.
    ///
    /// The index is trusted, and its `C:` fixes a package's control segment, whose `datahash` fixes
    /// the data; both are checked, each time. That is what makes a package trusted, as with apko
    /// and apk-tools: a package that is not signed, or by a key that is not known, is taken on the
    /// index's word. But a signature by a known key that does not fit is an error.
    pub fn fetch(&self, choices: &[Choice]) -> Result<Vec<Fetched>, Error> {
        in_parallel(choices, |choice| {
            let path = self.fetch_one(choice)?;
            Ok(Fetched { choice: choice.clone(), path })
        })
    }

    /// What an environment may tell of where its packages are from.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// What deserves a word to the user, a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn choice(&self, solved: solver::Solved) -> Choice {
        let package = solved.package;
        let file = file_name(&package.name, &package.version);
        Choice {
            location: self.addresses[solved.repository].join(&[&file]).to_string(),
            tag: self.repositories[solved.repository].tag.clone(),
            name: package.name,
            version: package.version,
            checksum: package.checksum,
            size: package.size,
            origin: package.origin,
        }
    }

    fn fetch_one(&self, choice: &Choice) -> Result<PathBuf, Error> {
        let in_index = |source| Error::Format { location: choice.location.clone(), source };
        let identity = identity(&choice.checksum).map_err(in_index)?;
        if choice.name.contains('/') || choice.version.contains('/') {
            let problem = "a package's name and version can't hold a slash".to_owned();
            return Err(in_index(apk::Error::Malformed { what: "index", problem }));
        }
        let verify = |path: &Path| {
            self.verify(path, identity)
                .map_err(|source| Error::Format { location: choice.location.clone(), source })
        };
        let file = file_name(&choice.name, &choice.version);
        // The location alone has no credentials; the repository's address does.
        let known = self.addresses.iter().map(|address| address.join(&[&file]));
        match known.into_iter().find(|address| address.to_string() == choice.location) {
            Some(Address::Local(path)) => {
                verify(&path)?;
                Ok(path)
            }
            Some(Address::Remote(remote)) => self.download(&remote, choice, identity, verify),
            None => {
                Err(Error::Invalid(format!("`{}` is in none of the repositories", choice.location)))
            }
        }
    }

    fn download(
        &self,
        address: &RemoteAddress,
        choice: &Choice,
        identity: Sha1,
        verify: impl Fn(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        let label = format!("{}-{}", choice.name, choice.version);
        let package = download::Package { address, label: &label, identity, size: choice.size };
        download::package(&self.client, &self.packages_dir, &package, verify)
    }

    fn verify(&self, path: &Path, identity: Sha1) -> Result<(), apk::Error> {
        let package = Apk::open(path)?;
        if package.identity != identity {
            return Err(apk::Error::Untrusted(format!(
                "it is not the package that the index names: its identity is {}, not {identity}",
                package.identity
            )));
        }
        let known = self.keys.names();
        let is_known = |key: &str| known.contains(&key);
        if !self.ignore_signatures && package.signatures.iter().any(|it| is_known(&it.key)) {
            package.verify_signature(&self.keys)?;
        }
        package.verify_data()
    }
}

fn file_name(name: &str, version: &str) -> String {
    format!("{name}-{version}.apk")
}

/// The bytes of `Q1…`.
fn identity(checksum: &str) -> Result<Sha1, apk::Error> {
    let decoded = checksum.strip_prefix("Q1").and_then(|text| BASE64.decode(text).ok());
    let bytes = decoded.and_then(|bytes| <[u8; 20]>::try_from(bytes).ok());
    bytes.map(Sha1).ok_or_else(|| apk::Error::Malformed {
        what: "index",
        problem: format!("`{checksum}` is not a checksum"),
    })
}

fn empty_catalog() -> Result<Catalog, Error> {
    catalog::build(&[]).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::Invalid("the index is too large".to_owned())
}

fn load_keys(client: &Client, options: &Options) -> Result<KeyRing, Error> {
    let mut keys = KeyRing::default();
    for text in &options.keys {
        let address = Address::parse(text)?;
        let invalid = |problem: String| Error::Invalid(format!("key `{address}`: {problem}"));
        let name = address.file_name().ok_or_else(|| invalid("it has no file name".to_owned()))?;
        let pem = match &address {
            Address::Local(path) => {
                fs_err::read(path).map_err(|error| invalid(error.to_string()))?
            }
            Address::Remote(remote) => cache::get(client, &options.cache_dir, remote, LARGEST_KEY)?,
        };
        keys.add(&name, &pem).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(keys)
}

struct Opener<'a> {
    client: &'a Client,
    keys: &'a KeyRing,
    options: &'a Options,
    snapshots: Snapshots,
}

impl Opener<'_> {
    /// The catalog of a repository; `None` for a directory without an index.
    fn catalog(&self, directory: &Address) -> Result<Option<Opened>, Error> {
        let address = directory.join(&["APKINDEX.tar.gz"]);
        let in_index = |source| Error::Format { location: address.to_string(), source };
        let archive = match &address {
            Address::Local(path) => match fs_err::read(path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            },
            Address::Remote(remote) => {
                cache::get(self.client, &self.options.cache_dir, remote, LARGEST_INDEX)?
            }
        };
        let opened = apk::index::Opened::new(&archive).map_err(in_index)?;
        let key = match opened.verify(self.keys) {
            Ok(name) => self.keys.find(&name).map(|pem| SignedBy { pem: pem.to_vec(), name }),
            Err(_) if self.options.ignore_signatures => None,
            Err(error) => return Err(in_index(error)),
        };
        let digest = opened.digest();
        // Not before here: what is not trusted is not unpacked, and leaves nothing behind.
        let archive = Arc::new(archive);
        let (again, snapshots) = (Arc::clone(&archive), self.snapshots.clone());
        let parse = move || {
            let catalog = read_index(&again).ok().flatten()?;
            snapshots.store(&digest, &catalog);
            Some(catalog)
        };
        if let Some(catalog) = self.snapshots.load(&digest, parse) {
            let catalog = Arc::new(catalog);
            return Ok(Some(Opened { catalog, key, storing: Storing(None) }));
        }
        let catalog = read_index(&archive).map_err(in_index)?.ok_or_else(too_large)?;
        let catalog = Arc::new(catalog);
        let storing = Storing::begin(self.snapshots.clone(), digest, Arc::clone(&catalog));
        Ok(Some(Opened { catalog, key, storing }))
    }
}

/// An index that is trusted.
struct Opened {
    catalog: Arc<Catalog>,
    /// `None` where nobody looks at signatures and none fits.
    key: Option<SignedBy>,
    storing: Storing,
}

/// A snapshot that is being written, if any is, while its catalog is in use already.
struct Storing(Option<JoinHandle<()>>);

impl Storing {
    fn begin(snapshots: Snapshots, digest: Sha256, catalog: Arc<Catalog>) -> Self {
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        match thread.spawn(move || snapshots.store(&digest, &catalog)) {
            Ok(thread) => Self(Some(thread)),
            Err(error) => {
                tracing::debug!("failed to keep a parsed index: {error}");
                Self(None)
            }
        }
    }
}

impl Drop for Storing {
    /// The process must not end before it is done.
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic was reported by its thread; it costs no more than the snapshot.
            let _ = thread.join();
        }
    }
}

/// Unpacks an index on this thread, while another one reads what there is of it: each takes about
/// as long. `None` if it is too large.
fn read_index(archive: &[u8]) -> Result<Option<Catalog>, apk::Error> {
    let (pieces, inbox) = mpsc::sync_channel::<Vec<u8>>(PIECES_AHEAD);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut builder = catalog::Builder::default();
            inbox.iter().try_for_each(|piece| builder.read(&piece))?;
            builder.finish()
        });
        let unpacked = apk::index::unpack_text(archive, |piece| {
            // Who gave up reading says so in the end.
            let _ = pieces.send(piece.to_vec());
        });
        drop(pieces);
        let catalog = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        unpacked.map(|()| catalog)
    })
}

/// Does something for each item, on several threads. Of several errors the first item's is
/// returned; after an error no new items are begun.
pub(super) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    if let [only] = items {
        return Ok(vec![work(only)?]);
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<R, Error>>>> =
        items.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(item), Some(slot)) = (items.get(index), results.get(index)) else {
                        return;
                    };
                    let result = work(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    // What was not begun stands behind an error.
    results.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()
}
