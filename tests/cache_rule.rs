//! The rule for cache mounts on all of Wolfi: which steps have none because of their scripts.
//!
//! The recipes are not ours and not here: `parts::shared` says what is done without them.

use melange2::dockerfile::render;
use melange2::plan::Context;

use crate::dockerfile_plan::{environment, options};

const PROGRAMS: [&str; 6] = ["go", "pip3", "cargo", "npm", "ccache", "apk"];

/// The recipes that have such a step, and a word of the command that is to be blamed.
///
/// Where the outcome is known to differ: `cp -r .`, `git clean`, `tar .`, `rsync /home/build/*`;
/// `mkdir .cargo` fails where there is one.
const DIFFER: [(&str, &str); 7] = [
    ("openssl", "cp -r ."),
    ("xmlsec", "git clean -fdx ."),
    ("llvm-15", "tar cf -"),
    ("ts-patch", "rsync -av"),
    ("ca-certificates", "find ."),
    ("R", "for f in *"),
    ("rust-1.97", "without rust (to `mkdir .cargo`"),
];

/// Every pair of a recipe with a step that has no mount, or not those of a group, because of its
/// script, and the command.
fn taken(recipe: &std::path::Path, context: &Context) -> (usize, Vec<String>) {
    let recipe = melange2::config::load(recipe).unwrap();
    let Some(plan) = melange2::plan::resolve(&recipe, context).unwrap() else {
        return (0, Vec::new());
    };
    let Ok(spec) = render(&plan, &environment(&PROGRAMS), &options()) else {
        return (0, Vec::new());
    };
    let taken = spec.text.lines().filter_map(|line| {
        let comment = line.strip_prefix("# cache mounts: ")?;
        if let Some((_, without)) = comment.split_once("; without ") {
            return Some(format!("without {without}"));
        }
        let comment = comment.strip_prefix("none (`")?;
        Some(comment.split_once("` takes the workspace")?.0.to_owned())
    });
    (plan.steps.len(), taken.collect())
}

#[test]
fn the_rule_spares_the_recipes_that_need_it_and_few_others() {
    let Some(corpus) = crate::corpus::wolfi() else { return };
    let pipelines = vec![corpus.join("pipelines")];
    let context = Context { pipeline_dirs: pipelines, ..crate::recipe::context() };
    let (mut steps, mut all) = (0, Vec::new());
    let entries = fs_err::read_dir(corpus.join("recipes")).unwrap();
    let mut recipes: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    recipes.sort();
    for recipe in recipes {
        let (count, found) = taken(&recipe, &context);
        let name = recipe.file_stem().unwrap().to_str().unwrap().to_owned();
        steps += count;
        all.extend(found.into_iter().map(|command| (name.clone(), command)));
    }
    for (name, command) in DIFFER {
        assert!(all.iter().any(|(n, c)| n == name && c.starts_with(command)), "{name}: {all:#?}");
    }
    // The price: of twelve thousand steps these few have no cache.
    println!("{} of {steps} steps", all.len());
    assert!(steps > 11_000 && all.len() < 50, "{} of {steps}: {all:#?}", all.len());
    // Go's own pipeline keeps its caches in every recipe.
    let go = |command: &str| command.starts_with("go ") || command.starts_with("without go ");
    assert!(all.iter().all(|(_, command)| !go(command)), "{all:#?}");
}
