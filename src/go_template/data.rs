//! What templates are filled with, and how it prints. Go's values, as far as recipes have them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use indexmap::IndexMap;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Nothing: a pointer to nothing, a key that a map does not have.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Data>),
    /// A map of texts to values, sorted by key.
    Map(std::collections::BTreeMap<String, Data>),
    /// Named fields.
    Struct(IndexMap<String, Data>),
}

impl Data {
    /// Whether `if` takes it for true: what is not Go's zero or empty.
    pub(super) fn holds(&self) -> bool {
        match self {
            Data::Nil => false,
            Data::Bool(value) => *value,
            Data::Int(value) => *value != 0,
            Data::Float(value) => *value != 0.0,
            Data::Text(text) => !text.is_empty(),
            Data::List(items) => !items.is_empty(),
            Data::Map(map) => !map.is_empty(),
            Data::Struct(_) => true,
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Data::Nil => "nothing",
            Data::Bool(_) => "a boolean",
            Data::Int(_) | Data::Float(_) => "a number",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
            Data::Struct(_) => "a group of fields",
        }
    }

    /// Order of two values of one kind; `None` where Go would not compare them.
    pub(super) fn compare(&self, other: &Data) -> Option<Ordering> {
        match (self, other) {
            (Data::Int(one), Data::Int(other)) => Some(one.cmp(other)),
            (Data::Float(one), Data::Float(other)) => one.partial_cmp(other),
            (Data::Text(one), Data::Text(other)) => Some(one.cmp(other)),
            (Data::Bool(one), Data::Bool(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

/// A field or an entry of a value.
pub(super) fn inner<'d>(value: Cow<'d, Data>, name: &str) -> Option<Cow<'d, Data>> {
    match value {
        Cow::Borrowed(Data::Struct(fields)) => fields.get(name).map(Cow::Borrowed),
        Cow::Borrowed(Data::Map(map)) => map.get(name).map(Cow::Borrowed),
        Cow::Owned(Data::Struct(mut fields)) => fields.swap_remove(name).map(Cow::Owned),
        Cow::Owned(Data::Map(mut map)) => map.remove(name).map(Cow::Owned),
        _ => None,
    }
}

impl fmt::Display for Data {
    /// As Go's `%v` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Nil => f.write_str("<nil>"),
            Data::Bool(value) => write!(f, "{value}"),
            Data::Int(value) => write!(f, "{value}"),
            Data::Float(value) => write!(f, "{value}"),
            Data::Text(text) => f.write_str(text),
            Data::List(items) => {
                f.write_str("[")?;
                separated(f, items.iter())?;
                f.write_str("]")
            }
            Data::Map(map) => {
                f.write_str("map[")?;
                separated(f, map.iter().map(|(key, value)| format!("{key}:{value}")))?;
                f.write_str("]")
            }
            Data::Struct(fields) => {
                f.write_str("{")?;
                separated(f, fields.values())?;
                f.write_str("}")
            }
        }
    }
}

fn separated(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (number, item) in items.enumerate() {
        if number > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
