//! A small repository that has all that makes layers difficult, and a model of unpacking layers.
//!
//! The model knows nothing of how `melange2::image` works: it reads blobs and applies tar entries
//! one after another, as a daemon does.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use melange2::apk::index::{self, Entry};
use melange2::apk::key::{KeyRing, Signer};
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::reader::Apk;
use melange2::apk::tar::{Header, Kind, Reader};
use melange2::apk::writer::{DataWriter, write_apk};
use melange2::digest::{Sha1, Sha256};
use melange2::image::{Layout, Package};

/// A package to be made.
pub struct Recipe {
    pub info: PkgInfo,
    entries: Vec<(Header, Vec<u8>)>,
    control: Vec<(String, u32, Vec<u8>)>,
}

impl Recipe {
    pub fn new(name: &str) -> Self {
        let info = PkgInfo {
            name: name.into(),
            version: "1.0-r0".into(),
            arch: "x86_64".into(),
            origin: name.into(),
            description: format!("{name} of the fixture"),
            url: "https://example.org".into(),
            licenses: vec!["Apache-2.0".into()],
            build_date: 1_700_000_000,
            ..PkgInfo::default()
        };
        Self { info, entries: Vec::new(), control: Vec::new() }
    }

    /// Changes what the package says of itself.
    pub fn says(mut self, change: impl FnOnce(&mut PkgInfo)) -> Self {
        change(&mut self.info);
        self
    }

    pub fn script(mut self, name: &str, text: &str) -> Self {
        self.control.push((name.into(), 0o755, text.into()));
        self
    }

    pub fn entry(mut self, mut header: Header, content: &[u8]) -> Self {
        header.mtime = 1_700_000_000;
        header.size = if header.kind == Kind::File { content.len() as u64 } else { 0 };
        self.entries.push((header, content.to_vec()));
        self
    }

    pub fn directories(self, mode: u32, paths: &[&str]) -> Self {
        paths.iter().fold(self, |recipe, path| {
            recipe.entry(Header { mode, ..Header::new(*path, Kind::Directory) }, b"")
        })
    }

    pub fn file(self, mode: u32, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(Header { mode, ..Header::new(path, Kind::File) }, content.as_ref())
    }

    /// Gives a file other content.
    pub fn replace_content(&mut self, path: &str, content: &[u8]) {
        let found = self.entries.iter_mut().find(|(header, _)| header.path == path.as_bytes());
        let (header, old) = found.unwrap();
        header.size = content.len() as u64;
        *old = content.to_vec();
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(Header { link: target.into(), ..Header::new(path, Kind::Symlink) }, b"")
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        let (first, content) =
            self.entries.iter().find(|(header, _)| header.path == target.as_bytes()).unwrap();
        let (mode, content) = (first.mode, content.clone());
        let link = Header { link: target.into(), mode, ..Header::new(path, Kind::HardLink) };
        self.entry(link, &content)
    }
}

/// A signed repository in a directory.
pub struct Repository {
    pub dir: PathBuf,
    pub key: PathBuf,
    pub apks: Vec<PathBuf>,
}

impl Repository {
    pub fn write(dir: &Path, recipes: Vec<Recipe>) -> Self {
        let signer = Signer::generate(2048, "fixture.rsa.pub").unwrap();
        let key = dir.join("fixture.rsa.pub");
        fs_err::create_dir_all(dir.join("repo/x86_64")).unwrap();
        fs_err::write(&key, signer.public_pem().unwrap()).unwrap();
        let mut apks = Vec::new();
        let mut entries = Vec::new();
        for recipe in recipes {
            let name = format!("{}-{}.apk", recipe.info.name, recipe.info.version);
            let path = dir.join("repo/x86_64").join(name);
            write_package(&path, recipe, &signer);
            entries.push(Entry::of_apk(&Apk::open(&path).unwrap()));
            apks.push(path);
        }
        let index = dir.join("repo/x86_64/APKINDEX.tar.gz");
        index::update(&index, entries, Some(&signer)).unwrap();
        Self { dir: dir.join("repo"), key, apks }
    }

    pub fn packages(&self) -> Vec<Package> {
        self.apks.iter().map(|path| Package { path: path.clone(), tag: None }).collect()
    }

    pub fn keys(&self) -> KeyRing {
        let mut keys = KeyRing::default();
        keys.add("fixture.rsa.pub", &fs_err::read(&self.key).unwrap()).unwrap();
        keys
    }
}

fn write_package(path: &Path, recipe: Recipe, signer: &Signer) {
    let mut data = DataWriter::create(path.parent().unwrap(), 1).unwrap();
    for (header, content) in recipe.entries {
        let sha1 = Some(Sha1::of(&content)).filter(|_| header.kind != Kind::Directory);
        let content = if header.kind == Kind::File { content } else { Vec::new() };
        data.append(header, sha1, &mut content.as_slice()).unwrap();
    }
    let data = data.finish().unwrap();
    write_apk(path, data, &recipe.info, &recipe.control, 0, Some(signer)).unwrap();
}

/// A shared library of nothing but headers, a dynamic section and a string table.
pub fn library(soname: &str) -> Vec<u8> {
    let strings = [b"\0", soname.as_bytes(), b"\0"].concat();
    let (dynamic, base) = (176u64, 0x1000u64);
    let strings_at = dynamic + 48;
    let sections_at = strings_at + strings.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    // ET_DYN, EM_X86_64, EV_CURRENT, entry, program headers, section headers, flags, sizes.
    for half in [3u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for number in [0, 64, sections_at] {
        file.extend(number.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 2, 64, 3, 2] {
        file.extend(half.to_le_bytes());
    }
    // PT_LOAD, PT_DYNAMIC: offset, address twice, size twice, alignment.
    for (kind, at, size) in [(1u32, 0, 0x1000), (2, dynamic, 48)] {
        file.extend(kind.to_le_bytes());
        file.extend(4u32.to_le_bytes());
        for number in [at, base + at, base + at, size, size, 8u64] {
            file.extend(number.to_le_bytes());
        }
    }
    // DT_STRTAB, DT_SONAME, DT_NULL.
    for number in [5, base + strings_at, 14, 1, 0, 0u64] {
        file.extend(number.to_le_bytes());
    }
    file.extend(&strings);
    // Sections: none, .dynamic, .dynstr: name, type, flags, address, offset, size, link, info, …
    let strings_size = strings.len() as u64;
    for (kind, at, size, link, each) in
        [(0u32, 0, 0, 0u32, 0u64), (6, dynamic, 48, 2, 16), (3, strings_at, strings_size, 0, 0)]
    {
        file.extend(0u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        for number in [0, base + at, at, size] {
            file.extend(number.to_le_bytes());
        }
        file.extend(link.to_le_bytes());
        file.extend(0u32.to_le_bytes());
        for number in [1, each] {
            file.extend(number.to_le_bytes());
        }
    }
    file
}

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
