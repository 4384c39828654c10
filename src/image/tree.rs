//! A file tree in memory: what an installed environment looks like.
//!
//! Beneath the stages. Paths are bytes without leading slash and without symbolic links in them
//! (canonical); the root is the empty path. Knows nothing of packages' rules ([`super::install`])
//! or of layers ([`super::overlay`]).

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::apk::tar::Kind;

/// As many symbolic links as the kernel follows.
const MAX_LINKS: u32 = 40;

/// Where the content of a file comes from. Two paths with one source are hard links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// An entry of a package that is a regular file: numbers of the package and of the entry.
    Package { package: usize, entry: usize },
    /// Made here.
    Own(Rc<[u8]>),
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Directory,
    File(Source),
    /// With its target.
    Symlink(Vec<u8>),
    /// A device or a pipe.
    Special(Kind),
}

/// A path's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// The package that put it there.
    pub(super) owner: Option<usize>,
}

impl Node {
    /// A directory of root's.
    pub(super) fn directory(mode: u32) -> Self {
        Self { body: Body::Directory, mode, uid: 0, gid: 0, owner: None }
    }

    /// A file of root's.
    pub(super) fn file(mode: u32, content: impl Into<Rc<[u8]>>) -> Self {
        let body = Body::File(Source::Own(content.into()));
        Self { body, mode, uid: 0, gid: 0, owner: None }
    }

    /// A symbolic link of root's.
    pub(super) fn symlink(target: &[u8]) -> Self {
        Self { body: Body::Symlink(target.to_vec()), mode: 0o777, uid: 0, gid: 0, owner: None }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.body == Body::Directory
    }
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Nothing is there.
    Missing,
    /// A component is a file, or symbolic links go round in circles.
    NotADirectory,
}

/// The tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
}

impl Tree {
    /// Nothing but the root, 0755.
    pub(super) fn new() -> Self {
        Self { nodes: BTreeMap::from([(Vec::new(), Node::directory(0o755))]) }
    }

    /// The node at a canonical path.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(super) fn get_mut(&mut self, path: &[u8]) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// Puts a node at a canonical path whose parents exist.
    pub(super) fn insert(&mut self, path: Vec<u8>, node: Node) {
        self.nodes.insert(path, node);
    }

    /// Removes what lies below a canonical directory.
    pub(super) fn remove_below(&mut self, directory: &[u8]) {
        let below: Vec<Vec<u8>> = self.below(directory).map(|(path, _)| path.to_vec()).collect();
        for path in below {
            self.nodes.remove(&path);
        }
    }

    /// All paths in byte order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut Node)> {
        self.nodes.iter_mut().map(|(path, node)| (path.as_slice(), node))
    }

    /// All that lies below a canonical directory, in byte order.
    pub(super) fn below<'a>(
        &'a self,
        directory: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a Node)> {
        let start = if directory.is_empty() { Vec::new() } else { [directory, b"/"].concat() };
        let prefix = start.clone();
        self.nodes
            .range(start..)
            .map(|(path, node)| (path.as_slice(), node))
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .filter(|(path, _)| !path.is_empty())
    }

    /// The names in a canonical directory with their paths, in byte order.
    pub(super) fn children<'a>(
        &'a self,
        directory: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8], &'a Node)> {
        let skip = if directory.is_empty() { 0 } else { directory.len() + 1 };
        self.below(directory)
            .map(move |(path, node)| (&path[skip..], path, node))
            .filter(|(name, _, _)| !name.contains(&b'/'))
    }

    /// The canonical path of what a path leads to, the last component followed as well.
    pub(super) fn resolve(&self, path: &[u8]) -> Result<Vec<u8>, Lost> {
        self.walk(path, true)
    }

    /// Like [`Tree::resolve`], but a symbolic link at the end stays itself. The last component
    /// need not exist.
    pub(super) fn resolve_parent(&self, path: &[u8]) -> Result<Vec<u8>, Lost> {
        self.walk(path, false)
    }

    fn walk(&self, path: &[u8], follow_last: bool) -> Result<Vec<u8>, Lost> {
        let mut done: Vec<u8> = Vec::new();
        let mut todo: Vec<Vec<u8>> = components(path);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == b".." {
                done.truncate(parent(&done).len());
                continue;
            }
            let next = join(&done, &part);
            let last = todo.is_empty();
            match self.nodes.get(&next).map(|node| &node.body) {
                Some(Body::Symlink(target)) if !last || follow_last => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Lost::NotADirectory);
                    }
                    if target.starts_with(b"/") {
                        done.clear();
                    }
                    todo.extend(components(target));
                }
                Some(Body::Directory) => done = next,
                Some(_) if last => done = next,
                Some(_) => return Err(Lost::NotADirectory),
                None if last && !follow_last => done = next,
                None => return Err(Lost::Missing),
            }
        }
        Ok(done)
    }

    /// Makes a directory and what is missing above it, as `mkdir -p` does; returns its canonical
    /// path. What is there already stays as it is.
    pub(super) fn make_directories(&mut self, path: &[u8], mode: u32) -> Result<Vec<u8>, Lost> {
        let mut done: Vec<u8> = Vec::new();
        for part in components(path).into_iter().rev() {
            let next = join(&done, &part);
            done = match self.resolve(&next) {
                Ok(found) if self.get(&found).is_some_and(Node::is_directory) => found,
                Ok(_) => return Err(Lost::NotADirectory),
                Err(Lost::Missing) => self.make_missing(&next, mode)?,
                Err(lost) => return Err(lost),
            };
        }
        Ok(done)
    }

    /// Makes the directory that a path, or a dangling symbolic link there, stands for.
    fn make_missing(&mut self, path: &[u8], mode: u32) -> Result<Vec<u8>, Lost> {
        let mut path = path.to_vec();
        for _ in 0..MAX_LINKS {
            let Some(Body::Symlink(target)) = self.get(&path).map(|node| &node.body) else {
                self.insert(path.clone(), Node::directory(mode));
                return Ok(path);
            };
            let target = match target.strip_prefix(b"/") {
                Some(absolute) => absolute.to_vec(),
                None => join(parent(&path), target),
            };
            let above = parent(&target).to_vec();
            let above = self.resolve(&above)?;
            path = join(&above, super::contents::file_name(&target));
        }
        Err(Lost::NotADirectory)
    }
}

/// The components of a path, the last one first; `.` and empty ones left out.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.rsplit(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

/// The directory that a canonical path lies in.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |slash| &path[..slash])
}

/// A path and a name below it.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged() -> Tree {
        let mut tree = Tree::new();
        tree.make_directories(b"usr/lib", 0o755).unwrap();
        tree.insert(b"lib".to_vec(), Node::symlink(b"usr/lib"));
        tree.insert(b"usr/lib/x".to_vec(), Node::symlink(b"../../lib/y"));
        tree.insert(b"usr/lib/y".to_vec(), Node::file(0o644, *b"text"));
        tree.insert(b"loop".to_vec(), Node::symlink(b"loop"));
        tree.insert(b"far".to_vec(), Node::symlink(b"/usr/share"));
        tree
    }

    #[test]
    fn links_are_followed() {
        let tree = merged();
        assert_eq!(tree.resolve(b"lib/x").unwrap(), b"usr/lib/y");
        assert_eq!(tree.resolve_parent(b"/lib//x").unwrap(), b"usr/lib/x");
        assert_eq!(tree.resolve_parent(b"lib/new").unwrap(), b"usr/lib/new");
        assert_eq!(tree.resolve(b"lib/new"), Err(Lost::Missing));
        assert_eq!(tree.resolve(b"lib/y/z"), Err(Lost::NotADirectory));
        assert_eq!(tree.resolve(b"loop"), Err(Lost::NotADirectory));
        assert_eq!(tree.resolve(b"../../lib").unwrap(), b"usr/lib");
    }

    #[test]
    fn missing_directories_are_made_where_links_lead() {
        let mut tree = merged();
        assert_eq!(tree.make_directories(b"lib/a/b", 0o755).unwrap(), b"usr/lib/a/b");
        assert_eq!(tree.make_directories(b"far/a", 0o755).unwrap(), b"usr/share/a");
        assert_eq!(tree.make_directories(b"lib/y", 0o755), Err(Lost::NotADirectory));
        let below: Vec<_> = tree.children(b"usr").map(|(name, ..)| name.to_vec()).collect();
        assert_eq!(below, [b"lib".to_vec(), b"share".to_vec()]);
    }
}
