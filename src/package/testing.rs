//! Plans and options for the tests of this stage.

use std::path::Path;

use super::Options;
use crate::arch::Arch;
use crate::diagnostic::Diagnostics;
use crate::plan::{Capabilities, Compiled, Environment, Package, Plan};

/// A plan of packages called so, all of version 1.2-r3.
pub fn plan(names: &[&str]) -> Plan {
    let package = |name: &&str| Package {
        name: (*name).to_owned(),
        version: "1.2".to_owned(),
        epoch: 3,
        ..Package::default()
    };
    Plan {
        arch: Arch::X86_64,
        recipe: "hello.yaml".into(),
        environment: Environment::default(),
        capabilities: Capabilities::default(),
        steps: Vec::new(),
        packages: names.iter().map(package).collect(),
        timeout: None,
        compiled: Compiled(serde_json::Value::Null),
        warnings: Diagnostics::default(),
    }
}

/// Plain options: unsigned, no index.
pub fn options(out_dir: &Path) -> Options<'static> {
    Options {
        out_dir: out_dir.to_owned(),
        signer: None,
        generate_index: false,
        namespace: "unknown".to_owned(),
        source_date_epoch: 0,
        strip_origin_name: false,
        locked: &[],
        recipe_license: String::new(),
        repo_url: String::new(),
        cancelled: || false,
    }
}
