//! A recipe and the command line to a plan. Stage 2's entry.

use std::time::Duration;

use super::compile::{Compiled as CompiledStep, Compiler};
use super::early::{self, Early};
use super::library::Library;
use super::steps::Flatten;
use super::variables::{self, Variables};
use super::{
    Capabilities, Compiled, Context, Plan, Wanted, check, check_environment, environment, package,
};
use crate::config::field::Field;
use crate::config::{Config, GoDuration, Step, Subpackage, Test, Text};
use crate::diagnostic::{Diagnostics, Severity};

/// What a recipe means for one architecture, or everything that is wrong with it.
///
/// `Ok(None)` means that `target-architecture` excludes it.
pub fn resolve(config: &Config, context: &Context) -> Result<Option<Plan>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let early = early::expand(config, context, &mut problems);
    if is_excluded(&early.config, context) {
        return Ok(None);
    }
    if variables::grew_too_long(&problems) {
        return Err(problems);
    }
    check::check(&early.config, &mut problems);
    let library = Library::new(&context.pipeline_dirs);
    let build = Build::compile(early, context, &library, &mut problems);
    let plan = build.plan(context, &mut problems);
    variables::without_echoes(&mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    problems.items.retain(|item| item.severity == Severity::Warning);
    Ok(Some(Plan { warnings: problems, ..plan }))
}

/// The recipe as upstream's parser hands it on: ranges are expanded, and `package.*`, `vars.*` and
/// defaults are in their places; what only a build knows is not.
pub fn parsed(config: &Config, context: &Context) -> Result<Config, Diagnostics> {
    let mut problems = Diagnostics::default();
    let Early { config, .. } = early::expand(config, context, &mut problems);
    if variables::grew_too_long(&problems) {
        return Err(problems);
    }
    check::check(&config, &mut problems);
    if problems.has_errors() { Err(problems) } else { Ok(config) }
}

pub(super) fn is_excluded(config: &Config, context: &Context) -> bool {
    let targets = &config.package.target_architecture;
    let all = targets.len() == 1 && targets[0].as_str() == "all";
    let named = targets.iter().any(|target| target.as_str() == context.arch.apk());
    !targets.is_empty() && !all && !named
}

/// A recipe with all its steps compiled.
pub(super) struct Build {
    /// The recipe; its steps stand below.
    pub(super) config: Config,
    /// The main package.
    pub(super) main: Part,
    /// The subpackages, in the recipe's order.
    pub(super) subpackages: Vec<Part>,
}

/// The steps of a package.
pub(super) struct Part {
    /// Whether it is built.
    pub(super) built: bool,
    /// Those that build it.
    pub(super) steps: Vec<CompiledStep>,
    /// Those that test it.
    pub(super) test: Vec<CompiledStep>,
}

impl Build {
    pub(super) fn compile(
        early: Early,
        context: &Context,
        library: &Library<'_>,
        problems: &mut Diagnostics,
    ) -> Self {
        let Early { mut config, variables } = early;
        let variables = variables::build(&config, &variables, context, problems);
        let mut compiler = Compiler::new(library);
        let steps = compiler.steps(&config.pipeline, &variables);
        let mut subpackages = Vec::new();
        for subpackage in &mut config.subpackages {
            let variables = variables::subpackage(subpackage.name.as_str(), &variables);
            let built = compiler.subpackage_condition(subpackage, &variables);
            let steps = compiler.steps(&subpackage.pipeline, &variables);
            let test = compiler.test(subpackage.test.as_mut(), &variables, &subpackage.name);
            subpackages.push(Part { built, steps, test });
        }
        let test = compiler.test(config.test.as_mut(), &variables, &config.package.name);
        let main = Part { built: true, steps, test };
        problems.extend(compiler.problems);
        Self { config, main, subpackages }
    }

    pub(super) fn plan(mut self, context: &Context, problems: &mut Diagnostics) -> Plan {
        let mut steps = Vec::new();
        let mut packages = vec![package::main(&self.config)];
        Flatten { package: 0, steps: &mut steps, problems }.all(&self.main.steps);
        for (subpackage, part) in self.config.subpackages.iter().zip(&self.subpackages) {
            if part.built {
                let package = packages.len();
                packages.push(package::subpackage(&self.config, subpackage));
                Flatten { package, steps: &mut steps, problems }.all(&part.steps);
            }
        }
        let packages_of_environment = self.wanted(context, problems);
        Plan {
            arch: context.arch,
            recipe: self.config.span.source.path.clone(),
            environment: environment::plan(&self.config.environment, packages_of_environment),
            capabilities: Capabilities {
                add: self.config.capabilities.add.iter().map(|text| text.value.clone()).collect(),
                drop: self.config.capabilities.drop.iter().map(|text| text.value.clone()).collect(),
            },
            steps,
            packages,
            timeout: timeout(&self.config.package.timeout),
            compiled: self.into_json(),
            warnings: Diagnostics::default(),
        }
    }

    /// What the environment must have: the needs of the steps that run join the recipe's own
    /// packages, here and in what `compile` prints; the command line's are here only.
    fn wanted(&mut self, context: &Context, problems: &mut Diagnostics) -> Vec<Wanted> {
        let mut needs = Vec::new();
        let built = self.subpackages.iter().filter(|part| part.built);
        let steps = std::iter::once(&self.main).chain(built).flat_map(|part| &part.steps);
        steps.for_each(|step| step.needs(&mut needs));
        let packages = &mut self.config.environment.contents.packages;
        let declared = packages.iter().map(|text| Wanted {
            atom: text.value.clone(),
            place: text.span.clone(),
            chain: Vec::new(),
        });
        let mut all: Vec<Wanted> = declared.chain(needs.iter().cloned()).collect();
        all.iter().for_each(|wanted| check_environment::package(wanted, problems));
        let appended = context.package_append.iter();
        all.extend(appended.map(|atom| Wanted { atom: atom.clone(), ..Wanted::default() }));
        packages.extend(needs.into_iter().map(|need| Text::new(need.atom, need.place)));
        all
    }

    fn into_json(self) -> Compiled {
        let mut config = self.config;
        config.pipeline = into_steps(self.main.steps);
        if let Some(test) = &mut config.test {
            test.pipeline.value = into_steps(self.main.test);
        }
        for (subpackage, part) in config.subpackages.iter_mut().zip(self.subpackages) {
            subpackage.pipeline = into_steps(part.steps);
            if let Some(test) = &mut subpackage.test {
                test.pipeline.value = into_steps(part.test);
            }
        }
        Compiled(config.json())
    }
}

/// None, or nothing, is no limit.
fn timeout(duration: &GoDuration) -> Option<Duration> {
    let nanoseconds = u64::try_from(duration.nanoseconds).ok()?;
    (nanoseconds > 0).then_some(Duration::from_nanos(nanoseconds))
}

fn into_steps(steps: Vec<CompiledStep>) -> Vec<Step> {
    steps.into_iter().map(CompiledStep::into_step).collect()
}

impl Compiler<'_> {
    /// Substitutes and evaluates a subpackage's condition (upstream substitutes in vain).
    fn subpackage_condition(
        &mut self,
        subpackage: &mut Subpackage,
        variables: &Variables<'_>,
    ) -> bool {
        self.condition(&mut subpackage.condition, variables, &Default::default());
        self.holds(&subpackage.condition)
    }

    /// Compiles a test; its environment has the tested package and what the steps need.
    fn test(
        &mut self,
        test: Option<&mut Test>,
        variables: &Variables<'_>,
        tested: &Text,
    ) -> Vec<CompiledStep> {
        let Some(test) = test else { return Vec::new() };
        let steps = self.steps(&test.pipeline, variables);
        let packages = &mut test.environment.contents.packages;
        packages.push(tested.clone());
        let mut needs = Vec::new();
        steps.iter().for_each(|step| step.needs(&mut needs));
        packages.extend(needs.into_iter().map(|need| Text::new(need.atom, need.place)));
        packages.sort_unstable_by(|one, other| one.value.cmp(&other.value));
        packages.dedup_by(|one, other| one.value == other.value);
        steps
    }
}
