//! Dependencies that follow from a package's files ("software composition analysis").
//!
//! Part of stage 5. Every kind of dependency has a scanner in a file of its own; [`SCANNERS`] lists
//! them. A scanner looks at each regular file while it passes and keeps a small [`Fact`]; when all
//! packages of the build have passed, it turns facts and names into entries of `.PKGINFO`. Rules
//! and spellings are melange's. Nothing here decides what becomes of the entries: see
//! `dependencies`.

mod commands;
mod documentation;
mod elf;
mod kernel;
mod perl;
mod pkg_config;
mod python;
mod ruby;
mod shared_objects;
mod shebang;

use std::collections::BTreeSet;
use std::io;

use super::content::Content;
use super::tree::Tree;

/// Makes one kind of dependency.
pub trait Scanner: Sync {
    /// A short name, for logs and documentation.
    fn name(&self) -> &'static str;

    /// What it makes, and from what.
    fn makes(&self) -> &'static str;

    /// Looks at a regular file. Errors are those of reading; a file that is not what it seems is
    /// no error.
    fn look(&self, _file: &Passing<'_>) -> io::Result<Option<Fact>> {
        Ok(None)
    }

    /// Adds what follows from a whole package.
    fn generate(&self, package: &Subject<'_>, generated: &mut Generated);
}

/// All scanners, in the order in which melange runs them.
pub static SCANNERS: &[&dyn Scanner] = &[
    &shared_objects::SharedObjects,
    &commands::Commands,
    &documentation::Documentation,
    &pkg_config::PkgConfig,
    &perl::Perl,
    &python::Python,
    &ruby::Ruby,
    &shebang::Shebang,
    &kernel::Kernel,
];

/// A regular file that passes.
pub struct Passing<'a> {
    /// Its path in the package.
    pub path: &'a [u8],
    /// Its content.
    pub content: Content<'a>,
}

/// Something that a scanner saw in a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An ELF object with something to say.
    Elf(elf::Elf),
    /// A `.pc` file: what it requires.
    PkgConfig(Vec<String>),
    /// A script: the base name of the program that runs it.
    Interpreter(String),
    /// A kernel image and its version.
    Kernel(String),
    /// A kernel module and the version of the kernel that it is for.
    KernelModule(String),
    /// Directories that a file of `/etc/ld.so.conf.d` names, without the leading slash.
    LibraryDirectories(Vec<String>),
}

/// A package whose files have all passed, and its siblings.
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version with `-rN`.
    pub version: &'a str,
    /// Its files.
    pub tree: &'a Tree,
    /// The files of all packages of the build, this one included: the main package first.
    pub family: &'a [&'a Tree],
    /// Its declared `depend =` entries.
    pub declared: &'a [String],
    /// Make `so-ver:` dependencies on libraries of the same build.
    pub versioned_libraries: bool,
}

/// What the scanners made of a package. The sets keep the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// `depend =`
    pub runtime: BTreeSet<String>,
    /// `provides =`
    pub provides: BTreeSet<String>,
    /// `# vendored =`
    pub vendored: BTreeSet<String>,
}

impl Generated {
    /// Adds `PREFIX:NAME` to what is needed.
    fn needs(&mut self, prefix: &str, name: &str) {
        if is_name(name) {
            self.runtime.insert(format!("{prefix}:{name}"));
        }
    }

    /// Adds `PREFIX:NAME=VERSION` to what is provided.
    fn provides(&mut self, prefix: &str, name: &str, version: &str) {
        if is_name(name) {
            self.provides.insert(format!("{prefix}:{name}={version}"));
        }
    }

    /// Adds `PREFIX:NAME=VERSION` to what comes along for the package's own use.
    fn vendors(&mut self, prefix: &str, name: &str, version: &str) {
        if is_name(name) {
            self.vendored.insert(format!("{prefix}:{name}={version}"));
        }
    }
}

/// Whether a name that was found in a file can stand in a dependency. Files are made by anybody:
/// a blank would split the entry, a line break would forge another one.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || "=<>~".contains(c))
}

/// Lets all scanners look at a file.
pub fn look(file: &Passing<'_>) -> io::Result<Vec<Fact>> {
    let mut facts = Vec::new();
    for scanner in SCANNERS {
        facts.extend(scanner.look(file)?);
    }
    Ok(facts)
}

/// Runs all scanners over a package.
pub fn generate(package: &Subject<'_>) -> Generated {
    let mut generated = Generated::default();
    for scanner in SCANNERS {
        scanner.generate(package, &mut generated);
    }
    generated
}

/// Whether a path is a direct child of one of the directories (given without slashes around).
fn is_in(path: &[u8], directories: &[&[u8]]) -> bool {
    directories.contains(&super::tree::parent(path))
}

/// Whether a path lies anywhere below one of the directories (given with a trailing slash).
fn is_below(path: &[u8], directories: &[&[u8]]) -> bool {
    directories.iter().any(|directory| path.starts_with(directory))
}

/// A small 64-bit ELF object, for tests of whole packages.
#[cfg(test)]
pub fn elf_object(interpreter: Option<&str>, needed: &[&str], soname: Option<&str>) -> Vec<u8> {
    elf::tests::object(interpreter, needed, soname, true)
}

#[cfg(test)]
mod testing {
    //! Packages for the scanners' tests.

    use super::super::content::Content;
    use super::super::tree::{File, Node, Tree};
    use super::*;
    use crate::digest::Sha1;

    /// A file with content and mode 0644 (`Text`) or 0755 (`Program`), a link, or a directory.
    #[derive(Clone, Copy)]
    pub(super) enum Item<'a> {
        Text(&'a [u8]),
        Program(&'a [u8]),
        Link(&'a str),
        Directory,
    }

    /// A tree of items, which need not be sorted.
    pub(super) fn tree(items: &[(&str, Item<'_>)]) -> Tree {
        let mut items = items.to_vec();
        items.sort_by(|a, b| super::super::tree::compare_paths(a.0.as_bytes(), b.0.as_bytes()));
        let mut tree = Tree::default();
        for (path, item) in items {
            let file = |mode, bytes| {
                let passing = Passing { path: path.as_bytes(), content: Content::Memory(bytes) };
                let facts = look(&passing).unwrap().into();
                Node::File(File { mode, sha1: Sha1::of(bytes), facts })
            };
            let node = match item {
                Item::Text(bytes) => file(0o644, bytes),
                Item::Program(bytes) => file(0o755, bytes),
                Item::Link(target) => Node::Symlink(target.as_bytes().into()),
                Item::Directory => Node::Directory,
            };
            tree.push(path.as_bytes(), node).unwrap();
        }
        tree
    }

    /// What one scanner makes of a lone package `foo` 1.2-r3 with some declared dependencies.
    pub(super) fn run(
        scanner: &dyn Scanner,
        items: &[(&str, Item<'_>)],
        declared: &[&str],
    ) -> Generated {
        run_named(scanner, "foo", items, declared)
    }

    /// Like [`run`], for a package of another name.
    pub(super) fn run_named(
        scanner: &dyn Scanner,
        name: &str,
        items: &[(&str, Item<'_>)],
        declared: &[&str],
    ) -> Generated {
        let tree = tree(items);
        let declared: Vec<String> = declared.iter().map(|&atom| atom.to_owned()).collect();
        let mut generated = Generated::default();
        let family = [&tree];
        let subject = Subject {
            name,
            version: "1.2-r3",
            tree: &tree,
            family: &family,
            declared: &declared,
            versioned_libraries: false,
        };
        scanner.generate(&subject, &mut generated);
        generated
    }

    /// The sets of a result as one text.
    pub(super) fn text(generated: &Generated) -> String {
        let lines = |key: &str, set: &BTreeSet<String>| {
            set.iter().map(|entry| format!("{key} {entry}\n")).collect::<String>()
        };
        lines("depend", &generated.runtime)
            + &lines("provides", &generated.provides)
            + &lines("vendored", &generated.vendored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_have_distinct_names_and_say_what_they_make() {
        let names: BTreeSet<_> = SCANNERS.iter().map(|scanner| scanner.name()).collect();
        assert_eq!(names.len(), SCANNERS.len());
        assert!(SCANNERS.iter().all(|scanner| !scanner.makes().is_empty()));
    }

    #[test]
    fn what_files_say_cannot_forge_entries() {
        let mut generated = Generated::default();
        generated.needs("so", "libx.so.1\nprovides = so:libc.so.6");
        generated.provides("cmd", "a b", "1");
        generated.vendors("so", "", "1");
        assert_eq!(generated, Generated::default());
        generated.provides("cmd", "[", "1");
        assert_eq!(generated.provides, BTreeSet::from(["cmd:[=1".to_owned()]));
    }
}
