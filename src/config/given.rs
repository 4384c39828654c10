//! Lists and mappings of which `compile` says whether they were given. Stage 1.

use serde_json::Value as JsonValue;

use super::field::{Field, Visit};
use super::json_schema::Definitions;
use super::reader::Reader;
use super::yaml::Node;
use crate::go_template::Data;

/// A list or mapping that `compile` always prints: as `null`, Go's word, where it is not given, and as
/// an empty one where an empty one is.
#[derive(Clone, Debug, Default)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Whether the recipe has it.
    given: bool,
}

impl<T> std::ops::Deref for Given<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Field> Field for Given<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        Self { value: T::read(node, reader), given: !node.is_null() }
    }

    fn json(&self) -> JsonValue {
        let empty = !self.given && self.value.is_unset();
        if empty { JsonValue::Null } else { self.value.json() }
    }

    fn data(&self) -> Data {
        self.value.data()
    }

    fn schema(definitions: &mut Definitions) -> JsonValue {
        T::schema(definitions)
    }

    fn is_unset(&self) -> bool {
        self.value.is_unset()
    }

    fn visit(&mut self, visitor: &mut dyn Visit) {
        self.value.visit(visitor);
    }
}
