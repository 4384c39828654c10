//! What a package needs and provides: declared and generated entries together.
//!
//! Part of stage 5. The rules are melange's; nothing here looks at files.

use std::collections::BTreeSet;

use super::sca::Generated;
use crate::plan::Package;

/// Entries of `.PKGINFO`, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// `depend =`
    pub runtime: Vec<String>,
    /// `provides =`
    pub provides: Vec<String>,
    /// `# vendored =`
    pub vendored: Vec<String>,
}

/// Joins what a package declares with what scanners found, as its options say.
pub fn resolve(package: &Package, mut generated: Generated) -> Dependencies {
    let options = package.options;
    if options.no_commands {
        generated.runtime.retain(|entry| !entry.starts_with("cmd:"));
        generated.provides.retain(|entry| !entry.starts_with("cmd:"));
    }
    if options.no_depends {
        generated.runtime.clear();
    }
    if options.no_provides {
        generated.provides.clear();
    }
    // What the package brings along for itself it does not need from others, unless it says so.
    let vendored = names(&generated.vendored);
    generated.runtime.retain(|entry| !vendored.contains(needed_name(entry)));

    let union = |declared: &[String], generated: &BTreeSet<String>| -> BTreeSet<String> {
        declared.iter().chain(generated).cloned().collect()
    };
    let provides = union(&package.provides, &generated.provides);
    let own = names(&provides);
    let mut runtime = union(&package.runtime, &generated.runtime);
    runtime.retain(|entry| !own.contains(needed_name(entry)));
    Dependencies {
        runtime: runtime.into_iter().collect(),
        provides: provides.iter().cloned().collect(),
        vendored: generated.vendored.into_iter().collect(),
    }
}

/// The names of provided entries, without versions.
fn names(entries: &BTreeSet<String>) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.split('=').next().unwrap_or_default()).collect()
}

/// What a needed entry is compared by. Only generated versions are looked through: a declared
/// `foo>=2` may well mean another package's.
fn needed_name(entry: &str) -> &str {
    match entry.split_once(">=") {
        Some((name, _)) if name.starts_with("so-ver:") => name,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::plan::PackageOptions;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|&entry| entry.to_owned()).collect()
    }

    fn package(options: PackageOptions) -> Package {
        Package {
            runtime: list(&["zlib", "cmd:declared", "so:libvendored.so.1", "own", "own>=1"]),
            provides: list(&["cmd:declared=1", "own=2"]),
            options,
            ..Package::default()
        }
    }

    fn generated() -> Generated {
        let set = |entries: &[&str]| list(entries).into_iter().collect();
        Generated {
            runtime: set(&[
                "cmd:bash",
                "cmd:tool",
                "so-ver:libb.so.1>=1.2-r3",
                "so-ver:libc.so.6>=1.2-r3",
                "so:libc.so.6",
                "so:libplugin.so.1",
                "so:libvendored.so.1",
            ]),
            provides: set(&["cmd:tool=1.2-r3", "so-ver:libb.so.1=1.2-r3", "so:libb.so.1=1"]),
            vendored: set(&["so:libplugin.so.1=1", "so:libvendored.so.1=1"]),
        }
    }

    fn text(options: PackageOptions) -> String {
        let found = resolve(&package(options), generated());
        let lines = |key: &str, entries: &[String]| {
            entries.iter().map(|entry| format!("{key} {entry}\n")).collect::<String>()
        };
        lines("depend", &found.runtime)
            + &lines("provides", &found.provides)
            + &lines("vendored", &found.vendored)
    }

    #[test]
    fn own_and_vendored_names_are_not_needed() {
        assert_snapshot!(text(PackageOptions::default()), @r"
        depend cmd:bash
        depend own>=1
        depend so-ver:libc.so.6>=1.2-r3
        depend so:libc.so.6
        depend so:libvendored.so.1
        depend zlib
        provides cmd:declared=1
        provides cmd:tool=1.2-r3
        provides own=2
        provides so-ver:libb.so.1=1.2-r3
        provides so:libb.so.1=1
        vendored so:libplugin.so.1=1
        vendored so:libvendored.so.1=1
        ");
    }

    #[test]
    fn options_take_generated_entries_away() {
        let none = PackageOptions::default();
        assert_snapshot!(text(PackageOptions { no_commands: true, ..none }), @r"
        depend own>=1
        depend so-ver:libc.so.6>=1.2-r3
        depend so:libc.so.6
        depend so:libvendored.so.1
        depend zlib
        provides cmd:declared=1
        provides own=2
        provides so-ver:libb.so.1=1.2-r3
        provides so:libb.so.1=1
        vendored so:libplugin.so.1=1
        vendored so:libvendored.so.1=1
        ");
        assert_snapshot!(text(PackageOptions { no_depends: true, ..none }), @r"
        depend own>=1
        depend so:libvendored.so.1
        depend zlib
        provides cmd:declared=1
        provides cmd:tool=1.2-r3
        provides own=2
        provides so-ver:libb.so.1=1.2-r3
        provides so:libb.so.1=1
        vendored so:libplugin.so.1=1
        vendored so:libvendored.so.1=1
        ");
        assert_snapshot!(text(PackageOptions { no_provides: true, ..none }), @r"
        depend cmd:bash
        depend cmd:tool
        depend own>=1
        depend so-ver:libb.so.1>=1.2-r3
        depend so-ver:libc.so.6>=1.2-r3
        depend so:libc.so.6
        depend so:libvendored.so.1
        depend zlib
        provides cmd:declared=1
        provides own=2
        vendored so:libplugin.so.1=1
        vendored so:libvendored.so.1=1
        ");
    }
}
