//! A small repository that has all that makes layers difficult, and how it is assembled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use melange2::apk::index::{self, Entry};
use melange2::apk::key::{KeyRing, Signer};
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::reader::Apk;
use melange2::apk::tar::{Header, Kind};
use melange2::apk::writer::{DataWriter, write_apk};
use melange2::arch::Arch;
use melange2::digest::{Sha1, Sha256};
use melange2::image::{self, Error, Group, Layout, PathChange, Request, User};

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

/// Packages that have all that makes layers difficult.
pub fn difficult() -> Vec<Recipe> {
    vec![
        base(),
        Recipe::new("libc")
            .says(|info| info.provides = vec!["so:libc.so.6=6".into()])
            // Through the base's symbolic links.
            .directories(0o755, &["lib", "lib64"])
            .file(0o755, "lib64/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2"))
            .file(0o755, "lib/libc.so.6", library("libc.so.6"))
            .symlink("lib/libc.so", "libc.so.6"),
        Recipe::new("busybox")
            .says(|info| info.depends = vec!["so:libc.so.6".into()])
            .directories(0o755, &["bin", "etc", "etc/busybox-paths.d"])
            .file(0o755, "bin/busybox", "busybox")
            .file(0o644, "etc/busybox-paths.d/busybox", "/bin/ls\n/bin/sh\n/usr/sbin/chroot\n")
            .script(".post-install", "#!/bin/sh\n:\n")
            .says(|info| info.triggers = vec!["/bin".into(), "/usr/bin".into()]),
        Recipe::new("tool")
            .directories(0o755, &["usr", "usr/bin", "usr/share"])
            .directories(0o2750, &["usr/share/tool"])
            .file(0o4755, "usr/bin/tool", "the tool")
            .file(0o644, "usr/bin/tool-one", "one file, three names")
            .hard_link("usr/bin/tool-two", "usr/bin/tool-one")
            .hard_link("usr/share/tool/three", "usr/bin/tool-one")
            .file(0o644, "usr/share/tool/data", "of the tool")
            .file(0o644, "usr/share/tool/licence", "the same in all"),
        // Replaces a file of a package that was installed before.
        Recipe::new("tool-better")
            .says(|info| info.replaces = vec!["tool".into()])
            .directories(0o755, &["usr", "usr/bin"])
            .file(0o755, "usr/bin/tool", "the better tool"),
        // Its file is replaced by a package that was installed before.
        Recipe::new("tool-worse")
            .says(|info| info.replaces = vec!["nobody".into()])
            .directories(0o755, &["opt"])
            .file(0o644, "opt/first", "worse, second, and lost"),
        // One origin; a directory that is there with other rights; an identical file.
        Recipe::new("tool-data")
            .says(|info| info.origin = "tool".into())
            .directories(0o700, &["usr", "usr/share"])
            .directories(0o755, &["usr/share/tool"])
            .file(0o600, "usr/share/tool/data", "of the data package")
            .file(0o644, "usr/share/tool/licence", "the same in all"),
        Recipe::new("names")
            .directories(0o755, &["usr", "usr/share", "usr/share/names"])
            .file(0o644, &format!("usr/share/names/{}", "long".repeat(40)), "long")
            .file(0o644, "usr/share/names/.wh.licence", "would delete")
            .entry(Header::new(b"usr/share/names/caf\xe9".as_slice(), Kind::File), b"Latin-1")
            .entry(
                Header {
                    uid: 100,
                    gid: 101,
                    pax: BTreeMap::from([("SCHILY.xattr.user.note".into(), b"x\ny".to_vec())]),
                    ..Header::new("usr/share/names/owned", Kind::File)
                },
                b"owned",
            ),
        // A name for another package's file.
        Recipe::new("tool-names")
            .says(|info| info.depends = vec!["tool".into()])
            .directories(0o755, &["usr", "usr/bin"])
            .entry(
                Header {
                    link: "usr/bin/tool-one".into(),
                    ..Header::new("usr/bin/tool-other", Kind::HardLink)
                },
                b"one file, three names",
            ),
        Recipe::new("meta").says(|info| info.depends = vec!["tool".into(), "names".into()]),
    ]
}

pub fn base() -> Recipe {
    Recipe::new("base")
        .says(|info| {
            // Decides about a file of `tool-worse`, which comes later.
            info.replaces = vec!["tool-worse".into()];
            info.provides = vec!["merged-lib=1".into()];
        })
        .directories(0o755, &["etc", "etc/ld.so.conf.d", "opt"])
        .file(0o644, "etc/group", "root:x:0:root\nnogroup:x:65533:\n")
        .file(0o644, "etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
        .file(0o644, "etc/ld.so.conf.d/local.conf", "# more\n/usr/local/lib\n")
        .file(
            0o644,
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/nonexistent:/bin/false\n\
             null:x:7:7:null:/dev/null:/bin/false\n",
        )
        .file(0o640, "etc/shadow", "root:*::0:::::\n")
        .file(0o644, "opt/first", "first, and better")
        .directories(0o1777, &["tmp"])
        .directories(0o755, &["usr", "usr/bin", "usr/lib", "usr/local", "usr/local/lib"])
        .file(0o755, "usr/local/lib/libz.so.1.2", library("libz.so.1"))
        .symlink("usr/local/lib/libz.so.1", "libz.so.1.2")
        .symlink("bin", "usr/bin")
        .symlink("lib", "usr/lib")
        .symlink("lib64", "usr/lib")
        .symlink("sbin", "usr/bin")
        .symlink("usr/sbin", "bin")
}

pub fn accounts() -> ([User; 1], [Group; 1]) {
    let user = User { name: "build".into(), uid: 1000, gid: 1000, ..User::default() };
    let group = Group { name: "build".into(), gid: 1000, members: vec!["build".into()] };
    ([user], [group])
}

pub fn changes() -> Vec<PathChange> {
    let change = |kind: &str, path: &str, permissions: u32| PathChange {
        kind: kind.into(),
        path: path.into(),
        permissions,
        ..PathChange::default()
    };
    vec![
        change("directory", "/srv/made", 0o755),
        change("empty-file", "/srv/made/empty", 0o600),
        PathChange { source: "/usr/bin/tool".into(), ..change("hardlink", "/srv/tool", 0o755) },
        PathChange { source: "made/empty".into(), ..change("symlink", "/srv/link", 0o640) },
        change("permissions", "/usr/bin/tool-two", 0o711),
    ]
}

/// What is to be assembled.
pub struct Environment<'a> {
    pub packages: &'a [PathBuf],
    pub repositories: &'a [String],
    pub world: &'a [String],
    pub keys: &'a KeyRing,
    pub paths: &'a [PathChange],
}

pub fn assemble(
    environment: &Environment<'_>,
    store: &Path,
    max_layers: usize,
) -> Result<Layout, Error> {
    let (users, groups) = accounts();
    let request = Request {
        arch: Arch::X86_64,
        packages: &identities(environment.packages),
        world: environment.world,
        repositories: environment.repositories,
        keys: environment.keys,
        users: &users,
        groups: &groups,
        paths: environment.paths,
        max_layers,
        store,
    };
    image::assemble(&request, || Ok(environment.packages.to_vec()))
}

/// What tells packages apart: here all of their bytes.
pub fn identities(packages: &[PathBuf]) -> Vec<String> {
    packages.iter().map(|path| Sha256::of(&fs_err::read(path).unwrap()).to_string()).collect()
}

/// Assembles the difficult packages.
pub fn assemble_difficult(repository: &Repository, store: &Path, max_layers: usize) -> Layout {
    let environment = Environment {
        packages: &repository.apks,
        repositories: &["https://example.org/os".into()],
        world: &["meta".into(), "busybox".into()],
        keys: &KeyRing::default(),
        paths: &changes(),
    };
    assemble(&environment, store, max_layers).unwrap()
}
