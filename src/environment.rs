//! From a plan's list of packages to an image that steps can run in.
//!
//! Between the stages `plan` and `dockerfile`: joins `repo` (what to install, and the files) with
//! `image` (the layers). Holds no logic of either.

use std::sync::Arc;
use std::time::Instant;

use crate::apk::dependency::Atom;
use crate::build_config::BuildConfig;
use crate::dockerfile;
use crate::error::{Error, Result};
use crate::fsutil::FileLock;
use crate::image;
use crate::plan::Plan;
use crate::repo::{self, Choice, Spec, Universe};
use crate::ui::Reporter;

/// An environment on disk.
#[derive(Debug)]
pub struct Prepared {
    /// The image, as the spec needs to know it.
    pub image: dockerfile::Environment,
    /// What is installed, as `name=version`: recorded in `.melange.yaml`.
    pub locked: Vec<String>,
    /// Keeps the image from being deleted while it is used.
    _in_use: Arc<FileLock>,
}

impl Prepared {
    /// Steps need a shell: says what to add where there is none, before BuildKit stumbles over it.
    pub fn check_shell(&self, plan: &Plan) -> Result<()> {
        if plan.steps.is_empty() || self.image.programs.iter().any(|program| program == "/bin/sh") {
            return Ok(());
        }
        Err(Error::config("the build environment has no `/bin/sh` to run steps with").hint(
            "add `busybox` to `environment: contents: packages`, or pass `--package-append busybox`",
        ))
    }
}

/// Solves, fetches, verifies and assembles.
pub fn prepare(plan: &Plan, config: &BuildConfig, reporter: &mut dyn Reporter) -> Result<Prepared> {
    let declared = &plan.environment;
    let named = declared.repositories.iter().chain(&config.repositories);
    let specs = named.map(|text| text.parse()).collect::<Result<Vec<Spec>, _>>()?;
    let keys = declared.keyring.iter().chain(&config.repo.keys).cloned().collect();
    let options = repo::Options { keys, ..config.repo.clone() };
    if specs.is_empty() {
        return Err(Error::config("no repository to take the build environment from")
            .hint("name one with `-r REPO`, and its key with `-k KEY`"));
    }
    let world = world(plan);
    let request = world
        .iter()
        .map(|text| text.parse::<Atom>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::config(format!("in the environment's packages: {error}")))?;

    reporter.phase("solving the environment");
    let begin = Instant::now();
    let universe = Universe::open(&specs, plan.arch, &options)?;
    for warning in universe.warnings() {
        reporter.warning(warning);
    }
    let choices = universe.solve(&request)?;
    reporter.took("solving", begin.elapsed());
    let begin = Instant::now();
    reporter.phase(&format!("fetching {} packages", choices.len()));
    let packages: Vec<image::Package> = universe
        .fetch(&choices)?
        .into_iter()
        .map(|fetched| image::Package { path: fetched.path, tag: fetched.choice.tag })
        .collect();
    reporter.took("fetching", begin.elapsed());

    reporter.phase("assembling the environment");
    let begin = Instant::now();
    let layout = image::assemble(&image::Request {
        arch: plan.arch,
        packages: &packages,
        world: &world,
        repositories: &specs.iter().map(|spec| spec.location.clone()).collect::<Vec<_>>(),
        keys: universe.keys(),
        users: &declared.users,
        groups: &declared.groups,
        paths: &declared.paths,
        max_layers: config.max_layers,
        store: &config.image_store(),
    })?;
    reporter.took("assembling", begin.elapsed());
    Ok(Prepared {
        image: dockerfile::Environment {
            dir: layout.dir,
            digest: layout.digest,
            programs: layout.programs,
        },
        locked: choices.iter().map(locked).collect(),
        _in_use: layout.in_use,
    })
}

/// What is asked of the solver: the plan's packages, and what its spec will need.
fn world(plan: &Plan) -> Vec<String> {
    let mut world: Vec<String> = Vec::new();
    for atom in plan.environment.packages.iter().cloned().chain(dockerfile::required_packages(plan))
    {
        if !world.contains(&atom) {
            world.push(atom);
        }
    }
    world
}

fn locked(choice: &Choice) -> String {
    format!("{}={}", choice.name, choice.version)
}
