//! What apko does around unpacking: all that an environment has and no package brings.
//!
//! Beneath the stages. Works on the tree in memory; what it changes ends up in the last layer.
//! apko's order is kept: base directories before the packages (so their modes stand), then the
//! database, accounts, `paths`, applet links, the linker's cache.
//!
//! Not done, and why:
//!
//! - character devices in `/dev`: BuildKit gives every step its own `/dev`, and a rootless daemon
//!   could not unpack them;
//! - `/etc/apko.json` and the `*.sha256` files beside certificate bundles: apko's own notes, which
//!   nothing in a build reads;
//! - owners are not reset to root's (apko forgets them).

mod accounts;
mod busybox;
mod database;
mod linker;
mod paths;

use super::contents::Contents;
use super::install::{Installed, Member, show};
use super::tree::{Body, Lost, Node, Source, Tree, join, parent};
use super::{Error, Request};
use crate::apk::reader::Apk;

/// Directories that are there before the first package, with their modes.
const BASE: [(&[u8], u32); 16] = [
    (b"tmp", 0o1777),
    (b"dev", 0o755),
    (b"etc", 0o755),
    (b"opt", 0o755),
    (b"proc", 0o555),
    (b"var", 0o755),
    (b"usr", 0o755),
    (b"etc/apk", 0o755),
    (b"etc/apk/keys", 0o755),
    (b"usr/lib", 0o755),
    (b"usr/lib/apk", 0o755),
    (b"usr/lib/apk/db", 0o755),
    (b"usr/lib/apk/exec", 0o755),
    (b"var/cache", 0o755),
    (b"var/cache/apk", 0o755),
    (b"var/cache/misc", 0o755),
];

/// The tree that packages are unpacked into.
pub(super) fn base() -> Tree {
    let mut tree = Tree::new();
    for (path, mode) in BASE {
        tree.insert(path.to_vec(), Node::directory(mode));
    }
    tree
}

/// Adds to the tree what no package brings.
pub(super) fn finish(
    request: &Request<'_>,
    apks: &[Apk],
    members: &[Member<'_>],
    installed: &mut Installed,
) -> Result<(), Error> {
    database::write(request, apks, members, installed)?;
    let tree = &mut installed.tree;
    accounts::write(tree, members, request.users, request.groups)?;
    for change in request.paths {
        paths::apply(tree, change)?;
    }
    busybox::link(tree, members)?;
    linker::write_cache(tree, members, request.arch)?;
    Ok(())
}

/// Writes a file of ours: at the end of symbolic links, in directories made when missing. A file
/// that is there keeps owner and mode, as when a program opens it to write.
fn write_file(tree: &mut Tree, path: &[u8], mode: u32, content: Vec<u8>) -> Result<(), Error> {
    let at = match tree.resolve(path) {
        Ok(found) => found,
        Err(Lost::Missing) => {
            let above = make_directories(tree, parent(path))?;
            join(&above, super::contents::file_name(path))
        }
        Err(Lost::NotADirectory) => return Err(blocked(path)),
    };
    match tree.get_mut(&at) {
        Some(Node { body: body @ Body::File(_), .. }) => {
            *body = Body::File(Source::Own(content.into()));
        }
        Some(_) => return Err(blocked(path)),
        None => tree.insert(at, Node::file(mode, content)),
    }
    Ok(())
}

fn make_directories(tree: &mut Tree, path: &[u8]) -> Result<Vec<u8>, Error> {
    tree.make_directories(path, 0o755).map_err(|_| blocked(path))
}

fn blocked(path: &[u8]) -> Error {
    let path = show(path);
    let path = path.trim_start_matches('/');
    Error::Invalid(format!("`/{path}` can't be written: what is there is not of that kind"))
}

/// The content of a file, if it is one whose content was kept or was made here.
fn text<'a>(tree: &'a Tree, members: &'a [Member<'_>], path: &[u8]) -> Option<&'a [u8]> {
    let node = tree.get(&tree.resolve(path).ok()?)?;
    match &node.body {
        Body::File(Source::Own(content)) => Some(content),
        Body::File(Source::Package { package, entry }) => {
            let contents: &'a Contents = members[*package].contents;
            contents.entries[*entry].text.as_deref()
        }
        _ => None,
    }
}

/// The programs of an environment: files and symbolic links in the directories of programs, by
/// every name of these directories.
pub(super) fn programs(tree: &Tree) -> Vec<String> {
    let mut programs = Vec::new();
    for directory in ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin"] {
        let Ok(found) = tree.resolve(directory.as_bytes()) else { continue };
        for (name, _, node) in tree.children(&found) {
            if matches!(node.body, Body::File(_) | Body::Symlink(_)) {
                programs.push(format!("/{directory}/{}", show(name)));
            }
        }
    }
    programs.sort_unstable();
    programs
}
