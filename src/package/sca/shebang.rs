//! The interpreters of scripts.
//!
//! Part of stage 5. A shebang that can't be understood is no error: the script may never be run.

use std::io;

use super::{Fact, Generated, Passing, Scanner, Subject, is_below};
use crate::package::tree::basename;

/// Where scripts count, with everything below.
const DIRECTORIES: &[&[u8]] = &[b"usr/bin/", b"usr/local/bin/", b"usr/local/sbin/"];

/// How much of a script is looked at (melange's figure).
const HEAD: usize = 80;

/// Interpreters whose commands are symbolic links, which provide nothing, or of which there are
/// several kinds.
const IGNORED: &[&str] = &["python3", "python", "sh", "awk", "luajit"];

/// See the module.
pub struct Shebang;

impl Scanner for Shebang {
    fn name(&self) -> &'static str {
        "shebang"
    }

    fn makes(&self) -> &'static str {
        "depends on `cmd:NAME` for scripts below `usr/bin`, `usr/local/bin` and `usr/local/sbin`; `env NAME` and `env -S NAME` are seen through"
    }

    // Any script is remembered: another name of the same file may lie where scripts count.
    fn look(&self, file: &Passing<'_>) -> io::Result<Option<Fact>> {
        let head = file.content.range(0, HEAD)?;
        Ok(interpreter(&head).map(Fact::Interpreter))
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        for (_, file) in package.tree.files().filter(|(path, _)| is_below(path, DIRECTORIES)) {
            for fact in file.facts.iter() {
                if let Fact::Interpreter(name) = fact {
                    generated.needs("cmd", name);
                }
            }
        }
    }
}

/// The base name of the program that a `#!` line asks for.
fn interpreter(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let program = match words.as_slice() {
        ["/usr/bin/env", "-S", program, ..] if !program.starts_with('-') => program,
        ["/usr/bin/env", program] => program,
        ["/usr/bin/env", ..] | [] => return None,
        [program, ..] => program,
    };
    let name = std::str::from_utf8(basename(program.as_bytes())).ok()?;
    (!name.is_empty() && !IGNORED.contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Item, run, text};
    use super::*;

    #[test]
    fn lines_are_understood() {
        for (head, expected) in [
            ("#!/bin/bash\n", Some("bash")),
            ("#! /usr/bin/perl -w", Some("perl")),
            ("#!/usr/bin/env ruby\n", Some("ruby")),
            ("#!/usr/bin/env -S node --flag\n", Some("node")),
            ("#!/usr/bin/env -S -i node\n", None),
            ("#!/usr/bin/env A=b node\n", None),
            ("#!/usr/bin/env\n", None),
            ("#!/usr/bin/env python3\n", None),
            ("#!/bin/sh\n", None),
            ("#!\n/bin/bash", None),
            ("#!", None),
            ("# !/bin/bash", None),
            ("", None),
        ] {
            assert_eq!(interpreter(head.as_bytes()).as_deref(), expected, "{head:?}");
        }
    }

    #[test]
    fn place_decides() {
        let script = Item::Program(b"#!/bin/bash\n");
        for path in ["usr/bin/x", "usr/bin/deep/x", "usr/local/sbin/x"] {
            assert_eq!(text(&run(&Shebang, &[(path, script)], &[])), "depend cmd:bash\n");
        }
        for path in ["bin/x", "usr/sbin/x", "usr/libexec/x", "usr/bin"] {
            assert_eq!(text(&run(&Shebang, &[(path, script)], &[])), "", "{path}");
        }
        assert_eq!(text(&run(&Shebang, &[("usr/bin/x", Item::Link("bash"))], &[])), "");
    }
}
