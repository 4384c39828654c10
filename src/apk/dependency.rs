//! Dependency atoms: `name`, `name>=1.2`, `!name`, `name@tag`, `so:libc.so.6`.

use std::fmt;
use std::str::FromStr;

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
    /// `~` (also `=~`)
    Fuzzy,
    /// `>~`
    GreaterFuzzy,
    /// `<~`
    LessFuzzy,
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
        todo!("{version}")
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Atom {
    type Err = super::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        todo!("{text}")
    }
}
