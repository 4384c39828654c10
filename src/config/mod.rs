//! Stage 1: the recipe's text as typed values that keep their place in the file.
//!
//! Nothing is substituted or decided here; `${{…}}` stands in the values as written.

use std::path::Path;

use crate::diagnostic::Diagnostics;

/// A recipe as written.
#[derive(Clone, Debug)]
pub struct Config {
    _private: (),
}

/// Reads a recipe, or says everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, Diagnostics> {
    todo!("{}", path.display())
}
