//! The Ruby that a package's gems are for.
//!
//! Part of stage 5. melange's pattern takes only some third components (`[0.9]*`); here any number
//! will do.

use super::{Generated, Scanner, Subject};

/// See the module.
pub struct Ruby;

impl Scanner for Ruby {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn makes(&self) -> &'static str {
        "depends on `ruby-X.Y` for `usr/lib/ruby/gems/X.Y.Z/gems` or `lib/ruby/gems/X.Y.Z/gems`, unless `ruby` or `ruby-…` is declared"
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        if package.declared.iter().any(|atom| atom == "ruby" || atom.starts_with("ruby-")) {
            return;
        }
        let version_below = |root: &str| {
            package.tree.iter().find_map(|(path, _)| {
                let version = std::str::from_utf8(path)
                    .ok()?
                    .strip_prefix(root)?
                    .strip_suffix("/gems")
                    .filter(|version| !version.contains('/'))?;
                let mut parts = version.splitn(3, '.');
                let numbers =
                    parts.by_ref().filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
                (numbers.count() == 3).then(|| version.rsplit_once('.'))?.map(|(head, _)| head)
            })
        };
        let found = version_below("usr/lib/ruby/gems/").or_else(|| version_below("lib/ruby/gems/"));
        if let Some(version) = found
            && super::is_name(version)
        {
            generated.runtime.insert(format!("ruby-{version}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Item, run, text};
    use super::*;

    #[test]
    fn gems_need_their_ruby() {
        for path in ["usr/lib/ruby/gems/3.4.0/gems", "lib/ruby/gems/3.4.1/gems"] {
            assert_eq!(text(&run(&Ruby, &[(path, Item::Directory)], &[])), "depend ruby-3.4\n");
            assert_eq!(text(&run(&Ruby, &[(path, Item::Directory)], &["ruby-3.3"])), "");
            assert_eq!(text(&run(&Ruby, &[(path, Item::Directory)], &["ruby"])), "");
        }
        for path in ["usr/lib/ruby/gems/3.4/gems", "usr/lib/ruby/gems/x.4.0/gems"] {
            assert_eq!(text(&run(&Ruby, &[(path, Item::Directory)], &[])), "", "{path}");
        }
    }
}
