//! `melange2 build`: builds the packages of a recipe. The five stages, in running order.

use std::time::{Duration, Instant};

use super::options::{DaemonArgs, OutputArgs, RecipeArgs};
use crate::arch::Arch;
use crate::build_config::BuildConfig;
use crate::buildkit::{self, Caches, Connection, Measures, Metered};
use crate::error::{Error, Kind, Result};
use crate::host_cache::{self, HostCache};
use crate::package::Built;
use crate::plan::Plan;
use crate::ui::{self, Reporter, Ui};
use crate::{config, dockerfile, environment, package, plan};

/// Build the packages of a recipe.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let mut config = args.recipe.resolve(ui)?;
    args.output.resolve(&mut config, &args.daemon, ui)?;
    let built = build(&config, ui.reporter().as_mut())?;
    for package in &built {
        ui.status(&format!("wrote {} ({})", package.path.display(), size(package.size)));
    }
    if buildkit::cancelled() { Err(buildkit::Error::Cancelled.into()) } else { Ok(()) }
}

/// Builds a recipe for each architecture of the configuration and returns what was written.
///
/// A recipe that excludes an architecture by `target-architecture` is passed over with a warning. A
/// signal while a cache is exported ends the work, but takes nothing back: `buildkit::cancelled`
/// tells.
pub fn build(config: &BuildConfig, reporter: &mut dyn Reporter) -> Result<Vec<Built>> {
    let recipe = config::load(&config.recipe)?;
    let mut built = Vec::new();
    for &arch in &config.archs {
        match plan::resolve(&recipe, &config.context(arch))? {
            Some(plan) => {
                reporter.diagnostics(&plan.warnings);
                built.extend(build_plan(&plan, config, reporter)?);
                if buildkit::cancelled() {
                    break;
                }
            }
            None => reporter.warning(&excluded(config, arch)),
        }
    }
    Ok(built)
}

fn build_plan(
    plan: &Plan,
    config: &BuildConfig,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Built>> {
    let wanted = config.remote_caches(plan)?;
    let daemon = buildkit::persist(reporter, |_| Connection::find(&config.daemon))?;
    // A private daemon takes a moment to start, and a registry to answer: let them do so while the
    // environment is made.
    let (opened, environment) = std::thread::scope(|scope| {
        let opened = scope.spawn(|| {
            let connection = daemon.open()?;
            let caches = Caches::look_up(&connection, wanted);
            Ok::<_, buildkit::Error>((connection, caches))
        });
        let environment = environment::prepare(plan, config, reporter);
        (opened.join(), environment)
    });
    let environment = environment?;
    let (connection, mut caches) = opened
        .map_err(|_| Error::new(Kind::Buildkit, "looking for the BuildKit daemon failed"))??;

    environment.check_shell(plan)?;
    let directory = config.cache_dir.as_deref().filter(|_| !plan.steps.is_empty());
    let cache = HostCache::open(directory, reporter);
    let mut options = config.spec_options(plan);
    cache.identity().clone_into(&mut options.host_cache);
    let spec = dockerfile::render(plan, &environment.image, &options)?;
    for note in &spec.notes {
        reporter.warning(note);
    }
    caches.report(reporter);
    let tools = environment.tools.as_ref();
    let access = tools
        .map(|tools| host_cache::Access::new(plan, &options, tools, &connection))
        .transpose()?;
    let (built, measures, times) = cache
        .around(access.as_ref(), reporter, |reporter| {
            run_spec(plan, &spec, config, &environment, &connection, &mut caches, reporter)
        })
        .map_err(|error| explain(error, plan, &spec))?;
    reporter.took("BuildKit", times.total.saturating_sub(times.packaging));
    reporter.took("packaging", times.packaging);
    if let Some(digest) = measures.digest {
        reporter.phase(&format!("output {} ({})", digest.oci(), size(measures.bytes)));
    }
    caches.export(&connection, &spec, &config.run_options(), reporter);
    Ok(built)
}

/// How long stages 4 and 5 took, which overlap.
struct Times {
    total: Duration,
    packaging: Duration,
}

/// Stages 4 and 5: the packages are written while the output arrives.
fn run_spec(
    plan: &Plan,
    spec: &dockerfile::Spec,
    config: &BuildConfig,
    environment: &environment::Prepared,
    connection: &Connection,
    caches: &mut Caches,
    reporter: &mut dyn Reporter,
) -> Result<(Vec<Built>, Measures, Times), buildkit::Error> {
    let options = config.package_options(&environment.locked);
    let (run, labels, detailed) = (config.run_options(), labels(plan, spec), reporter.detailed());
    let begin = Instant::now();
    let (built, measures, packaging) =
        caches.run(connection, spec, &run, &labels, reporter, |stream| {
            let begin = Instant::now();
            let mut stream = Metered::new(stream, detailed);
            let built = package::assemble(plan, &mut stream, &options)?;
            let measures = stream.finish()?;
            Ok((built, measures, begin.elapsed().saturating_sub(measures.waited)))
        })?;
    Ok((built, measures, Times { total: begin.elapsed(), packaging }))
}

/// What the user knows each stage by.
fn labels(plan: &Plan, spec: &dockerfile::Spec) -> Vec<String> {
    spec.stages
        .iter()
        .map(|&(_, step)| {
            let step = &plan.steps[step];
            format!("{} › {}", plan.packages[step.package].name, step.label)
        })
        .collect()
}

/// A failed step, told in terms of the recipe.
fn explain(error: buildkit::Error, plan: &Plan, spec: &dockerfile::Spec) -> Error {
    let buildkit::Error::Step(failure) = error else { return Error::from(error) };
    let step = &plan.steps[spec.stages[failure.stage].1];
    let mut places = step.places.iter().map(ToString::to_string);
    let place = places.next().unwrap_or_default();
    let chain: Vec<String> = places.collect();
    let report = ui::failure_report(&step.label, &place, &chain, &failure);
    let (name, stage) = (&plan.packages[0].name, &spec.stages[failure.stage].0);
    let message = format!("`{name}` was not built: stage `{stage}` of its spec failed");
    let error = Error::new(Kind::Step, message).with_report(report).with_places(&step.places);
    match ui::failure_hint(&failure) {
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

fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
