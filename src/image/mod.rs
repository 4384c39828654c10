//! The build environment as an OCI image layout.
//!
//! Beneath the stages, of which it knows nothing; stands on `apk`. A package's data segment is a
//! layer as it stands; what apko does after unpacking is the last layer. In running order:
//!
//! 1. `contents`: what is in each package, read once and remembered in the `store`;
//! 2. `install`: the tree that the packages make together, by apko's rules (`tree`);
//! 3. `finish`: accounts, applet links, the installed database and so on, in that tree;
//! 4. `order`, `layers`: which packages become which layers, and which must be rewritten;
//! 5. `overlay`: what these layers show; what differs from the tree is the last layer;
//! 6. `rewrite`, `oci`: layers and documents written.
//!
//! What was not used for two weeks is deleted when something new is assembled (`prune`).
//!
//! Verifies nothing: packages come from `repo`, which did, and only for an image that is not there
//! yet.

mod contents;
mod elf;
mod error;
mod export;
mod finish;
mod install;
mod layers;
mod oci;
mod order;
mod overlay;
mod prune;
mod rewrite;
mod store;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::Digest as _;

use self::contents::Contents;
use self::install::Member;
use self::layers::Layer;
use self::store::{Answer, Store};
use crate::apk::key::KeyRing;
use crate::apk::reader::Apk;
use crate::arch::Arch;
use crate::digest::Sha256;
use crate::fsutil::FileLock;

pub use error::Error;
pub use export::copy;

/// Raised with every change of what is made of a request: part of what answers are kept under.
const FORMAT: &str = "melange2 image 2";

/// A user that `/etc/passwd` shall name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Login shell; empty means `/bin/sh`.
    pub shell: String,
    /// Home directory; empty means `/home/NAME`.
    pub home: String,
}

/// A group that `/etc/group` shall name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// Names of its members.
    pub members: Vec<String>,
}

/// apko's `paths:` entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathChange {
    /// `directory`, `empty-file`, `hardlink`, `symlink` or `permissions`.
    pub kind: String,
    /// The path.
    pub path: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub permissions: u32,
    /// Target of a link.
    pub source: String,
    /// Also what lies below.
    pub recursive: bool,
}

/// What an environment is made of.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Architecture.
    pub arch: Arch,
    /// Packages in installation order: texts that no two different ones share.
    pub packages: &'a [String],
    /// `/etc/apk/world`: the atoms that were asked for.
    pub world: &'a [String],
    /// `/etc/apk/repositories`
    pub repositories: &'a [String],
    /// `/etc/apk/keys`
    pub keys: &'a KeyRing,
    /// Users to add.
    pub users: &'a [User],
    /// Groups to add.
    pub groups: &'a [Group],
    /// Changes to make last.
    pub paths: &'a [PathChange],
    /// How many layers the image may have, at least 2 (BuildKit's limits: leave room for the
    /// steps).
    pub max_layers: usize,
    /// Where blobs are kept between builds, shared by concurrent processes.
    pub store: &'a Path,
}

/// An assembled image.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The OCI layout's directory (`--oci-layout env=DIR`).
    pub dir: PathBuf,
    /// The manifest's digest (`oci-layout://env@sha256:…`).
    pub digest: Sha256,
    /// How many layers.
    pub layers: usize,
    /// Absolute paths of all regular files and symlinks under `bin`, `sbin`, `usr/bin`,
    /// `usr/sbin` and `usr/local/bin`, by every name of these directories: what programs the
    /// environment has. Sorted.
    pub programs: Vec<String>,
    /// Keeps its blobs from being deleted.
    pub in_use: Arc<FileLock>,
}

/// Makes the image. The same request gives the same digest, on any machine.
///
/// A request that was met before costs a look at each blob's file status; no package is looked at.
/// Anything new waits for other processes that assemble in the same store, and asks `fetch` for the
/// files of the packages, which it has verified.
///
/// # Errors
///
/// Those of `fetch`;
/// [`Error::Conflict`] when packages have one file and none replaces the other, [`Error::Package`]
/// when one can't be read, [`Error::Invalid`] for accounts, paths or limits that make no sense.
pub fn assemble<E: From<Error>>(
    request: &Request<'_>,
    fetch: impl FnOnce() -> Result<Vec<PathBuf>, E>,
) -> Result<Layout, E> {
    if request.max_layers < 2 {
        let text =
            format!("an environment needs at least 2 layers, {} allowed", request.max_layers);
        return Err(Error::Invalid(text).into());
    }
    let store = Store::open(request.store).map_err(Error::from)?;
    let key = request_key(request);
    let in_use = Arc::new(store.enter().map_err(Error::from)?);
    if let Some(layout) = known(request, &store, &key, &in_use) {
        return Ok(layout);
    }
    drop(in_use);
    let packages = fetch()?;
    let _lock = store.lock().map_err(Error::from)?;
    if let Err(error) = prune::prune(&store, prune::KEEP) {
        tracing::debug!("failed to delete what is not used any more: {error}");
    }
    let in_use = Arc::new(store.enter().map_err(Error::from)?);
    // Perhaps the process that had the lock made just this.
    if let Some(layout) = known(request, &store, &key, &in_use) {
        return Ok(layout);
    }
    Ok(make(request, &packages, &store, &key, in_use)?)
}

fn known(
    request: &Request<'_>,
    store: &Store,
    key: &Sha256,
    in_use: &Arc<FileLock>,
) -> Option<Layout> {
    let (answer, digest, layers) = store.answer(key)?;
    let (dir, in_use) = (request.store.to_owned(), Arc::clone(in_use));
    Some(Layout { dir, digest, layers, programs: answer.programs, in_use })
}

/// Everything that decides about the image.
fn request_key(request: &Request<'_>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(FORMAT.as_bytes());
    part(env!("CARGO_PKG_VERSION").as_bytes());
    let Request { arch, world, repositories, users, groups, paths, max_layers, .. } = request;
    let rest = (arch, world, repositories, users, groups, paths, max_layers);
    part(format!("{rest:?}").as_bytes());
    for name in request.keys.names() {
        part(name.as_bytes());
        part(request.keys.pem(name).unwrap_or_default());
    }
    request.packages.iter().for_each(|package| part(package.as_bytes()));
    Sha256(hasher.finalize().into())
}

fn make(
    request: &Request<'_>,
    packages: &[PathBuf],
    store: &Store,
    key: &Sha256,
    in_use: Arc<FileLock>,
) -> Result<Layout, Error> {
    let (apks, contents) = read_packages(packages, store)?;
    let members: Vec<Member<'_>> = apks
        .iter()
        .zip(&contents)
        .map(|(apk, contents)| Member { info: &apk.info, contents })
        .collect();
    let mut installed = install::install(finish::base(), &members)?;
    let packages_only = installed.tree.clone();
    finish::finish(request, &apks, &members, &mut installed)?;
    let tree = std::mem::replace(&mut installed.tree, packages_only);

    let candidates: Vec<_> = members.iter().map(candidate).collect();
    let groups = order::cut(&candidates, &installed.joined, request.max_layers - 1);
    let plan = layers::plan(&members, &installed, &groups);
    let mut layers = Vec::with_capacity(plan.len() + 1);
    for layer in &plan {
        layers.push(write_layer(store, &apks, &members, layer)?);
    }
    let shown = overlay::Shown::unpack(&members, &plan);
    layers.push(rewrite::last(store, &apks, &shown.missing(&tree, &members))?);

    let documents = oci::documents(request.arch, &layers)
        .map_err(|error| Error::Invalid(format!("failed to describe the image: {error}")))?;
    store.put(&documents.config)?;
    let digest = store.put(&documents.manifest)?;
    store.publish(&documents.manifest)?;
    let programs = finish::programs(&tree);
    let answer = Answer { manifest: digest.to_string(), programs: programs.clone() };
    store.remember_answer(key, &answer)?;
    Ok(Layout { dir: request.store.to_owned(), digest, layers: layers.len(), programs, in_use })
}

fn candidate<'a>(member: &Member<'a>) -> order::Candidate<'a> {
    let Member { info, contents } = *member;
    order::Candidate {
        name: &info.name,
        depends: &info.depends,
        provides: &info.provides,
        size: if contents.is_empty() { 0 } else { contents.layer.size.max(1) },
    }
}

fn write_layer(
    store: &Store,
    apks: &[Apk],
    members: &[Member<'_>],
    layer: &Layer,
) -> Result<oci::Layer, Error> {
    match layer {
        Layer::AsItStands(package) => {
            let (apk, layer) = (&apks[*package], &members[*package].contents.layer);
            store.put_segment(layer, &apk.path, apk.data_offset)?;
            Ok(layer.clone())
        }
        Layer::Rewritten(pieces) => {
            let identity = rewrite::identity(members, pieces);
            if let Some(layer) = store.layer(&identity) {
                return Ok(layer);
            }
            let layer = rewrite::rewritten(store, apks, pieces)?;
            store.remember_layer(&identity, &layer)?;
            Ok(layer)
        }
    }
}

/// Opens packages and finds out what is in them, several at once.
fn read_packages(packages: &[PathBuf], store: &Store) -> Result<(Vec<Apk>, Vec<Contents>), Error> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(packages.len()));
    let work = || {
        while let Some((number, package)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            packages.get(number).map(|package| (number, package))
        } {
            let result = read_package(package, store);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(packages.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(number, _)| *number);
    // The first package's error, whichever thread was faster.
    found.into_iter().map(|(_, result)| result).collect()
}

fn read_package(path: &Path, store: &Store) -> Result<(Apk, Contents), Error> {
    let apk = Apk::open(path)
        .map_err(|source| Error::Package { package: path.display().to_string(), source })?;
    let contents = contents::of(&apk, store)?;
    Ok((apk, contents))
}

fn package_error(apk: &Apk, source: crate::apk::Error) -> Error {
    Error::Package { package: apk.path.display().to_string(), source }
}
