//! `/etc/ld.so.cache`: where glibc's dynamic linker finds libraries.
//!
//! Beneath the stages. The format is glibc's second one (`glibc-ld.so.cache1.1`) without
//! extensions; directories and libraries are chosen as apko chooses them: `/lib`, then what
//! `/etc/ld.so.conf` lists, and in them the libraries whose file name is their soname or its
//! development name. Without `/etc/ld.so.conf` (musl) there is no cache. Unlike apko, lines after
//! an `include` count, and libraries of another architecture are passed over.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Error, text, write_file};
use crate::arch::Arch;
use crate::image::contents::{file_name, is_library_name};
use crate::image::elf::Library;
use crate::image::install::Member;
use crate::image::tree::{Body, Node, Source, Tree, join, parent};

const CONFIGURATION: &[u8] = b"etc/ld.so.conf";
/// `include` in an included file, and so on.
const MAX_DEPTH: u32 = 8;

const HEADER_SIZE: usize = 48;
const ENTRY_SIZE: usize = 24;
/// `FLAG_ELF_LIBC6`
const LIBC6: u32 = 3;

/// Writes the cache.
pub(super) fn write_cache(
    tree: &mut Tree,
    members: &[Member<'_>],
    arch: Arch,
) -> Result<(), Error> {
    if text(tree, members, CONFIGURATION).is_none() {
        return Ok(());
    }
    let mut directories = vec![b"/lib".to_vec()];
    configured(tree, members, CONFIGURATION, 0, &mut directories);
    let (machine, flags) = machine(arch);
    let mut paths: Vec<Vec<u8>> = Vec::new();
    for directory in &directories {
        paths.extend(libraries(tree, members, directory, machine));
    }
    paths.sort_by(|a, b| compare(file_name(b), file_name(a)));
    write_file(tree, b"etc/ld.so.cache", 0o644, encode(&paths, flags))
}

/// `e_machine` and the flags that the linker asks for, by architecture.
fn machine(arch: Arch) -> (u16, u32) {
    let (machine, required) = match arch {
        Arch::X86 => (3, 0),
        Arch::X86_64 => (62, 0x0300),
        Arch::Aarch64 => (183, 0x0a00),
        Arch::Armhf | Arch::Armv7 => (40, 0x0900),
        Arch::Loongarch64 => (258, 0x1200),
        Arch::Ppc64le => (21, 0x0500),
        Arch::Riscv64 => (243, 0x1000),
        Arch::S390x => (22, 0x0400),
    };
    (machine, LIBC6 | required)
}

/// Adds the directories that a configuration file lists.
fn configured(
    tree: &Tree,
    members: &[Member<'_>],
    file: &[u8],
    depth: u32,
    directories: &mut Vec<Vec<u8>>,
) {
    let content = text(tree, members, file).unwrap_or_default();
    for line in content.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or(line).trim_ascii();
        let pattern = line
            .strip_prefix(b"include")
            .filter(|rest| rest.starts_with(b" ") || rest.starts_with(b"\t"));
        if let Some(pattern) = pattern {
            if depth < MAX_DEPTH {
                for file in matching(tree, pattern.trim_ascii()) {
                    configured(tree, members, &file, depth + 1, directories);
                }
            }
        } else if !line.is_empty() && !directories.iter().skip(1).any(|known| known == line) {
            directories.push(line.to_vec());
        }
    }
}

/// The files that a pattern with `*` and `?` in its last part names.
fn matching(tree: &Tree, pattern: &[u8]) -> Vec<Vec<u8>> {
    let Ok(directory) = tree.resolve(parent(pattern)) else { return Vec::new() };
    let pattern = file_name(pattern);
    tree.children(&directory)
        .filter(|(name, ..)| matches(pattern, name))
        .map(|(_, path, _)| path.to_vec())
        .collect()
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => matches(rest, name),
        (Some((b'*', rest)), Some((_, shorter))) => {
            matches(rest, name) || matches(pattern, shorter)
        }
        (Some((b'?', rest)), Some((_, shorter))) => matches(rest, shorter),
        (Some((one, rest)), Some((other, shorter))) => one == other && matches(rest, shorter),
        _ => false,
    }
}

/// The paths of a directory's libraries, by the name of the directory that was given.
fn libraries(tree: &Tree, members: &[Member<'_>], directory: &[u8], machine: u16) -> Vec<Vec<u8>> {
    let Ok(found) = tree.resolve(directory) else { return Vec::new() };
    let shown = directory.strip_suffix(b"/").unwrap_or(directory);
    let shown = shown.strip_prefix(b"/").unwrap_or(shown);
    let mut paths = BTreeMap::new();
    for (name, path, node) in tree.children(&found) {
        let library = match &node.body {
            Body::Symlink(_) => {
                tree.resolve(path).ok().and_then(|at| library(members, tree.get(&at)?))
            }
            _ => library(members, node),
        };
        if let Some(library) = library
            && library.machine == machine
            && is_library_name(name)
            && is_known_as(name, library)
        {
            paths.insert(name, [b"/", join(shown, name).as_slice()].concat());
        }
    }
    paths.into_values().collect()
}

fn library<'a>(members: &[Member<'a>], node: &Node) -> Option<&'a Library> {
    match &node.body {
        Body::File(Source::Package { package, entry }) => {
            members[*package].contents.entries[*entry].library.as_ref()
        }
        _ => None,
    }
}

/// Whether the linker would look for the library under this name: its soname, or the soname
/// without the version.
fn is_known_as(name: &[u8], library: &Library) -> bool {
    let Some(soname) = &library.soname else { return name.ends_with(b".so") };
    if !is_library_name(soname) {
        return false;
    }
    let version = soname.windows(4).rposition(|part| part == b".so.");
    let stem = version.map_or(soname.as_slice(), |at| &soname[..at + 3]);
    name == soname || name == stem
}

/// The linker's order of names: runs of digits by their value, a digit after any other character.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        match (one.split_first(), other.split_first()) {
            (Some((a, _)), Some((b, _))) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (first, rest) = digits(one);
                let (second, other_rest) = digits(other);
                if first != second {
                    return first.cmp(&second);
                }
                (one, other) = (rest, other_rest);
            }
            (Some((a, _)), Some(_)) if a.is_ascii_digit() => return Ordering::Greater,
            (Some(_), Some((b, _))) if b.is_ascii_digit() => return Ordering::Less,
            (Some((a, rest)), Some((b, other_rest))) => {
                if a != b {
                    return a.cmp(b);
                }
                (one, other) = (rest, other_rest);
            }
            (first, second) => return first.is_some().cmp(&second.is_some()),
        }
    }
}

fn digits(text: &[u8]) -> (u64, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let value = text[..end]
        .iter()
        .fold(0u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    (value, &text[end..])
}

/// Header, entries, strings, padding to 16 bytes. An entry's key is the end of its value.
fn encode(paths: &[Vec<u8>], flags: u32) -> Vec<u8> {
    let mut strings = Vec::new();
    let mut entries = Vec::with_capacity(paths.len() * ENTRY_SIZE);
    let strings_at = HEADER_SIZE + paths.len() * ENTRY_SIZE;
    for path in paths {
        let value = strings_at + strings.len();
        let key = value + path.len() - file_name(path).len();
        for number in [flags, offset(key), offset(value), 0, 0, 0] {
            entries.extend_from_slice(&number.to_le_bytes());
        }
        strings.extend_from_slice(path);
        strings.push(0);
    }
    let mut cache = b"glibc-ld.so.cache1.1".to_vec();
    cache.extend_from_slice(&offset(paths.len()).to_le_bytes());
    cache.extend_from_slice(&offset(strings.len()).to_le_bytes());
    cache.resize(HEADER_SIZE, 0);
    cache.extend(entries);
    cache.extend(strings);
    cache.resize((cache.len() / 16 + 1) * 16, 0);
    cache
}

/// Offsets have 32 bits; no environment has gigabytes of library names.
fn offset(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_in_the_linkers_order() {
        let mut names =
            ["libc.so.6", "libc.so", "libz.so.1", "libx.so.10", "libx.so.9", "liba1.so", "liba.so"];
        names.sort_by(|a, b| compare(b.as_bytes(), a.as_bytes()));
        assert_eq!(
            names,
            ["libz.so.1", "libx.so.10", "libx.so.9", "libc.so.6", "libc.so", "liba1.so", "liba.so"]
        );
    }

    #[test]
    fn a_library_is_known_by_its_soname_and_its_development_name() {
        let library =
            |soname: Option<&str>| Library { machine: 62, soname: soname.map(Into::into) };
        let named = library(Some("libx.so.1"));
        for (name, known) in [("libx.so.1", true), ("libx.so", true), ("libx.so.1.2", false)] {
            assert_eq!(is_known_as(name.as_bytes(), &named), known, "{name}");
        }
        assert!(is_known_as(b"libplugin.so", &library(None)));
        assert!(!is_known_as(b"libplugin.so.1", &library(None)));
    }

    #[test]
    fn the_cache_is_glibcs() {
        let cache = encode(&[b"/lib/libx.so.1".to_vec()], 0x0303);
        assert_eq!(&cache[..20], b"glibc-ld.so.cache1.1");
        assert_eq!(cache[20..28], [1, 0, 0, 0, 15, 0, 0, 0]);
        assert_eq!(cache[48..60], [3, 3, 0, 0, 77, 0, 0, 0, 72, 0, 0, 0]);
        assert_eq!(&cache[72..87], b"/lib/libx.so.1\0");
        assert_eq!(cache.len(), 96);
    }

    #[test]
    fn patterns_match() {
        assert!(matches(b"*.conf", b"a.conf") && matches(b"a?c", b"abc") && matches(b"*", b""));
        assert!(!matches(b"*.conf", b"a.conf~") && !matches(b"a?", b"a"));
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "lib[a-c0-9.]{0,8}", b in "lib[a-c0-9.]{0,8}", c in "lib[a-c0-9.]{0,8}") {
            let order = |one: &String, other: &String| compare(one.as_bytes(), other.as_bytes());
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            if order(&a, &b).is_le() && order(&b, &c).is_le() {
                prop_assert!(order(&a, &c).is_le());
            }
        }
    }
}
