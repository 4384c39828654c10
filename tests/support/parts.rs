//! Where tests find real programs, and what they do without them.

use std::path::PathBuf;

/// A program from `MELANGE2_TEST_TOOLS`, else from `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("MELANGE2_TEST_TOOLS").map(PathBuf::from);
    let own = tools.map(|tools| tools.join(name)).filter(|path| path.is_file());
    own.or_else(|| which::which(name).ok())
}

/// Says why a test is not run; fails it where all parts must be there (`scripts/test`).
#[track_caller]
pub fn without(missing: &str) {
    assert!(
        std::env::var_os("MELANGE2_TEST_REQUIRE").is_none(),
        "real parts are required, but {missing}"
    );
    println!("not run: {missing} (`scripts/test` provides all parts)");
}
