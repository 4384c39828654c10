//! The list of what the distribution holds (`content.txt`), read.
//!
//! Does not know where packages come from.

use std::collections::{BTreeMap, BTreeSet};

use color_eyre::eyre::{Result, bail};

/// The list's text: part of the stamp that says whether the repository is up to date.
pub const TEXT: &str = include_str!("content.txt");

/// A symbolic link that an apk gets besides the files of its Debian package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it stands, without a leading slash.
    pub path: String,
    /// What it points to, as it stands in the link.
    pub target: String,
}

/// The list.
#[derive(Debug, Default)]
pub struct Content {
    /// Debian packages that were asked for by name, in the list's order.
    pub roots: Vec<String>,
    /// Further names of a Debian package, as other distributions call it.
    aliases: BTreeMap<String, Vec<String>>,
    without: Vec<String>,
    bundles: Vec<(String, String)>,
    needs: BTreeMap<String, Vec<String>>,
    links: BTreeMap<String, Vec<Link>>,
    /// Apks of dependencies only.
    pub metas: BTreeMap<String, Vec<String>>,
}

impl Content {
    /// Reads a list; an error names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut content = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            if !content.directive(&words) {
                bail!("line {} of the list is no directive: `{}`", number + 1, line.trim());
            }
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = content.roots.iter().find(|name| !seen.insert(*name)) {
            bail!("`package {twice}` stands in the list twice");
        }
        Ok(content)
    }

    /// Takes one line; `false` if it means nothing.
    fn directive(&mut self, words: &[&str]) -> bool {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match *words {
            [] => {}
            ["package", name] => self.roots.push(name.to_owned()),
            ["package", name, "as", ref aliases @ ..] if !aliases.is_empty() => {
                self.roots.push(name.to_owned());
                self.aliases.insert(name.to_owned(), owned(aliases));
            }
            ["without", pattern] => self.without.push(pattern.to_owned()),
            ["bundle", name, pattern] => {
                self.bundles.push((name.to_owned(), pattern.to_owned()));
            }
            ["needs", name, ref dependencies @ ..] => {
                self.needs.insert(name.to_owned(), owned(dependencies));
            }
            ["link", name, path, target] => self
                .links
                .entry(name.to_owned())
                .or_default()
                .push(Link { path: path.to_owned(), target: target.to_owned() }),
            ["meta", name, ref dependencies @ ..] => {
                self.metas.insert(name.to_owned(), owned(dependencies));
            }
            _ => return false,
        }
        true
    }

    /// Whether a Debian package is left out.
    pub fn drops(&self, debian: &str) -> bool {
        self.without.iter().any(|pattern| matches(pattern, debian))
    }

    /// The apk that a Debian package becomes, or becomes part of.
    pub fn apk_name<'a>(&'a self, debian: &'a str) -> &'a str {
        let bundle = self.bundles.iter().find(|(_, pattern)| matches(pattern, debian));
        bundle.map_or(debian, |(name, _)| name)
    }

    /// Whether an apk is made of several Debian packages.
    pub fn is_bundle(&self, apk: &str) -> bool {
        self.bundles.iter().any(|(name, _)| name == apk)
    }

    /// Further names of a Debian package.
    pub fn aliases(&self, debian: &str) -> &[String] {
        self.aliases.get(debian).map_or(&[], Vec::as_slice)
    }

    /// Further dependencies of an apk.
    pub fn needs(&self, apk: &str) -> &[String] {
        self.needs.get(apk).map_or(&[], Vec::as_slice)
    }

    /// Links that an apk gets.
    pub fn links(&self, apk: &str) -> &[Link] {
        self.links.get(apk).map_or(&[], Vec::as_slice)
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_itself_is_read() {
        let content = Content::parse(TEXT).unwrap();
        assert!(content.roots.iter().any(|name| name == "gcc"));
        assert_eq!(content.aliases("pax-utils"), ["scanelf"]);
        assert_eq!(content.apk_name("node-semver"), "node-modules");
        assert_eq!(content.apk_name("busybox"), "busybox");
        assert!(content.drops("golang-1.19-doc") && !content.drops("golang-1.19-go"));
    }

    #[test]
    fn an_unknown_directive_is_named_with_its_line() {
        let error = Content::parse("package a\npakcage b").unwrap_err().to_string();
        assert_eq!(error, "line 2 of the list is no directive: `pakcage b`");
        assert!(Content::parse("package a as").is_err());
        assert!(Content::parse("package a\npackage a").is_err());
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("golang-*-doc", "golang-1.19-doc"));
        assert!(matches("node-*", "node-"));
        assert!(!matches("golang-*-doc", "golang-doc"));
        assert!(!matches("a", "ab"));
    }
}
