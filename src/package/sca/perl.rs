//! The Perl that a package's modules are for.
//!
//! Part of stage 5. melange takes the wrong component of paths below `lib/`; here both spellings
//! give the same.

use super::{Generated, Scanner, Subject};

/// See the module.
pub struct Perl;

impl Scanner for Perl {
    fn name(&self) -> &'static str {
        "perl"
    }

    fn makes(&self) -> &'static str {
        "depends on `perl~N` for `usr/lib/perlN/*_perl` or `lib/perlN/*_perl`, unless `perl` is declared"
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        if package.declared.iter().any(|atom| atom == "perl") {
            return;
        }
        let version_below = |root: &str| {
            package.tree.iter().find_map(|(path, _)| {
                let (perl, modules) =
                    std::str::from_utf8(path).ok()?.strip_prefix(root)?.split_once('/')?;
                let version = perl.strip_prefix("perl")?;
                let fits = version.starts_with(|c: char| c.is_ascii_digit())
                    && modules.ends_with("_perl")
                    && !modules.contains('/');
                fits.then_some(version)
            })
        };
        if let Some(version) = version_below("usr/lib/").or_else(|| version_below("lib/"))
            && super::is_name(version)
        {
            generated.runtime.insert(format!("perl~{version}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Item, run, text};
    use super::*;

    #[test]
    fn modules_need_their_perl() {
        for path in ["usr/lib/perl5/vendor_perl", "lib/perl5/site_perl"] {
            assert_eq!(text(&run(&Perl, &[(path, Item::Directory)], &[])), "depend perl~5\n");
            assert_eq!(text(&run(&Perl, &[(path, Item::Directory)], &["perl"])), "");
        }
        for path in ["usr/lib/perl5/core", "usr/lib/perl/vendor_perl", "perl5/vendor_perl"] {
            assert_eq!(text(&run(&Perl, &[(path, Item::Directory)], &[])), "", "{path}");
        }
    }
}
