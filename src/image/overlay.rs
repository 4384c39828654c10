//! What a stack of layers shows, and what the last layer must add.
//!
//! Beneath the stages. A model of how layers are unpacked one upon another: a later directory gives
//! an earlier one its attributes, any other later entry hides the earlier one. What the packages'
//! layers show is compared with the tree that was meant; the difference is the last layer, so it
//! repairs the attributes of directories that several packages have, too.

use std::collections::{HashMap, HashSet};

use super::install::Member;
use super::layers::{Layer, Piece};
use super::tree::{Body, Node, Source, Tree, parent};
use crate::apk::tar::Kind;

/// What the packages' layers show together, by path.
#[derive(Debug, Default)]
pub(super) struct Shown {
    nodes: HashMap<Vec<u8>, Node>,
}

impl Shown {
    /// Unpacks layers one upon another.
    pub(super) fn unpack(members: &[Member<'_>], layers: &[Layer]) -> Self {
        let mut shown = Self::default();
        for layer in layers {
            match layer {
                Layer::AsItStands(package) => shown.package(members, *package),
                Layer::Rewritten(pieces) => {
                    pieces.iter().for_each(|piece| shown.piece(members, piece));
                }
            }
        }
        shown
    }

    fn package(&mut self, members: &[Member<'_>], package: usize) {
        for (index, entry) in members[package].contents.entries.iter().enumerate() {
            if !entry.path.is_empty() {
                self.entry(members, &entry.path, package, index);
            }
        }
    }

    fn entry(&mut self, members: &[Member<'_>], path: &[u8], package: usize, index: usize) {
        let entry = &members[package].contents.entries[index];
        let body = match entry.kind {
            Kind::Directory => Body::Directory,
            Kind::File => Body::File(Source::Package { package, entry: index }),
            Kind::Symlink => Body::Symlink(entry.link.clone()),
            Kind::HardLink => return self.link(path, &entry.link),
            kind => Body::Special(kind),
        };
        let (mode, uid, gid) = (entry.mode & 0o7777, entry.uid, entry.gid);
        self.put(path, Node { body, mode, uid, gid, owner: Some(package) });
    }

    fn link(&mut self, path: &[u8], target: &[u8]) {
        if let Some(node) = self.nodes.get(target).cloned() {
            self.put(path, node);
        }
    }

    fn piece(&mut self, members: &[Member<'_>], piece: &Piece) {
        match piece {
            Piece::Directory { path, mode, uid, gid, .. } => {
                let node = Node { uid: *uid, gid: *gid, ..Node::directory(*mode) };
                self.put(path, node);
            }
            Piece::Entry { path, package, entry } => self.entry(members, path, *package, *entry),
            Piece::Link { path, target, .. } => self.link(path, target),
        }
    }

    fn put(&mut self, path: &[u8], node: Node) {
        let mut above = parent(path);
        while !above.is_empty() && !self.nodes.contains_key(above) {
            self.nodes.insert(above.to_vec(), Node::directory(0o755));
            above = parent(above);
        }
        self.nodes.insert(path.to_vec(), node);
    }

    /// The paths that are not shown as the tree has them, in byte order. With a file come all its
    /// names, or they would not be links of one file any more.
    pub(super) fn missing<'a>(
        &self,
        tree: &'a Tree,
        members: &[Member<'_>],
    ) -> Vec<(&'a [u8], &'a Node)> {
        let is_missing = |path: &[u8], node: &Node| {
            !path.is_empty()
                && !self.nodes.get(path).is_some_and(|shown| is_same(shown, node, members))
        };
        let again: HashSet<&Source> = tree
            .iter()
            .filter(|(path, node)| is_missing(path, node))
            .filter_map(|(_, node)| source(node))
            .collect();
        tree.iter()
            .filter(|(path, node)| {
                is_missing(path, node) || source(node).is_some_and(|source| again.contains(source))
            })
            .collect()
    }
}

/// The package's file that a node is.
fn source(node: &Node) -> Option<&Source> {
    match &node.body {
        Body::File(source @ Source::Package { .. }) => Some(source),
        _ => None,
    }
}

fn is_same(shown: &Node, meant: &Node, members: &[Member<'_>]) -> bool {
    // A symbolic link's mode means nothing.
    let is_link = matches!(meant.body, Body::Symlink(_));
    (shown.mode == meant.mode || is_link)
        && (shown.uid, shown.gid) == (meant.uid, meant.gid)
        && (shown.body == meant.body || is_same_content(&shown.body, &meant.body, members))
}

fn is_same_content(shown: &Body, meant: &Body, members: &[Member<'_>]) -> bool {
    let checksum = |body: &Body| match body {
        Body::File(Source::Package { package, entry }) => {
            let entry = members.get(*package)?.contents.entries.get(*entry)?;
            Some((entry.sha1?, entry.xattrs))
        }
        _ => None,
    };
    matches!((checksum(shown), checksum(meant)), (Some(one), Some(other)) if one == other)
}
