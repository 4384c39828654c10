//! What is known of the files of a package after they have passed: names, kinds, facts.
//!
//! Part of stage 5. No contents: some hundred bytes per name, which hard links and the scanners of
//! `sca` need. Order is that of the archive: depth first, names of a directory bytewise.

use std::cmp::Ordering;
use std::sync::Arc;

use super::sca::Fact;
use crate::digest::Sha1;

/// How many symbolic links are followed before a path counts as a loop (Linux: 40).
const MAX_LINKS: usize = 40;

/// Compares two paths in archive order: component by component, so that `a/b` comes before `a-b`.
pub fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    // The separator sorts before every byte that a name can hold.
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}

/// A regular file: one name of it.
#[derive(Clone, Debug)]
pub struct File {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Digest of the content.
    pub sha1: Sha1,
    /// What scanners saw in the content; shared by all names of the file.
    pub facts: Arc<[Fact]>,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub enum Node {
    /// A regular file.
    File(File),
    /// A symbolic link and its target.
    Symlink(Box<[u8]>),
    /// A directory.
    Directory,
    /// A device or named pipe.
    Special,
}

/// The names of a package in archive order.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<(Box<[u8]>, Node)>,
}

impl Tree {
    /// Adds a name, which must come after all others in archive order; else it is not added and the
    /// name that is last comes back.
    pub fn push(&mut self, path: &[u8], node: Node) -> Result<(), &[u8]> {
        match self.nodes.last() {
            Some((last, _)) if compare_paths(last, path) != Ordering::Less => {}
            _ => {
                self.nodes.push((path.into(), node));
                return Ok(());
            }
        }
        Err(self.nodes.last().map_or(b"", |(last, _)| last))
    }

    /// What stands at a path, links not followed.
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        let found = self.nodes.binary_search_by(|(name, _)| compare_paths(name, path)).ok()?;
        self.nodes.get(found).map(|(_, node)| node)
    }

    /// All names with what stands there, in archive order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_ref(), node))
    }

    /// All names of regular files.
    pub fn files(&self) -> impl Iterator<Item = (&[u8], &File)> {
        self.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path, file)),
            _ => None,
        })
    }

    /// What stands at a path when symbolic links are followed, those of directories included. An
    /// absolute target is one below the package's root. `None` where a link leads out of the
    /// package or in circles.
    pub fn resolve(&self, path: &[u8]) -> Option<&Node> {
        let mut rest: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        let mut found = None;
        while let Some(name) = rest.pop() {
            if name == b".." {
                truncate_to_parent(&mut at);
                found = None;
                continue;
            }
            let parent = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&name);
            match self.get(&at) {
                Some(Node::Symlink(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                    rest.extend(components(target).rev().map(<[u8]>::to_vec));
                    found = None;
                }
                // A directory without an entry of its own is still one.
                node => found = node,
            }
        }
        // A path that ends in `..` names a directory, which is there if something in it is.
        found.or_else(|| self.get(&at))
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

fn truncate_to_parent(path: &mut Vec<u8>) {
    path.truncate(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
}

/// The directory part of a path, without a trailing slash; empty at the top.
pub fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |at| &path[..at])
}

/// The last component of a path.
pub fn basename(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(path, |at| &path[at + 1..])
}

/// A path as people read it.
pub fn shown(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(entries: &[(&str, Option<&str>)]) -> Tree {
        let mut tree = Tree::default();
        for (path, target) in entries {
            let node = match target {
                Some(target) => Node::Symlink(target.as_bytes().into()),
                None if path.contains('.') => Node::Special,
                None => Node::Directory,
            };
            tree.push(path.as_bytes(), node).unwrap();
        }
        tree
    }

    #[test]
    fn order_is_by_component() {
        let mut paths = ["a/b", "a-b", "a", "a.b/c", "a/b/c"];
        paths.sort_by(|a, b| compare_paths(a.as_bytes(), b.as_bytes()));
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a-b", "a.b/c"]);
    }

    #[test]
    fn a_name_out_of_order_or_twice_is_refused() {
        let mut tree = tree(&[("a", None), ("b", None)]);
        assert_eq!(tree.push(b"b", Node::Directory), Err(b"b".as_slice()));
        assert_eq!(tree.push(b"a/x", Node::Directory), Err(b"b".as_slice()));
        assert!(tree.push(b"b/x", Node::Directory).is_ok());
    }

    #[test]
    fn links_are_followed() {
        let tree = tree(&[
            ("lib", Some("usr/lib")),
            ("loop", Some("usr/loop")),
            ("out", Some("../../etc/passwd")),
            ("usr", None),
            ("usr/lib", None),
            ("usr/lib/libz.so", Some("/lib/libz.so.1")),
            ("usr/lib/libz.so.1", Some("./../lib/libz.so.1.3")),
            ("usr/lib/libz.so.1.3", None),
            ("usr/loop", Some("../loop")),
        ]);
        for path in ["lib/libz.so", "usr/lib/libz.so.1", "usr/lib/../../lib/libz.so.1.3"] {
            assert!(matches!(tree.resolve(path.as_bytes()), Some(Node::Special)), "{path}");
        }
        assert!(matches!(tree.resolve(b"lib"), Some(Node::Directory)));
        assert!(matches!(tree.resolve(b"usr/lib/.."), Some(Node::Directory)));
        for path in ["loop", "out", "usr/lib/none", "usr/lib/libz.so.1.3/x"] {
            assert!(tree.resolve(path.as_bytes()).is_none(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_component_lists(a in "[a./-]{0,6}", b in "[a./-]{0,6}") {
            let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(
                compare_paths(a.as_bytes(), b.as_bytes()),
                parts(&a).cmp(&parts(&b))
            );
        }
    }
}
