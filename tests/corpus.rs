//! All of Wolfi: every recipe compiles to what the reference compiles it to.
//!
//! The recipes are not ours and not here: the test is skipped, with a note, where they are absent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use melange2::arch::{Arch, Libc};
use melange2::plan::{Context, resolve};
use serde_json::{Map, Value, json};

/// The corpus, if it is there.
fn corpus() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let shared =
        std::env::var_os("MELANGE2_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let corpus = shared.join("corpus");
    if !corpus.join("recipes").is_dir() {
        println!("skipped: there is no {}", corpus.display());
        return None;
    }
    Some(corpus)
}

#[test]
fn recipes_compile_to_what_the_reference_says() {
    let Some(corpus) = corpus() else { return };
    let builtin = fs_err::read_to_string(corpus.join("builtin-pipelines.txt")).unwrap();
    let builtin: BTreeSet<&str> = builtin.split_whitespace().collect();
    let context = context(&corpus);
    let mut recipes: Vec<_> = fs_err::read_dir(corpus.join("recipes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    recipes.sort();
    let (mut equal, mut skipped, mut wrong) = (0, Vec::new(), Vec::new());
    for recipe in &recipes {
        let name = recipe.file_stem().unwrap().to_str().unwrap();
        let expected = corpus.join("expected").join(format!("{name}.json"));
        match compare(recipe, &expected, &context, &builtin) {
            Outcome::Equal => equal += 1,
            Outcome::Skipped => skipped.push(name.to_owned()),
            Outcome::Wrong(how) => wrong.push(format!("{name}: {how}")),
        }
    }
    println!("{equal} equal, {} different or failed, {} skipped", wrong.len(), skipped.len());
    assert_eq!(skipped, ["font-stix-otf-arm"]);
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        recipes.len(),
        wrong[..wrong.len().min(30)].join("\n")
    );
}

fn context(corpus: &Path) -> Context {
    Context {
        arch: Arch::X86_64,
        libc: Libc::Gnu,
        pipeline_dirs: vec![corpus.join("pipelines")],
        vars: Default::default(),
        env: Default::default(),
        build_options: Vec::new(),
        package_append: Vec::new(),
        commit: String::new(),
    }
}

enum Outcome {
    Equal,
    Skipped,
    Wrong(String),
}

fn compare(recipe: &Path, expected: &Path, context: &Context, builtin: &BTreeSet<&str>) -> Outcome {
    let plan = melange2::config::load(recipe).and_then(|config| resolve(&config, context));
    let plan = match plan {
        Ok(Some(plan)) => plan,
        Ok(None) => return Outcome::Skipped,
        Err(problems) => return Outcome::Wrong(problems.render(false)),
    };
    let actual = reduce(&plan.compiled.0, builtin);
    let expected: Value = serde_json::from_str(&fs_err::read_to_string(expected).unwrap()).unwrap();
    // Maps compare without regard to order, lists with it.
    match difference("", &expected, &actual) {
        None => Outcome::Equal,
        Some(how) => Outcome::Wrong(how),
    }
}

/// The first place at which two values differ.
fn difference(path: &str, expected: &Value, actual: &Value) -> Option<String> {
    match (expected, actual) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            keys.into_iter().find_map(|key| {
                let (one, other) = (one.get(key), other.get(key));
                let path = format!("{path}.{key}");
                difference(&path, one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).enumerate().find_map(|(index, (one, other))| {
                difference(&format!("{path}[{index}]"), one, other)
            })
        }
        _ if expected == actual => None,
        _ => Some(format!("{path}: expected {expected}, got {actual}")),
    }
}

/// The form of the expected files, as the corpus' own `reduce.py` makes it.
fn reduce(compiled: &Value, builtin: &BTreeSet<&str>) -> Value {
    let subpackages = list(&compiled["subpackages"]).iter().map(|sub| subpackage(sub, builtin));
    let mut reduced = json!({
        "package": clean(&compiled["package"]),
        "environment": environment(&compiled["environment"]),
        "capabilities": clean(&compiled["capabilities"]),
        "pipeline": steps(&compiled["pipeline"], builtin),
        "subpackages": subpackages.collect::<Value>(),
    });
    if has(&compiled["test"]) {
        reduced["test"] = test(&compiled["test"], builtin);
    }
    without_commit(reduced)
}

fn subpackage(sub: &Value, builtin: &BTreeSet<&str>) -> Value {
    let mut rest = sub.as_object().unwrap().clone();
    rest.retain(|key, _| key != "pipeline" && key != "test");
    let mut reduced = clean(&Value::Object(rest));
    reduced["pipeline"] = steps(&sub["pipeline"], builtin);
    if has(&sub["test"]) {
        reduced["test"] = test(&sub["test"], builtin);
    }
    reduced
}

fn test(test: &Value, builtin: &BTreeSet<&str>) -> Value {
    json!({
        "environment": environment(&test["environment"]),
        "pipeline": steps(&test["pipeline"], builtin),
    })
}

fn has(value: &Value) -> bool {
    !value.is_null() && value != &json!({})
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == &json!({}) || value == &json!([]) || value == &json!("")
}

/// Without empty values.
fn clean(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let cleaned = map.iter().map(|(key, value)| (key.clone(), clean(value)));
            Value::Object(cleaned.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => items.iter().map(clean).collect(),
        other => other.clone(),
    }
}

/// Values of variables that every build gets, here and upstream.
const DEFAULTS: [&str; 14] = [
    "HOME=/home/build",
    "GOPATH=/home/build/go",
    "GOMODCACHE=/home/build/go/pkg/mod",
    "GOCACHE=/home/build/.cache/go-build",
    "PIP_CACHE_DIR=/home/build/.cache/pip",
    "NPM_CONFIG_CACHE=/home/build/.npm",
    "CARGO_HOME=/home/build/.cargo",
    "CCACHE_DIR=/home/build/.ccache",
    "GOPATH=/home/build/.cache/go",
    "GOMODCACHE=/var/cache/melange/gomodcache",
    "UV_CACHE_DIR=/var/cache/melange/uv",
    "PIP_CACHE_DIR=/var/cache/melange/pip",
    "COMPOSER_CACHE_DIR=/var/cache/melange/composer",
    "npm_config_cache=/var/cache/melange/npm",
];

fn environment(environment: &Value) -> Value {
    let mut variables = environment["environment"].as_object().cloned().unwrap_or_default();
    variables.retain(|name, value| {
        let pair = format!("{name}={}", value.as_str().unwrap());
        !DEFAULTS.contains(&pair.as_str())
    });
    let or = |value: &Value, other: Value| if value.is_null() { other } else { value.clone() };
    json!({
        "packages": or(&environment["contents"]["packages"], json!([])),
        "environment": variables,
        "accounts": or(&environment["accounts"], json!({})),
    })
}

fn steps(all: &Value, builtin: &BTreeSet<&str>) -> Value {
    list(all).iter().map(|step| self::step(step, builtin)).collect()
}

fn step(step: &Value, builtin: &BTreeSet<&str>) -> Value {
    let mut reduced = Map::new();
    for key in ["name", "if", "uses", "with", "working-directory", "environment", "assertions"] {
        let value = &step[key];
        if !value.is_null() && value != &json!({}) && value != &json!("") {
            reduced.insert(key.to_owned(), value.clone());
        }
    }
    let uses = step["uses"].as_str().unwrap_or_default();
    if !builtin.contains(uses) {
        if !is_empty(&step["runs"]) {
            reduced.insert("runs".to_owned(), step["runs"].clone());
        }
        if !is_empty(&step["pipeline"]) {
            reduced.insert("pipeline".to_owned(), steps(&step["pipeline"], builtin));
        }
    }
    Value::Object(reduced)
}

fn without_commit(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let rest = map.into_iter().filter(|(key, _)| key != "commit");
            Value::Object(rest.map(|(key, value)| (key, without_commit(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(without_commit).collect(),
        other => other,
    }
}
