//! What is said about bad recipes: one fixture per mistake, one snapshot per fixture.
//!
//! A reader who sees only the snapshot should be able to mend the fixture.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use melange2::arch::{Arch, Libc};
use melange2::diagnostic::Diagnostics;
use melange2::plan::{Context, resolve};

const FIXTURES: &str = "tests/fixtures/errors";
const SNAPSHOTS: &str = "snapshots/errors";

/// Every kind of problem that recipes can have.
const CODES: [&str; 29] = [
    "alias-limit",
    "checksum",
    "condition",
    "cpe",
    "duplicate-key",
    "duplicate-package",
    "duration",
    "encoding",
    "malformed-reference",
    "missing-input",
    "package-name",
    "package-version",
    "pipeline-circle",
    "pipeline-name",
    "priority",
    "regex",
    "required-steps",
    "setcap",
    "step",
    "too-deep",
    "too-long",
    "unknown-input",
    "unknown-key",
    "unknown-pipeline",
    "unknown-range",
    "unknown-variable",
    "variable-circle",
    "wrong-type",
    "yaml",
];

fn stems(directory: &Path, extension: &str) -> BTreeSet<String> {
    let files = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn problems(recipe: &Path, pipeline_dirs: Vec<PathBuf>) -> Diagnostics {
    let context = Context {
        arch: Arch::X86_64,
        libc: Libc::Gnu,
        pipeline_dirs,
        vars: Default::default(),
        env: Default::default(),
        build_options: Vec::new(),
        package_append: Vec::new(),
        commit: String::new(),
    };
    match melange2::config::load(recipe).and_then(|config| resolve(&config, &context)) {
        Ok(_) => panic!("{} is a good recipe", recipe.display()),
        Err(problems) => problems,
    }
}

#[test]
fn every_mistake_is_explained() {
    let mut codes = BTreeSet::new();
    for name in stems(Path::new(FIXTURES), "yaml") {
        // With directories the message about an unknown pipeline is another one.
        let own = !name.ends_with("without-directory");
        let directories = own.then(|| Path::new(FIXTURES).join("pipelines")).into_iter().collect();
        let recipe = Path::new(FIXTURES).join(format!("{name}.yaml"));
        let problems = problems(&recipe, directories);
        codes.extend(problems.items.iter().map(|item| item.code));
        insta::with_settings!({
            snapshot_path => SNAPSHOTS, prepend_module_to_snapshot => false, omit_expression => true,
        }, {
            insta::assert_snapshot!(name, problems.render(false));
        });
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), CODES);
}

#[test]
fn fixtures_and_snapshots_match_one_to_one() {
    let snapshots = Path::new("tests").join(SNAPSHOTS);
    assert_eq!(stems(Path::new(FIXTURES), "yaml"), stems(&snapshots, "snap"));
}

#[test]
fn a_recipe_that_is_not_there_is_named() {
    let problems = melange2::config::load(Path::new("tests/fixtures/none.yaml")).unwrap_err();
    insta::assert_snapshot!(problems.render(false), @"error[unreadable]: failed to open file `tests/fixtures/none.yaml`: No such file or directory (os error 2)");
}
