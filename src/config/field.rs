//! How a value of each type is read from a YAML node, visited for substitution, and written.
//!
//! Stage 1. The rules are those of Go's YAML reader with upstream's types: a string takes the
//! source text of any scalar, null is the empty value of everything, a number is never quoted.

use indexmap::IndexMap;
use serde_json::{Map as Json, Value as JsonValue};

use super::json_schema::{self, Definitions};
use super::reader::Reader;
use super::yaml::{Node, Value};
use crate::diagnostic::{Span, Spanned};
use crate::go_template::Data;

/// A string of the recipe and its place. Not given and empty are the same, as they are upstream.
pub type Text = Spanned<String>;

impl Spanned<String> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Whether it is empty or was not given.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }
}

/// A condition (`if:`): a text in which variables are substituted by rules of their own.
#[derive(Clone, Debug, Default)]
pub struct Condition(pub Text);

/// A mapping of names to strings (`with`, `vars`, `environment`, `items` …), in file order.
#[derive(Clone, Debug, Default)]
pub struct Dict(pub IndexMap<String, Entry>);

/// An entry of a [`Dict`].
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Where the key stands.
    pub key: Span,
    /// The value.
    pub value: Text,
}

impl Dict {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|entry| entry.value.as_str())
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry.value.as_str()))
    }

    /// Sets a value that no file gives.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        let value = Text::new(value.to_owned(), Span::default());
        self.0.insert(key.to_owned(), Entry { key: Span::default(), value });
    }
}

/// Sees every text that substitution reaches.
pub(crate) trait Visit {
    /// An ordinary text.
    fn text(&mut self, text: &mut Text);
    /// A condition.
    fn condition(&mut self, condition: &mut Condition);
}

/// A type that values of the recipe have.
pub(crate) trait Field: Default {
    /// Reads a node; what is wrong goes to the reader, and the default stands in.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self;
    /// The value in `compile`'s JSON.
    fn json(&self) -> JsonValue;
    /// The value as templates of queries see it: nothing is left out, names are Go's.
    fn data(&self) -> Data;
    /// The type's JSON schema; mappings go to the definitions.
    fn schema(definitions: &mut Definitions) -> JsonValue;
    /// Whether `omitempty` leaves it out.
    fn is_unset(&self) -> bool;
    /// Shows every text to the visitor.
    fn visit(&mut self, _visitor: &mut dyn Visit) {}
}

impl Field for Text {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        let span = reader.span(&node.bytes);
        match &node.value {
            _ if node.is_null() => Text::new(String::new(), span),
            Value::Plain(text) | Value::Quoted(text) => {
                reader.check_text(text, &span);
                Text::new(text.clone(), span)
            }
            Value::List(_) | Value::Map(_) => reader.wrong_type(node, "a string"),
        }
    }

    fn json(&self) -> JsonValue {
        self.value.clone().into()
    }

    fn data(&self) -> Data {
        Data::Text(self.value.clone())
    }

    fn schema(_: &mut Definitions) -> JsonValue {
        json_schema::text()
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn visit(&mut self, visitor: &mut dyn Visit) {
        visitor.text(self);
    }
}

impl Field for Condition {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        Self(Text::read(node, reader))
    }

    fn json(&self) -> JsonValue {
        self.0.json()
    }

    fn data(&self) -> Data {
        self.0.data()
    }

    fn schema(_: &mut Definitions) -> JsonValue {
        json_schema::text()
    }

    fn is_unset(&self) -> bool {
        self.0.is_empty()
    }

    fn visit(&mut self, visitor: &mut dyn Visit) {
        visitor.condition(self);
    }
}

impl<T: Field> Field for Vec<T> {
    /// Items that are null are none, as in Go's reader.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        match &node.value {
            _ if node.is_null() => Vec::new(),
            Value::List(items) => {
                let items = items.iter().filter(|item| !item.is_null());
                items.map(|item| T::read(item, reader)).collect()
            }
            _ => reader.wrong_type(node, "a list"),
        }
    }

    fn json(&self) -> JsonValue {
        self.iter().map(T::json).collect()
    }

    fn data(&self) -> Data {
        Data::List(self.iter().map(T::data).collect())
    }

    fn schema(definitions: &mut Definitions) -> JsonValue {
        json_schema::list(&T::schema(definitions))
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn visit(&mut self, visitor: &mut dyn Visit) {
        self.iter_mut().for_each(|item| item.visit(visitor));
    }
}

/// A part that upstream has by pointer: absent is not the same as empty.
impl<T: Field> Field for Option<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        (!node.is_null()).then(|| T::read(node, reader))
    }

    fn json(&self) -> JsonValue {
        self.as_ref().map_or(JsonValue::Null, T::json)
    }

    fn data(&self) -> Data {
        self.as_ref().map_or(Data::Nil, T::data)
    }

    fn schema(definitions: &mut Definitions) -> JsonValue {
        T::schema(definitions)
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }

    fn visit(&mut self, visitor: &mut dyn Visit) {
        if let Some(value) = self {
            value.visit(visitor);
        }
    }
}

impl Field for Dict {
    /// An entry whose key is null is none, as in Go's reader.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        let mut dict = Self::default();
        for (key, node) in reader.entries(node).iter().filter(|(key, _)| !key.is_null()) {
            let value = Text::read(node, reader);
            let entry = Entry { key: reader.span(&key.bytes), value };
            reader.check_text(&key.text, &entry.key);
            dict.0.insert(key.text.clone(), entry);
        }
        dict
    }

    /// Sorted by key, as Go writes maps.
    fn json(&self) -> JsonValue {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable();
        let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
        JsonValue::Object(entries.collect())
    }

    fn data(&self) -> Data {
        let entries = self.iter();
        Data::Map(
            entries.map(|(key, text)| (key.to_owned(), Data::Text(text.to_owned()))).collect(),
        )
    }

    fn schema(_: &mut Definitions) -> JsonValue {
        json_schema::map(&json_schema::text())
    }

    fn is_unset(&self) -> bool {
        self.0.is_empty()
    }

    fn visit(&mut self, visitor: &mut dyn Visit) {
        self.0.values_mut().for_each(|entry| visitor.text(&mut entry.value));
    }
}

/// Named parts (`inputs`, `options`).
impl<T: Field> Field for IndexMap<String, T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        let entries = reader.entries(node).iter().filter(|(key, _)| !key.is_null());
        entries.map(|(key, node)| (key.text.clone(), T::read(node, reader))).collect()
    }

    fn json(&self) -> JsonValue {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key.as_str());
        let mut json = Json::new();
        for (key, value) in entries {
            json.insert(key.clone(), value.json());
        }
        JsonValue::Object(json)
    }

    fn data(&self) -> Data {
        Data::Map(self.iter().map(|(key, value)| (key.clone(), value.data())).collect())
    }

    fn schema(definitions: &mut Definitions) -> JsonValue {
        json_schema::map(&T::schema(definitions))
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Field for bool {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        match &node.value {
            _ if node.is_null() => false,
            // YAML 1.1's words, which Go's reader takes where a boolean is expected, even quoted.
            Value::Plain(text) => match text.as_str() {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y"
                | "Y" => true,
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
                | "N" => false,
                _ => reader.wrong_type(node, "`true` or `false`"),
            },
            Value::Quoted(text) => match text.as_str() {
                "yes" | "on" | "y" | "Y" => true,
                "no" | "off" | "n" | "N" => false,
                _ => reader.wrong_type(node, "`true` or `false`, without quotes"),
            },
            _ => reader.wrong_type(node, "`true` or `false`, without quotes"),
        }
    }

    fn json(&self) -> JsonValue {
        (*self).into()
    }

    fn data(&self) -> Data {
        Data::Bool(*self)
    }

    fn schema(_: &mut Definitions) -> JsonValue {
        json_schema::boolean()
    }

    fn is_unset(&self) -> bool {
        !self
    }
}

/// Implements [`Field`] for an integer type.
macro_rules! integer {
    ($($type:ty = $expected:literal),*) => { $(
        impl Field for $type {
            fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
                let value = match &node.value {
                    _ if node.is_null() => return 0,
                    Value::Plain(text) => integer(text).and_then(|value| value.try_into().ok()),
                    _ => None,
                };
                value.unwrap_or_else(|| reader.wrong_type(node, $expected))
            }

            fn json(&self) -> JsonValue {
                (*self).into()
            }

            fn data(&self) -> Data {
                Data::Int((*self).into())
            }

                    fn schema(_: &mut Definitions) -> JsonValue {
                json_schema::integer(<$type>::MIN != 0)
            }


    fn is_unset(&self) -> bool {
                *self == 0
            }
        }
    )* };
}

integer! {
    u64 = "a whole number that is not negative, without quotes",
    i64 = "a whole number, without quotes",
    u32 = "a whole number from 0 to 4294967295, without quotes"
}

/// A number that keeps its place: tools change it there.
impl Field for Spanned<u64> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        Spanned::new(u64::read(node, reader), reader.span(&node.bytes))
    }

    fn json(&self) -> JsonValue {
        self.value.json()
    }

    fn data(&self) -> Data {
        self.value.data()
    }

    fn schema(definitions: &mut Definitions) -> JsonValue {
        u64::schema(definitions)
    }

    fn is_unset(&self) -> bool {
        self.value == 0
    }
}

/// An integer as YAML 1.1 and 1.2 spell them: `493`, `0755`, `0o755`, `0x1ed`, `1_000`; or a float
/// without a fraction, `1.0`, `1e3` or `08`, which Go's reader takes for one.
fn integer(text: &str) -> Option<i128> {
    written_whole(text).or_else(|| written_as_float(text))
}

fn written_as_float(text: &str) -> Option<i128> {
    let letter = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-' | '_');
    if text.starts_with('_') || !text.chars().all(letter) {
        return None;
    }
    let number: f64 = text.replace('_', "").parse().ok()?;
    // Beyond that floats are not exact, and Go's conversion is not defined.
    let whole = number.fract() == 0.0 && number.abs() < 2f64.powi(53);
    whole.then_some(number as i128)
}

fn written_whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['-', '+', '_']) {
        return None;
    }
    let digits = digits.replace('_', "").to_ascii_lowercase();
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        i128::from_str_radix(octal, 8)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(&digits, 8)
    } else {
        digits.parse()
    };
    value.ok().map(|value| if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::integer;

    #[test]
    fn integers_of_both_yaml_versions() {
        for (text, value) in [("493", 493), ("0755", 493), ("0o755", 493), ("-1", -1), ("1_0", 10)]
        {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for (text, value) in [
            ("1.0", 1),
            ("1.", 1),
            ("1e1", 10),
            ("1E+2", 100),
            ("-1.0", -1),
            ("-0.0", 0),
            ("08", 8),
            ("1_0.0", 10),
            ("0X1F", 31),
            ("0O10", 8),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in
            ["", "-", ".", "1.5", "1e-1", "1e30", "--1", "x", "0x", "1e", ".inf", "inf", "_1"]
        {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
