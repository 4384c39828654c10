//! `cmd:` provides: programs on the search path.
//!
//! Part of stage 5. Symbolic links provide nothing, as in melange: the package that owns the
//! program behind it does.

use super::{Generated, Scanner, Subject, is_in};
use crate::package::tree::basename;

/// The directories of the search path; only their direct children count.
const DIRECTORIES: &[&[u8]] = &[b"bin", b"sbin", b"usr/bin", b"usr/sbin"];

/// Readable and executable by everybody.
const RUNNABLE: u32 = 0o555;

/// See the module.
pub struct Commands;

impl Scanner for Commands {
    fn name(&self) -> &'static str {
        "commands"
    }

    fn makes(&self) -> &'static str {
        "provides `cmd:NAME=VERSION` for files in `bin`, `sbin`, `usr/bin`, `usr/sbin` that everybody may read and run"
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        for (path, file) in package.tree.files() {
            if file.mode & RUNNABLE == RUNNABLE
                && is_in(path, DIRECTORIES)
                && let Ok(name) = std::str::from_utf8(basename(path))
            {
                generated.provides("cmd", name, package.version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::{Item, run, text};
    use super::*;

    #[test]
    fn programs_are_provided() {
        let generated = run(
            &Commands,
            &[
                ("bin", Item::Directory),
                ("bin/[", Item::Program(b"")),
                ("usr/bin/alias", Item::Link("tool")),
                ("usr/bin/data", Item::Text(b"")),
                ("usr/bin/sub/hidden", Item::Program(b"")),
                ("usr/bin/tool", Item::Program(b"")),
                ("usr/libexec/helper", Item::Program(b"")),
                ("usr/sbin/daemon", Item::Program(b"")),
            ],
            &[],
        );
        assert_snapshot!(text(&generated), @r"
        provides cmd:[=1.2-r3
        provides cmd:daemon=1.2-r3
        provides cmd:tool=1.2-r3
        ");
    }
}
