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
    /// A time in nanoseconds: a whole number that prints as Go's durations do, `1h30m0s`.
    Duration(i64),
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
            Data::Duration(value) => *value != 0,
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
            Data::Int(_) | Data::Float(_) | Data::Duration(_) => "a number",
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
            (Data::Duration(one), Data::Duration(other)) => Some(one.cmp(other)),
            (Data::Duration(one), Data::Int(other)) => Some(i128::from(*one).cmp(other)),
            (Data::Int(one), Data::Duration(other)) => Some(one.cmp(&i128::from(*other))),
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
            Data::Duration(value) => f.write_str(&duration(*value)),
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

/// A duration as Go prints it: hours, minutes and seconds, or the greatest unit below a second.
fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    // A whole and a fraction, without zeros at its end.
    let parts = |all: u64, unit: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", all % unit);
        let fraction = if digits == 0 { "" } else { fraction.trim_end_matches('0') };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}", all / unit)
    };
    let text = match all {
        0 => "0s".to_owned(),
        1..1_000 => format!("{all}ns"),
        1_000..1_000_000 => parts(all, 1_000) + "µs",
        1_000_000..1_000_000_000 => parts(all, 1_000_000) + "ms",
        _ => {
            let (minutes, rest) = (all / 60_000_000_000, all % 60_000_000_000);
            let seconds = parts(rest, 1_000_000_000) + "s";
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
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

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_gos() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (1_010_000_000, "1.01s"),
            (90 * 60_000_000_000, "1h30m0s"),
            (-61_000_000_000, "-1m1s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
    }
}
