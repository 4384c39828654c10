//! A package of an index, decoded: the fields that solving and fetching look at.

use crate::apk::dependency::{Atom, Op};

/// A package of an index.
#[derive(Clone, Debug, Default)]
pub(in crate::repo) struct Package {
    /// `C:`
    pub(in crate::repo) checksum: String,
    /// `P:`
    pub(in crate::repo) name: String,
    /// `V:`
    pub(in crate::repo) version: String,
    /// `A:`, may be empty.
    pub(in crate::repo) arch: String,
    /// `S:`
    pub(in crate::repo) size: u64,
    /// `o:`, may be empty.
    pub(in crate::repo) origin: String,
    /// `k:`, 0 when there is none.
    pub(in crate::repo) priority: i64,
    /// `D:`
    pub(in crate::repo) depends: Vec<Atom>,
    /// `p:`
    pub(in crate::repo) provides: Vec<Provide>,
    /// `i:`
    pub(in crate::repo) install_if: Vec<Atom>,
    /// Why it can't be installed anywhere, if so.
    pub(in crate::repo) broken: Option<String>,
}

/// A name that a package provides besides its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::repo) struct Provide {
    /// The name.
    pub(in crate::repo) name: String,
    /// The version it has under that name. Without one the name is a *virtual*: several packages
    /// may provide it together, and none is chosen for it without a priority.
    pub(in crate::repo) version: Option<String>,
}

impl Package {
    /// Decodes the lines of a catalog.
    pub(super) fn parse(lines: &str) -> Self {
        let mut package = Self::default();
        for line in lines.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            match key {
                "C" => value.clone_into(&mut package.checksum),
                "P" => value.clone_into(&mut package.name),
                "V" => value.clone_into(&mut package.version),
                "A" => value.clone_into(&mut package.arch),
                "o" => value.clone_into(&mut package.origin),
                "S" => package.size = value.parse().unwrap_or_default(),
                "k" => package.priority = value.parse().unwrap_or_default(),
                "D" => package.depends = package.atoms(value),
                "i" => package.install_if = package.atoms(value),
                "p" => package.provides = words(value).filter_map(provide).collect(),
                _ => {}
            }
        }
        package.check_provides();
        package
    }

    /// `name-version`, as people know a package.
    pub(in crate::repo) fn label(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    fn atoms(&mut self, list: &str) -> Vec<Atom> {
        let mut atoms = Vec::new();
        for word in words(list) {
            match word.parse::<Atom>() {
                // apk-tools: only the world may name repositories.
                Ok(atom) if atom.tag.is_none() => atoms.push(atom),
                _ => self.broken = Some(format!("`{word}` is not a valid dependency")),
            }
        }
        atoms
    }

    /// apk-tools: a versioned name has one provider, so a package that provides its own name, or a
    /// name in two versions, is in conflict with itself.
    fn check_provides(&mut self) {
        for (index, provide) in self.provides.iter().enumerate() {
            let twice = self.provides[..index]
                .iter()
                .any(|other| other.name == provide.name && other.version != provide.version);
            if twice || provide.name == self.name {
                self.broken = Some(format!("it provides `{}` twice", provide.name));
            }
        }
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(' ').filter(|word| !word.is_empty())
}

/// What is no name (recipes have `!name` there) provides nothing, as with apko.
fn provide(word: &str) -> Option<Provide> {
    let atom: Atom = word.parse().ok()?;
    match atom.constraint {
        _ if atom.conflict => None,
        None => Some(Provide { name: atom.name, version: None }),
        Some((Op::Equal, version)) => Some(Provide { name: atom.name, version: Some(version) }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(lines: &str) -> Option<String> {
        Package::parse(lines).broken
    }

    #[test]
    fn what_apk_tools_does_not_install_is_broken() {
        assert_eq!(broken("P:a\nV:1\nD:b c>1 !d\np:e f=1"), None);
        assert_eq!(broken("P:a\nV:1\nD:b@edge").unwrap(), "`b@edge` is not a valid dependency");
        assert_eq!(broken("P:a\nV:1\nD:b=").unwrap(), "`b=` is not a valid dependency");
        assert_eq!(broken("P:a\nV:1\np:a").unwrap(), "it provides `a` twice");
        assert_eq!(broken("P:a\nV:1\np:b=1 b=2").unwrap(), "it provides `b` twice");
        assert_eq!(broken("P:a\nV:1\np:b=1 b=1"), None);
    }

    #[test]
    fn what_is_no_name_provides_nothing() {
        let package = Package::parse("P:a\nV:1\np:so:a.so.1=1 !x y>2 cmd:a");
        let provided: Vec<_> =
            package.provides.iter().map(|it| (it.name.as_str(), it.version.as_deref())).collect();
        assert_eq!(provided, [("so:a.so.1", Some("1")), ("cmd:a", None)]);
    }
}
