//! `melange2 schema`: the JSON schema of recipes takes what the reader takes, and refuses mistakes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{TestEnv, parts};

/// The schema that is printed, compiled by a validator that knows nothing of this project.
struct Validator {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let said = TestEnv::new().run(&["schema"]);
        let text = said.strip_prefix("exit: 0\n--- stdout\n").unwrap();
        let text = text.strip_suffix("--- stderr\n").unwrap();
        let schema: Value = serde_json::from_str(text).unwrap();
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("recipe.json", schema).unwrap();
        let index = compiler.compile("recipe.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// What is wrong with a recipe, if something is.
    fn complaint(&self, recipe: &Path) -> Option<String> {
        let bytes = fs_err::read(recipe).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let json = match read(text.trim_start_matches('\u{feff}')) {
            Ok(json) => json,
            Err(error) => return Some(error),
        };
        self.schemas.validate(&json, self.index).err().map(|error| format!("{error:#}"))
    }
}

/// As editors read YAML: the first document, merge keys resolved, every key a text.
fn read(text: &str) -> Result<Value, String> {
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let first = documents.next().ok_or("empty")?;
    let mut value: serde_yaml::Value =
        serde::Deserialize::deserialize(first).map_err(|error| error.to_string())?;
    value.apply_merge().map_err(|error| error.to_string())?;
    Ok(json(value))
}

fn json(value: serde_yaml::Value) -> Value {
    match value {
        serde_yaml::Value::Sequence(items) => items.into_iter().map(json).collect(),
        serde_yaml::Value::Mapping(map) => {
            let entries = map.into_iter().map(|(key, value)| {
                let key = serde_yaml::to_string(&key).unwrap();
                (key.trim().trim_matches(['\'', '"']).to_owned(), json(value))
            });
            Value::Object(entries.collect())
        }
        serde_yaml::Value::Tagged(tagged) => json(tagged.value),
        scalar => serde_json::to_value(&scalar).unwrap_or(Value::Null),
    }
}

fn recipes(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

#[test]
fn every_recipe_of_the_project_is_accepted() {
    let validator = Validator::new();
    for path in ["examples", "tests/fixtures/language/recipes"].map(Path::new) {
        for recipe in recipes(path) {
            // It has two keys that are null: Go's reader takes them, others don't.
            if recipe.ends_with("scalars.yaml") {
                continue;
            }
            let complaint = validator.complaint(&recipe);
            assert_eq!(complaint, None, "{}", recipe.display());
        }
    }
}

#[test]
fn every_recipe_of_wolfi_is_accepted() {
    let Some(folder) = parts::shared("corpus/recipes") else { return };
    let validator = Validator::new();
    let recipes = recipes(&folder);
    let refused: Vec<_> = recipes
        .iter()
        .filter_map(|recipe| {
            Some(format!("{}: {}", recipe.display(), validator.complaint(recipe)?))
        })
        .collect();
    assert!(recipes.len() > 1000 && refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn mistakes_are_refused() {
    let validator = Validator::new();
    let env = TestEnv::new();
    let good = "package: {name: a, version: 1, epoch: 0}\n";
    for (bad, about) in [
        ("pipline: []\n", "pipline"),
        ("pipeline: {runs: x}\n", "pipeline"),
        ("pipeline: [{run: x}]\n", "run"),
        ("pipeline: [{pipeline: [{pipeline: [{rnus: x}]}]}]\n", "rnus"),
        ("pipeline: [{runs: [a, b]}]\n", "runs"),
        ("pipeline: [{with: [a]}]\n", "with"),
        ("pipeline: [{with: {a: [b]}}]\n", "with"),
        ("subpackages: [{description: nameless}]\n", "name"),
        ("subpackages: [{name: b, version: 2}]\n", "version"),
        ("environment: {contents: {packages: busybox}}\n", "packages"),
        ("update: {enabled: maybe}\n", "enabled"),
        ("test: {pipeline: [{assertions: {required-steps: x}}]}\n", "required-steps"),
        ("options: {o: {vars: []}}\n", "vars"),
    ] {
        let path = env.write("r.yaml", format!("{good}{bad}"));
        let complaint = validator.complaint(&path).unwrap_or_else(|| panic!("accepted: {bad}"));
        assert!(complaint.contains(about), "{bad}: {complaint}");
        let said = env.run(&["compile", "r.yaml"]);
        assert!(said.starts_with("exit: 2\n"), "{bad}: {said}");
    }
    for bad in [
        "package: {name: a}\n",
        "package: {version: 1}\n",
        "pipeline: []\n",
        "package: {name: a, version: 1, epoch: -1}\n",
        "package: x\n",
    ] {
        let path = env.write("r.yaml", bad);
        assert!(validator.complaint(&path).is_some(), "{bad}");
    }
    let path = env.write("r.yaml", good);
    assert_eq!(validator.complaint(&path), None);
}

/// What shows that the language is read as melange reads it has to have all of it.
#[test]
fn every_key_of_the_schema_is_in_a_recipe_of_the_project() {
    let folder = Path::new("tests/fixtures/language/recipes");
    let text: String = recipes(folder)
        .iter()
        .map(|path| String::from_utf8(fs_err::read(path).unwrap()).unwrap())
        .collect();
    let missing: Vec<_> =
        keys().into_iter().filter(|(_, key)| !text.contains(&format!("{key}:"))).collect();
    assert_eq!(missing, []);
}

/// The mappings of the schema with their keys.
fn keys() -> Vec<(String, String)> {
    let said = TestEnv::new().run(&["schema"]);
    let json = said.split("---").nth(1).unwrap().trim_start_matches(" stdout\n");
    let json: Value = serde_json::from_str(json).unwrap();
    let definitions = json["definitions"].as_object().unwrap().clone();
    let keys = definitions.into_iter().flat_map(|(name, record)| {
        let keys: Vec<_> = record["properties"].as_object().unwrap().keys().cloned().collect();
        keys.into_iter().map(move |key| (name.clone(), key))
    });
    keys.collect()
}

#[test]
fn keys_say_what_they_are_for() {
    let said = TestEnv::new().run(&["schema"]);
    let json: Value =
        serde_json::from_str(said.split("---").nth(1).unwrap().trim_start_matches(" stdout\n"))
            .unwrap();
    let properties = &json["definitions"]["Step"]["properties"];
    assert_eq!(properties["if"]["description"], "Whether it runs.");
    let undocumented: Vec<_> = json["definitions"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(name, record)| {
            let keys = record["properties"].as_object().unwrap();
            let keys = keys
                .iter()
                .filter(|(_, key)| key["description"].as_str().is_none_or(str::is_empty));
            keys.map(move |(key, _)| format!("{name}.{key}"))
        })
        .collect();
    assert_eq!(undocumented, [] as [String; 0]);
}
