//! A recipe and the command line to a plan. Stage 2's entry.

use super::compile::{self, Compiled as CompiledStep, Compiler};
use super::early::{self, Early};
use super::library::Library;
use super::steps::Flatten;
use super::variables::{self, Variables};
use super::{Capabilities, Compiled, Context, Plan, check, environment, package};
use crate::config::field::Field;
use crate::config::{Config, Subpackage, Test, Text};
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
    check::check(&early.config, &mut problems);
    let library = Library::new(&context.pipeline_dirs);
    let build = Build::compile(early, context, &library, &mut problems);
    let plan = build.plan(context, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    problems.items.retain(|item| item.severity == Severity::Warning);
    Ok(Some(Plan { warnings: problems, ..plan }))
}

fn is_excluded(config: &Config, context: &Context) -> bool {
    let targets = &config.package.target_architecture;
    let all = targets.len() == 1 && targets[0].as_str() == "all";
    let named = targets.iter().any(|target| target.as_str() == context.arch.apk());
    !targets.is_empty() && !all && !named
}

/// A recipe with all its steps compiled.
struct Build {
    config: Config,
    main: Vec<CompiledStep>,
    /// For each subpackage: whether it is built, and its steps.
    subpackages: Vec<(bool, Vec<CompiledStep>)>,
}

impl Build {
    fn compile(
        early: Early,
        context: &Context,
        library: &Library<'_>,
        problems: &mut Diagnostics,
    ) -> Self {
        let Early { mut config, variables } = early;
        let variables = variables::build(&config, &variables, context);
        let mut compiler = Compiler::new(library);
        let main = compiler.steps(&config.pipeline, &variables);
        let mut subpackages = Vec::new();
        for subpackage in &mut config.subpackages {
            let variables = variables::subpackage(subpackage.name.as_str(), &variables);
            let built = compiler.subpackage_condition(subpackage, &variables);
            subpackages.push((built, compiler.steps(&subpackage.pipeline, &variables)));
            if let Some(test) = &mut subpackage.test {
                compiler.test(test, &variables, &subpackage.name);
            }
        }
        if let Some(test) = &mut config.test {
            compiler.test(test, &variables, &config.package.name);
        }
        problems.extend(compiler.problems);
        Self { config, main, subpackages }
    }

    fn plan(mut self, context: &Context, problems: &mut Diagnostics) -> Plan {
        let mut steps = Vec::new();
        let mut packages = vec![package::main(&self.config)];
        Flatten { package: 0, steps: &mut steps, problems }.all(&self.main);
        for (subpackage, (built, compiled)) in self.config.subpackages.iter().zip(&self.subpackages)
        {
            if *built {
                let package = packages.len();
                packages.push(package::subpackage(&self.config, subpackage));
                Flatten { package, steps: &mut steps, problems }.all(compiled);
            }
        }
        self.add_needs();
        let declared = self.config.environment.contents.packages.iter();
        let mut atoms: Vec<String> = declared.map(|text| text.value.clone()).collect();
        atoms.extend(context.package_append.iter().cloned());
        Plan {
            arch: context.arch,
            recipe: self.config.span.source.path.clone(),
            environment: environment::plan(&self.config.environment, atoms),
            capabilities: Capabilities {
                add: self.config.capabilities.add.iter().map(|text| text.value.clone()).collect(),
                drop: self.config.capabilities.drop.iter().map(|text| text.value.clone()).collect(),
            },
            steps,
            packages,
            compiled: self.into_json(),
            warnings: Diagnostics::default(),
        }
    }

    /// The needs of the steps that run join the environment's packages.
    fn add_needs(&mut self) {
        let packages = &mut self.config.environment.contents.packages;
        self.main.iter().for_each(|step| step.needs(packages));
        let built = self.subpackages.iter().filter(|(built, _)| *built);
        built.flat_map(|(_, steps)| steps).for_each(|step| step.needs(packages));
    }

    fn into_json(self) -> Compiled {
        let mut config = self.config;
        config.pipeline = self.main.into_iter().map(CompiledStep::into_step).collect();
        for (subpackage, (_, steps)) in config.subpackages.iter_mut().zip(self.subpackages) {
            subpackage.pipeline = steps.into_iter().map(CompiledStep::into_step).collect();
        }
        Compiled(config.json())
    }
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
    fn test(&mut self, test: &mut Test, variables: &Variables<'_>, tested: &Text) {
        let steps = self.steps(&test.pipeline, variables);
        let packages = &mut test.environment.contents.packages;
        packages.push(tested.clone());
        steps.iter().for_each(|step| step.needs(packages));
        packages.sort_unstable_by(|one, other| one.value.cmp(&other.value));
        packages.dedup_by(|one, other| one.value == other.value);
        test.pipeline = steps.into_iter().map(compile::Compiled::into_step).collect();
    }
}
