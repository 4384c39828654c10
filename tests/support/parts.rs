//! Where tests find real programs, and what they do without them.

use std::path::PathBuf;

pub use super::required::{shared, without};

/// A program from `MELANGE2_TEST_TOOLS`, else from `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("MELANGE2_TEST_TOOLS").map(PathBuf::from);
    let own = tools.map(|tools| tools.join(name)).filter(|path| path.is_file());
    own.or_else(|| which::which(name).ok())
}
