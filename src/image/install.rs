//! Packages unpacked into one tree, in order, by apko's rules.
//!
//! Beneath the stages. Decides which package's file stands where two have one path, and where a
//! package's entries come to lie when other packages made symbolic links of their directories. The
//! rules are apko's:
//!
//! - a directory that is there already stays as it is, and one that is a symbolic link to a
//!   directory is that directory;
//! - of two files (or symbolic links) at one path the first stands if they are identical or if its
//!   package replaces the other's; otherwise the second stands if its package replaces the first's
//!   or both have one origin; otherwise it is an error.
//!
//! Beyond apko: owners are kept (apko makes everything root's), the version in `replaces` counts,
//! a hard link may replace a file by the same rule, and devices and pipes are taken as they are.
//! Names that mean "delete" in a layer (`.wh.*`) can't be part of an image and are left out.

use std::collections::HashMap;

use super::Error;
use super::contents::{Contents, Entry, file_name};
use super::tree::{Body, Lost, Node, Source, Tree, join, parent};
use crate::apk::dependency::Atom;
use crate::apk::pkginfo::PkgInfo;
use crate::apk::tar::Kind;

/// A package to unpack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) info: &'a PkgInfo,
    pub(super) contents: &'a Contents,
}

/// Where an entry came to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the path that the package says.
    Same,
    /// Somewhere else, because a directory of its path is a symbolic link.
    Moved(Vec<u8>),
    /// Nowhere.
    Dropped,
}

/// A package whose file does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) package: usize,
    pub(super) path: Vec<u8>,
    /// Content, mode and owner are the winner's: it does no harm if this copy is seen.
    pub(super) harmless: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) tree: Tree,
    /// By package and entry.
    pub(super) places: Vec<Vec<Place>>,
    pub(super) losses: Vec<Loss>,
    /// Packages of which one has a hard link to a file of the other.
    pub(super) joined: Vec<(usize, usize)>,
}

/// Unpacks packages into a tree, in order.
pub(super) fn install(tree: Tree, members: &[Member<'_>]) -> Result<Installed, Error> {
    let installed = Installed { tree, places: Vec::new(), losses: Vec::new(), joined: Vec::new() };
    let mut unpacker = Unpacker { members, installed, lost: Vec::new(), last: None };
    for package in 0..members.len() {
        unpacker.unpack(package)?;
    }
    Ok(unpacker.finish())
}

struct Unpacker<'a> {
    members: &'a [Member<'a>],
    installed: Installed,
    /// What does not stand, by path.
    lost: Vec<(Vec<u8>, Node)>,
    /// The directory of the last entry: as written, and as it is. Archives are in order.
    last: Option<(Vec<u8>, Vec<u8>)>,
}

impl Unpacker<'_> {
    fn unpack(&mut self, package: usize) -> Result<(), Error> {
        let entries = &self.members[package].contents.entries;
        let mut places = Vec::with_capacity(entries.len());
        let mut begun = false;
        for (index, entry) in entries.iter().enumerate() {
            // apk's first format had its metadata in front of the data.
            let hidden = entry.path.starts_with(b".") && !entry.path.contains(&b'/');
            begun |= !hidden || entry.kind == Kind::Directory;
            let place = if !begun || is_whiteout(&entry.path) {
                Place::Dropped
            } else if entry.path.is_empty() {
                let plain = (entry.mode & 0o7777, entry.uid, entry.gid) == (0o755, 0, 0);
                if plain { Place::Same } else { Place::Dropped }
            } else {
                let at = self.entry(package, index, entry)?;
                if at == entry.path { Place::Same } else { Place::Moved(at) }
            };
            places.push(place);
        }
        self.installed.places.push(places);
        Ok(())
    }

    fn entry(&mut self, package: usize, index: usize, entry: &Entry) -> Result<Vec<u8>, Error> {
        if entry.kind == Kind::Directory {
            return self.directory(package, entry);
        }
        let above = self.parent(package, &entry.path)?;
        let at = join(&above, file_name(&entry.path));
        let node = self.node(package, index, entry)?;
        if let Body::File(Source::Package { package: other, .. }) = &node.body
            && *other != package
        {
            self.installed.joined.push((*other, package));
        }
        match self.installed.tree.get(&at) {
            None => self.put(at.clone(), node),
            Some(existing) => {
                let existing = existing.clone();
                self.settle(&at, &existing, node)?;
            }
        }
        Ok(at)
    }

    fn put(&mut self, at: Vec<u8>, node: Node) {
        if matches!(node.body, Body::Symlink(_)) {
            self.last = None;
        }
        self.installed.tree.insert(at, node);
    }

    fn directory(&mut self, package: usize, entry: &Entry) -> Result<Vec<u8>, Error> {
        match self.installed.tree.resolve(&entry.path) {
            Ok(found) if self.installed.tree.get(&found).is_some_and(Node::is_directory) => {
                Ok(found)
            }
            Err(Lost::Missing) => {
                self.parent(package, &entry.path)?;
                let made = self.installed.tree.make_directories(&entry.path, 0o755);
                let made = made.map_err(|_| self.blocked(package, &entry.path))?;
                if let Some(node) = self.installed.tree.get_mut(&made) {
                    node.mode = entry.mode & 0o7777;
                    (node.uid, node.gid, node.owner) = (entry.uid, entry.gid, Some(package));
                }
                Ok(made)
            }
            _ => Err(self.blocked(package, &entry.path)),
        }
    }

    /// The directory that an entry lies in, made when missing.
    fn parent(&mut self, package: usize, path: &[u8]) -> Result<Vec<u8>, Error> {
        let written = parent(path);
        if let Some((last, found)) = &self.last
            && last == written
        {
            return Ok(found.clone());
        }
        let found = self.installed.tree.make_directories(written, 0o755);
        let found = found.map_err(|_| self.blocked(package, path))?;
        self.last = Some((written.to_vec(), found.clone()));
        Ok(found)
    }

    fn node(&self, package: usize, index: usize, entry: &Entry) -> Result<Node, Error> {
        let body = match entry.kind {
            Kind::File => Body::File(Source::Package { package, entry: index }),
            Kind::Symlink => Body::Symlink(entry.link.clone()),
            Kind::HardLink => return self.hard_link(package, entry),
            kind => Body::Special(kind),
        };
        let (uid, gid) = (entry.uid, entry.gid);
        Ok(Node { body, mode: entry.mode & 0o7777, uid, gid, owner: Some(package) })
    }

    fn hard_link(&self, package: usize, entry: &Entry) -> Result<Node, Error> {
        let tree = &self.installed.tree;
        let target = tree.resolve_parent(&entry.link).ok().and_then(|path| tree.get(&path));
        match target {
            Some(node) if !node.is_directory() => Ok(Node { owner: Some(package), ..node.clone() }),
            _ => Err(Error::Invalid(format!(
                "`{}` of `{}` is a hard link to `{}`, which is no file",
                show(&entry.path),
                self.members[package].info.name,
                show(&entry.link)
            ))),
        }
    }

    /// Decides which of two nodes stands at a path.
    fn settle(&mut self, at: &[u8], existing: &Node, new: Node) -> Result<(), Error> {
        let (Some(first), Some(second)) = (existing.owner, new.owner) else {
            return Err(Error::Invalid(format!("`/{}` can't come from a package", show(at))));
        };
        if self.is_same_content(existing, &new) {
            self.lost.push((at.to_vec(), new));
            return Ok(());
        }
        let (one, other) = (self.members[first].info, self.members[second].info);
        let settled = replaces(one, other) || replaces(other, one) || one.origin == other.origin;
        if existing.is_directory() || !settled {
            return Err(Error::Conflict {
                path: format!("/{}", show(at)),
                first: one.name.clone(),
                second: other.name.clone(),
            });
        }
        if replaces(one, other) {
            self.lost.push((at.to_vec(), new));
        } else {
            self.lost.push((at.to_vec(), existing.clone()));
            self.put(at.to_vec(), new);
        }
        Ok(())
    }

    fn source_entry(&self, node: &Node) -> Option<&Entry> {
        match &node.body {
            Body::File(Source::Package { package, entry }) => {
                self.members[*package].contents.entries.get(*entry)
            }
            _ => None,
        }
    }

    fn is_same_content(&self, one: &Node, other: &Node) -> bool {
        if one.body == other.body {
            return true;
        }
        match (self.source_entry(one), self.source_entry(other)) {
            (Some(one), Some(other)) => one.sha1.is_some() && one.sha1 == other.sha1,
            _ => false,
        }
    }

    fn xattrs(&self, node: &Node) -> Option<crate::digest::Sha256> {
        self.source_entry(node).and_then(|entry| entry.xattrs)
    }

    fn blocked(&self, package: usize, path: &[u8]) -> Error {
        let tree = &self.installed.tree;
        let mut above = path;
        let owner = loop {
            let node = tree.resolve_parent(above).ok().and_then(|found| tree.get(&found));
            if let Some(node) = node.filter(|node| !node.is_directory()) {
                break node.owner;
            }
            if above.is_empty() {
                break None;
            }
            above = parent(above);
        };
        let name = |package: usize| self.members[package].info.name.clone();
        Error::Conflict {
            path: format!("/{}", show(path)),
            first: owner.map_or_else(String::new, name),
            second: name(package),
        }
    }

    fn finish(mut self) -> Installed {
        let mut names: HashMap<&Source, usize> = HashMap::new();
        for (_, node) in self.installed.tree.iter() {
            if let Body::File(source) = &node.body {
                *names.entry(source).or_default() += 1;
            }
        }
        let mut losses = Vec::new();
        for (path, loser) in &self.lost {
            let Some(package) = loser.owner else { continue };
            let Some(winner) = self.installed.tree.get(path) else { continue };
            if winner.owner == Some(package) {
                continue;
            }
            let single = match &winner.body {
                Body::File(source) => names.get(source) == Some(&1),
                _ => true,
            };
            let rights = |node: &Node| (node.mode, node.uid, node.gid);
            let harmless = single
                && self.is_same_content(winner, loser)
                && rights(winner) == rights(loser)
                && self.xattrs(winner) == self.xattrs(loser);
            losses.push(Loss { package, path: path.clone(), harmless });
        }
        self.installed.losses = losses;
        self.installed
    }
}

/// Whether one package says that it replaces the other.
fn replaces(one: &PkgInfo, other: &PkgInfo) -> bool {
    one.replaces.iter().any(|text| match text.parse::<Atom>() {
        Ok(atom) => atom.name == other.name && atom.accepts(&other.version),
        Err(_) => *text == other.name,
    })
}

/// Whether a layer would take the name for an order to delete.
fn is_whiteout(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| part.starts_with(b".wh."))
}

/// A path in a message.
pub(super) fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Sha1, Sha256};
    use crate::image::layers::{self, Layer, Piece};
    use crate::image::oci;

    fn entry(path: &str, kind: Kind, content: &str) -> Entry {
        Entry {
            path: path.into(),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            link: content.into(),
            sha1: Some(Sha1::of(content.as_bytes())),
            xattrs: None,
            text: None,
            library: None,
        }
    }

    fn package(name: &str, replaces: &[&str], entries: Vec<Entry>) -> (PkgInfo, Contents) {
        let info = PkgInfo {
            name: name.into(),
            version: "1.5-r0".into(),
            origin: name.into(),
            replaces: replaces.iter().map(|text| (*text).to_owned()).collect(),
            ..PkgInfo::default()
        };
        let layer = oci::Layer { digest: Sha256([0; 32]), size: 1, diff_id: Sha256([0; 32]) };
        (info, Contents { layer, entries })
    }

    fn file(content: &str) -> Vec<Entry> {
        vec![entry("file", Kind::File, content)]
    }

    /// Who owns `file` in the end, and how the layers are made when the second lies below.
    fn settled(packages: &[(PkgInfo, Contents)]) -> Result<(usize, Vec<Layer>), String> {
        let members: Vec<_> =
            packages.iter().map(|(info, contents)| Member { info, contents }).collect();
        let installed = install(Tree::new(), &members).map_err(|error| error.to_string())?;
        let owner = installed.tree.get(b"file").unwrap().owner.unwrap();
        Ok((owner, layers::plan(&members, &installed, &[vec![1], vec![0]])))
    }

    #[test]
    fn one_file_of_two_packages_is_settled_by_apkos_rules() {
        let as_they_stand = vec![Layer::AsItStands(1), Layer::AsItStands(0)];
        let one = package("one", &[], file("1"));
        let better = package("better", &["one<2"], file("2"));
        // The loser has no other file, and would lie above the winner.
        let (owner, layers) = settled(&[one.clone(), better.clone()]).unwrap();
        assert_eq!((owner, layers), (1, vec![Layer::AsItStands(1)]));
        // The loser lies below the winner: nothing is to be done.
        assert_eq!(settled(&[better, one.clone()]).unwrap(), (0, as_they_stand.clone()));
        let same = package("same", &[], file("1"));
        assert_eq!(settled(&[one.clone(), same]).unwrap(), (0, as_they_stand));
        let mut sibling = package("sibling", &[], file("2"));
        sibling.0.origin = "one".into();
        assert_eq!(settled(&[one.clone(), sibling]).unwrap().0, 1);
        let wrong = package("wrong", &["one<1"], file("2"));
        assert_eq!(
            settled(&[one.clone(), wrong]).unwrap_err(),
            "`/file` is in both `one` and `wrong`, and neither replaces the other"
        );
        let directory = package("directory", &["one"], vec![entry("file", Kind::Directory, "")]);
        assert!(settled(&[one, directory]).unwrap_err().starts_with("`/file` is in both"));
    }

    #[test]
    fn what_goes_through_a_link_is_moved() {
        let linking = vec![
            entry("usr", Kind::Directory, ""),
            entry("bin", Kind::Symlink, "usr"),
            entry("file", Kind::File, ""),
        ];
        let through = vec![entry("bin", Kind::Directory, ""), entry("bin/x", Kind::File, "x")];
        let packages = [package("linking", &[], linking), package("through", &[], through)];
        let (_, layers) = settled(&packages).unwrap();
        let Layer::Rewritten(pieces) = &layers[0] else { panic!("{layers:?}") };
        assert!(matches!(&pieces[0], Piece::Directory { path, .. } if path == b"usr"));
        assert!(matches!(&pieces[1], Piece::Entry { path, .. } if path == b"usr/x"));
        assert_eq!(layers[1], Layer::AsItStands(0));
    }

    #[test]
    fn names_that_delete_and_links_to_nothing_are_not_installed() {
        let whiteout = entry("x/.wh.file", Kind::File, "x");
        let packages =
            [package("a", &[], [file("1"), vec![whiteout]].concat()), package("b", &[], vec![])];
        let (_, layers) = settled(&packages).unwrap();
        let piece = Piece::Entry { path: b"file".into(), package: 0, entry: 0 };
        assert_eq!(layers[1], Layer::Rewritten(vec![piece]));
        let link = package("link", &[], vec![entry("file", Kind::HardLink, "nothing")]);
        assert_eq!(
            settled(&[link]).unwrap_err(),
            "`file` of `link` is a hard link to `nothing`, which is no file"
        );
    }
}
