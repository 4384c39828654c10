//! The top of stage 3: from a plan to a [`Spec`].

use std::collections::BTreeSet;

use askama::Template as _;

use crate::plan::Plan;

use super::capabilities::{self, Privileges};
use super::step::{self, Shared};
use super::template;
use super::{Context, Environment, Error, Options, Spec, user, variables, workspace};
use super::{around_mounts, cache_mounts};

/// The stage that is exported.
const TARGET: &str = "out";

/// Renders a plan.
///
/// Deterministic: the same arguments give the same text on every machine (the places in comments
/// are as the plan has them). The one thing it looks up on disk is whether the source directory
/// has a `.dockerignore`, for a note.
pub fn render(plan: &Plan, environment: &Environment, options: &Options) -> Result<Spec, Error> {
    let owner = user::of_steps(plan, options)?;
    let privileges = capabilities::privileges(plan, owner)?;
    let common = variables::common(plan, environment, options)?;
    let shared = Shared { options, common: &common, own: &plan.environment.variables, owner };
    let steps = steps(plan, environment, &shared, privileges.as_ref())?;
    let contexts = contexts(plan, environment, options);
    let stages = steps.views.iter().map(|view| view.stage.clone()).zip(0..).collect();
    let mut outputs = Vec::new();
    for package in &plan.packages {
        outputs.push((format!("{}/", workspace::output(package)?), format!("/{}/", package.name)));
    }
    let last = steps.views.last().map_or_else(String::new, |view| view.stage.clone());
    let build = template::Build {
        title: title(plan),
        arguments: arguments(&contexts, options, &steps, privileges.as_ref()),
        variables: common.env.clone(),
        setup: workspace::setup(plan, environment, options, owner)?,
        source: options.source_dir.is_some(),
        owner: owner.to_string(),
        shell: privileges.as_ref().map(|privileges| privileges.shell.clone()),
        steps: steps.views,
        last,
        outputs,
    };
    let insecure = privileges.as_ref().filter(|privileges| privileges.insecure);
    let notes = insecure.iter().map(|privileges| privileged(privileges)).chain(hidden(options));
    Ok(Spec {
        text: build.render()? + "\n",
        contexts,
        stages,
        target: TARGET.to_owned(),
        ssh: options.ssh.clone(),
        secrets: secrets(options),
        entitlements: insecure.iter().map(|_| "security.insecure".to_owned()).collect(),
        platform: plan.arch.platform(),
        files: steps.files,
        notes: notes.collect(),
    })
}

/// The stages of a plan's steps.
#[derive(Debug, Default)]
struct Steps {
    views: Vec<template::Step>,
    files: Vec<(String, Vec<u8>)>,
}

fn steps(
    plan: &Plan,
    environment: &Environment,
    shared: &Shared<'_>,
    privileges: Option<&Privileges>,
) -> Result<Steps, Error> {
    let mut steps = Steps::default();
    let width = plan.steps.len().to_string().len().max(2);
    let mut base = "workspace".to_owned();
    // Directories that are there, empty or not, because the step before had mounts below them.
    let mut present = BTreeSet::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let number = format!("{:0width$}", index + 1);
        let stage = format!("step-{number}");
        let decision = cache_mounts::decide(step, environment, shared.own, shared.options);
        let needed = around_mounts::parents(&decision.mounts);
        let mut leftovers: Vec<String> = present.difference(&needed).cloned().collect();
        leftovers.reverse();
        let script = step::script(shared, step, &decision, &leftovers, &stage)?;
        let parents = (!needed.is_subset(&present)).then(|| around_mounts::make(&needed));
        steps.views.push(template::Step {
            place: places(step),
            label: step.label.clone(),
            package: plan.packages.get(step.package).map_or("", |package| &package.name).to_owned(),
            caches: decision.to_string(),
            insecure: privileges.is_some_and(|privileges| privileges.insecure),
            mounts: step::mounts(shared, &decision, &script)?,
            script: script.text,
            base: std::mem::replace(&mut base, stage.clone()),
            stage,
            parents,
        });
        steps.files.extend(script.file);
        present = needed;
    }
    Ok(steps)
}

/// Where a step stands: the recipe's line, then the pipeline files that lead to it.
fn places(step: &crate::plan::Step) -> String {
    let lines =
        step.places.iter().map(|place| format!("{}:{}", place.path().display(), place.line()));
    lines.collect::<Vec<_>>().join(" > ")
}

fn title(plan: &Plan) -> String {
    let name = plan
        .packages
        .first()
        .map_or_else(String::new, |package| format!("{} {}", package.name, package.full_version()));
    format!("{name} for {}", plan.arch)
}

fn contexts(plan: &Plan, environment: &Environment, options: &Options) -> Vec<Context> {
    if plan.steps.is_empty() {
        return Vec::new();
    }
    let mut contexts = vec![Context::OciLayout {
        name: "env".to_owned(),
        dir: environment.dir.clone(),
        digest: environment.digest,
    }];
    contexts.extend(
        options
            .source_dir
            .iter()
            .map(|dir| Context::Local { name: "source".to_owned(), dir: dir.clone() }),
    );
    contexts
}

/// Those of the command line, and the certificates.
fn secrets(options: &Options) -> Vec<super::Secret> {
    let certificates = options.ca_file.iter().map(|file| super::Secret {
        id: "ca".to_owned(),
        source: csv_field(&format!("src={}", file.display())),
    });
    certificates.chain(options.secrets.iter().cloned()).collect()
}

/// A field of a comma-separated value, as buildctl reads `--secret`.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// buildctl's arguments as a person would type them, with names for what differs from machine to
/// machine.
fn arguments(
    contexts: &[Context],
    options: &Options,
    steps: &Steps,
    privileges: Option<&Privileges>,
) -> Vec<String> {
    let mut arguments =
        vec!["buildctl build --frontend dockerfile.v0 --local dockerfile=DIR".to_owned()];
    for context in contexts {
        arguments.push(match context {
            Context::OciLayout { name, digest, .. } => format!(
                "--oci-layout {name}=LAYOUT --opt context:{name}=oci-layout://{name}@{}",
                digest.oci()
            ),
            Context::Local { name, .. } => {
                format!("--local {name}=DIR --opt context:{name}=local:{name}")
            }
        });
    }
    if !steps.files.is_empty() {
        arguments.push("--local scripts=DIR --opt context:scripts=local:scripts".to_owned());
    }
    let given = options.secrets.iter();
    arguments.extend(given.map(|secret| format!("--secret id={},src=FILE", secret.id)));
    let agents = options.ssh.iter();
    arguments
        .extend(agents.map(|ssh| format!("--ssh {}", ssh.split('=').next().unwrap_or_default())));
    if privileges.is_some_and(|privileges| privileges.insecure) {
        arguments.push("--allow security.insecure".to_owned());
    }
    arguments.push(format!("--opt target={TARGET} --output type=tar,dest=FILE"));
    let last = arguments.len() - 1;
    for (index, argument) in arguments.iter_mut().enumerate() {
        let indent = if index == 0 { "" } else { "  " };
        let end = if index == last { "" } else { " \\" };
        *argument = format!("{indent}{argument}{end}");
    }
    arguments
}

/// BuildKit applies a `.dockerignore` to every context that has one, and can't be told not to.
fn hidden(options: &Options) -> Option<String> {
    let file = options.source_dir.as_ref()?.join(".dockerignore");
    file.exists().then(|| {
        format!(
            "the steps do not see the files that `{}` names: BuildKit leaves them out",
            file.display()
        )
    })
}

fn privileged(privileges: &Privileges) -> String {
    let names: Vec<String> =
        privileges.asked.iter().map(|name| format!("`CAP_{}`", name.to_uppercase())).collect();
    format!(
        "the recipe asks for {}: its steps run with `--security=insecure`, which the daemon must \
         allow (`--allow-insecure-entitlement security.insecure`), and drop all other \
         capabilities beyond the default set",
        names.join(", ")
    )
}
