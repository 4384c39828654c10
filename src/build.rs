//! From a configuration to packages: the five stages joined, with the daemon and the caches around
//! them.
//!
//! Around the stages: what each does is its own business; here stands only who comes after whom, and
//! what a failed step is called.

use std::time::{Duration, Instant};

use crate::arch::Arch;
use crate::build_config::BuildConfig;
use crate::buildkit::{self, Caches, Connection, Measures, Metered, RunOptions};
use crate::cache::{self, CacheMount, Group};
use crate::dockerfile::Spec;
use crate::environment::Prepared;
use crate::error::{Error, Kind, Result};
use crate::host_cache::{self, HostCache};
use crate::package::Built;
use crate::plan::Plan;
use crate::ui::{self, Reporter};
use crate::{config, dockerfile, environment, package, plan};

/// Builds a recipe for each architecture of the configuration and returns what was written.
///
/// A recipe that excludes an architecture by `target-architecture` is passed over with a warning. A
/// signal while a cache is exported ends the work, but takes nothing back: `buildkit::cancelled`
/// tells.
pub fn build(config: &BuildConfig, reporter: &mut dyn Reporter) -> Result<Vec<Built>> {
    let recipe = config::load(&config.recipe)?;
    let mut built = Vec::new();
    for &arch in &config.archs {
        let Some(plan) = plan::resolve(&recipe, &config.context(arch))? else {
            reporter.warning(&excluded(config, arch));
            continue;
        };
        reporter.diagnostics(&plan.warnings);
        built.extend(Build { plan: &plan, config }.run(reporter)?);
        if buildkit::cancelled() {
            break;
        }
    }
    Ok(built)
}

/// One plan, on its way to packages.
#[derive(Clone, Copy)]
struct Build<'a> {
    plan: &'a Plan,
    config: &'a BuildConfig,
}

impl Build<'_> {
    fn run(self, reporter: &mut dyn Reporter) -> Result<Vec<Built>> {
        let (environment, connection, mut caches) = self.make_ready(reporter)?;
        let host = self.host_cache(reporter);
        let mut options = self.config.spec_options(self.plan);
        host.identity().clone_into(&mut options.host_cache);
        let root = dockerfile::runs_as_root(self.plan, &options)?;
        let mut spec = dockerfile::render(self.plan, &environment.image, &options)?;
        for note in &spec.notes {
            reporter.warning(note);
        }
        caches.report(reporter);
        let tools = environment.tools.as_ref();
        let access = tools
            .map(|tools| host_cache::Access::new(self.plan, &options, tools, &connection))
            .transpose()?;
        let outcome = host
            .around(access.as_ref(), reporter, |reporter| {
                self.run_around(
                    &mut spec,
                    options,
                    &environment,
                    &connection,
                    &mut caches,
                    reporter,
                )
            })?
            .map_err(|error| explain(error, self.plan, &spec, root))?;
        outcome.tell(reporter);
        caches.export(&connection, &spec, &self.config.run_options(), reporter);
        Ok(outcome.built)
    }

    /// The environment, the daemon, and what a registry has. A private daemon takes a moment to
    /// start, and a registry to answer: they do so while the environment is made.
    fn make_ready(self, reporter: &mut dyn Reporter) -> Result<(Prepared, Connection, Caches)> {
        let wanted = self.config.remote_caches(self.plan)?;
        let daemon = buildkit::persist(reporter, |_| Connection::find(&self.config.daemon))?;
        let (opened, environment) = std::thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let connection = daemon.open()?;
                let caches = Caches::look_up(&connection, wanted, self.config.export_memory());
                Ok::<_, buildkit::Error>((connection, caches))
            });
            let environment = environment::prepare(self.plan, self.config, reporter);
            (opened.join(), environment)
        });
        let environment = environment?;
        let (connection, caches) = opened
            .map_err(|_| Error::new(Kind::Buildkit, "looking for the BuildKit daemon failed"))??;
        environment.check_shell(self.plan)?;
        Ok((environment, connection, caches))
    }

    /// The host's cache directory; a plan without steps has no use for it.
    fn host_cache(self, reporter: &mut dyn Reporter) -> HostCache {
        let directory = self.config.cache_dir.as_deref();
        HostCache::open(directory.filter(|_| !self.plan.steps.is_empty()), reporter)
    }

    /// Runs the spec, and another one where the workspace has no place for a cache mount.
    fn run_around(
        self,
        spec: &mut Spec,
        mut options: dockerfile::Options,
        environment: &Prepared,
        connection: &Connection,
        caches: &mut Caches,
        reporter: &mut dyn Reporter,
    ) -> Result<Result<Outcome, buildkit::Error>> {
        loop {
            let ran = self.run_spec(spec, environment, connection, caches, reporter);
            let Some(left) = self.without_obstacle(&ran, spec, &options, reporter) else {
                return Ok(ran);
            };
            options.cache_mounts = left;
            *spec = dockerfile::render(self.plan, &environment.image, &options)?;
        }
    }

    /// The cache mounts that can be, where something in the workspace stood in the way of others: a
    /// checkout with a program named `go`. What stands there is known only when it does.
    fn without_obstacle(
        self,
        ran: &Result<Outcome, buildkit::Error>,
        spec: &Spec,
        options: &dockerfile::Options,
        reporter: &mut dyn Reporter,
    ) -> Option<Vec<CacheMount>> {
        let Err(buildkit::Error::Step(failure)) = ran else { return None };
        let directory = dockerfile::obstacle(&failure.log)?;
        let left = cache::without(&options.cache_mounts, directory);
        if left.len() == options.cache_mounts.len() {
            return None;
        }
        let step = &self.plan.steps[spec.stages[failure.stage].1];
        let mut groups: Vec<&str> = left.iter().map(|mount| mount.group.name()).collect();
        groups.dedup();
        groups.retain(|name| *name != Group::Custom.name());
        let words = if groups.is_empty() { "none".to_owned() } else { groups.join(",") };
        let place = step.places.first().map(|place| format!(" ({place})")).unwrap_or_default();
        reporter.warning(&format!(
            "`{directory}` is no directory when step `{}`{place} begins, so no cache can be mounted \
             below it: building without (as `--cache-mounts {words}` would from the start)",
            step.label
        ));
        Some(left)
    }

    /// Stages 4 and 5: the packages are written while the output arrives.
    fn run_spec(
        self,
        spec: &Spec,
        environment: &Prepared,
        connection: &Connection,
        caches: &mut Caches,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcome, buildkit::Error> {
        let options = self.config.package_options(&environment.locked);
        let run = RunOptions { timeout: self.plan.timeout, ..self.config.run_options() };
        let labels = labels(self.plan, spec);
        let detailed = reporter.detailed();
        let begin = Instant::now();
        let (built, measures, packaging) =
            caches.run(connection, spec, &run, &labels, reporter, |stream| {
                let begin = Instant::now();
                let mut stream = Metered::new(stream, detailed);
                let built = package::assemble(self.plan, &mut stream, &options)?;
                let measures = stream.finish()?;
                Ok((built, measures, begin.elapsed().saturating_sub(measures.waited)))
            })?;
        Ok(Outcome { built, measures, total: begin.elapsed(), packaging })
    }
}

/// What came of stages 4 and 5, and how long they took; they overlap.
struct Outcome {
    built: Vec<Built>,
    measures: Measures,
    total: Duration,
    packaging: Duration,
}

impl Outcome {
    fn tell(&self, reporter: &mut dyn Reporter) {
        reporter.took("BuildKit", self.total.saturating_sub(self.packaging));
        reporter.took("packaging", self.packaging);
        if let Some(digest) = self.measures.digest {
            let size = indicatif::BinaryBytes(self.measures.bytes);
            reporter.phase(&format!("output {} ({size})", digest.oci()));
        }
    }
}

/// What the user knows each stage by.
fn labels(plan: &Plan, spec: &Spec) -> Vec<String> {
    spec.stages
        .iter()
        .map(|&(_, step)| {
            let step = &plan.steps[step];
            format!("{} › {}", plan.packages[step.package].name, step.label)
        })
        .collect()
}

/// A failed step, told in terms of the recipe; `root` ran it, or somebody else.
fn explain(error: buildkit::Error, plan: &Plan, spec: &Spec, root: bool) -> Error {
    let buildkit::Error::Step(failure) = error else { return Error::from(error) };
    let step = &plan.steps[spec.stages[failure.stage].1];
    let mut places = step.places.iter().map(ToString::to_string);
    let place = places.next().unwrap_or_default();
    let chain: Vec<String> = places.collect();
    let report = ui::failure_report(&step.label, &place, &chain, &failure);
    let (name, stage) = (&plan.packages[0].name, &spec.stages[failure.stage].0);
    let message = format!("`{name}` was not built: stage `{stage}` of its spec failed");
    let error = Error::new(Kind::Step, message).with_report(report).with_places(&step.places);
    match ui::failure_hint(&failure, root) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn excluded(config: &BuildConfig, arch: Arch) -> String {
    format!(
        "`{}` is not for {arch} (`target-architecture`): nothing to build",
        config.recipe.display()
    )
}
