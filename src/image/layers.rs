//! How each layer is made: a package's data segment as it stands, or entries rewritten.
//!
//! Beneath the stages. A layer that would spoil what was decided ([`super::install`]) is rewritten:
//! one that goes through another package's symbolic link, has a name that means "delete" in a
//! layer, shows the losing copy of a file above the winning one, or holds several packages (two tar
//! archives in one layer would end after the first). This file says what is in a rewritten layer;
//! [`super::rewrite`] writes it.

use std::collections::{HashMap, HashSet};

use super::install::{Installed, Member, Place};
use super::tree::{Body, Node, Source, parent};
use crate::apk::tar::Kind;

/// A layer of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A package's data segment.
    AsItStands(usize),
    /// A tar of our own.
    Rewritten(Vec<Piece>),
}

/// An entry of a rewritten layer. Packages and entries are numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A directory, with the attributes of a package's entry if a package has it.
    Directory { path: Vec<u8>, mode: u32, uid: u64, gid: u64, of: Option<(usize, usize)> },
    /// A package's file, symbolic link, device or pipe, at this path.
    Entry { path: Vec<u8>, package: usize, entry: usize },
    /// Another name of an earlier piece.
    Link { path: Vec<u8>, target: Vec<u8>, package: usize, entry: usize },
}

/// Decides how each group of packages (bottom first) becomes a layer.
pub(super) fn plan(
    members: &[Member<'_>],
    installed: &Installed,
    groups: &[Vec<usize>],
) -> Vec<Layer> {
    let mut height: HashMap<usize, usize> = HashMap::new();
    for (layer, group) in groups.iter().enumerate() {
        height.extend(group.iter().map(|package| (*package, layer)));
    }
    let hides_winner: HashSet<usize> = installed
        .losses
        .iter()
        .filter(|loss| !loss.harmless)
        .filter(|loss| {
            let winner = installed.tree.get(&loss.path).and_then(|node| node.owner);
            let winner = winner.and_then(|winner| height.get(&winner));
            height.get(&loss.package) > winner
        })
        .map(|loss| loss.package)
        .collect();
    let spoils = |package: usize| {
        hides_winner.contains(&package)
            || installed.places[package].iter().any(|place| *place != Place::Same)
    };
    groups
        .iter()
        .map(|group| match group.as_slice() {
            [package] if !spoils(*package) => Layer::AsItStands(*package),
            packages => Layer::Rewritten(pieces(members, installed, packages)),
        })
        .filter(|layer| *layer != Layer::Rewritten(Vec::new()))
        .collect()
}

/// The entries of some packages that stand, in the order of the packages and of their archives;
/// each name of a file follows the file.
fn pieces(members: &[Member<'_>], installed: &Installed, packages: &[usize]) -> Vec<Piece> {
    let mut pieces = Pieces {
        installed,
        names: names(members, installed, packages),
        seen: HashSet::from([Vec::new()]),
        pieces: Vec::new(),
    };
    for package in packages {
        for (index, entry) in members[*package].contents.entries.iter().enumerate() {
            let Some(path) = place(&installed.places[*package][index], &entry.path) else {
                continue;
            };
            match entry.kind {
                Kind::Directory => pieces.directory(path, Some((*package, index))),
                Kind::File => pieces.file(*package, index),
                // Follows its file.
                Kind::HardLink => {}
                _ => pieces.other(path, *package, index),
            }
        }
    }
    pieces.pieces
}

/// Every name under which a file of these packages stands, with the entry that gave it.
fn names(
    members: &[Member<'_>],
    installed: &Installed,
    packages: &[usize],
) -> HashMap<Source, Vec<(Vec<u8>, usize, usize)>> {
    let mut names: HashMap<Source, Vec<(Vec<u8>, usize, usize)>> = HashMap::new();
    let mut seen = HashSet::new();
    for package in packages {
        for (index, entry) in members[*package].contents.entries.iter().enumerate() {
            if !matches!(entry.kind, Kind::File | Kind::HardLink) {
                continue;
            }
            let place = place(&installed.places[*package][index], &entry.path);
            let Some((path, node)) = place.and_then(|path| Some((path, installed.tree.get(path)?)))
            else {
                continue;
            };
            let own = Source::Package { package: *package, entry: index };
            match &node.body {
                Body::File(source)
                    if node.owner == Some(*package)
                        && (entry.kind == Kind::HardLink || *source == own)
                        && seen.insert(path.to_vec()) =>
                {
                    names.entry(source.clone()).or_default().push((path.to_vec(), *package, index));
                }
                _ => {}
            }
        }
    }
    names
}

/// Where an entry lies, if anywhere below the root.
pub(super) fn place<'a>(place: &'a Place, written: &'a [u8]) -> Option<&'a [u8]> {
    match place {
        Place::Dropped => None,
        Place::Same => Some(written),
        Place::Moved(path) => Some(path.as_slice()),
    }
    .filter(|path| !path.is_empty())
}

struct Pieces<'a> {
    installed: &'a Installed,
    names: HashMap<Source, Vec<(Vec<u8>, usize, usize)>>,
    seen: HashSet<Vec<u8>>,
    pieces: Vec<Piece>,
}

impl Pieces<'_> {
    fn directory(&mut self, path: &[u8], of: Option<(usize, usize)>) {
        if !self.seen.insert(path.to_vec()) {
            return;
        }
        self.directory(parent(path), None);
        if let Some(Node { mode, uid, gid, .. }) = self.installed.tree.get(path) {
            let (mode, uid, gid) = (*mode, *uid, *gid);
            self.pieces.push(Piece::Directory { path: path.to_vec(), mode, uid, gid, of });
        }
    }

    fn file(&mut self, package: usize, entry: usize) {
        let Some(names) = self.names.remove(&Source::Package { package, entry }) else { return };
        let mut names = names.into_iter();
        let Some((first, ..)) = names.next() else { return };
        self.directory(parent(&first), None);
        self.pieces.push(Piece::Entry { path: first.clone(), package, entry });
        for (path, package, entry) in names {
            self.directory(parent(&path), None);
            self.pieces.push(Piece::Link { path, target: first.clone(), package, entry });
        }
    }

    fn other(&mut self, path: &[u8], package: usize, entry: usize) {
        let stands = self.installed.tree.get(path).is_some_and(|node| {
            node.owner == Some(package) && matches!(node.body, Body::Symlink(_) | Body::Special(_))
        });
        if stands && self.seen.insert(path.to_vec()) {
            self.directory(parent(path), None);
            self.pieces.push(Piece::Entry { path: path.to_vec(), package, entry });
        }
    }
}
