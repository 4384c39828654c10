//! What rules look at: a recipe as written, and what becomes of it.

use std::path::Path;
use std::sync::Arc;

use super::Options;
use crate::arch::Arch;
use crate::config::{self, Config, Step, Subpackage, Text};
use crate::diagnostic::{Diagnostics, Source};
use crate::plan::{Audit, AuditStep, Context, audit};

/// A recipe to look at.
pub(super) struct Subject<'a> {
    /// As written.
    pub(super) config: &'a Config,
    /// What becomes of it: on one architecture, or on all where conditions make a difference.
    pub(super) audits: Vec<Audit>,
    /// The older recipe, if it is known and can be read.
    pub(super) before: Option<Config>,
}

/// A step as written, and where.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) step: &'a Step,
    /// The step that it is nested in.
    pub(super) parent: Option<&'a Step>,
    /// The subpackage that it works for, if it is not the main package.
    pub(super) subpackage: Option<&'a Subpackage>,
    /// Whether it tests rather than builds.
    pub(super) test: bool,
}

impl<'a> Subject<'a> {
    /// Reads what there is to know; what is wrong with a recipe that can't be built is the error.
    pub(super) fn new(config: &'a Config, options: &Options) -> Result<Self, Diagnostics> {
        let mut audits = audits(config, options)?;
        if audits.is_empty() {
            // For no architecture at all: a rule tells that, the others look at it all the same.
            let mut everywhere = config.clone();
            everywhere.package.target_architecture.clear();
            audits = self::audits(&everywhere, options)?;
        }
        let path = config.span.path();
        let before = options.since.as_deref().and_then(|revision| older(path, revision));
        Ok(Self { config, audits, before })
    }

    /// What becomes of the recipe where it matters little on which architecture.
    pub(super) fn audit(&self) -> Option<&Audit> {
        self.audits.first()
    }

    /// The steps that stand in the recipe and use this pipeline.
    pub(super) fn uses(&self, pipeline: &str) -> impl Iterator<Item = &AuditStep> {
        let steps = self.audit().into_iter().flat_map(|audit| &audit.steps);
        steps.filter(move |step| step.in_recipe && step.uses.as_str() == pipeline)
    }

    /// All steps as written, parents first.
    pub(super) fn steps(&self) -> Vec<Written<'a>> {
        let mut steps = Vec::new();
        let config = self.config;
        let mut add = |all: &'a [Step], subpackage: Option<&'a Subpackage>, test: bool| {
            all.iter().for_each(|step| collect(step, None, subpackage, test, &mut steps));
        };
        add(&config.pipeline, None, false);
        config.test.iter().for_each(|test| add(&test.pipeline, None, true));
        for subpackage in &config.subpackages {
            add(&subpackage.pipeline, Some(subpackage), false);
            let test = subpackage.test.iter();
            test.for_each(|test| add(&test.pipeline, Some(subpackage), true));
        }
        steps
    }
}

fn collect<'a>(
    step: &'a Step,
    parent: Option<&'a Step>,
    subpackage: Option<&'a Subpackage>,
    test: bool,
    steps: &mut Vec<Written<'a>>,
) {
    steps.push(Written { step, parent, subpackage, test });
    let children = step.pipeline.iter();
    children.for_each(|child| collect(child, Some(step), subpackage, test, steps));
}

fn audits(config: &Config, options: &Options) -> Result<Vec<Audit>, Diagnostics> {
    let mut audits = Vec::new();
    let conditional = has_conditions(config);
    // Options of the recipe can be on and off.
    let all: Vec<String> = config.options.keys().cloned().collect();
    for &arch in &options.archs {
        for build_options in [Vec::new(), all.clone()] {
            let context = Context { arch, build_options, ..options.context.clone() };
            audits.extend(audit(config, &context)?);
            if all.is_empty() || !conditional {
                break;
            }
        }
        if !conditional && !audits.is_empty() {
            break;
        }
    }
    Ok(audits)
}

fn has_conditions(config: &Config) -> bool {
    let any = |steps: &[Step]| steps.iter().any(step_has_conditions);
    let subpackages = config.subpackages.iter();
    any(&config.pipeline)
        || config.test.iter().any(|test| any(&test.pipeline))
        || subpackages.clone().any(|subpackage| {
            !subpackage.condition.0.is_empty()
                || any(&subpackage.pipeline)
                || subpackage.test.iter().any(|test| any(&test.pipeline))
        })
}

fn step_has_conditions(step: &Step) -> bool {
    !step.condition.0.is_empty() || step.pipeline.iter().any(step_has_conditions)
}

/// The recipe as it was in a revision. One that was not there, or was broken, has nothing to say.
fn older(path: &Path, revision: &str) -> Option<Config> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name()?.to_str()?;
    let text = duct::cmd!("git", "show", format!("{revision}:./{name}"))
        .dir(directory)
        .stdin_null()
        .stderr_null()
        .read()
        .ok()?;
    let source = Arc::new(Source { path: path.to_owned(), text });
    config::parse_recipe(&source).ok()
}

/// The names of all architectures, as recipes write them.
pub(super) fn arch_names() -> impl Iterator<Item = &'static str> {
    Arch::ALL.into_iter().map(Arch::apk)
}

/// Whether a text has nothing that is to be substituted.
pub(super) fn is_plain(text: &Text) -> bool {
    !text.as_str().contains("${{")
}
