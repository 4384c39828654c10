//! Debian's control format: stanzas of fields, and the relations in `Depends` and `Provides`.
//!
//! Does not resolve anything.

use std::collections::BTreeMap;

/// One paragraph of fields. Names are kept in lower case, values with their line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza(BTreeMap<String, String>);

/// A package named in a relation, with the version that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The name, without the architecture qualifier.
    pub name: String,
    /// Operator (`=`, `>=`, `<<` …) and Debian version.
    pub version: Option<(String, String)>,
}

impl Stanza {
    /// A field's value, empty when absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(&name.to_lowercase()).map_or("", String::as_str)
    }

    /// Whether no field was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn line(&mut self, line: &str, last: &mut String) {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = self.0.get_mut(last.as_str()) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            *last = name.trim().to_lowercase();
            self.0.insert(last.clone(), value.trim().to_owned());
        }
    }
}

/// Reads paragraphs; lines that begin with `#` are comments.
pub fn parse(text: &str) -> Vec<Stanza> {
    let mut stanzas = Vec::new();
    let mut current = Stanza::default();
    let mut last = String::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if !current.is_empty() {
                stanzas.push(std::mem::take(&mut current));
            }
        } else if !line.starts_with('#') {
            current.line(line, &mut last);
        }
    }
    stanzas
}

/// Reads a relation field: groups between commas, of which each holds alternatives.
pub fn relations(field: &str) -> Vec<Vec<Relation>> {
    let groups = field.split(',').map(|group| group.split('|').filter_map(relation).collect());
    groups.filter(|group: &Vec<Relation>| !group.is_empty()).collect()
}

/// Reads `name[:arch] [(op version)] [[architectures]]`.
fn relation(text: &str) -> Option<Relation> {
    let text = text.split('[').next().unwrap_or_default();
    let (name, version) = match text.split_once('(') {
        Some((name, version)) => (name, Some(version.trim().trim_end_matches(')'))),
        None => (text, None),
    };
    let name = name.trim().split(':').next().unwrap_or_default().to_owned();
    let version = version.map(|version| {
        let digits = version.find(|c: char| !"<>=".contains(c)).unwrap_or(version.len());
        let (operator, version) = version.split_at(digits);
        (operator.to_owned(), version.trim().to_owned())
    });
    (!name.is_empty()).then_some(Relation { name, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_cut_at_blank_lines() {
        let stanzas = parse("# note\nPackage: a\nDescription: one\n two\n\n\nPackage: b\n");
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("description"), "one\ntwo");
        assert_eq!(stanzas[1].get("PACKAGE"), "b");
        assert_eq!(stanzas[1].get("Depends"), "");
    }

    #[test]
    fn relations_have_alternatives_versions_and_qualifiers() {
        let groups = relations("libc6 (>= 2.34), python3:any | python (<< 3) [amd64], ,a");
        let plain = |name: &str| Relation { name: name.to_owned(), version: None };
        let with = |name: &str, op: &str, version: &str| Relation {
            version: Some((op.to_owned(), version.to_owned())),
            ..plain(name)
        };
        assert_eq!(
            groups,
            [
                vec![with("libc6", ">=", "2.34")],
                vec![plain("python3"), with("python", "<<", "3")],
                vec![plain("a")]
            ]
        );
    }
}
