//! The stage that the first step starts from: the workspace and what lies in it beforehand.
//!
//! Part of stage 3.

use crate::arch::Arch;
use crate::plan::{Package, Plan};

use super::user::Owner;
use super::workspace_data::WORKSPACE;
use super::{Environment, Error, Options, quote};

/// The script that makes it, run by root: one directory per package, the files that compilers
/// read, and everything owned by whom the steps run as.
pub(super) fn setup(
    plan: &Plan,
    environment: &Environment,
    options: &Options,
    owner: Owner,
) -> Result<String, Error> {
    let mut text = "set -e\nmkdir -p".to_owned();
    for package in &plan.packages {
        text.push_str(&format!(" \\\n  {}", output(package)?));
    }
    text.push('\n');
    if let Some(package) = plan.packages.first() {
        let metadata = metadata(plan.arch, package, &options.namespace);
        let files = compiler_files(plan.arch, &metadata, environment);
        let mut directories: Vec<&str> =
            files.iter().filter_map(|(name, _)| Some(name.rsplit_once('/')?.0)).collect();
        directories.dedup();
        for directory in directories {
            text.push_str(&format!("mkdir -p {WORKSPACE}/{directory}\n"));
        }
        for (name, content) in &files {
            let path = format!("{WORKSPACE}/{name}");
            text.push_str(&format!("cat > {path} <<'END_OF_FILE'\n{content}END_OF_FILE\n"));
        }
    }
    text.push_str(&format!("chown -R {owner} {WORKSPACE}\nchmod 0755 {WORKSPACE}\n"));
    Ok(text)
}

/// Where a package's files are put.
pub(super) fn output(package: &Package) -> Result<String, Error> {
    let name = &package.name;
    if !quote::is_plain_word(name) || name.contains('/') || matches!(name.as_str(), "." | "..") {
        return Err(Error::Invalid(format!(
            "`{}` can't be the name of a package: write letters, digits, `-`, `_`, `.` and `+`",
            name.escape_debug()
        )));
    }
    Ok(format!("{WORKSPACE}/melange-out/{name}"))
}

/// The note that ELF files carry, as JSON (systemd's "package metadata for ELF files").
fn metadata(arch: Arch, package: &Package, namespace: &str) -> String {
    let mut object = serde_json::Map::new();
    let mut put = |key: &str, value: String| object.insert(key.to_owned(), value.into());
    put("type", "apk".to_owned());
    put("os", namespace.to_owned());
    put("name", package.name.clone());
    put("version", package.full_version());
    put("architecture", arch.apk().to_owned());
    if let Some(cpe) = &package.cpe {
        put("appCpe", cpe.clone());
    }
    // Clang's file has it in single quotes.
    serde_json::Value::from(object).to_string().replace('\'', "\\u0027")
}

/// The files by which compilers learn of the note: names below the workspace, and contents.
///
/// gcc's specs include the first if the distribution's say so. Clang reads a file of its own
/// version, target and driver, which in turn must name the system's (and fails where that is
/// missing): so these exist only for versions that are installed.
fn compiler_files(arch: Arch, metadata: &str, environment: &Environment) -> Vec<(String, String)> {
    let escaped = metadata.replace('\\', r"\\").replace('"', "\\\"");
    let mut files = vec![
        (
            ".melange.gcc.spec".to_owned(),
            format!("*link:\n+ %{{!r:--package-metadata={metadata}}}\n"),
        ),
        (".melange.clang.cfg".to_owned(), format!("-Xlinker --package-metadata='{metadata}'\n")),
        (".melange.fdo.h".to_owned(), fdo_header(&escaped)),
    ];
    if matches!(arch, Arch::Aarch64 | Arch::X86_64) {
        for version in clang_versions(&environment.programs) {
            for driver in ["clang", "clang++"] {
                let name = format!("{}-unknown-linux-gnu-{driver}.cfg", arch.apk());
                let content = format!("@../../.melange.clang.cfg\n@/etc/clang-{version}/{name}\n");
                files.push((format!(".config/clang-{version}/{name}"), content));
            }
        }
    }
    files
}

/// The versions of `clang-N` among the programs, ascending.
fn clang_versions(programs: &[String]) -> Vec<u32> {
    let mut versions: Vec<u32> = programs
        .iter()
        .filter_map(|path| path.rsplit('/').next()?.strip_prefix("clang-")?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// A C header with the note, for code whose linking the flags do not reach.
fn fdo_header(escaped: &str) -> String {
    format!(
        r#"#ifndef MELANGE_PACKAGE_NOTE_H
#define MELANGE_PACKAGE_NOTE_H
#ifdef __ELF__
#define MELANGE_PACKAGE_NOTE "{escaped}"
static const struct {{
  unsigned int owner_size, text_size, type;
  char owner[4];
  char text[sizeof(MELANGE_PACKAGE_NOTE)];
}} melange_package_note __attribute__((used, retain, section(".note.package"), aligned(4))) = {{
  sizeof("FDO"), sizeof(MELANGE_PACKAGE_NOTE), 0xcafe1a7e, "FDO", MELANGE_PACKAGE_NOTE
}};
#endif
#endif
"#
    )
}
