//! The fuzz targets' kept corpus: what was found once stays mended. `fuzz/` finds more.

use std::path::Path;

#[path = "../fuzz/harness.rs"]
mod harness;

/// Gives each file of a target's corpus to it.
fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs_err::read_dir(directory).unwrap() {
        run(&fs_err::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 5, "{target}: {count}");
}

#[test]
fn recipes_of_the_kept_corpus_are_told_well() {
    replay("recipe", harness::recipe);
}

#[test]
fn substitutions_of_the_kept_corpus_are_told_well() {
    replay("substitution", harness::substitution);
}

#[test]
fn conditions_of_the_kept_corpus_are_told_well() {
    replay("condition", harness::condition);
}
