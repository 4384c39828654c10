//! Go's `printf`, for texts, numbers and booleans.

use std::borrow::Cow;

use super::data::Data;

/// How wide a value may be padded.
const MAX_WIDTH: usize = 10_000;

/// Flags, width and precision of a verb.
#[derive(Default)]
struct Form {
    left: bool,
    plus: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Fills in a format.
pub(super) fn format(format: &str, arguments: &[Cow<'_, Data>]) -> Result<String, String> {
    let mut result = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        result.push_str(&rest[..at]);
        let (form, after) = form(&rest[at + 1..])?;
        let Some(verb) = after.chars().next() else {
            return Err("the format ends with `%`".to_owned());
        };
        rest = &after[verb.len_utf8()..];
        if verb == '%' {
            result.push('%');
            continue;
        }
        let argument =
            arguments.next().ok_or_else(|| format!("there is no argument for `%{verb}`"))?;
        result.push_str(&padded(&formed(verb, argument, &form)?, &form, argument));
    }
    result.push_str(rest);
    match arguments.count() {
        0 => Ok(result),
        1 => Err("there is an argument more than the format has verbs".to_owned()),
        more => Err(format!("there are {more} arguments more than the format has verbs")),
    }
}

fn form(text: &str) -> Result<(Form, &str), String> {
    let mut form = Form::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next().filter(|flag| "-+0# ".contains(*flag)) {
        form.left |= flag == '-';
        form.plus |= flag == '+';
        form.zero |= flag == '0';
        rest = &rest[1..];
    }
    let number = |text: &str| -> Result<(usize, usize), String> {
        let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let value = if length == 0 { 0 } else { text[..length].parse().unwrap_or(usize::MAX) };
        if value > MAX_WIDTH {
            return Err(format!("a width of more than {MAX_WIDTH}"));
        }
        Ok((value, length))
    };
    let (width, length) = number(rest)?;
    form.width = width;
    rest = &rest[length..];
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, length) = number(after)?;
        form.precision = Some(precision);
        rest = &after[length..];
    }
    Ok((form, rest))
}

fn formed(verb: char, value: &Data, form: &Form) -> Result<String, String> {
    let cut = |text: String| match form.precision {
        Some(length) => text.chars().take(length).collect(),
        None => text,
    };
    let signed =
        |text: String| if form.plus && !text.starts_with('-') { format!("+{text}") } else { text };
    let value = &match value {
        Data::Duration(_) if matches!(verb, 'v' | 's' | 'q') => Data::Text(value.to_string()),
        Data::Duration(number) => Data::Int((*number).into()),
        other => other.clone(),
    };
    Ok(match (verb, value) {
        ('v', Data::Text(text)) | ('s', Data::Text(text)) => cut(text.clone()),
        ('v', Data::Int(number)) => signed(number.to_string()),
        ('v', value) => value.to_string(),
        ('s', Data::List(_) | Data::Map(_)) => value.to_string(),
        ('q', Data::Text(text)) => quoted(&cut(text.clone())),
        ('q', Data::List(items)) => {
            let items: Result<Vec<String>, String> =
                items.iter().map(|item| formed('q', item, form)).collect();
            format!("[{}]", items?.join(" "))
        }
        ('d', Data::Int(number)) => signed(number.to_string()),
        ('x', Data::Int(number)) => format!("{number:x}"),
        ('X', Data::Int(number)) => format!("{number:X}"),
        ('o', Data::Int(number)) => format!("{number:o}"),
        ('b', Data::Int(number)) => format!("{number:b}"),
        ('c', Data::Int(number)) => {
            let letter = u32::try_from(*number).ok().and_then(char::from_u32);
            letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
        }
        ('t', Data::Bool(value)) => value.to_string(),
        ('f', Data::Float(number)) => signed(format!("{number:.*}", form.precision.unwrap_or(6))),
        ('T', _) => return Err("`%T` is not supported in queries".to_owned()),
        (_, value) => return Err(format!("`%{verb}` does not print {}", value.kind())),
    })
}

/// A Go literal.
fn quoted(text: &str) -> String {
    let mut result = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\t' => result.push_str("\\t"),
            '\r' => result.push_str("\\r"),
            _ if letter.is_control() => result.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => result.push(letter),
        }
    }
    result.push('"');
    result
}

fn padded(text: &str, form: &Form, value: &Data) -> String {
    let missing = form.width.saturating_sub(text.chars().count());
    if form.left {
        return format!("{text}{}", " ".repeat(missing));
    }
    if form.zero && matches!(value, Data::Int(_) | Data::Float(_)) {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text),
        };
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    format!("{}{text}", " ".repeat(missing))
}
