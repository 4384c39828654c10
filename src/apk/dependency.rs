//! Dependency atoms: `name`, `name>=1.2`, `!name`, `name@tag`, `so:libc.so.6`.
//!
//! Beneath the stages. Atoms stand in `depend`, `provides`, `install_if` and on the command line.
//! Which package satisfies one is the solver's matter; this file only reads, prints and compares.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{Error, version};

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `=` (also `==`)
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
    /// `~` (also `=~` and `~=`)
    Fuzzy,
    /// `>~`
    GreaterFuzzy,
    /// `<~`
    LessFuzzy,
}

impl Op {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Equal => "=",
            Op::GreaterEqual => ">=",
            Op::Greater => ">",
            Op::Fuzzy => "~",
            Op::GreaterFuzzy => ">~",
            Op::LessFuzzy => "<~",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Op::Less,
            "<=" => Op::LessEqual,
            "=" | "==" => Op::Equal,
            ">=" => Op::GreaterEqual,
            ">" => Op::Greater,
            "~" | "=~" | "~=" => Op::Fuzzy,
            ">~" => Op::GreaterFuzzy,
            "<~" => Op::LessFuzzy,
            _ => return None,
        })
    }

    /// Whether `version op wanted` holds.
    pub fn holds(self, version: &str, wanted: &str) -> bool {
        let order = match self {
            Op::Fuzzy | Op::GreaterFuzzy | Op::LessFuzzy => version::fuzzy_compare(version, wanted),
            _ => version::compare(version, wanted),
        };
        match self {
            Op::Less => order == Ordering::Less,
            Op::LessEqual | Op::LessFuzzy => order.is_le(),
            Op::Equal | Op::Fuzzy => order.is_eq(),
            Op::GreaterEqual | Op::GreaterFuzzy => order.is_ge(),
            Op::Greater => order == Ordering::Greater,
        }
    }
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Atom {
    /// The name, with its `so:`, `cmd:` or `pc:` prefix.
    pub name: String,
    /// The version it asks for.
    pub constraint: Option<(Op, String)>,
    /// `!name`: must not be installed.
    pub conflict: bool,
    /// `@tag`: from the repository of that tag.
    pub tag: Option<String>,
}

impl Atom {
    /// Whether a version (of the package, or of what it provides) satisfies the constraint,
    /// `conflict` left out of account.
    pub fn accepts(&self, version: &str) -> bool {
        self.constraint.as_ref().is_none_or(|(op, wanted)| op.holds(version, wanted))
    }
}

impl fmt::Display for Atom {
    /// In apk-tools' order: `!`, name, tag, operator, version.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflict {
            f.write_str("!")?;
        }
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, "@{tag}")?;
        }
        if let Some((op, version)) = &self.constraint {
            write!(f, "{}{version}", op.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Atom {
    type Err = Error;

    /// Reads one atom. The tag may stand before the constraint, where apk-tools has it
    /// (`name@tag=1`), or after it, where apko has it (`name=1@tag`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid =
            |problem: &str| Error::Invalid(format!("invalid dependency `{text}`: {problem}"));
        if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return Err(invalid("a blank or control character in it"));
        }
        let (conflict, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let is_op = |char| matches!(char, '<' | '=' | '>' | '~');
        let name_end = rest.find(is_op).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(name_end);
        // A version may itself hold a `~` (a commit hash), so only the leading run is the operator.
        let op_end = rest.find(|char| !is_op(char)).unwrap_or(rest.len());
        let (op, version) = rest.split_at(op_end);

        let (name, tag_of_name) = split_tag(name);
        let (version, tag_of_version) = split_tag(version);
        let constraint = match (op, version) {
            ("", _) => None,
            (_, "") => return Err(invalid("no version after the operator")),
            ("><", _) => return Err(invalid("checksums (`><`) are not supported")),
            _ => match Op::parse(op) {
                Some(op) => Some((op, version.to_owned())),
                None => return Err(invalid("unknown operator")),
            },
        };
        if name.is_empty() || name.starts_with('!') {
            return Err(invalid("no name"));
        }
        let tag = match (tag_of_name, tag_of_version) {
            (Some(_), Some(_)) => return Err(invalid("two tags")),
            (tag, None) | (None, tag) => tag,
        };
        if tag.is_some_and(|tag| tag.is_empty() || tag.contains('@') || tag.contains(is_op)) {
            return Err(invalid("no tag after `@`"));
        }
        if version.contains(['<', '=', '>']) {
            return Err(invalid("an operator within the version"));
        }
        Ok(Self { name: name.to_owned(), constraint, conflict, tag: tag.map(str::to_owned) })
    }
}

fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((text, tag)) => (text, Some(tag)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn atom(text: &str) -> Atom {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_is_read_and_printed() {
        for text in [
            "foo",
            "!foo",
            "foo@edge",
            "foo@edge=1.2",
            "foo=1.2-r0",
            "foo<1",
            "foo<=1",
            "foo>1",
            "foo>=1",
            "foo~1.2",
            "foo>~1.2",
            "foo<~1.2",
            "!foo>1",
            "so:libc++.so.1=1.0",
            "cmd:[",
            "pc:gtk+-3.0>=3",
            "/bin/sh",
            "foo=1~abc",
        ] {
            assert_eq!(atom(text).to_string(), text);
        }
        for (text, printed) in
            [("foo==1", "foo=1"), ("foo=~1", "foo~1"), ("foo~=1", "foo~1"), ("foo=1@x", "foo@x=1")]
        {
            assert_eq!(atom(text).to_string(), printed);
        }
    }

    #[test]
    fn malformed_atoms_are_refused() {
        for text in [
            "",
            "!",
            "!!foo",
            "foo=",
            "foo>=",
            "=1",
            "@edge",
            "foo@",
            "foo@a@b",
            "foo@a=1@b",
            "foo=<1",
            "foo>>1",
            "foo><Q1abc",
            "foo =1",
            "foo=1@<",
            "foo=1=2",
            "foo\n",
        ] {
            assert!(text.parse::<Atom>().is_err(), "{text:?}");
        }
        let error = "foo=".parse::<Atom>().unwrap_err().to_string();
        assert_eq!(error, "invalid dependency `foo=`: no version after the operator");
    }

    #[test]
    fn versions_are_accepted_as_the_operator_says() {
        for (text, yes, no) in [
            ("x=1", "1", "1-r0"),
            ("x<2", "2_rc1", "2"),
            ("x<=2", "2", "2-r0"),
            ("x>2", "2-r0", "2"),
            ("x>=2", "2", "2_rc1"),
            ("x~2.1", "2.1.9-r3", "2.10"),
            ("x>~2.1", "2.1_rc1", "2.0"),
            ("x<~2.1", "2.1.9", "2.2"),
        ] {
            assert!(atom(text).accepts(yes), "{text} {yes}");
            assert!(!atom(text).accepts(no), "{text} {no}");
        }
        assert!(atom("x").accepts("anything"));
    }

    proptest! {
        #[test]
        fn what_is_read_can_be_printed_and_read_again(text in "[!a-b@=<>~0-2.]{0,8}|\\PC{0,6}") {
            if let Ok(atom) = text.parse::<Atom>() {
                prop_assert_eq!(atom.to_string().parse::<Atom>().unwrap(), atom);
            }
        }
    }
}
