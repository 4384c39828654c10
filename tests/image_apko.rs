//! The environment's file tree against the one that real apko installs.
//!
//! The tree of a small repository that has all that makes layers difficult is compared with a
//! listing, always; and, where `MELANGE2_TEST_APKO` names an apko binary, with what apko makes of
//! the same packages. `MELANGE2_TEST_REPOSITORY`, `MELANGE2_TEST_KEY` and `MELANGE2_TEST_PACKAGES`
//! (a list with blanks) name a larger repository to do the same with.
//!
//! # Differences that are accepted
//!
//! | what | apko | here | why |
//! |---|---|---|---|
//! | devices in `/dev` | made | not | BuildKit gives each step its own `/dev`; rootless daemons can't unpack them |
//! | `/etc/apko.json` | written | not | apko's own configuration, read by nothing in a build |
//! | `*.sha256` beside certificate bundles | written | not | apko's own notes, read by nothing in a build |
//! | owners | all root's, but homes | the packages' | apko forgets them, apk does not |
//! | setuid, setgid, sticky on packages' directories | lost | kept | the same |
//! | files named `.wh.*` | installed | left out | in an image they would delete others |
//! | hard links by `paths` | a copy in its archive | a link | its file system has a link, too |
//! | `i:` in the database | Go's notation | apk's | apk can't read the former |
//! | `scripts.tar` | archive by Go | ours | the same members and contents are checked |
//! | last change in `/etc/shadow` | lost | kept | apko drops the field |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use melange2::apk::key::KeyRing;
use melange2::apk::tar::{Header, Kind, Reader};
use melange2::arch::Arch;
use melange2::image::{self, Error, Group, Layout, Package, PathChange, Request, User};

use crate::image_fixture::{Node, Recipe, Repository, Tree, gunzip, library};

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
            .entry(
                Header {
                    uid: 100,
                    gid: 101,
                    pax: BTreeMap::from([("SCHILY.xattr.user.note".into(), b"x\ny".to_vec())]),
                    ..Header::new("usr/share/names/owned", Kind::File)
                },
                b"owned",
            ),
        Recipe::new("meta").says(|info| info.depends = vec!["tool".into(), "names".into()]),
    ]
}

fn base() -> Recipe {
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

fn accounts() -> ([User; 1], [Group; 1]) {
    let user = User { name: "build".into(), uid: 1000, gid: 1000, ..User::default() };
    let group = Group { name: "build".into(), gid: 1000, members: vec!["build".into()] };
    ([user], [group])
}

fn changes() -> Vec<PathChange> {
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

struct Environment<'a> {
    packages: &'a [Package],
    repositories: &'a [String],
    world: &'a [String],
    keys: &'a KeyRing,
    paths: &'a [PathChange],
}

fn assemble(
    environment: &Environment<'_>,
    store: &Path,
    max_layers: usize,
) -> Result<Layout, Error> {
    let (users, groups) = accounts();
    image::assemble(&Request {
        arch: Arch::X86_64,
        packages: environment.packages,
        world: environment.world,
        repositories: environment.repositories,
        keys: environment.keys,
        users: &users,
        groups: &groups,
        paths: environment.paths,
        max_layers,
        store,
    })
}

/// Assembles the difficult packages and unpacks what comes of it.
fn difficult_tree(dir: &Path, max_layers: usize) -> (Layout, Tree) {
    let repository = Repository::write(&dir.join(format!("for-{max_layers}")), difficult());
    let environment = Environment {
        packages: &repository.packages(),
        repositories: &["https://example.org/os".into()],
        world: &["meta".into(), "busybox".into()],
        keys: &KeyRing::default(),
        paths: &changes(),
    };
    let layout = assemble(&environment, &dir.join("store"), max_layers).unwrap();
    let tree = Tree::of_layout(&layout);
    (layout, tree)
}

#[test]
fn the_tree_is_the_same_however_it_is_cut_into_layers() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, tree) = difficult_tree(dir.path(), 50);
    assert_eq!(layout.layers, 9, "eight packages have files, and there is the last layer");
    insta::assert_snapshot!("image_difficult_tree", tree.listing());
    for max_layers in [2, 3, 5, 7] {
        let (layout, again) = difficult_tree(dir.path(), max_layers);
        assert!(layout.layers <= max_layers);
        let without_database = |tree: &Tree| {
            let text = tree.listing();
            // It names the packages' signatures' checksums, and these keys differ.
            text.lines().filter(|line| !line.contains("/apk/db/")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_database(&again), without_database(&tree));
    }
}

/// Installs with apko.
fn by_apko(apko: &str, dir: &Path, environment: &Environment<'_>, key: &Path) -> Vec<u8> {
    let (users, groups) = accounts();
    let configuration = serde_json::json!({
        "contents": {
            "repositories": environment.repositories,
            "keyring": [key],
            "packages": environment.world,
        },
        "accounts": {
            "users": users.map(|user| serde_json::json!({
                "username": user.name, "uid": user.uid, "gid": user.gid,
            })),
            "groups": groups.map(|group| serde_json::json!({
                "groupname": group.name, "gid": group.gid, "members": group.members,
            })),
        },
        "paths": environment.paths.iter().map(|change| serde_json::json!({
            "path": change.path, "type": change.kind, "permissions": change.permissions,
            "source": change.source, "uid": change.uid, "gid": change.gid,
        })).collect::<Vec<_>>(),
    });
    // JSON is YAML.
    fs_err::write(dir.join("apko.yaml"), configuration.to_string()).unwrap();
    let output = std::process::Command::new(apko)
        .args(["build-minirootfs", "--build-arch", "x86_64", "apko.yaml", "root.tar"])
        .current_dir(dir)
        .env("HOME", dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tar = fs_err::read(dir.join("root.tar")).unwrap();
    if tar.starts_with(b"\x1f\x8b") { gunzip(&tar) } else { tar }
}

/// The packages that apko installed, in its order.
fn installed_by(tree: &Tree, repository: &Path) -> Vec<Package> {
    let database = &tree.get("usr/lib/apk/db/installed").unwrap().content;
    let mut packages = Vec::new();
    let mut name = "";
    for line in std::str::from_utf8(database).unwrap().lines() {
        if let Some(found) = line.strip_prefix("P:") {
            name = found;
        } else if let Some(version) = line.strip_prefix("V:") {
            let path = repository.join(format!("x86_64/{name}-{version}.apk"));
            packages.push(Package { path, tag: None });
        }
    }
    packages
}

/// Every owner and mode that a package gives a path.
fn rights_in_packages(packages: &[Package]) -> BTreeMap<Vec<u8>, Vec<(u32, u64, u64)>> {
    let mut rights: BTreeMap<Vec<u8>, Vec<_>> = BTreeMap::new();
    for package in packages {
        let apk = melange2::apk::reader::Apk::open(&package.path).unwrap();
        let data = flate2::read::MultiGzDecoder::new(apk.data().unwrap());
        let mut reader = Reader::new(data);
        while let Some(header) = reader.next_entry().unwrap() {
            let found = (header.mode & 0o7777, header.uid, header.gid);
            rights.entry(header.path).or_default().push(found);
        }
    }
    rights
}

/// The lines by which two trees differ, accepted differences left out.
fn differences(
    apko: &Tree,
    ours: &Tree,
    packages: &[Package],
    changes: &[PathChange],
) -> Vec<String> {
    let links = changes.iter().filter(|change| change.kind == "hardlink");
    let made_links: Vec<&[u8]> = links.map(|change| &change.path.as_bytes()[1..]).collect();
    let rights = rights_in_packages(packages);
    let mut lines = Vec::new();
    let (apko_names, our_names) = (apko.first_names(), ours.first_names());
    let paths: std::collections::BTreeSet<_> = apko.nodes.keys().chain(ours.nodes.keys()).collect();
    for path in paths {
        let text = String::from_utf8_lossy(path).into_owned();
        let (Some(theirs), Some(mine)) = (apko.nodes.get(path), ours.nodes.get(path)) else {
            let only_apko =
                ours.nodes.contains_key(path) || !is_apkos_own(&text, &apko.nodes[path]);
            if only_apko {
                let who = if ours.nodes.contains_key(path) { "here" } else { "apko" };
                lines.push(format!("{text}: only {who}"));
            }
            continue;
        };
        if (theirs.kind, &theirs.link) != (mine.kind, &mine.link) {
            lines.push(format!("{text}: {:?} by apko, {:?} here", theirs.kind, mine.kind));
        }
        let (first, our_first) = (apko_names[&theirs.inode], our_names[&mine.inode]);
        if first != our_first && !made_links.contains(&our_first) {
            lines.push(format!("{text}: another hard link"));
        }
        if theirs.xattrs != mine.xattrs {
            lines.push(format!("{text}: other extended attributes"));
        }
        let canonical = |node: &Node| canonical_content(&text, &node.content);
        if canonical(theirs) != canonical(mine) {
            lines.push(format!("{text}: other content"));
            lines.extend(text_differences(&canonical(theirs), &canonical(mine)));
        }
        let of = |node: &Node| (node.mode, node.uid, node.gid);
        if of(theirs) != of(mine) && !is_forgotten(of(theirs), theirs.kind, of(mine), &rights, path)
        {
            let show = |(mode, uid, gid): (u32, u64, u64)| format!("{mode:04o} {uid}:{gid}");
            lines.push(format!("{text}: {} by apko, {} here", show(of(theirs)), show(of(mine))));
        }
    }
    lines
}

/// The lines that only one of two texts has.
fn text_differences(apko: &[u8], ours: &[u8]) -> Vec<String> {
    let lines = |text: &[u8]| -> Vec<String> {
        text.split(|byte| matches!(byte, 0 | b'\n'))
            .map(|line| line.escape_ascii().to_string())
            .collect()
    };
    let (apko, ours) = (lines(apko), lines(ours));
    let only = |who: &str, some: &[String], others: &[String]| -> Vec<String> {
        let only = some.iter().filter(|line| !others.contains(line));
        only.map(|line| format!("    only {who}: {line}")).take(20).collect()
    };
    [only("apko", &apko, &ours), only("here", &ours, &apko)].concat()
}

fn is_apkos_own(path: &str, node: &Node) -> bool {
    path == "etc/apko.json"
        || matches!(node.kind, Kind::CharDevice(..)) && path.starts_with("dev/")
        || path.ends_with(".sha256") && path.starts_with("etc/ssl/certs/")
        || path.rsplit('/').next().is_some_and(|name| name.starts_with(".wh."))
}

/// apko forgets owners, and for directories all but nine bits; ours must be a package's.
fn is_forgotten(
    theirs: (u32, u64, u64),
    kind: Kind,
    ours: (u32, u64, u64),
    rights: &BTreeMap<Vec<u8>, Vec<(u32, u64, u64)>>,
    path: &[u8],
) -> bool {
    let mask = if kind == Kind::Directory { 0o777 } else { 0o7777 };
    let same_mode = theirs.0 & mask == ours.0 & mask;
    let is_packages = rights.get(path).is_some_and(|found| found.contains(&ours));
    same_mode && (theirs.1, theirs.2) == (0, 0) && is_packages
}

/// Content with what is accepted made equal.
fn canonical_content(path: &str, content: &[u8]) -> Vec<u8> {
    let lines = |change: &dyn Fn(&str) -> String| {
        let text = std::str::from_utf8(content).unwrap();
        text.lines().map(change).collect::<Vec<_>>().join("\n").into_bytes()
    };
    match path {
        "usr/lib/apk/db/installed" => {
            let text = String::from_utf8_lossy(content);
            let mut files = text.lines();
            let mut kept = Vec::new();
            while let Some(line) = files.next() {
                match line.strip_prefix("i:[") {
                    Some(list) => kept.push(format!("i:{}", list.trim_end_matches(']'))),
                    // With its checksum.
                    None if line.starts_with("R:.wh.") => drop(files.next()),
                    None => kept.push(line.to_owned()),
                }
            }
            kept.join("\n").into_bytes()
        }
        "usr/lib/apk/db/scripts.tar" => {
            let mut tree = Tree::default();
            tree.unpack(content);
            tree.listing().into_bytes()
        }
        "etc/shadow" => lines(&|line| {
            let fields: Vec<&str> = line.split(':').collect();
            format!("{}:{}:{}", fields[0], fields[1], fields[3..].join(":"))
        }),
        _ => content.to_vec(),
    }
}

/// The test with one repository; returns what differs.
fn compare(
    apko: &str,
    dir: &Path,
    repository: &Path,
    key: &Path,
    world: &[String],
    paths: &[PathChange],
) -> Vec<String> {
    let mut keys = KeyRing::default();
    let name = key.file_name().unwrap().to_str().unwrap();
    keys.add(name, &fs_err::read(key).unwrap()).unwrap();
    let mut environment = Environment {
        packages: &[],
        repositories: &[repository.to_str().unwrap().to_owned()],
        world,
        keys: &keys,
        paths,
    };
    let mut theirs = Tree::default();
    theirs.unpack(&by_apko(apko, dir, &environment, key));
    let packages = installed_by(&theirs, repository);
    environment.packages = &packages;
    let mut all = Vec::new();
    for max_layers in [50, 9] {
        let layout = assemble(&environment, &dir.join("store"), max_layers).unwrap();
        let ours = Tree::of_layout(&layout);
        let found = differences(&theirs, &ours, &packages, paths);
        all.extend(found.into_iter().map(|line| format!("{max_layers} layers: {line}")));
    }
    all
}

#[test]
fn the_tree_is_apkos() {
    let Ok(apko) = std::env::var("MELANGE2_TEST_APKO") else {
        println!("skipped: MELANGE2_TEST_APKO does not name an apko binary");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let world: Vec<String> = difficult().into_iter().map(|recipe| recipe.info.name).collect();
    let found = compare(&apko, dir.path(), &repository.dir, &repository.key, &world, &changes());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_distribution_is_apkos() {
    let variable = |name: &str| std::env::var(format!("MELANGE2_TEST_{name}"));
    let names = ["APKO", "REPOSITORY", "KEY", "PACKAGES"].map(variable);
    let [Ok(apko), Ok(repository), Ok(key), Ok(packages)] = names else {
        println!("skipped: MELANGE2_TEST_{{APKO,REPOSITORY,KEY,PACKAGES}} are not all set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let world: Vec<String> = packages.split_whitespace().map(str::to_owned).collect();
    let paths = [PathBuf::from(repository), PathBuf::from(key)];
    let found = compare(&apko, dir.path(), &paths[0], &paths[1], &world, &[]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
