//! YAML text as a tree whose nodes keep their place, and nothing else of YAML.
//!
//! Stage 1's ground floor. Anchors, aliases and merge keys are gone from the tree; duplicate keys
//! are refused; scalars keep their source text (`1.10` stays `1.10`). Knows no schema.

mod node;
mod parse;

pub(crate) use node::{Key, Node, Value};
pub(crate) use parse::parse;
