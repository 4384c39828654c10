//! `pc:` provides and dependencies: pkg-config modules.
//!
//! Part of stage 5. Reads `.pc` files as far as that needs: variables and the `Requires` fields.

use std::collections::BTreeMap;
use std::io;

use super::{Fact, Generated, Passing, Scanner, Subject, is_in};
use crate::package::tree::basename;

/// Where pkg-config looks; modules elsewhere are for the package's own use.
const DIRECTORIES: &[&[u8]] = &[
    b"usr/local/lib/pkgconfig",
    b"usr/local/share/pkgconfig",
    b"usr/lib/pkgconfig",
    b"usr/lib64/pkgconfig",
    b"usr/share/pkgconfig",
];

/// More than any real module has.
const MAX_BYTES: usize = 1 << 20;

/// More than any real field has, once its variables are expanded.
const MAX_FIELD: usize = 64 << 10;

/// More than any real module has; further ones are not known.
const MAX_VARIABLES: usize = 256;

/// See the module.
pub struct PkgConfig;

impl Scanner for PkgConfig {
    fn name(&self) -> &'static str {
        "pkg-config"
    }

    fn makes(&self) -> &'static str {
        "provides `pc:NAME=VERSION` and depends on the `pc:` modules that `Requires`, `Requires.private` and `Requires.internal` name"
    }

    fn look(&self, file: &Passing<'_>) -> io::Result<Option<Fact>> {
        if !file.path.ends_with(b".pc") {
            return Ok(None);
        }
        let text = file.content.range(0, MAX_BYTES)?;
        Ok(requirements(&String::from_utf8_lossy(&text)).map(Fact::PkgConfig))
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        for (path, file) in package.tree.files() {
            let Some(name) = basename(path).strip_suffix(b".pc") else { continue };
            let Ok(name) = std::str::from_utf8(name) else { continue };
            for fact in file.facts.iter() {
                let Fact::PkgConfig(requirements) = fact else { continue };
                if !is_in(path, DIRECTORIES) {
                    generated.vendors("pc", name, package.version);
                    continue;
                }
                generated.provides("pc", name, package.version);
                for module in requirements {
                    generated.needs("pc", module);
                }
            }
        }
    }
}

/// The modules that a module requires; `None` if the text is none.
fn requirements(text: &str) -> Option<Vec<String>> {
    let mut variables: BTreeMap<&str, String> = BTreeMap::new();
    let mut modules = Vec::new();
    let mut is_module = false;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(at) = line.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c))) else {
            continue;
        };
        let (key, rest) = line.split_at(at);
        let rest = rest.trim_start();
        if let Some(value) = rest.strip_prefix('=') {
            if variables.len() < MAX_VARIABLES {
                variables.insert(key, expand(value.trim(), &variables));
            }
        } else if let Some(value) = rest.strip_prefix(':') {
            is_module = true;
            if ["Requires", "Requires.private", "Requires.internal"].contains(&key) {
                modules.extend(identifiers(&expand(value, &variables)));
            }
        }
    }
    is_module.then_some(modules)
}

/// Replaces `${name}` by what was assigned before; unknown names stay.
fn expand(value: &str, variables: &BTreeMap<&str, String>) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, from)) = rest.split_once("${") {
        text.push_str(before);
        match from.split_once('}') {
            // A chain of variables, each twice the one before, must not eat the memory.
            Some((name, after)) if text.len() < MAX_FIELD => {
                match variables.get(name.trim()) {
                    Some(known) => text.push_str(known),
                    None => text.push_str(&format!("${{{name}}}")),
                }
                rest = after;
            }
            _ => return text,
        }
    }
    text.push_str(rest);
    text.truncate(text.floor_char_boundary(MAX_FIELD));
    text
}

/// The names of a list such as `glib-2.0 >= 2.58, zlib`, without versions.
fn identifiers(list: &str) -> Vec<String> {
    let spaced = ["<", ">", "=", "!"]
        .iter()
        .fold(list.replace(',', " "), |text, sign| text.replace(sign, &format!(" {sign} ")));
    let mut names = Vec::new();
    let mut after_operator = false;
    for word in spaced.split_whitespace() {
        if ["<", ">", "=", "!"].contains(&word) {
            after_operator = true;
        } else if !std::mem::take(&mut after_operator) {
            let is_name = |c: char| c.is_alphanumeric() || "-_.+".contains(c);
            if word.chars().all(is_name) {
                names.push(word.to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::super::testing::{Item, run, text};
    use super::*;

    const MODULE: &[u8] = b"prefix=/usr\n\
        abi = 2.0 # which one\n\
        # Requires: nothing\n\
        Name: foo\n\
        Version: 1.2\n\
        Requires: glib-${abi} >= 2.58, zlib\n\
        Requires.private: libpng>1.6 ${unknown}\n\
        Requires.internal:\n\
        Libs: -L${prefix}/lib -lfoo\n";

    #[test]
    fn modules_are_read() {
        let items = [
            ("opt/foo/lib/pkgconfig/own.pc", Item::Text(MODULE)),
            ("usr/lib/pkgconfig/alias.pc", Item::Link("foo-1.pc")),
            ("usr/lib/pkgconfig/foo-1.pc", Item::Text(MODULE)),
            ("usr/lib/pkgconfig/junk.pc", Item::Text(b"\x00\xffjunk")),
        ];
        assert_snapshot!(text(&run(&PkgConfig, &items, &[])), @r"
        depend pc:glib-2.0
        depend pc:libpng
        depend pc:zlib
        provides pc:foo-1=1.2-r3
        vendored pc:own=1.2-r3
        ");
    }

    #[test]
    fn variables_cannot_explode() {
        let mut module = "v0=aaaaaaaaaaaaaaaa\n".to_owned();
        for n in 1..60 {
            module += &format!("v{n}=${{v{}}}${{v{}}}\n", n - 1, n - 1);
        }
        module += "Name: x\nRequires: ${v59}\n";
        let names = requirements(&module).unwrap();
        assert!(names.iter().all(|name| name.len() <= MAX_FIELD));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(Requires|a|=|:|\\$\\{a\\}|\\$\\{|\\}|<|,|é| |\n){0,30}") {
            let _ = requirements(&text);
        }
    }
}
