//! Readers of documentation: `man-db`, `texinfo`.
//!
//! Part of stage 5.

use super::{Generated, Scanner, Subject, is_in};

/// See the module.
pub struct Documentation;

impl Scanner for Documentation {
    fn name(&self) -> &'static str {
        "documentation"
    }

    fn makes(&self) -> &'static str {
        "depends on `man-db` and `texinfo` for packages called `*-doc` with something in `usr/share/man` and `usr/share/info`"
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        if !package.name.ends_with("-doc") {
            return;
        }
        for (path, _) in package.tree.iter() {
            if is_in(path, &[b"usr/share/man"]) {
                generated.runtime.insert("man-db".to_owned());
            }
            if is_in(path, &[b"usr/share/info"]) {
                generated.runtime.insert("texinfo".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::{Item, run, run_named, text};
    use super::*;

    const ITEMS: &[(&str, Item<'_>)] = &[
        ("usr/share/info/foo.info", Item::Text(b"")),
        ("usr/share/man", Item::Directory),
        ("usr/share/man/man1", Item::Directory),
    ];

    #[test]
    fn only_doc_packages_need_readers() {
        assert_snapshot!(text(&run_named(&Documentation, "foo-doc", ITEMS, &[])), @r"
        depend man-db
        depend texinfo
        ");
        assert_eq!(text(&run(&Documentation, ITEMS, &[])), "");
        let empty = [("usr/share/man", Item::Directory)];
        assert_eq!(text(&run_named(&Documentation, "foo-doc", &empty, &[])), "");
    }
}
