//! Go's built-in functions of templates.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Error;
use super::data::Data;
use super::printf;
use crate::diagnostic::{nearest, quoted_list};

/// `and` and `or`, which do not look at all of their arguments, are elsewhere.
const NAMES: [&str; 16] = [
    "and", "eq", "ge", "gt", "index", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "call",
];

/// Calls a function.
pub(super) fn call(name: &str, at: usize, arguments: &[Cow<'_, Data>]) -> Result<Data, Error> {
    let fail = |message: String| Error::new(at, format!("`{name}`: {message}"));
    let result = match name {
        "not" => one(arguments).map(|value| Data::Bool(!value.holds())),
        "len" => one(arguments).and_then(length),
        "index" => index(arguments),
        "slice" => slice(arguments),
        "eq" => equal(arguments),
        "ne" => compare(arguments, &[Ordering::Less, Ordering::Greater]),
        "lt" => compare(arguments, &[Ordering::Less]),
        "le" => compare(arguments, &[Ordering::Less, Ordering::Equal]),
        "gt" => compare(arguments, &[Ordering::Greater]),
        "ge" => compare(arguments, &[Ordering::Greater, Ordering::Equal]),
        "print" => Ok(Data::Text(print(arguments))),
        "println" => {
            let words: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            Ok(Data::Text(format!("{}\n", words.join(" "))))
        }
        "printf" => match arguments.split_first().map(|(format, rest)| (&**format, rest)) {
            Some((Data::Text(format), rest)) => printf::format(format, rest).map(Data::Text),
            _ => Err("expected a format".to_owned()),
        },
        "call" | "html" | "js" | "urlquery" => Err("not supported in queries".to_owned()),
        _ => return Err(unknown(name, at)),
    };
    result.map_err(fail)
}

fn unknown(name: &str, at: usize) -> Error {
    let error = Error::new(at, format!("there is no function `{name}`"));
    match nearest(name, NAMES) {
        _ if name.starts_with(|c: char| c.is_uppercase()) => {
            error.help(format!("a field has a dot before it: `.{name}`"))
        }
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("the functions are {}", quoted_list(NAMES.into_iter()))),
    }
}

fn one<'a>(arguments: &'a [Cow<'_, Data>]) -> Result<&'a Data, String> {
    match arguments {
        [only] => Ok(only),
        _ => Err(format!("expected one argument, found {}", arguments.len())),
    }
}

fn length(value: &Data) -> Result<Data, String> {
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        Data::Map(map) => map.len(),
        other => return Err(format!("{} has no length", other.kind())),
    };
    i128::try_from(length).map(Data::Int).map_err(|error| error.to_string())
}

fn index(arguments: &[Cow<'_, Data>]) -> Result<Data, String> {
    let Some((value, keys)) = arguments.split_first() else {
        return Err("expected a list or a map".to_owned());
    };
    let mut value: &Data = value;
    for key in keys {
        value = match (value, &**key) {
            (Data::List(items), Data::Int(number)) => usize::try_from(*number)
                .ok()
                .and_then(|number| items.get(number))
                .ok_or_else(|| format!("there is no item {number} in a list of {}", items.len()))?,
            // Go gives the empty value of the map's type, and these are maps of texts.
            (Data::Map(map), Data::Text(key)) => match map.get(key) {
                Some(value) => value,
                None => return Ok(Data::Text(String::new())),
            },
            (Data::Text(text), Data::Int(number)) => {
                let byte = usize::try_from(*number).ok().and_then(|at| text.as_bytes().get(at));
                return byte
                    .map(|byte| Data::Int(i128::from(*byte)))
                    .ok_or_else(|| format!("there is no byte {number}"));
            }
            (value, key) => return Err(format!("{} is no index of {}", key.kind(), value.kind())),
        };
    }
    Ok(value.clone())
}

fn slice(arguments: &[Cow<'_, Data>]) -> Result<Data, String> {
    let Some((value, bounds)) = arguments.split_first() else {
        return Err("expected a list or a text".to_owned());
    };
    let length = match &**value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        other => return Err(format!("{} can't be sliced", other.kind())),
    };
    let bound = |number: usize, default: usize| match bounds.get(number).map(|bound| &**bound) {
        None => Ok(default),
        Some(Data::Int(value)) => usize::try_from(*value).map_err(|_| "below 0".to_owned()),
        Some(other) => Err(format!("{} is no index", other.kind())),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    let outside = || format!("{from} to {to} of {length} is not there");
    match &**value {
        Data::Text(text) => {
            text.get(from..to).map(|part| Data::Text(part.to_owned())).ok_or_else(outside)
        }
        Data::List(items) => {
            items.get(from..to).map(|part| Data::List(part.to_vec())).ok_or_else(outside)
        }
        _ => Err(outside()),
    }
}

/// Whether the first is like any of the others.
fn equal(arguments: &[Cow<'_, Data>]) -> Result<Data, String> {
    let Some((first, others)) = arguments.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return Err("expected two arguments".to_owned());
    };
    for other in others {
        let same = match (&**first, &**other) {
            (Data::Nil, other) | (other, Data::Nil) => *other == Data::Nil,
            (one, other) => order(one, other)? == Ordering::Equal,
        };
        if same {
            return Ok(Data::Bool(true));
        }
    }
    Ok(Data::Bool(false))
}

fn compare(arguments: &[Cow<'_, Data>], wanted: &[Ordering]) -> Result<Data, String> {
    let [one, other] = arguments else {
        return Err(format!("expected two arguments, found {}", arguments.len()));
    };
    Ok(Data::Bool(wanted.contains(&order(one, other)?)))
}

fn order(one: &Data, other: &Data) -> Result<Ordering, String> {
    one.compare(other)
        .ok_or_else(|| format!("{} and {} can't be compared", one.kind(), other.kind()))
}

/// As Go's `Sprint`: a space between two values neither of which is a text.
fn print(arguments: &[Cow<'_, Data>]) -> String {
    let mut result = String::new();
    let mut before_is_text = true;
    for argument in arguments {
        let is_text = matches!(&**argument, Data::Text(_));
        if !is_text && !before_is_text {
            result.push(' ');
        }
        result.push_str(&argument.to_string());
        before_is_text = is_text;
    }
    result
}
