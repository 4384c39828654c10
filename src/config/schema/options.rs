//! `options:`: variants that `--build-option` turns on.

use serde_json::{Value as Json, json};

use crate::config::field::{Dict, Field, Text};
use crate::config::given::Given;
use crate::config::reader::Reader;
use crate::config::record::record;
use crate::config::yaml::Node;

/// A variant.
///
/// Upstream's type has no JSON names, so that `compile` prints Go's: this wraps the record.
#[derive(Clone, Debug, Default)]
pub struct BuildOption(pub Variant);

impl Field for BuildOption {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        Self(Variant::read(node, reader))
    }

    fn json(&self) -> Json {
        let packages = &self.0.environment.contents.packages;
        json!({
            "Vars": self.0.vars.json(),
            "Environment": { "Contents": { "Packages": {
                "Add": packages.add.json(),
                "Remove": packages.remove.json(),
            } } },
        })
    }

    fn data(&self) -> crate::go_template::Data {
        self.0.data()
    }

    fn schema(definitions: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
        Variant::schema(definitions)
    }

    fn is_unset(&self) -> bool {
        false
    }
}

record! {
    /// What a variant changes.
    pub struct Variant {
        /// Variables that it sets.
        vars: Given<Dict> = "vars" [],
        /// The environment's change.
        environment: EnvironmentOption = "environment" [],
    }
}

record! {
    /// A change of the environment.
    pub struct EnvironmentOption {
        /// Of its contents.
        contents: ContentsOption = "contents" [],
    }
}

record! {
    /// A change of the environment's contents.
    pub struct ContentsOption {
        /// Of its packages.
        packages: ListOption = "packages" [],
    }
}

record! {
    /// A change of a list.
    pub struct ListOption {
        /// To add.
        add: Given<Vec<Text>> = "add" [],
        /// To remove, by their exact text.
        remove: Given<Vec<Text>> = "remove" [],
    }
}
