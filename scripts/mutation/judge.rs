//! What is mutated, and whether what is said of a mutant is good enough.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, bail, ensure};
use melange2::arch::Arch;
use melange2::config::{self, Step};
use melange2::diagnostic::{Diagnostic, Diagnostics};
use melange2::digest::Sha256;
use melange2::dockerfile::{self, Environment, Options};
use melange2::plan::{self, Context};

use crate::mutant::{KINDS, Random, mutate};

/// A text that mistakes are put into.
struct Subject {
    path: PathBuf,
    text: String,
    /// The pipeline directories of its recipe.
    pipelines: Vec<PathBuf>,
    /// For a pipeline: its name, and a recipe that uses it.
    used_by: Option<(String, PathBuf)>,
}

/// All of them: the recipes of some directories, and the pipelines that these use.
pub struct Subjects {
    recipes: usize,
    all: Vec<Subject>,
    scratch: tempfile::TempDir,
}

/// What came of one case.
pub struct Verdict {
    /// The kind of mistake, an index of [`KINDS`].
    pub kind: usize,
    /// What was found; nothing if the mutant is valid.
    pub codes: Vec<&'static str>,
    /// Why that is not good enough.
    pub wrong: Option<String>,
}

impl Subjects {
    /// Reads all files.
    pub fn find(dirs: &[PathBuf]) -> Result<Self> {
        let (mut recipes, mut pipelines) = (Vec::new(), BTreeMap::new());
        for dir in dirs {
            let below = Some(dir.join("recipes")).filter(|below| below.is_dir());
            let own: Vec<PathBuf> =
                Some(dir.join("pipelines")).filter(|path| path.is_dir()).into_iter().collect();
            let mut paths: Vec<PathBuf> = fs_err::read_dir(below.as_ref().unwrap_or(dir))?
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<_>>()?;
            paths.retain(|path| path.extension().is_some_and(|found| found == "yaml"));
            paths.sort();
            for path in paths {
                // Fixtures of mistakes are among the recipes: those that are not UTF-8 stay out.
                let Ok(text) = String::from_utf8(fs_err::read(&path)?) else { continue };
                if let Ok(config) = config::load(&path) {
                    let mut names = Vec::new();
                    let subpackages = config.subpackages.iter().map(|sub| &sub.pipeline);
                    for steps in subpackages.chain([&config.pipeline]) {
                        uses(steps, &mut names);
                    }
                    for name in names {
                        pipelines.entry(name).or_insert((path.clone(), own.clone()));
                    }
                }
                recipes.push(Subject { path, text, pipelines: own.clone(), used_by: None });
            }
        }
        ensure!(!recipes.is_empty(), "there are no recipes");
        let (count, mut all) = (recipes.len(), recipes);
        for (name, (recipe, own)) in pipelines {
            let file = own.iter().map(|dir| dir.join(format!("{name}.yaml"))).find(|p| p.is_file());
            let builtin = plan::builtin_pipelines().into_iter().find(|(other, _)| *other == name);
            let (path, text) = match (file, builtin) {
                (Some(file), _) => (file.clone(), fs_err::read_to_string(file)?),
                (None, Some((_, text))) => (PathBuf::from(format!("{name}.yaml")), text.to_owned()),
                (None, None) => continue,
            };
            all.push(Subject { path, text, pipelines: own, used_by: Some((name, recipe)) });
        }
        Ok(Self { recipes: count, all, scratch: tempfile::tempdir()? })
    }

    /// Makes a mutant, and judges what is said of it.
    pub fn judge(&self, seed: u64, case: u64) -> Result<Verdict> {
        let mutant = self.mutant(seed, case);
        let told = catch_unwind(AssertUnwindSafe(|| self.tell(&mutant, case)));
        let (codes, wrong) = match told {
            Ok(told) => match told? {
                None => (Vec::new(), None),
                Some(problems) => {
                    let codes = problems.items.iter().map(|item| item.code).collect();
                    (codes, complaint(&problems))
                }
            },
            Err(_) => (vec!["panic"], Some("it panicked".to_owned())),
        };
        let wrong = wrong.map(|wrong| {
            format!("{}, {}: {wrong}", mutant.subject.path.display(), KINDS[mutant.kind])
        });
        Ok(Verdict { kind: mutant.kind, codes, wrong })
    }

    /// A mutant's text and what is said of it, for people.
    pub fn show(&self, seed: u64, case: u64) -> Result<String> {
        let mutant = self.mutant(seed, case);
        let text = String::from_utf8_lossy(&mutant.bytes).into_owned();
        let said = self.tell(&mutant, case)?.map(|problems| problems.render(false));
        Ok(format!(
            "{text}\n{}, {}:\n{}",
            mutant.subject.path.display(),
            KINDS[mutant.kind],
            said.unwrap_or_else(|| "valid\n".to_owned())
        ))
    }

    fn mutant(&self, seed: u64, case: u64) -> Mutant<'_> {
        let mut random = Random::new(seed, case);
        let count = self.all.len() as u64;
        // Every file gets its share of the cases, and of each kind.
        let index = usize::try_from(case % count).unwrap_or_default();
        let kind = usize::try_from((case / count) % KINDS.len() as u64).unwrap_or_default();
        let subject = &self.all[index];
        Mutant { subject, kind, bytes: mutate(&subject.text, kind, &mut random) }
    }

    /// What is said of a mutant; `None` if it is valid.
    fn tell(&self, mutant: &Mutant<'_>, case: u64) -> Result<Option<Diagnostics>> {
        let subject = mutant.subject;
        let Some((name, recipe)) = &subject.used_by else {
            let config = config::read(&subject.path, mutant.bytes.clone());
            return Ok(config.and_then(|config| render(&config, &subject.pipelines)).err());
        };
        let dir = self.scratch.path().join(case.to_string());
        let path = dir.join(format!("{name}.yaml"));
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(&path, &mutant.bytes)?;
        let dirs: Vec<PathBuf> = [&dir].into_iter().chain(&subject.pipelines).cloned().collect();
        let told = match config::load(recipe) {
            Ok(config) => render(&config, &dirs).err(),
            Err(problems) => bail!("{}: {problems}", recipe.display()),
        };
        fs_err::remove_dir_all(dir)?;
        Ok(told)
    }
}

impl fmt::Display for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recipes and {} pipelines", self.recipes, self.all.len() - self.recipes)
    }
}

struct Mutant<'a> {
    subject: &'a Subject,
    kind: usize,
    bytes: Vec<u8>,
}

/// The names of the pipelines that steps use.
fn uses(steps: &[Step], names: &mut Vec<String>) {
    for step in steps {
        if !step.uses.is_empty() {
            names.push(step.uses.value.clone());
        }
        uses(&step.pipeline, names);
    }
}

/// Stages 2 and 3, with a stand-in for the environment.
fn render(config: &config::Config, pipeline_dirs: &[PathBuf]) -> Result<(), Diagnostics> {
    let context = Context { pipeline_dirs: pipeline_dirs.to_vec(), ..Context::new(Arch::X86_64) };
    let Some(plan) = plan::resolve(config, &context)? else { return Ok(()) };
    let environment = Environment {
        dir: PathBuf::from("layout"),
        digest: Sha256([0; 32]),
        programs: vec!["/bin/sh".to_owned()],
    };
    let options = Options {
        cache_mounts: melange2::default_cache_mounts(),
        namespace: "unknown".to_owned(),
        ..Options::default()
    };
    match dockerfile::render(&plan, &environment, &options) {
        Ok(_) => Ok(()),
        Err(error) => Err(Diagnostic::without_place("unrendered", error.to_string()).into()),
    }
}

/// What is missing in what is said.
fn complaint(problems: &Diagnostics) -> Option<String> {
    let text = problems.render(false);
    for item in &problems.items {
        let Some((place, _)) = item.labels.first().filter(|(place, _)| !place.is_nowhere()) else {
            return Some(format!("`{}` has no place", item.message));
        };
        let at = format!("{}:{}:", Path::new(place.path()).display(), place.line());
        if !text.contains(&at) {
            return Some(format!("`{}` does not show {at}", item.message));
        }
        // Something can be done about everything.
        if item.help.is_none() {
            return Some(format!("`{}` has no help", item.message));
        }
    }
    problems.items.is_empty().then(|| "refused without a word".to_owned())
}
