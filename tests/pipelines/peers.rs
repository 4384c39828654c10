//! The definitions beside those that real melange has embedded, in the module that it is built of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use melange2::plan::builtin_pipelines;
use serde_yaml::Value;

use crate::support::parts;

/// The directory of melange's pipelines: in the module from which `scripts/setup` builds it.
fn melanges() -> Option<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/peers");
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", "chainguard.dev/melange"]).current_dir(module);
    let output = go.env("GOFLAGS", "-mod=mod").env("GOWORK", "off").output().ok()?;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let directory = Path::new(json["Dir"].as_str()?).join("pkg/build/pipelines");
    directory.is_dir().then_some(directory)
}

/// What users and the environment see of a definition: inputs with whether they are required and
/// their defaults, and needed packages.
fn interface(text: &str) -> (BTreeMap<String, (bool, String)>, Vec<String>) {
    let yaml: Value = serde_yaml::from_str(text).unwrap();
    let scalar = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap().trim().to_owned(),
    };
    let mut inputs = BTreeMap::new();
    for (name, input) in yaml["inputs"].as_mapping().into_iter().flatten() {
        let required = input["required"].as_bool().unwrap_or_default();
        inputs.insert(scalar(name), (required, scalar(&input["default"])));
    }
    let needs = yaml["needs"]["packages"].as_sequence().into_iter().flatten();
    let mut needs: Vec<String> = needs.map(scalar).collect();
    needs.sort();
    (inputs, needs)
}

#[test]
fn inputs_defaults_and_needs_are_melanges() {
    let Some(theirs) = melanges() else {
        return parts::without("there is no module of melange");
    };
    let names = walkdir::WalkDir::new(&theirs).into_iter().flatten().filter_map(|entry| {
        let path = entry.path().strip_prefix(&theirs).ok()?.to_str()?;
        path.strip_suffix(".yaml").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    let mut ours: Vec<String> = Vec::new();
    for (name, text) in builtin_pipelines() {
        let other = fs_err::read_to_string(theirs.join(format!("{name}.yaml"))).unwrap();
        assert_eq!(interface(text), interface(&other), "{name}");
        ours.push(name.clone());
    }
    ours.sort();
    assert_eq!(ours, names);
}
