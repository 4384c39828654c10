//! A model of unpacking layers, for tests.
//!
//! It knows nothing of how `melange2::image` works: it reads blobs and applies tar entries one
//! after another, as a daemon does.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write as _};

use melange2::apk::tar::{Header, Kind, Reader};
use melange2::digest::Sha256;
use melange2::image::Layout;

/// What a path of an unpacked tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub link: Vec<u8>,
    pub content: Vec<u8>,
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Names of one number are hard links.
    pub inode: usize,
}

/// A tree that was unpacked from layers.
#[derive(Debug, Default)]
pub struct Tree {
    pub nodes: BTreeMap<Vec<u8>, Node>,
    inodes: usize,
}

impl Tree {
    /// Unpacks an image's layers one upon another.
    pub fn of_layout(layout: &Layout) -> Self {
        let blob = |digest: &str| {
            let hex = digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
            let bytes = fs_err::read(layout.dir.join("blobs/sha256").join(&hex)).unwrap();
            assert_eq!(Sha256::of(&bytes).to_string(), hex, "a blob is named by its content");
            bytes
        };
        let json =
            |digest: &str| -> serde_json::Value { serde_json::from_slice(&blob(digest)).unwrap() };
        let manifest = json(&layout.digest.to_string());
        let config = json(manifest["config"]["digest"].as_str().unwrap());
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), layout.layers);
        let mut tree = Self::default();
        for (number, layer) in layers.iter().enumerate() {
            let compressed = blob(layer["digest"].as_str().unwrap());
            assert_eq!(layer["size"].as_u64().unwrap(), compressed.len() as u64);
            let unpacked = gunzip(&compressed);
            assert_eq!(config["rootfs"]["diff_ids"][number], Sha256::of(&unpacked).oci());
            tree.unpack_layer(&unpacked);
        }
        tree
    }

    /// Unpacks a layer upon what is there.
    fn unpack_layer(&mut self, tar: &[u8]) {
        let mut reader = Reader::new(tar);
        while let Some(header) = reader.next_entry().unwrap() {
            let name = header.path.rsplit(|byte| *byte == b'/').next().unwrap();
            assert!(!name.starts_with(b".wh."), "a layer deletes: {}", header.display_path());
        }
        self.unpack(tar);
    }

    /// Unpacks an archive upon what is there.
    pub fn unpack(&mut self, tar: &[u8]) {
        let mut reader = Reader::new(tar);
        while let Some(header) = reader.next_entry().unwrap() {
            let mut content = Vec::new();
            reader.content().read_to_end(&mut content).unwrap();
            self.apply(header, content);
        }
    }

    fn apply(&mut self, header: Header, content: Vec<u8>) {
        let path = header.path;
        for end in (0..path.len()).filter(|end| path[*end] == b'/') {
            let above = self.nodes.get(&path[..end]).map(|node| node.kind);
            let text = String::from_utf8_lossy(&path);
            assert!(matches!(above, Some(Kind::Directory)), "no directory above `{text}`");
        }
        if path.is_empty() {
            return;
        }
        let was_directory = self.nodes.get(&path).is_some_and(|old| old.kind == Kind::Directory);
        if was_directory && header.kind != Kind::Directory {
            let below = [path.as_slice(), b"/"].concat();
            self.nodes.retain(|path, _| !path.starts_with(&below));
        }
        if header.kind == Kind::HardLink {
            let target = self.nodes.get(&header.link).expect("a hard link's target").clone();
            self.nodes.insert(path, target);
            return;
        }
        self.inodes += 1;
        let xattrs = header.pax.into_iter().filter(|(key, _)| key.starts_with("SCHILY.xattr."));
        let node = Node {
            kind: header.kind,
            mode: if header.kind == Kind::Symlink { 0o777 } else { header.mode & 0o7777 },
            uid: header.uid,
            gid: header.gid,
            link: header.link,
            content,
            xattrs: xattrs.collect(),
            inode: self.inodes,
        };
        self.nodes.insert(path, node);
    }

    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path.as_bytes())
    }

    /// The first of the names of a path's file, if it has several.
    pub fn first_names(&self) -> HashMap<usize, &[u8]> {
        let mut names = HashMap::new();
        for (path, node) in &self.nodes {
            names.entry(node.inode).or_insert(path.as_slice());
        }
        names
    }

    /// One line for each path.
    pub fn listing(&self) -> String {
        let names = self.first_names();
        let mut text = Vec::new();
        for (path, node) in &self.nodes {
            let Node { mode, uid, gid, .. } = node;
            write!(text, "{mode:04o} {uid}:{gid} {}", path.escape_ascii()).unwrap();
            let first = names[&node.inode];
            match node.kind {
                Kind::Directory => write!(text, "/"),
                Kind::Symlink => write!(text, " -> {}", node.link.escape_ascii()),
                Kind::File if first != path => write!(text, " = {}", first.escape_ascii()),
                Kind::File if node.content.len() > 60 || node.content.contains(&b'\n') => {
                    write!(text, " ({} bytes)", node.content.len())
                }
                Kind::File => write!(text, " {:?}", node.content.escape_ascii().to_string()),
                other => write!(text, " {other:?}"),
            }
            .unwrap();
            for (key, value) in &node.xattrs {
                write!(text, " {key}={}", value.escape_ascii()).unwrap();
            }
            text.push(b'\n');
        }
        String::from_utf8(text).unwrap()
    }
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
    unpacked
}
