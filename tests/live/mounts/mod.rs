//! Cache mounts with the tools that they are for, and real modules, crates, wheels and npm packages.
//!
//! The registries are those of this machine: what its clients are told by well-known variables,
//! steps are told too, and they trust what `SSL_CERT_FILE` names.

mod owners;
mod parents;
mod patterns;
mod sharing;
mod tools;

use std::process::Command;

use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

/// All that the tests need, so that they share one environment.
const PACKAGES: &str = "busybox,go,cargo,rust,gcc,glibc-dev,build-base,ca-certificates-bundle,git,\
                        ccache,py3-pip,py3-setuptools,py3-wheel,nodejs,npm";

/// Targets of the built-in mounts inside the workspace, without the workspace.
const TARGETS: [&str; 7] = [
    "go/pkg/mod",
    ".cache/go-build",
    ".cache/pip",
    ".npm",
    ".cargo/registry",
    ".cargo/git",
    ".ccache",
];

/// Variables by which a machine tells its clients where registries are.
fn tells_of_registries(name: &str) -> bool {
    let exact = ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "PIP_INDEX_URL"];
    let more = ["PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "NPM_CONFIG_REGISTRY"];
    let start = ["CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_SOURCE_"];
    exact.contains(&name)
        || more.contains(&name)
        || start.iter().any(|start| name.starts_with(start))
}

/// `melange2 build RECIPE` in the common environment, with the machine's registries; `variables`
/// come before the machine's.
fn build(lab: &Lab, env: &TestEnv, recipe: &str, variables: &[(&str, &str)]) -> Command {
    let mut text = String::new();
    for (name, value) in variables {
        text.push_str(&format!("{name}={value}\n"));
    }
    for (name, value) in std::env::vars().filter(|(name, _)| tells_of_registries(name)) {
        if !variables.iter().any(|(other, _)| *other == name) {
            text.push_str(&format!("{name}='{value}'\n"));
        }
    }
    let file = env.write(format!("env-{}", nonce()), text);
    let mut command = lab.build(env, recipe);
    command.arg("-v").arg("--env-file").arg(file).args(["--package-append", PACKAGES]);
    if let Some(bundle) = std::env::var_os("SSL_CERT_FILE") {
        command.arg("--ca-file").arg(bundle);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A recipe of steps, all of whose steps are told apart from those of other runs.
fn recipe(name: &str, steps: &[(&str, &str)]) -> String {
    let nonce = nonce();
    let steps: Vec<(String, String)> = steps
        .iter()
        .map(|(label, script)| ((*label).to_owned(), format!("# {nonce}\n{script}")))
        .collect();
    let steps: Vec<(&str, &str)> =
        steps.iter().map(|(label, script)| (label.as_str(), script.as_str())).collect();
    super::recipe(name, &steps)
}

/// Copies a recipe of `tests/fixtures/mounts`, and its sources, to the work directory; `name` takes
/// the place of its own.
fn fixture(env: &TestEnv, own: &str, name: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mounts");
    let text = fs_err::read_to_string(root.join(format!("{own}.yaml"))).unwrap();
    let file = format!("{name}.yaml");
    env.write(&file, text.replace(&format!("name: {own}\n"), &format!("name: {name}\n")));
    let sources = root.join(own);
    for entry in walkdir::WalkDir::new(&sources).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            let below = entry.path().strip_prefix(&sources).unwrap();
            env.write(std::path::Path::new(name).join(below), fs_err::read(entry.path()).unwrap());
        }
    }
    file
}

/// Flags for new, empty mounts at these targets.
fn cold(id: &str, targets: &[&str]) -> Vec<String> {
    let mount = |target: &&str| {
        let name = target.replace(['/', '.'], "-");
        ["--cache-mount".to_owned(), format!("id={id}{name},target=/home/build/{target}")]
    };
    targets.iter().flat_map(mount).collect()
}
