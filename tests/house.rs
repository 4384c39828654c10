//! The habits that compilers and lints do not check: who may know whom, what each file begins with.

use std::path::{Path, PathBuf};

/// The Rust files below a directory of the project.
fn files(below: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = walkdir::WalkDir::new(root.join(below))
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs_err::read_to_string(&path).unwrap();
            (path.strip_prefix(root).unwrap().to_owned(), text)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{below}");
    files
}

/// Lines of the files that name one of the modules.
fn uses(below: &str, modules: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files(below) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if modules.iter().any(|module| {
                code.contains(&format!("crate::{module}::"))
                    || code.contains(&format!("use crate::{module};"))
                    || code.contains(&format!("use crate::{{{module}"))
            }) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    found
}

#[test]
fn a_stage_knows_nothing_of_those_that_run_after_it() {
    let stages = ["config", "plan", "dockerfile", "buildkit", "package", "commands"];
    for (number, stage) in stages[..4].iter().enumerate() {
        let later: Vec<&str> = stages[number + 1..].to_vec();
        assert_eq!(uses(&format!("src/{stage}"), &later), [] as [&str; 0]);
    }
    for beneath in ["apk", "repo", "image"] {
        assert_eq!(uses(&format!("src/{beneath}"), &stages), [] as [&str; 0]);
    }
    assert_eq!(uses("src/package", &["buildkit", "commands", "dockerfile"]), [] as [&str; 0]);
    // The test itself can fail.
    assert!(!uses("src/commands", &["buildkit"]).is_empty());
}

#[test]
fn yaml_readers_and_writers_stay_in_their_modules() {
    for (path, text) in files("src") {
        let reads = text.contains("saphyr_parser") && !path.starts_with("src/config/yaml");
        let writes = text.contains("serde_yaml::") && !path.ends_with("src/plan/compiled.rs");
        assert!(!reads && !writes, "{}", path.display());
    }
}

#[test]
fn every_file_says_what_it_does_and_is_short() {
    for below in ["src", "scripts", "tests", "benches"] {
        for (path, text) in files(below) {
            assert!(text.starts_with("//! "), "{} begins with its doc", path.display());
            let lines = text.lines().count();
            assert!(lines <= 500, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_projects_files_stand_where_people_look() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", ".ci/run"] {
        assert!(root.join(name).is_file(), "{name}");
    }
    let read = |name: &str| fs_err::read_to_string(root.join(name)).unwrap();
    assert!(read("LICENSE").contains("Apache License"));
    assert!(read("Cargo.toml").contains("\nrust-version = \""));
    for toolchain in ["rust-toolchain", "rust-toolchain.toml"] {
        assert!(!root.join(toolchain).exists(), "{toolchain}");
    }
    let main = read("src/main.rs");
    assert!(main.lines().count() < 20 && main.contains("melange2::run("), "the binary is thin");
}
