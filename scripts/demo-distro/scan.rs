//! What a tree provides and needs as files: shared libraries, commands, pkg-config modules.
//!
//! The names are those that melange gives: `so:libz.so.1=1`, `cmd:gcc=12.2.0-r0`, `pc:zlib=1.2.13`.

use std::collections::BTreeSet;

use goblin::elf::Elf;
use melange2::apk::version::is_valid;

use crate::tree::{Body, Tree};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Provided names with versions.
    pub provides: BTreeSet<String>,
    /// Shared libraries that programs and libraries load: `so:NAME`.
    pub needs: BTreeSet<String>,
}

/// Looks at every file.
pub fn scan(tree: &Tree, package_version: &str) -> Scan {
    let mut scan = Scan::default();
    for (path, node) in tree.iter() {
        let runs = match node.body {
            Body::Directory => false,
            Body::Symlink(_) => true,
            Body::File(_) => node.mode & 0o111 != 0,
        };
        if let Some(command) = command(path).filter(|_| runs) {
            scan.provides.insert(format!("cmd:{command}={package_version}"));
        }
    }
    for (path, _, content) in tree.files() {
        if content.starts_with(b"\x7fELF") {
            scan.elf(path, content);
        } else if let Some(module) = pkg_config_module(path) {
            let version = pkg_config_version(content).unwrap_or_else(|| "0".to_owned());
            scan.provides.insert(format!("pc:{module}={version}"));
        }
    }
    scan
}

impl Scan {
    /// An ELF file that can't be read (an object for another tool, a damaged test file) says
    /// nothing.
    fn elf(&mut self, path: &str, content: &[u8]) {
        let Ok(elf) = Elf::parse(content) else { return };
        self.needs.extend(elf.libraries.iter().map(|name| format!("so:{name}")));
        if let Some(name) = elf.soname.filter(|_| is_in_library_path(path)) {
            let version = name.split_once(".so.").map_or("0", |(_, version)| version);
            let version = if is_valid(version) { version } else { "0" };
            self.provides.insert(format!("so:{name}={version}"));
        }
    }
}

/// The name of a command, if the path is one.
fn command(path: &str) -> Option<&str> {
    let name = path.strip_prefix("usr/bin/").or_else(|| path.strip_prefix("usr/sbin/"))?;
    (!name.contains('/')).then_some(name)
}

/// Whether the loader finds a library there: `usr/lib`, `usr/lib64`, `usr/lib/TRIPLET`.
fn is_in_library_path(path: &str) -> bool {
    let Some((directory, _)) = path.rsplit_once('/') else { return false };
    match directory.strip_prefix("usr/lib/") {
        Some(triplet) => !triplet.contains('/') && triplet.contains("-linux-gnu"),
        None => matches!(directory, "usr/lib" | "usr/lib64"),
    }
}

fn pkg_config_module(path: &str) -> Option<&str> {
    let (directory, file) = path.rsplit_once('/')?;
    directory.ends_with("/pkgconfig").then(|| file.strip_suffix(".pc"))?
}

fn pkg_config_version(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let version = text.lines().find_map(|line| line.strip_prefix("Version:"))?.trim().to_owned();
    is_valid(&version).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_modules_are_provided() {
        let mut tree = Tree::default();
        tree.symlink("usr/bin/cc", "gcc");
        tree.file("usr/bin/data", "not executable");
        tree.symlink("usr/lib/x/cc", "gcc");
        tree.file("usr/lib/x86_64-linux-gnu/pkgconfig/z.pc", "Name: z\nVersion: 1.2\n");
        tree.file("usr/share/pkgconfig/y.pc", "Version: ${version}\n");
        let provides: Vec<_> = scan(&tree, "1-r0").provides.into_iter().collect();
        assert_eq!(provides, ["cmd:cc=1-r0", "pc:y=0", "pc:z=1.2"]);
    }

    #[test]
    fn this_test_is_an_elf_file_that_needs_libc() {
        let mut tree = Tree::default();
        tree.file("usr/bin/test", fs_err::read(std::env::current_exe().unwrap()).unwrap());
        assert!(scan(&tree, "1-r0").needs.contains("so:libc.so.6"));
    }

    #[test]
    fn libraries_are_provided_where_the_loader_looks() {
        assert!(is_in_library_path("usr/lib/x86_64-linux-gnu/libz.so.1"));
        assert!(is_in_library_path("usr/lib64/ld.so"));
        assert!(!is_in_library_path("usr/lib/python3/x.so"));
        assert!(!is_in_library_path("usr/lib/x86_64-linux-gnu/perl/x.so"));
    }
}
