//! What tests do without what they need. Unit tests share it (`src/lib.rs` names this file).

use std::path::{Path, PathBuf};

/// Says why a test is not run; fails it where all parts must be there (`scripts/test`).
#[track_caller]
pub fn without(missing: &str) {
    assert!(
        std::env::var_os("MELANGE2_TEST_REQUIRE").is_none(),
        "real parts are required, but {missing}"
    );
    println!("not run: {missing} (`scripts/test` provides all parts)");
}

/// Data that are not this project's to have: apk-tools' cases, Wolfi's recipes. Without the folder
/// that holds them a test says so and passes, everywhere; with it, all of it must be there.
#[track_caller]
pub fn shared(path: &str) -> Option<PathBuf> {
    let named = std::env::var_os("MELANGE2_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = named.clone().unwrap_or_else(beside);
    let wanted = folder.join(path);
    if wanted.exists() {
        return Some(wanted);
    }
    if named.is_none() && !folder.exists() {
        println!("not run: there is no `{}` on this machine", folder.display());
    } else {
        without(&format!("there is no `{}`", wanted.display()));
    }
    None
}
