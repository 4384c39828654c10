//! `/etc/apk/*` and the database of installed packages, as apko writes them.
//!
//! Beneath the stages. The database lies in `/usr/lib/apk/db`; `/lib/apk` leads there. Its lines
//! are apk's, in apko's order (but `i:` is written as apk reads it).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Error, make_directories, write_file};
use crate::apk::reader::Apk;
use crate::apk::tar::{Header, Kind, Writer};
use crate::digest::Sha1;
use crate::image::contents::{Entry, file_name};
use crate::image::install::{Installed, Member, Place};
use crate::image::tree::{Body, Node, Tree, parent};
use crate::image::{Request, package_error};

/// The scripts of a package; apk knows no others.
const SCRIPTS: [&str; 7] = [
    ".pre-install",
    ".post-install",
    ".pre-deinstall",
    ".post-deinstall",
    ".pre-upgrade",
    ".post-upgrade",
    ".trigger",
];

/// Writes all of it.
pub(super) fn write(
    request: &Request<'_>,
    apks: &[Apk],
    members: &[Member<'_>],
    installed: &mut Installed,
) -> Result<(), Error> {
    let mut database = Vec::new();
    let mut triggers = String::new();
    for (package, apk) in apks.iter().enumerate() {
        database.extend_from_slice(fields(apk).as_bytes());
        files(&mut database, members, installed, package);
        database.push(b'\n');
        if !apk.info.triggers.is_empty() {
            triggers.push_str(&format!("{} {}\n", q1(&apk.identity), apk.info.triggers.join(" ")));
        }
    }
    let scripts = scripts(apks)?;
    let tree = &mut installed.tree;
    let lines = |atoms: &[String]| {
        let sorted: BTreeSet<&str> = atoms.iter().map(String::as_str).collect();
        let mut text = sorted.into_iter().collect::<Vec<_>>().join("\n");
        text.push('\n');
        text.into_bytes()
    };
    let mut write =
        |path: &str, mode: u32, content: Vec<u8>| write_file(tree, path.as_bytes(), mode, content);
    write("etc/apk/arch", 0o644, format!("{}\n", request.arch).into_bytes())?;
    write("etc/apk/world", 0o644, lines(request.world))?;
    write("etc/apk/repositories", 0o644, lines(request.repositories))?;
    for name in request.keys.names() {
        let pem = request.keys.pem(name).unwrap_or_default().to_vec();
        write(&format!("etc/apk/keys/{}", name.replace('/', "_")), 0o644, pem)?;
    }
    write("usr/lib/apk/db/installed", 0o644, database)?;
    write("usr/lib/apk/db/lock", 0o600, Vec::new())?;
    write("usr/lib/apk/db/scripts.tar", 0o644, scripts)?;
    write("usr/lib/apk/db/triggers", 0o644, triggers.into_bytes())?;
    link_old_place(tree)
}

fn q1(digest: &Sha1) -> String {
    format!("Q1{}", BASE64_STANDARD.encode(digest.0))
}

fn fields(apk: &Apk) -> String {
    let info = &apk.info;
    let mut text = String::new();
    let mut field = |name: char, value: &str| {
        // A line break would start another field.
        let value = value.replace(['\n', '\r'], " ");
        text.push_str(&format!("{name}:{value}\n"));
    };
    field('P', &info.name);
    field('V', &info.version);
    field('A', &info.arch);
    field('L', &info.licenses.join(" AND "));
    field('T', &info.description);
    field('o', &info.origin);
    field('m', &info.maintainer);
    field('U', &info.url);
    field('D', &info.depends.join(" "));
    field('p', &info.provides.join(" "));
    if !info.replaces.is_empty() {
        field('r', &info.replaces.join(" "));
    }
    field('c', &info.commit);
    field('i', &info.install_if.join(" "));
    field('t', &info.build_date.to_string());
    field('S', &apk.size.to_string());
    field('I', &info.size.to_string());
    field('k', &info.provider_priority.unwrap_or(0).to_string());
    field('C', &q1(&apk.identity));
    text
}

/// The lines of a package's files: each directory, sorted by the parts of its path, and what lies
/// in it. Files without their directory in the package are left out, and so are files that another
/// package's replaced.
fn files(out: &mut Vec<u8>, members: &[Member<'_>], installed: &Installed, package: usize) {
    let entries = &members[package].contents.entries;
    let mut directories: BTreeMap<Vec<&[u8]>, Option<&Entry>> = BTreeMap::new();
    let mut inside: BTreeMap<&[u8], BTreeMap<&[u8], &Entry>> = BTreeMap::new();
    for (entry, place) in entries.iter().zip(&installed.places[package]) {
        if *place == Place::Dropped || entry.path.is_empty() {
            continue;
        }
        if entry.kind == Kind::Directory {
            directories.insert(parts(&entry.path), Some(entry));
        } else if entry.kind != Kind::File || stands(installed, entry, place, package) {
            inside.entry(parent(&entry.path)).or_default().insert(file_name(&entry.path), entry);
        }
    }
    if inside.contains_key([].as_slice()) {
        directories.insert(Vec::new(), None);
    }
    let known = |parts: &[&[u8]]| {
        (1..=parts.len()).all(|length| directories.contains_key(&parts[..length]))
    };
    for (parts, directory) in &directories {
        if !known(parts) {
            continue;
        }
        let path = parts.join(b"/".as_slice());
        line(out, b"F:", &path);
        if let Some(entry) = directory {
            rights(out, "M:", entry, 0o755);
        }
        for (name, entry) in inside.get(path.as_slice()).into_iter().flatten() {
            line(out, b"R:", name);
            rights(out, "a:", entry, 0o644);
            if let Some(sha1) = &entry.sha1 {
                line(out, b"Z:", q1(sha1).as_bytes());
            }
        }
    }
}

fn parts(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').collect()
}

fn stands(installed: &Installed, entry: &Entry, place: &Place, package: usize) -> bool {
    let at = crate::image::layers::place(place, &entry.path);
    let node = at.and_then(|at| installed.tree.get(at));
    node.is_some_and(|node| node.owner == Some(package))
}

fn line(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    out.extend_from_slice(field);
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn rights(out: &mut Vec<u8>, field: &str, entry: &Entry, usual: u32) {
    let mode = entry.mode & 0o7777;
    if (mode, entry.uid, entry.gid) != (usual, 0, 0) {
        let text = format!("{field}{}:{}:{mode:04o}\n", entry.uid, entry.gid);
        out.extend_from_slice(text.as_bytes());
    }
}

fn scripts(apks: &[Apk]) -> Result<Vec<u8>, Error> {
    let mut tar = Writer::new(Vec::new());
    for apk in apks {
        for (name, content) in &apk.control_files {
            if !SCRIPTS.contains(&name.as_str()) {
                continue;
            }
            let info = &apk.info;
            let path = format!("{}-{}.{}{name}", info.name, info.version, q1(&apk.identity));
            let header = Header {
                mode: 0o755,
                uname: b"root".to_vec(),
                gname: b"root".to_vec(),
                size: content.len() as u64,
                ..Header::new(path, Kind::File)
            };
            let mut content = content.as_slice();
            tar.append(&header, &mut content).map_err(|error| package_error(apk, error))?;
        }
    }
    tar.finish().map_err(|error| Error::Invalid(format!("failed to write `scripts.tar`: {error}")))
}

/// Where apk-tools before 3 looks: `/lib/apk`, which leads to `/usr/lib/apk`.
fn link_old_place(tree: &mut Tree) -> Result<(), Error> {
    let lib = make_directories(tree, b"lib")?;
    let place = [lib.as_slice(), b"/apk"].concat();
    if place == b"usr/lib/apk" {
        return Ok(());
    }
    // Alpine's apk-tools brings empty directories there.
    let only_directories = tree.below(&place).all(|(_, node)| node.is_directory());
    match tree.get(&place).map(|node| &node.body) {
        Some(Body::Directory) if only_directories => tree.remove_below(&place),
        Some(_) => return Ok(()),
        None => {}
    }
    tree.insert(place, Node::symlink(b"../usr/lib/apk"));
    Ok(())
}
