//! The environment's file tree against the one that real apko installs.
//!
//! The tree of a small repository that has all that makes layers difficult is compared with what
//! apko makes of the same packages (without apko, its listing is checked by `image_layout`); so is a
//! build environment of the demo distribution.
//!
//! Both are told the same repositories and keys. Which of them a build tells, `tests/environment.rs`
//! shows: not directories and credentials, which apko writes as they are named.
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
//! | `T:` and `U:` in the database | cut at `#` | whole | apko takes the rest for a comment |
//! | libraries of one name in `ld.so.cache` | in any order | in the order of directories | apko's sort is not stable |
//! | `scripts.tar` | archive by Go | ours | the same members and contents are checked |
//! | last change in `/etc/shadow` | lost | kept | apko drops the field |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use melange2::apk::key::KeyRing;
use melange2::apk::tar::{Kind, Reader};
use melange2::image::PathChange;

use crate::image_fixture::{Environment, Repository, accounts, assemble, changes, difficult};
use crate::image_model::{Node, Tree, gunzip};
use crate::support::lab::Lab;
use crate::support::parts;

/// Installs with apko.
fn by_apko(apko: &Path, dir: &Path, environment: &Environment<'_>, key: &Path) -> Vec<u8> {
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
fn installed_by(tree: &Tree, repository: &Path) -> Vec<PathBuf> {
    let database = &tree.get("usr/lib/apk/db/installed").unwrap().content;
    let mut packages = Vec::new();
    let mut name = "";
    for line in database.split(|byte| *byte == b'\n') {
        // Names of files need not be UTF-8.
        let line = std::str::from_utf8(line).unwrap_or_default();
        if let Some(found) = line.strip_prefix("P:") {
            name = found;
        } else if let Some(version) = line.strip_prefix("V:") {
            let path = repository.join(format!("x86_64/{name}-{version}.apk"));
            packages.push(path);
        }
    }
    packages
}

/// Every owner and mode that a package gives a path.
fn rights_in_packages(packages: &[PathBuf]) -> BTreeMap<Vec<u8>, Vec<(u32, u64, u64)>> {
    let mut rights: BTreeMap<Vec<u8>, Vec<_>> = BTreeMap::new();
    for package in packages {
        let apk = melange2::apk::reader::Apk::open(package).unwrap();
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
    packages: &[PathBuf],
    changes: &[PathChange],
) -> Vec<String> {
    let links = changes.iter().filter(|change| change.kind == "hardlink");
    let made_links: Vec<&[u8]> = links.map(|change| &change.path.as_bytes()[1..]).collect();
    let rights = rights_in_packages(packages);
    let mut lines = Vec::new();
    let (apko_names, our_names) = (apko.first_names(), ours.first_names());
    let paths: BTreeSet<_> = apko.nodes.keys().chain(ours.nodes.keys()).collect();
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
                    None if line.starts_with("T:") || line.starts_with("U:") => {
                        kept.push(line.split('#').next().unwrap().trim_end().to_owned());
                    }
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
        "etc/ld.so.cache" => {
            let count = u32::from_le_bytes(content[20..24].try_into().unwrap()) as usize;
            let (entries, strings) = content.split_at(48 + 24 * count);
            let mut paths: Vec<&[u8]> = strings.split(|byte| *byte == 0).collect();
            paths.sort_unstable();
            [&entries[..48], &paths.join(b"\n".as_slice())].concat()
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
    apko: &Path,
    dir: &Path,
    repository: &Path,
    key: &Path,
    world: &[String],
    paths: &[PathChange],
    budgets: &[usize],
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
    for max_layers in budgets {
        let max_layers = *max_layers;
        let layout = assemble(&environment, &dir.join("store"), max_layers).unwrap();
        let ours = Tree::of_layout(&layout);
        let found = differences(&theirs, &ours, &packages, paths);
        all.extend(found.into_iter().map(|line| format!("{max_layers} layers: {line}")));
    }
    all
}

#[test]
fn the_tree_is_apkos() {
    let Some(apko) = parts::program("apko") else { return parts::without("there is no apko") };
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let world: Vec<String> = difficult().into_iter().map(|recipe| recipe.info.name).collect();
    let found =
        compare(&apko, dir.path(), &repository.dir, &repository.key, &world, &changes(), &[50, 9]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_distribution_is_apkos() {
    let Some(lab) = Lab::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let world = ["build-base", "git", "python3", "go"].map(str::to_owned);
    let apko = lab.tools.join("apko");
    let found = compare(&apko, dir.path(), &lab.repository, &lab.key, &world, &[], &[50]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
