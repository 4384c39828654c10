//! The Python that a package's modules are for.
//!
//! Part of stage 5.

use super::{Generated, Scanner, Subject};
use crate::package::tree::{Node, basename, parent};

/// See the module.
pub struct Python;

impl Scanner for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn makes(&self) -> &'static str {
        "depends on `python-X.Y-base` for a directory `pythonX.Y/site-packages` (the last one), unless something called `python…` is declared"
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        if package.declared.iter().any(|atom| atom.starts_with("python")) {
            return;
        }
        let last = package.tree.iter().filter_map(|(path, node)| {
            let is_modules = matches!(node, Node::Directory) && basename(path) == b"site-packages";
            let interpreter = is_modules.then(|| basename(parent(path)))?;
            std::str::from_utf8(interpreter).ok()?.strip_prefix("python")
        });
        if let Some(version) = last.last()
            && super::is_name(version)
        {
            generated.runtime.insert(format!("python-{version}-base"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Item, run, text};
    use super::*;

    #[test]
    fn modules_need_their_python() {
        let items = [
            ("opt/python3.9/site-packages", Item::Directory),
            ("usr/lib/python3.13/site-packages", Item::Directory),
            ("usr/lib/python3.14/site-packages", Item::Text(b"not a directory")),
        ];
        assert_eq!(text(&run(&Python, &items, &[])), "depend python-3.13-base\n");
        assert_eq!(text(&run(&Python, &items, &["python-3.13"])), "");
        assert_eq!(text(&run(&Python, &items, &["cpython"])), "depend python-3.13-base\n");
        // A directory without a version says nothing.
        let items = [("usr/lib/python/site-packages", Item::Directory)];
        assert_eq!(text(&run(&Python, &items, &[])), "");
    }
}
