//! The recipe's schema as a JSON schema, for editors.
//!
//! Stage 1. Made from the types: `record!` gives each mapping its keys, and what they say of
//! themselves. It is as strict as the reader about keys, and as lenient about scalars.

use serde_json::{Map, Value as Json, json};

use super::field::Field;
use super::schema::Config;

/// The schemas of mappings, by the names of their types.
pub(crate) type Definitions = Map<String, Json>;

/// A key of a mapping.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Its documentation.
    pub(crate) about: &'static str,
    pub(crate) schema: Json,
    pub(crate) required: bool,
}

/// The JSON schema of a recipe.
pub fn json_schema() -> Json {
    let mut definitions = Definitions::new();
    let root = Config::schema(&mut definitions);
    definitions.sort_keys();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "melange recipe",
        "allOf": [root],
        "definitions": definitions,
    })
}

/// Where the schema of a mapping stands.
pub(crate) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// A mapping of these keys and no others. Nothing at all is an empty mapping.
pub(crate) fn record(keys: Vec<Key>) -> Json {
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let properties: Map<String, Json> = keys
        .into_iter()
        .map(|key| (key.name.to_owned(), documented(key.schema, key.about)))
        .collect();
    let mut record = json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        record["required"] = json!(required);
    }
    record
}

fn documented(schema: Json, about: &str) -> Json {
    // Beside a reference nothing else counts.
    let mut schema =
        if schema.get("$ref").is_some() { json!({ "allOf": [schema] }) } else { schema };
    let words: Vec<&str> = about.split_whitespace().collect();
    schema["description"] = Json::String(words.join(" "));
    schema
}

/// Any scalar: the reader takes its text.
pub(crate) fn text() -> Json {
    json!({ "type": ["string", "number", "boolean", "null"] })
}

/// A list.
pub(crate) fn list(items: &Json) -> Json {
    json!({ "type": ["array", "null"], "items": items })
}

/// A mapping with keys that are free.
pub(crate) fn map(values: &Json) -> Json {
    json!({ "type": ["object", "null"], "additionalProperties": values })
}

/// `true` or `false`, in YAML 1.1's words too.
pub(crate) fn boolean() -> Json {
    json!({ "anyOf": [
        { "type": ["boolean", "null"] },
        { "enum": ["yes", "no", "on", "off", "y", "n", "Y", "N"] },
    ] })
}

/// A whole number; YAML 1.1's octal ones (`0755`) are texts to readers of YAML 1.2.
pub(crate) fn integer(negative: bool) -> Json {
    let mut number = json!({ "type": ["integer", "null"] });
    if !negative {
        number["minimum"] = json!(0);
    }
    json!({ "anyOf": [number, { "type": "string", "pattern": "^0[0-7]+$" }] })
}
