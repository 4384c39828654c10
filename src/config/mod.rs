//! Stage 1: the recipe's text as typed values that keep their place in the file.
//!
//! Nothing is substituted or decided here; `${{…}}` stands in the values as written. The text
//! becomes a tree of nodes (`yaml`), the tree becomes the types of `schema` (`reader`, `field`),
//! and everything that is wrong is found in one run.

pub(crate) mod field;
mod given;
pub(crate) mod json_schema;
mod load;
pub(crate) mod reader;
mod record;
mod schema;
mod yaml;

pub use field::{Condition, Dict, Entry, Text};
pub use json_schema::json_schema;
pub(crate) use load::{about, parse_pipeline, read_source};
pub use load::{load, load_vars, parse_recipe, read};
pub use schema::*;
