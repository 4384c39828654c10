//! The files of an apk in the making: Debian's trees taken in, paths moved below `/usr`.
//!
//! Held in memory: the largest package here is about 200 MB.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use color_eyre::eyre::{Result, bail};
use melange2::apk::tar::{Header, Kind, Reader};
use melange2::apk::writer::DataWriter;
use melange2::digest::Sha1;

/// When generated files were "changed": a fixed time, so that the same list gives the same bytes.
pub const GENERATED: i64 = 1_672_531_200;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(String),
    /// A file: an index into the tree's contents. Paths with one index are hard links.
    File(usize),
}

/// A path's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u64, u64),
    /// Whole seconds since 1970.
    pub mtime: i64,
    /// What it is.
    pub body: Body,
}

/// Files by path, sorted, so that a directory comes before what is in it.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
    contents: Vec<Vec<u8>>,
}

impl Tree {
    /// Takes in a Debian package's tar archive, without what [`is_unwanted`] names.
    pub fn extend_from_tar(&mut self, archive: impl Read) -> Result<()> {
        let mut reader = Reader::new(archive);
        while let Some(header) = reader.next_entry()? {
            let original = text(&header.path)?;
            let path = usr_merged(original);
            if path.is_empty() || is_unwanted(&path, header.kind) {
                continue;
            }
            let body = match header.kind {
                Kind::Directory => Body::Directory,
                Kind::Symlink => Body::Symlink(moved_target(original, text(&header.link)?)),
                Kind::HardLink => self.body_of(&usr_merged(text(&header.link)?))?,
                Kind::File => {
                    let mut content = Vec::with_capacity(usize::try_from(header.size)?);
                    reader.content().read_to_end(&mut content)?;
                    self.content(content)
                }
                _ => bail!("`{path}` is a device"),
            };
            let owner = (header.uid, header.gid);
            self.insert(path, Node { mode: header.mode, owner, mtime: header.mtime, body });
        }
        Ok(())
    }

    fn body_of(&self, path: &str) -> Result<Body> {
        match self.nodes.get(path) {
            Some(node) => Ok(node.body.clone()),
            None => bail!("a hard link points to `{path}`, which is not in the package"),
        }
    }

    fn content(&mut self, content: Vec<u8>) -> Body {
        self.contents.push(content);
        Body::File(self.contents.len() - 1)
    }

    fn insert(&mut self, path: String, node: Node) {
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.nodes.contains_key(parent)
        {
            self.directory(parent, 0o755);
        }
        self.nodes.insert(path, node);
    }

    fn generated(&mut self, path: &str, mode: u32, body: Body) {
        let node = Node { mode, owner: (0, 0), mtime: GENERATED, body };
        self.insert(path.to_owned(), node);
    }

    /// Adds a directory, and those above it when missing.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.generated(path, mode, Body::Directory);
    }

    /// Adds a file with mode 0644.
    pub fn file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        let body = self.content(content.into());
        self.generated(path, 0o644, body);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.generated(path, 0o777, Body::Symlink(target.to_owned()));
    }

    /// All paths, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// The regular files: path, mode and content.
    pub fn files(&self) -> impl Iterator<Item = (&str, u32, &[u8])> {
        self.iter().filter_map(|(path, node)| match node.body {
            Body::File(index) => {
                Some((path, node.mode, self.contents.get(index).map_or(&[][..], Vec::as_slice)))
            }
            _ => None,
        })
    }

    /// The content of the file at a path.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        match self.nodes.get(path)?.body {
            Body::File(index) => self.contents.get(index).map(Vec::as_slice),
            _ => None,
        }
    }

    /// The time of the latest change.
    pub fn newest(&self) -> i64 {
        self.nodes.values().map(|node| node.mtime).max().unwrap_or(GENERATED)
    }

    /// Writes everything; of files with one content the first is the file, the others hard links.
    pub fn write(&self, writer: &mut DataWriter) -> Result<()> {
        let mut first: HashMap<usize, &str> = HashMap::new();
        for (path, node) in self.iter() {
            let mut header = header(path, node);
            match &node.body {
                Body::Directory => writer.append(header, None, &mut std::io::empty())?,
                Body::Symlink(target) => {
                    header.kind = Kind::Symlink;
                    header.link = target.clone().into_bytes();
                    writer.append(header, None, &mut std::io::empty())?;
                }
                Body::File(index) => {
                    let content = self.contents.get(*index).map_or(&[][..], Vec::as_slice);
                    let sha1 = Some(Sha1::of(content));
                    if let Some(original) = first.get(index) {
                        header.kind = Kind::HardLink;
                        header.link = original.as_bytes().to_vec();
                        writer.append(header, sha1, &mut std::io::empty())?;
                    } else {
                        first.insert(*index, path);
                        header.kind = Kind::File;
                        header.size = content.len() as u64;
                        writer.append(header, sha1, &mut &*content)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A directory's header at this path, to be made another kind's.
fn header(path: &str, node: &Node) -> Header {
    Header {
        path: path.as_bytes().to_vec(),
        kind: Kind::Directory,
        mode: node.mode,
        uid: node.owner.0,
        gid: node.owner.1,
        uname: Vec::new(),
        gname: Vec::new(),
        size: 0,
        mtime: node.mtime,
        link: Vec::new(),
        pax: BTreeMap::new(),
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes)?;
    Ok(text.trim_start_matches("./").trim_end_matches('/'))
}

/// `bin/x` as `usr/bin/x`: `/bin`, `/sbin` and `/lib*` are links into `/usr`.
pub fn usr_merged(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_start_matches('/');
    let top = path.split('/').next().unwrap_or_default();
    let merged = matches!(top, "bin" | "sbin" | "lib" | "lib32" | "lib64" | "libx32");
    if merged { format!("usr/{path}") } else { path.to_owned() }
}

/// The target of a link that moves with its directory: `../lib` seen from `/bin/x` is no longer
/// what it was when the link stands in `/usr/bin`, so such a target becomes absolute.
fn moved_target(link: &str, target: &str) -> String {
    let moved = usr_merged(link) != link;
    if !moved || target.starts_with('/') || !target.contains("..") {
        return target.to_owned();
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    format!("/{}", usr_merged(&parts.join("/")))
}

/// Documentation and translations, which no build reads. Licences stay.
fn is_unwanted(path: &str, kind: Kind) -> bool {
    const DIRECTORIES: [&str; 8] =
        ["doc", "doc-base", "man", "info", "locale", "lintian", "bug", "gtk-doc"];
    let Some(below) = path.strip_prefix("usr/share/") else {
        return false;
    };
    let top = below.split('/').next().unwrap_or_default();
    let licence = top == "doc" && kind == Kind::File && path.ends_with("/copyright");
    DIRECTORIES.contains(&top) && !licence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_move_below_usr() {
        assert_eq!(usr_merged("bin/sh"), "usr/bin/sh");
        assert_eq!(usr_merged("/lib64/ld.so"), "usr/lib64/ld.so");
        assert_eq!(usr_merged("lib"), "usr/lib");
        assert_eq!(usr_merged("library/x"), "library/x");
        assert_eq!(usr_merged("usr/bin/x"), "usr/bin/x");
    }

    #[test]
    fn links_that_move_keep_their_meaning() {
        assert_eq!(moved_target("bin/x", "../usr/bin/y"), "/usr/bin/y");
        assert_eq!(moved_target("sbin/x", "../bin/y"), "/usr/bin/y");
        assert_eq!(moved_target("bin/x", "y"), "y");
        assert_eq!(moved_target("usr/bin/x", "../lib/y"), "../lib/y");
        assert_eq!(moved_target("lib/a/x", "/lib/b"), "/lib/b");
    }

    #[test]
    fn documentation_goes_and_licences_stay() {
        assert!(is_unwanted("usr/share/doc/x/README", Kind::File));
        assert!(is_unwanted("usr/share/man", Kind::Directory));
        assert!(!is_unwanted("usr/share/doc/x/copyright", Kind::File));
        assert!(!is_unwanted("usr/share/manual", Kind::Directory));
    }

    #[test]
    fn missing_directories_are_added() {
        let mut tree = Tree::default();
        tree.file("a/b/c", "text");
        let paths: Vec<_> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c"]);
        assert_eq!(tree.read("a/b/c"), Some(&b"text"[..]));
    }
}
