//! What a plan decides of each step of a recipe, beside the recipe: for tools that look at recipes.
//!
//! Stage 2. A [`super::Plan`] keeps what a build needs; this keeps what was asked and what became
//! of it: tests too, steps that don't run, inputs with the place that gives them.

use super::compile::Compiled;
use super::early;
use super::library::Library;
use super::reference::{Piece, pieces};
use super::resolve::{Build, Part, is_excluded};
use super::variables::{self, Variables};
use super::{Context, check};
use crate::config::{Config, Dict, Step, Text};
use crate::diagnostic::{Diagnostics, Severity, Span};

/// A recipe and what became of it on one architecture.
#[derive(Debug)]
pub struct Audit {
    /// The recipe with ranges expanded and early variables in place.
    pub config: Config,
    /// Every step, nested ones and those of pipeline files included, parents first.
    pub steps: Vec<AuditStep>,
    /// The subpackages that have a condition: where it stands, and whether it holds.
    pub conditions: Vec<(Span, bool)>,
    /// What deserves a look.
    pub warnings: Diagnostics,
    variables: Variables<'static>,
}

/// A step and what became of it.
#[derive(Debug)]
pub struct AuditStep {
    /// The package that it works for.
    pub package: String,
    /// Whether it tests that package rather than builds it.
    pub test: bool,
    /// The pipeline that it uses, or nothing.
    pub uses: Text,
    /// The inputs of that pipeline that are not their defaults, with the places of their values.
    pub with: Dict,
    /// Those of `with` that the pipeline takes as they are, whatever the shell would make of them.
    pub literal: Vec<String>,
    /// Its condition, substituted.
    pub condition: Text,
    /// Whether that holds.
    pub holds: bool,
    /// Whether the step runs: its condition and those around it hold.
    pub runs: bool,
    /// Whether it stands in the recipe, not in a pipeline file.
    pub in_recipe: bool,
    /// Where it stands: the place in the recipe first, then the chain of `uses:`.
    pub places: Vec<Span>,
}

impl Audit {
    /// The value of `package.*` or `vars.*`.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name)
    }
}

/// Looks at a recipe; `Ok(None)` where `target-architecture` excludes it.
pub fn audit(config: &Config, context: &Context) -> Result<Option<Audit>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let early = early::expand(config, context, &mut problems);
    if is_excluded(&early.config, context) {
        return Ok(None);
    }
    if variables::grew_too_long(&problems) {
        return Err(problems);
    }
    check::check(&early.config, &mut problems);
    let (expanded, variables) = (early.config.clone(), early.variables.clone());
    let library = Library::new(&context.pipeline_dirs);
    let build = Build::compile(early, context, &library, &mut problems);
    let mut walk = Walk { library: &library, steps: Vec::new() };
    walk.part(&expanded.package.name, &build.main);
    for (subpackage, part) in expanded.subpackages.iter().zip(&build.subpackages) {
        walk.part(&subpackage.name, part);
    }
    let steps = walk.steps;
    let built = build.config.subpackages.iter().zip(&build.subpackages);
    let conditions = built
        .filter(|(subpackage, _)| !subpackage.condition.0.is_empty())
        .map(|(subpackage, part)| (subpackage.condition.0.span.clone(), part.built))
        .collect();
    // The plan's own last checks: assertions, and environments that are not substituted.
    build.plan(context, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    problems.items.retain(|item| item.severity == Severity::Warning);
    Ok(Some(Audit { config: expanded, steps, conditions, warnings: problems, variables }))
}

/// Where a step stands.
#[derive(Clone, Copy)]
struct Around<'a> {
    package: &'a str,
    test: bool,
    runs: bool,
    in_recipe: bool,
}

struct Walk<'a> {
    library: &'a Library<'a>,
    steps: Vec<AuditStep>,
}

impl Walk<'_> {
    fn part(&mut self, package: &Text, part: &Part) {
        let around =
            Around { package: package.as_str(), test: false, runs: part.built, in_recipe: true };
        part.steps.iter().for_each(|step| self.step(step, around));
        part.test.iter().for_each(|step| self.step(step, Around { test: true, ..around }));
    }

    fn step(&mut self, compiled: &Compiled, around: Around<'_>) {
        let step = &compiled.step;
        let runs = around.runs && compiled.runs;
        self.steps.push(AuditStep {
            package: around.package.to_owned(),
            test: around.test,
            uses: step.uses.clone(),
            with: step.with.clone(),
            literal: self.literal(step),
            condition: step.condition.0.clone(),
            holds: compiled.runs,
            runs,
            in_recipe: around.in_recipe,
            places: compiled.places.clone(),
        });
        let in_recipe = around.in_recipe && step.uses.is_empty();
        let inner = Around { runs, in_recipe, ..around };
        compiled.children.iter().for_each(|child| self.step(child, inner));
    }

    /// Inputs that stand quoted in the pipeline's scripts, and nowhere else.
    fn literal(&self, step: &Step) -> Vec<String> {
        if step.uses.is_empty() || step.with.0.is_empty() {
            return Vec::new();
        }
        let Ok(file) = self.library.load(&step.uses) else { return Vec::new() };
        let (mut quoted, mut plain) = (Vec::new(), Vec::new());
        references(&file, &mut quoted, &mut plain);
        let names = step.with.0.keys();
        names.filter(|name| quoted.contains(name) && !plain.contains(name)).cloned().collect()
    }
}

/// The inputs that a pipeline's scripts take quoted, and those that they splice.
fn references(step: &Step, quoted: &mut Vec<String>, plain: &mut Vec<String>) {
    for piece in pieces(step.runs.as_str()) {
        let Piece::Reference { name, .. } = piece else { continue };
        if let Some(name) = name.strip_prefix("sh.inputs.") {
            quoted.push(name.to_owned());
        } else if let Some(name) = name.strip_prefix("inputs.") {
            plain.push(name.to_owned());
        }
    }
    let with = step.with.0.values().flat_map(|entry| pieces(entry.value.as_str()));
    // Handed on: what becomes of it there is that pipeline's business.
    for piece in with {
        if let Piece::Reference { name, .. } = piece {
            plain.extend(name.strip_prefix("inputs.").map(str::to_owned));
        }
    }
    step.pipeline.iter().for_each(|child| references(child, quoted, plain));
}
