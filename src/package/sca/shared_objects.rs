//! `so:` and `so-ver:`: libraries and who needs them.
//!
//! Part of stage 5. Also the dependency of Go programs that load OpenSSL at run time.

use std::io;

use super::elf::Elf;
use super::{Fact, Generated, Passing, Scanner, Subject};
use crate::package::tree::{Node, Tree, basename, parent};

/// The dynamic linker's own directories, before those of `ld.so.conf.d`.
const DIRECTORIES: &[&str] = &["lib", "usr/lib", "lib64", "usr/lib64"];

/// Where packages name further directories.
const CONFIGURATION: &[u8] = b"etc/ld.so.conf.d/";

/// More than any real file of that kind has.
const MAX_CONFIGURATION: usize = 64 << 10;

/// Libraries that a machine's driver brings along: nobody provides or needs them.
const OF_THE_HOST: &[&str] = &[
    "libEGL_nvidia.so.1",
    "libGLESv1_CM_nvidia.so.1",
    "libGLESv2_nvidia.so.1",
    "libGLX_nvidia.so.1",
    "libcuda.so.1",
    "libcudadebugger.so.1",
    "libnvcuvid.so.1",
    "libnvidia-allocator.so.1",
    "libnvidia-cfg.so.1",
    "libnvidia-eglcore.so.1",
    "libnvidia-encode.so.1",
    "libnvidia-fbc.so.1",
    "libnvidia-glcore.so.1",
    "libnvidia-glsi.so.1",
    "libnvidia-glvkspirv.so.1",
    "libnvidia-gpucomp.so.1",
    "libnvidia-ml.so.1",
    "libnvidia-ngx.so.1",
    "libnvidia-nvvm.so.1",
    "libnvidia-opencl.so.1",
    "libnvidia-opticalflow.so.1",
    "libnvidia-pkcs11-openssl3.so.1",
    "libnvidia-pkcs11.so.1",
    "libnvidia-ptxjitcompiler.so.1",
    "libnvidia-rtcore.so.1",
    "libnvidia-tls.so.1",
    "libnvoptix.so.1",
];

/// See the module.
pub struct SharedObjects;

impl Scanner for SharedObjects {
    fn name(&self) -> &'static str {
        "shared-objects"
    }

    fn makes(&self) -> &'static str {
        "depends on `so:NAME` for interpreters, needed libraries and links to libraries of the same build; provides `so:SONAME=…` and `so-ver:SONAME=VERSION` for libraries in library directories, and vendors those elsewhere"
    }

    fn look(&self, file: &Passing<'_>) -> io::Result<Option<Fact>> {
        if file.path.starts_with(CONFIGURATION) && file.path.ends_with(b".conf") {
            let text = file.content.range(0, MAX_CONFIGURATION)?;
            return Ok(Some(Fact::LibraryDirectories(directories(&text))));
        }
        Ok(super::elf::read(&file.content)?.map(Fact::Elf))
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        let libraries = Libraries::of(package);
        for (path, node) in package.tree.iter() {
            if let Node::Symlink(target) = node
                && contains(path, b".so")
            {
                link_to_library(&libraries, basename(target), generated);
            }
            // An object that is reached by a link counts at the link's place too.
            if let Some(elf) = object_at(package.tree, path, node) {
                object(&libraries, path, elf, generated);
            }
        }
    }
}

/// What is known of libraries while a package is looked at.
struct Libraries<'a> {
    package: &'a Subject<'a>,
    directories: Vec<String>,
}

impl<'a> Libraries<'a> {
    fn of(package: &'a Subject<'a>) -> Self {
        let named = package.family.iter().flat_map(|tree| tree.files()).flat_map(|(_, file)| {
            file.facts.iter().filter_map(|fact| match fact {
                Fact::LibraryDirectories(directories) => Some(directories),
                _ => None,
            })
        });
        let directories =
            DIRECTORIES.iter().map(|&name| name.to_owned()).chain(named.flatten().cloned());
        Self { package, directories: directories.collect() }
    }

    fn is_library_directory(&self, directory: &[u8]) -> bool {
        self.directories.iter().any(|known| known.as_bytes() == directory)
    }

    /// The first object of that file name in a library directory of any package of the build.
    fn find(&self, name: &[u8]) -> Option<&'a Elf> {
        let (tree, path) = self.package.family.iter().find_map(|tree| {
            self.directories.iter().find_map(|directory| {
                let path = [directory.as_bytes(), b"/", name].concat();
                tree.resolve(&path).is_some().then_some((*tree, path))
            })
        })?;
        elf_of(tree.resolve(&path)?)
    }

    /// Whether a package of the build provides a library.
    fn is_own(&self, soname: &str) -> bool {
        self.package.family.iter().any(|tree| {
            tree.iter().any(|(path, node)| {
                self.is_library_directory(parent(path))
                    && elf_of(node).is_some_and(|elf| elf.sonames.iter().any(|own| own == soname))
            })
        })
    }

    fn need(&self, soname: &str, generated: &mut Generated) {
        generated.needs("so", soname);
        // The linker's version would tie every package to one glibc.
        if self.package.versioned_libraries
            && !soname.starts_with("ld-linux")
            && super::is_name(soname)
            && self.is_own(soname)
        {
            generated.runtime.insert(format!("so-ver:{soname}>={}", self.package.version));
        }
    }
}

fn link_to_library(libraries: &Libraries<'_>, name: &[u8], generated: &mut Generated) {
    let Some(elf) = libraries.find(name) else { return };
    for soname in elf.sonames.iter().filter(|name| !is_of_the_host(name)) {
        libraries.need(soname, generated);
    }
}

fn object(libraries: &Libraries<'_>, path: &[u8], elf: &Elf, generated: &mut Generated) {
    if let Some(interpreter) = &elf.interpreter {
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        // musl's linker is a link to its library, which is what carries the name.
        generated.needs("so", &name.replacen("ld-musl", "libc.musl", 1));
    }
    // A plain `libfoo.so` is a name for the linker at build time, or a plug-in.
    let is_needed = |name: &&String| name.contains(".so.") && !is_of_the_host(name);
    for library in elf.needed.iter().filter(is_needed) {
        libraries.need(library, generated);
    }
    let file_name = basename(path);
    // Programs have no business with a soname, except libraries that can also be run.
    let is_library =
        elf.interpreter.is_none() || contains(file_name, b".so.") || file_name.ends_with(b".so");
    if is_library {
        own_names(libraries, path, elf, generated);
    }
    if elf.go_fips {
        generated.runtime.insert("openssl-config-fipshardened".to_owned());
        generated.needs("so", "libcrypto.so.3");
    }
}

fn own_names(libraries: &Libraries<'_>, path: &[u8], elf: &Elf, generated: &mut Generated) {
    for soname in elf.sonames.iter().filter(|name| !is_of_the_host(name)) {
        let package = libraries.package;
        if libraries.is_library_directory(parent(path)) {
            generated.provides("so", soname, library_version(soname));
            generated.provides("so-ver", soname, package.version);
        } else {
            generated.vendors("so", soname, library_version(soname));
            generated.vendors("so-ver", soname, package.version);
        }
    }
}

/// What stands behind `.so.` if that is a number, else `0`.
fn library_version(soname: &str) -> &str {
    let version = soname.split(".so.").nth(1).unwrap_or("0");
    let is_number = version.chars().all(|c| c == '.' || c.is_ascii_digit());
    if is_number && !version.is_empty() { version } else { "0" }
}

fn object_at<'a>(tree: &'a Tree, path: &[u8], node: &'a Node) -> Option<&'a Elf> {
    match node {
        Node::Symlink(_) => elf_of(tree.resolve(path)?),
        _ => elf_of(node),
    }
}

fn elf_of(node: &Node) -> Option<&Elf> {
    let Node::File(file) = node else { return None };
    file.facts.iter().find_map(|fact| match fact {
        Fact::Elf(elf) => Some(elf),
        _ => None,
    })
}

fn is_of_the_host(library: &str) -> bool {
    OF_THE_HOST.contains(&library)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The absolute paths of a linker configuration, without slashes around.
fn directories(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| line.strip_prefix('/'))
        .map(|line| line.trim_end().trim_end_matches('/').to_owned())
        .filter(|directory| !directory.is_empty())
        .collect()
}

#[cfg(test)]
mod tests;
