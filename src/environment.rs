//! From a plan's list of packages to an image that steps can run in.
//!
//! Between the stages `plan` and `dockerfile`: joins `repo` (what to install, and the files) with
//! `image` (the layers). Holds no logic of either.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::apk::dependency::Atom;
use crate::apk::key::KeyRing;
use crate::build_config::BuildConfig;
use crate::diagnostic::Diagnostic;
use crate::dockerfile;
use crate::error::{Error, Kind, Result};
use crate::fsutil::FileLock;
use crate::image;
use crate::plan::{Plan, Wanted};
use crate::repo::{self, Choice, Spec, Universe};
use crate::ui::Reporter;

/// The package behind [`Prepared::tools`].
const TOOLS: &str = "busybox";

/// An environment on disk.
#[derive(Debug)]
pub struct Prepared {
    /// The image, as the spec needs to know it.
    pub image: dockerfile::Environment,
    /// What is installed, as `name=version`: recorded in `.melange.yaml`.
    pub locked: Vec<String>,
    /// An image of busybox alone, for what runs beside the steps; `None` if the repositories have
    /// no busybox. Small, so that a daemon need not unpack a whole environment whose steps are all
    /// cached.
    pub tools: Option<dockerfile::Environment>,
    /// Keep the images from being deleted while they are used.
    _in_use: Vec<Arc<FileLock>>,
}

impl Prepared {
    /// Steps need a shell: says what to add where there is none, before BuildKit stumbles over it.
    pub fn check_shell(&self, plan: &Plan) -> Result<()> {
        if plan.steps.is_empty() || self.image.programs.iter().any(|program| program == "/bin/sh") {
            return Ok(());
        }
        let message = "the build environment has no `/bin/sh` to run steps with";
        let help = "add `busybox` to `environment: contents: packages`, or pass `--package-append busybox`";
        let place = plan.steps.first().and_then(|step| step.places.first());
        Err(match place {
            None => Error::config(message).hint(help),
            Some(place) => {
                let label = "the first step that needs it";
                let item = Diagnostic::error("no-shell", message, place.clone(), label).help(help);
                Error::config("the build environment can't run steps").with_diagnostics(item.into())
            }
        })
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
    let wanted = wanted(plan);
    let request = wanted.iter().map(atom).collect::<Result<Vec<_>>>()?;
    let world: Vec<String> = wanted.iter().map(|wanted| wanted.atom.clone()).collect();

    reporter.phase("solving the environment");
    let begin = Instant::now();
    let universe = Universe::open(&specs, plan.arch, &options)?;
    for warning in universe.warnings() {
        reporter.warning(warning);
    }
    let choices = universe.solve(&request).map_err(|error| unsolvable(error, plan))?;
    reporter.took("solving", begin.elapsed());
    let mut begin = Instant::now();
    let request = image::Request {
        arch: plan.arch,
        packages: &choices.iter().map(identity).collect::<Vec<_>>(),
        world: &world,
        repositories: &universe.origins().repositories,
        keys: &universe.origins().keys,
        users: &declared.users,
        groups: &declared.groups,
        paths: &declared.paths,
        max_layers: config.max_layers,
        store: &config.image_store(),
    };
    let layout = image::assemble(&request, || {
        reporter.phase(&format!("fetching {} packages", choices.len()));
        let packages = fetch(&universe, &choices)?;
        reporter.took("fetching", begin.elapsed());
        reporter.phase("assembling the environment");
        begin = Instant::now();
        Ok::<_, Error>(packages)
    })?;
    let tools = tools(&universe, plan, config);
    reporter.took("assembling", begin.elapsed());
    Ok(Prepared {
        _in_use: [&layout].into_iter().chain(&tools).map(|it| it.in_use.clone()).collect(),
        image: described(layout),
        locked: choices.iter().map(locked).collect(),
        tools: tools.map(described),
    })
}

fn fetch(universe: &Universe, choices: &[Choice]) -> Result<Vec<PathBuf>> {
    Ok(universe.fetch(choices)?.into_iter().map(|fetched| fetched.path).collect())
}

/// What a package is, wherever it comes from: the checksum is that of its control segment, which
/// holds that of its content.
fn identity(choice: &Choice) -> String {
    format!("{}-{} {}", choice.name, choice.version, choice.checksum)
}

fn described(layout: image::Layout) -> dockerfile::Environment {
    dockerfile::Environment { dir: layout.dir, digest: layout.digest, programs: layout.programs }
}

/// The image of [`Prepared::tools`]. Whatever is wrong with it, the build can do without.
fn tools(universe: &Universe, plan: &Plan, config: &BuildConfig) -> Option<image::Layout> {
    let made = || -> Result<image::Layout> {
        let request = [TOOLS.parse::<Atom>()?];
        let choices = universe.solve(&request)?;
        let request = image::Request {
            arch: plan.arch,
            packages: &choices.iter().map(identity).collect::<Vec<_>>(),
            world: &[TOOLS.to_owned()],
            repositories: &[],
            keys: &KeyRing::default(),
            users: &[],
            groups: &[],
            paths: &[],
            max_layers: 2,
            store: &config.image_store(),
        };
        image::assemble(&request, || fetch(universe, &choices))
    };
    match made() {
        Ok(layout) => Some(layout),
        Err(error) => {
            tracing::debug!("no image of {TOOLS}: {error}");
            None
        }
    }
}

/// What is asked of the solver: the plan's packages, and what its spec will need.
fn wanted(plan: &Plan) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for one in all_wanted(plan) {
        if !wanted.iter().any(|other| other.atom == one.atom) {
            wanted.push(one);
        }
    }
    wanted
}

fn all_wanted(plan: &Plan) -> impl Iterator<Item = Wanted> {
    let required = dockerfile::required_packages(plan).into_iter();
    let required = required.map(|atom| Wanted { atom, ..Wanted::default() });
    plan.environment.packages.iter().cloned().chain(required)
}

/// The recipe's atoms were checked with their places: this one is of the command line.
fn atom(wanted: &Wanted) -> Result<Atom> {
    wanted.atom.parse().map_err(|error| {
        Error::config(format!("`--package-append {}`: {error}", wanted.atom))
            .hint("write a name, and a version if it matters: `go`, `go=1.25.1-r0`, `go~1.25`")
    })
}

/// Says who asked for what can't be had: the recipe's line, the pipeline that needs it, or a flag.
fn unsolvable(error: repo::Error, plan: &Plan) -> Error {
    let repo::Error::Unsolvable { problem, atoms, unknown, hints } = &error else {
        return error.into();
    };
    let mut item = match unknown {
        true => Diagnostic::without_place("unknown-package", problem),
        false => Diagnostic::without_place("unsolvable", problem),
    };
    let mut help = hints.clone();
    if help.is_empty() && *unknown {
        help.push("name the repository that has it with `-r REPO`".to_owned());
    } else if help.is_empty() {
        help.push("ask for other versions, or name another repository with `-r REPO`".to_owned());
    }
    for atom in atoms {
        let asks = |text: &str| text.parse::<Atom>().is_ok_and(|found| found.to_string() == *atom);
        for wanted in all_wanted(plan).filter(|wanted| asks(&wanted.atom)) {
            if !wanted.place.is_nowhere() {
                if item.labels.is_empty() {
                    item.chain = wanted.chain;
                }
                item.labels.push((wanted.place, "asked for here".to_owned()));
            } else if plan.environment.packages.iter().any(|other| asks(&other.atom)) {
                help.push(format!("`{atom}` is asked for by `--package-append`"));
            } else {
                help.push(format!("`{atom}` is asked for because of the recipe's `capabilities`"));
            }
        }
    }
    if item.labels.is_empty() {
        let error = Error::new(Kind::Repository, problem.clone());
        return help.into_iter().fold(error, Error::hint);
    }
    item.help = Some(help.join("\n"));
    Error::new(Kind::Repository, "the build environment can't be made")
        .with_diagnostics(item.into())
}

fn locked(choice: &Choice) -> String {
    format!("{}={}", choice.name, choice.version)
}
