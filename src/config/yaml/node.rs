//! The nodes of a YAML tree. Stage 1; the parser makes them, the schema reads them.

use std::ops::Range;

/// A value and the bytes where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where.
    pub(crate) bytes: Range<usize>,
    /// What.
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A scalar that was quoted or a block: always a string.
    Quoted(String),
    /// A plain scalar, as its source text: a string, number, boolean or null by who reads it.
    Plain(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in file order, without duplicates.
    Map(Vec<(Key, Node)>),
}

/// The key of an entry of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Where it stands.
    pub(crate) bytes: Range<usize>,
    /// Its text.
    pub(crate) text: String,
    /// Whether it is neither quoted nor a block.
    pub(crate) plain: bool,
}

impl Key {
    /// Whether it is YAML's null, which is no name.
    pub(crate) fn is_null(&self) -> bool {
        self.plain && is_null(&self.text)
    }

    /// Whether it is `<<`, which merges.
    pub(crate) fn is_merge(&self) -> bool {
        self.plain && self.text == "<<"
    }
}

/// Whether a plain scalar is null.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

impl Node {
    /// Whether it is YAML's null: nothing, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Plain(text) if is_null(text))
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Quoted(_) => "a string",
            Value::Plain(text) if text.parse::<f64>().is_ok() => match text.parse::<f64>() {
                Ok(number) if number.fract() != 0.0 => "a number with a fraction",
                Ok(number) if number < 0.0 => "a negative number",
                Ok(number) if number >= 2f64.powi(64) => "a number that is too large",
                _ => "a number",
            },
            Value::Plain(text) if matches!(text.as_str(), "true" | "false") => "a boolean",
            Value::Plain(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// How many nodes it has, itself included.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Quoted(_) | Value::Plain(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
        }
    }
}
