//! What the fuzz targets do with their bytes. `tests/fuzz.rs` does the same with the kept corpus.
//!
//! Nothing may panic or run for long; whatever is said has a place in the text, and can be shown.

use std::path::Path;
use std::sync::Arc;

use melange2::arch::Arch;
use melange2::config::{self, Condition, Config, Entry, Step, Text};
use melange2::diagnostic::{Diagnostics, Source, Span};
use melange2::plan::{Context, Plan, resolve};

/// The bytes are a recipe.
pub fn recipe(data: &[u8]) {
    match config::read(Path::new("fuzz.yaml"), data.to_vec()) {
        Ok(config) => drop(plan(&config)),
        Err(problems) => check(&problems),
    }
}

/// The first line is the value of `vars.a`, the second that of `vars.b`, the rest is a script.
pub fn substitution(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (a, b, script) = (part(), part(), part());
    let mut config = config(text);
    let place = config.span.clone();
    for (name, value) in [("a", a), ("b", b)] {
        let value = Text::new(value.to_owned(), place.clone());
        config.vars.0.insert(name.to_owned(), Entry { key: place.clone(), value });
    }
    let runs = Text::new(script.to_owned(), place);
    config.pipeline.push(Step { runs, ..Step::default() });
    if let Some(plan) = plan(&config)
        && !text.contains("${{")
        && let [step] = plan.steps.as_slice()
    {
        assert_eq!(step.script, script, "a script without variables stays as it is");
    }
}

/// The text is a condition.
pub fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut config = config(text);
    let place = config.span.clone();
    let condition = Condition(Text::new(text.to_owned(), place.clone()));
    let runs = Text::new("true".to_owned(), place);
    config.pipeline.push(Step { condition, runs, ..Step::default() });
    drop(plan(&config));
}

/// A recipe with nothing in it, whose places are all of a text.
fn config(text: &str) -> Config {
    let source = Arc::new(Source { path: "fuzz.yaml".into(), text: text.to_owned() });
    let place = Span::new(&source, 0..text.len());
    let text = |value: &str| Text::new(value.to_owned(), place.clone());
    let mut config = Config { span: place.clone(), ..Config::default() };
    config.package.span = place.clone();
    config.package.name = text("demo");
    config.package.version = text("1.0");
    config
}

/// What a recipe means, if it means something.
fn plan(config: &Config) -> Option<Plan> {
    let context = Context::new(Arch::X86_64);
    match resolve(config, &context) {
        Ok(plan) => plan.inspect(|plan| check_all(&plan.warnings)),
        Err(problems) => {
            check(&problems);
            None
        }
    }
}

fn check(problems: &Diagnostics) {
    assert!(problems.has_errors(), "refused without a word");
    check_all(problems);
}

fn check_all(problems: &Diagnostics) {
    for item in &problems.items {
        let place = item.labels.first().map(|(place, _)| place.clone()).unwrap_or_default();
        assert!(!place.is_nowhere(), "no place: {}", item.message);
        let length = place.source.text.len();
        assert!(place.bytes.start <= place.bytes.end && place.bytes.end <= length, "{place}");
        let _ = item.json().to_string();
    }
    let _ = problems.render(false);
}
