//! Plans made by hand, for the tests of stage 3.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use melange2::arch::Arch;
use melange2::diagnostic::{Source, Span};
use melange2::digest::Sha256;
use melange2::dockerfile::{Environment, Options};
use melange2::plan::{Compiled, Package, Plan, Step};

/// A plan of `hello 2.12.1-r3` for x86_64 without steps.
pub fn plan() -> Plan {
    Plan {
        arch: Arch::X86_64,
        recipe: PathBuf::from("hello.yaml"),
        environment: melange2::plan::Environment::default(),
        capabilities: melange2::plan::Capabilities::default(),
        steps: Vec::new(),
        packages: vec![package("hello")],
        timeout: None,
        compiled: Compiled(serde_json::Value::Null),
        warnings: melange2::diagnostic::Diagnostics::default(),
    }
}

/// A package of that version.
pub fn package(name: &str) -> Package {
    Package { name: name.to_owned(), version: "2.12.1".to_owned(), epoch: 3, ..Package::default() }
}

/// A step of the first package, on the recipe's line `line`.
pub fn step(line: usize, label: &str, script: &str) -> Step {
    let source = Arc::new(Source { path: PathBuf::from("hello.yaml"), text: "\n".repeat(line) });
    Step {
        label: label.to_owned(),
        uses: None,
        package: 0,
        script: script.to_owned(),
        working_directory: "/home/build".to_owned(),
        variables: IndexMap::new(),
        places: vec![Span::new(&source, line - 1..line)],
    }
}

/// The same, made by a pipeline.
pub fn uses(line: usize, pipeline: &str, script: &str) -> Step {
    Step { uses: Some(pipeline.to_owned()), ..step(line, pipeline, script) }
}

/// An environment with these programs.
pub fn environment(programs: &[&str]) -> Environment {
    Environment {
        dir: PathBuf::from("layout"),
        digest: Sha256([0x5a; 32]),
        programs: programs.iter().map(|name| format!("/usr/bin/{name}")).collect(),
    }
}

/// What the command line says by default: the eight cache mounts, by the rule.
pub fn options() -> Options {
    Options {
        cache_mounts: melange2::cache::default_cache_mounts(),
        namespace: "wolfi".to_owned(),
        ..Options::default()
    }
}
