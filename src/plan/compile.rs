//! Late substitution: pipelines inlined, inputs and variables resolved, conditions evaluated.
//!
//! Stage 2. A [`Compiled`] step is what `compile` prints and what `steps` puts in running order.

use super::Wanted;
use super::condition;
use super::inputs::{self, Inputs};
use super::library::Library;
use super::reference::{Problem, substitute, too_long};
use super::variables::{Variables, at};
use crate::config::{Condition, Dict, Step, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};

/// How deep pipelines may use each other.
const MAX_USES: usize = 30;
/// How long all texts of one recipe may be together: each `uses` repeats a whole file.
const MAX_TOTAL: usize = 64 << 20;

/// A step with nothing left to decide.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    /// The step; its `pipeline` is empty, the children stand beside it.
    pub(super) step: Step,
    /// Nested steps.
    pub(super) children: Vec<Compiled>,
    /// Whether its condition holds (its parents' aside).
    pub(super) runs: bool,
    /// The pipelines that led to it, each with the `uses:` that names it; its script comes from
    /// the last one's file.
    pub(super) chain: Vec<Text>,
    /// The place in the recipe, then those in pipeline files.
    pub(super) places: Vec<Span>,
}

impl Compiled {
    /// The step in one piece, as `compile` prints it.
    ///
    /// Needs that the environment has got are left out, but upstream forgets those of nested steps.
    pub(super) fn into_step(self) -> Step {
        let needs = self.step.needs.clone().filter(|_| !self.runs);
        Step { needs, ..self.into_nested_step() }
    }

    fn into_nested_step(self) -> Step {
        let pipeline = self.children.into_iter().map(Compiled::into_nested_step).collect();
        Step { pipeline, ..self.step }
    }

    /// The pipeline whose file its script comes from.
    pub(super) fn pipeline(&self) -> Option<&str> {
        self.chain.last().map(Text::as_str)
    }

    /// Says how a problem's place was led to.
    pub(super) fn with_chain(&self, problem: Diagnostic) -> Diagnostic {
        Diagnostic { chain: self.chain.iter().rev().cloned().collect(), ..problem }
    }

    /// The packages that it needs, and its children, as far as they run.
    pub(super) fn needs(&self, packages: &mut Vec<Wanted>) {
        if !self.runs {
            return;
        }
        let own = self.step.needs.iter().flat_map(|needs| &needs.packages);
        packages.extend(own.map(|package| Wanted {
            atom: package.value.clone(),
            place: package.span.clone(),
            chain: self.chain.iter().rev().cloned().collect(),
        }));
        self.children.iter().for_each(|child| child.needs(packages));
    }
}

/// Compiles the steps of one recipe.
pub(super) struct Compiler<'a> {
    library: &'a Library<'a>,
    /// The pipelines on the way to a step, each with the `uses:` that names it.
    chain: Vec<Text>,
    total: usize,
    /// What is wrong so far.
    pub(super) problems: Diagnostics,
}

impl<'a> Compiler<'a> {
    /// A compiler that finds pipelines in a library.
    pub(super) fn new(library: &'a Library<'a>) -> Self {
        Self { library, chain: Vec::new(), total: 0, problems: Diagnostics::default() }
    }

    /// Compiles the steps of a package or of a test.
    pub(super) fn steps(&mut self, steps: &[Step], variables: &Variables<'_>) -> Vec<Compiled> {
        steps.iter().map(|step| self.step(step.clone(), variables, None)).collect()
    }

    fn step(
        &mut self,
        mut step: Step,
        variables: &Variables<'_>,
        parent: Option<&Inputs>,
    ) -> Compiled {
        let own_place = own_place(&step);
        let depth = self.chain.len();
        // A step with both is one that was compiled before; its `uses` only tells where from.
        let uses = !step.uses.is_empty() && step.pipeline.is_empty();
        let loaded = uses && self.inline(&mut step);
        let mut problems = Diagnostics::default();
        let compiled = if uses && !loaded {
            self.finish(step, Vec::new(), own_place)
        } else {
            let resolved = inputs::resolve(&step, parent, variables, &mut problems);
            self.report(problems, depth);
            step.with = resolved.changed;
            self.texts(&mut step, variables, &resolved.inputs);
            let children = self.children(&mut step, variables, &resolved.inputs);
            self.finish(step, children, own_place)
        };
        self.chain.truncate(depth);
        compiled
    }

    /// Puts the file that a step uses in its place; `false` if there is none.
    fn inline(&mut self, step: &mut Step) -> bool {
        let circle = self.chain.iter().any(|link| link.as_str() == step.uses.as_str());
        if circle || self.chain.len() >= MAX_USES {
            let message = format!("pipeline `{}` uses itself", step.uses.as_str());
            let span = step.uses.span.clone();
            let problem = Diagnostic::error("pipeline-circle", message, span, "")
                .help("a pipeline can't use itself, nor one that uses it");
            self.report(problem.into(), self.chain.len());
            return false;
        }
        let file = match self.library.load(&step.uses) {
            Ok(file) => file,
            Err(mut problems) => {
                for problem in problems.items.iter_mut().filter(|item| item.labels.is_empty()) {
                    // The file as a whole, such as one that can't be read.
                    let label = format!("`{}` is used here", step.uses.as_str());
                    problem.labels.push((step.uses.span.clone(), label));
                }
                let own = problems.items.first().and_then(|item| item.labels.first());
                let in_file = own.is_some_and(|(span, _)| span.path() != step.uses.span.path());
                self.chain.push(step.uses.clone());
                let depth = self.chain.len() - usize::from(!in_file);
                self.report(problems, depth);
                self.chain.pop();
                return false;
            }
        };
        overlay(step, &file);
        let mut problems = Diagnostics::default();
        inputs::check_names(step, &mut problems);
        self.report(problems, self.chain.len());
        self.chain.push(step.uses.clone());
        true
    }

    fn children(
        &mut self,
        step: &mut Step,
        variables: &Variables<'_>,
        inputs: &Inputs,
    ) -> Vec<Compiled> {
        let children = std::mem::take(&mut step.pipeline);
        let compile = |mut child: Step| {
            if child.working_directory.is_empty() {
                child.working_directory = step.working_directory.clone();
            }
            self.step(child, variables, Some(inputs))
        };
        children.into_iter().map(compile).collect()
    }

    /// Substitutes in everything of a step that late substitution reaches.
    fn texts(&mut self, step: &mut Step, variables: &Variables<'_>, inputs: &Inputs) {
        if let Some(needs) = &mut step.needs {
            for package in &mut needs.packages {
                self.text(package, variables, inputs);
            }
        }
        self.text(&mut step.working_directory, variables, inputs);
        self.text(&mut step.runs, variables, inputs);
        self.condition(&mut step.condition, variables, inputs);
    }

    fn text(&mut self, text: &mut Text, variables: &Variables<'_>, inputs: &Inputs) {
        let lookup = |name: &str| inputs::lookup(name, inputs, variables);
        match substitute(text.as_str(), &lookup) {
            Ok(value) => text.value = value,
            Err(problems) => self.report_references(problems, text),
        }
        self.total += text.value.len();
        if self.total > MAX_TOTAL {
            self.report_references(vec![too_long("")], text);
            text.value.clear();
        }
    }

    pub(super) fn condition(
        &mut self,
        condition: &mut Condition,
        variables: &Variables<'_>,
        inputs: &Inputs,
    ) {
        let lookup = |name: &str| {
            let value = inputs::lookup(name, inputs, variables)?;
            Ok(Some(value.into_owned()))
        };
        match condition::substitute(condition.0.as_str(), &lookup) {
            Ok(value) => condition.0.value = value,
            Err(problems) => self.report_references(problems, &condition.0),
        }
    }

    fn finish(&mut self, step: Step, children: Vec<Compiled>, own_place: Span) -> Compiled {
        let runs = self.holds(&step.condition);
        let mut places: Vec<Span> = self.chain.iter().map(|link| link.span.clone()).collect();
        // The script of a file is at another place than the step that uses it.
        let script = if step.runs.is_empty() { own_place } else { step.runs.span.clone() };
        if places
            .last()
            .is_none_or(|last| last.bytes != script.bytes || last.path() != script.path())
        {
            places.push(script);
        }
        Compiled { step, children, runs, chain: self.chain.clone(), places }
    }

    /// Evaluates; a condition that can't be is reported once and holds.
    pub(super) fn holds(&mut self, condition: &Condition) -> bool {
        if condition.0.is_empty() {
            return true;
        }
        let problem = match evaluate(condition) {
            Ok(holds) => return holds,
            Err(problem) => problem,
        };
        // What could not be substituted was already reported.
        if !condition.0.as_str().contains("${{") {
            self.report(problem.into(), self.chain.len());
        }
        true
    }

    fn report_references(&mut self, problems: Vec<Problem>, text: &Text) {
        for problem in problems {
            self.report(at(problem, text).into(), self.chain.len());
        }
    }

    /// Adds problems, and the `uses:` that led there: those above `depth` of the chain.
    fn report(&mut self, problems: Diagnostics, depth: usize) {
        for mut problem in problems.items {
            let links = self.chain[..depth.min(self.chain.len())].iter().rev();
            problem.chain = links.cloned().collect();
            self.problems.push(problem);
        }
    }
}

/// Evaluates a substituted condition.
pub(super) fn evaluate(condition: &Condition) -> Result<bool, Diagnostic> {
    let text = &condition.0;
    condition::evaluate(text.as_str()).map_err(|invalid| {
        let message = format!("not a condition: {}", invalid.message);
        let mut label = String::new();
        if !text.span.text().contains(text.as_str()) {
            label = format!("after substitution: {}", text.as_str());
        }
        let within = place_of(text, &invalid);
        Diagnostic::error("condition", message, within, label).help(
            "a condition compares texts: `${{build.arch}} == 'x86_64' && '${{vars.x}}' != ''`",
        )
    })
}

/// The place within a condition: from where it can't be read on, to its end.
///
/// Values stay within their quotes, so what is wrong after substitution is wrong before it, at a
/// place that the file's own text has.
fn place_of(text: &Text, invalid: &condition::Invalid) -> Span {
    let written = text.span.text();
    let quoted = written.starts_with(['\'', '"']) && written.ends_with(['\'', '"']);
    let inner = if quoted { written.get(1..written.len() - 1) } else { Some(written.trim_end()) };
    // `''` in single quotes, and escapes in double ones, are not what is read.
    let plain = |inner: &&str| !quoted || !inner.contains("''") && !inner.contains('\\');
    let own = inner.filter(plain).unwrap_or_else(|| text.as_str());
    match condition::evaluate(own) {
        Err(own_invalid) if own_invalid.message == invalid.message => {
            text.span.part(own, own_invalid.at..own.len())
        }
        _ => text.span.part(text.as_str(), invalid.at..text.value.len()),
    }
}

/// Where a step stands: its script, else what it uses, else all of it.
fn own_place(step: &Step) -> Span {
    if !step.runs.is_empty() {
        step.runs.span.clone()
    } else if !step.uses.is_empty() {
        step.uses.span.clone()
    } else if !step.name.is_empty() {
        step.name.span.clone()
    } else {
        step.span.clone()
    }
}

/// Reads a pipeline file onto a step: what the file gives wins, mappings are merged, and the name
/// stays the step's own.
fn overlay(step: &mut Step, file: &Step) {
    let text = |own: &mut Text, file: &Text| {
        if !file.is_empty() {
            *own = file.clone();
        }
    };
    let dict = |own: &mut Dict, file: &Dict| {
        own.0.extend(file.0.iter().map(|(key, entry)| (key.clone(), entry.clone())));
    };
    text(&mut step.condition.0, &file.condition.0);
    text(&mut step.runs, &file.runs);
    text(&mut step.label, &file.label);
    text(&mut step.working_directory, &file.working_directory);
    dict(&mut step.environment, &file.environment);
    step.pipeline.clone_from(&file.pipeline);
    step.inputs.extend(file.inputs.clone());
    if file.needs.is_some() {
        step.needs.clone_from(&file.needs);
    }
    if file.assertions.is_some() {
        step.assertions.clone_from(&file.assertions);
    }
}
