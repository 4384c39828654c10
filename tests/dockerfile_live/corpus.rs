//! Every recipe that there is renders, and BuildKit's own frontend takes the spec.
//!
//! `frontend.outline` reads the whole Dockerfile, refuses what is wrong, and builds nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use melange2::arch::Arch;
use melange2::dockerfile::{Environment, Spec, render};
use melange2::plan::{Context, resolve};

use super::daemon::{Daemon, daemon};
use crate::dockerfile_plan::options;

/// Programs whose presence decides which cache mounts a step gets.
const PROGRAMS: [&str; 10] =
    ["sh", "go", "pip", "npm", "cargo", "ccache", "gcc", "uv", "composer", "setpriv"];

/// Recipes of a directory, sorted.
fn recipes(directory: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut recipes: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == "yaml")).collect();
    recipes.sort();
    recipes
}

fn context(pipeline_dirs: Vec<PathBuf>) -> Context {
    Context { pipeline_dirs, ..Context::new(Arch::X86_64) }
}

/// What a recipe becomes; `None` if it is not for the architecture.
fn spec(recipe: &Path, context: &Context, environment: &Environment) -> Option<Spec> {
    let config = melange2::config::load(recipe).unwrap_or_else(|problems| panic!("{problems}"));
    let plan = resolve(&config, context).unwrap_or_else(|problems| panic!("{problems}"))?;
    Some(render(&plan, environment, &options()).unwrap())
}

/// Asks BuildKit about each recipe, several at a time; how many it took, and what it said of others.
fn outline(daemon: &Daemon, recipes: &[PathBuf], context: &Context) -> (usize, Vec<String>) {
    let environment = daemon.environment(&PROGRAMS);
    let (next, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let refused = Mutex::new(Vec::new());
    let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(recipe) = recipes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(spec) = spec(recipe, context, &environment) else { continue };
                    let output = daemon.outline(&spec);
                    if output.status.success() {
                        taken.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
                        refused.push(format!("{}: {said}", recipe.display()));
                    }
                }
            });
        }
    });
    (taken.into_inner(), refused.into_inner().unwrap())
}

#[test]
fn buildkit_takes_the_spec_of_every_example_and_refuses_a_broken_one() {
    let Some(daemon) = daemon() else { return };
    let examples = recipes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    let context = context(Vec::new());
    let (taken, refused) = outline(&daemon, &examples, &context);
    assert!(taken >= 3 && refused.is_empty(), "{taken} taken, {refused:?}");
    // The question can be answered with no: each of these is one word of a good spec changed.
    let good = spec(&examples[0], &context, &daemon.environment(&PROGRAMS)).unwrap();
    for (word, other) in
        [("type=secret", "type=secert"), ("RUN ", "RUM "), ("FROM step-01", "FROM step-91:x y")]
    {
        let text = good.text.replace(word, other);
        assert_ne!(text, good.text, "{word}");
        let output = daemon.outline(&Spec { text, ..good.clone() });
        assert_eq!(output.status.code(), Some(1), "{word}");
    }
}

#[test]
fn buildkit_takes_the_spec_of_every_recipe_of_the_corpus() {
    let Some(daemon) = daemon() else { return };
    let Some(corpus) = crate::corpus::wolfi() else { return };
    let recipes = recipes(&corpus.join("recipes"));
    let begin = std::time::Instant::now();
    let context = context(vec![corpus.join("pipelines")]);
    let (taken, refused) = outline(&daemon, &recipes, &context);
    println!("{taken} of {} taken in {:.0?}", recipes.len(), begin.elapsed());
    assert_eq!(refused, [] as [String; 0]);
    // One is not for this architecture.
    assert_eq!(taken, recipes.len() - 1);
}
