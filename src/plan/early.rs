//! Early substitution: `package.*` and `vars.*` put in place, ranges expanded, defaults filled in.
//!
//! Stage 2. What comes out is upstream's parsed configuration: still with the variables that only
//! a build knows.

use super::condition;
use super::reference::{replace_exact, substitute, too_long};
use super::variables::{self, Variables, at};
use super::{Context, environment};
use crate::config::{
    Condition, Config, Data, Dependencies, Resources, Step, Subpackage, Text,
    field::{Field, Visit},
};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, nearest, quoted_list};

/// How much text ranges may make of a recipe.
const MAX_EXPANDED: usize = 64 << 20;
/// How many subpackages ranges may make of a recipe. Wolfi's largest has some hundreds.
const MAX_SUBPACKAGES: usize = 10_000;

/// A recipe after early substitution.
pub(super) struct Early {
    /// The recipe.
    pub(super) config: Config,
    /// `package.*` and `vars.*`.
    pub(super) variables: Variables<'static>,
}

/// Expands a recipe as far as it can be without knowing the architecture.
pub(super) fn expand(config: &Config, context: &Context, problems: &mut Diagnostics) -> Early {
    let mut config = config.clone();
    for (name, value) in &context.vars {
        config.vars.set(name, value);
    }
    apply_build_options(&mut config, context, problems);
    let variables = variables::early(&config, problems);
    if config.package.commit.is_empty() {
        config.package.commit.value.clone_from(&context.commit);
    }
    Replace::visit(&mut config, &variables, None, problems);
    config.subpackages = subpackages(&config, &variables, problems);
    config.data.clear();
    environment::add_defaults(&mut config, context);
    late_texts(&mut config, &variables, problems);
    let subpackages = config.subpackages.iter_mut().map(|subpackage| &mut subpackage.pipeline);
    for steps in std::iter::once(&mut config.pipeline).chain(subpackages) {
        steps.iter_mut().for_each(hand_down);
    }
    override_resources(&mut config, context);
    Early { config, variables }
}

/// The command line's word on the machine and the time counts. Only `timeout` does anything here.
fn override_resources(config: &mut Config, context: &Context) {
    let resources = config.package.resources.get_or_insert_with(Resources::default);
    let wanted = &context.resources;
    for (text, value) in [
        (&mut resources.cpu, &wanted.cpu),
        (&mut resources.cpumodel, &wanted.cpumodel),
        (&mut resources.memory, &wanted.memory),
        (&mut resources.disk, &wanted.disk),
    ] {
        if let Some(value) = value {
            text.value.clone_from(value);
        }
    }
    if let Some(timeout) = &context.timeout {
        config.package.timeout = timeout.clone();
    }
}

/// Options change variables before these are used anywhere (upstream changes them too late).
fn apply_build_options(config: &mut Config, context: &Context, problems: &mut Diagnostics) {
    for name in &context.build_options {
        let Some(option) = config.options.get(name).cloned() else {
            problems.push(unknown_option(name, config));
            continue;
        };
        for (name, entry) in option.0.vars.value.0 {
            config.vars.0.insert(name, entry);
        }
        let change = option.0.environment.contents.packages;
        let packages = &mut config.environment.contents.packages;
        packages.retain(|package| change.remove.iter().all(|name| name.value != package.value));
        packages.extend(change.add.value);
    }
}

/// Not an error: `options.NAME.enabled` is defined all the same, as it is upstream.
fn unknown_option(name: &str, config: &Config) -> Diagnostic {
    let names = config.options.keys().map(String::as_str);
    let help = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if config.options.is_empty() => "options are defined under `options:`".to_owned(),
        None => format!("its options are {}", quoted_list(names)),
    };
    let message = format!("`--build-option {name}`: the recipe has no such option");
    let diagnostic = Diagnostic::without_place("unknown-build-option", message).help(help);
    Diagnostic { severity: Severity::Warning, ..diagnostic }
}

/// Puts early variables, and the item of a range, in place.
struct Replace<'a> {
    variables: &'a Variables<'static>,
    item: Option<(&'a str, &'a str)>,
    /// Texts that would grow too long.
    too_long: Vec<Text>,
}

impl<'a> Replace<'a> {
    /// Replaces in all texts of a part of the recipe.
    fn visit(
        part: &mut impl Field,
        variables: &'a Variables<'static>,
        item: Option<(&'a str, &'a str)>,
        problems: &mut Diagnostics,
    ) {
        let mut replace = Self { variables, item, too_long: Vec::new() };
        part.visit(&mut replace);
        replace.too_long.iter().for_each(|text| problems.push(at(too_long(""), text)));
    }

    fn lookup(&self, name: &str) -> Option<&'a str> {
        match (name, self.item) {
            ("range.key", Some((key, _))) => Some(key),
            ("range.value", Some((_, value))) => Some(value),
            _ => self.variables.get(name),
        }
    }
}

impl Visit for Replace<'_> {
    fn text(&mut self, text: &mut Text) {
        if text.value.contains("${{") {
            match replace_exact(&text.value, &|name| self.lookup(name)) {
                Some(value) => text.value = value,
                None => self.too_long.push(text.clone()),
            }
        }
    }

    fn condition(&mut self, condition: &mut Condition) {
        let lookup = |name: &str| Ok(self.lookup(name).map(str::to_owned));
        // What is malformed is found, and reported, when the rest is substituted.
        if let Ok(text) = condition::substitute(condition.0.as_str(), &lookup) {
            condition.0.value = text;
        }
    }
}

/// The subpackages, each item of a range as one of its own, sorted by key.
fn subpackages(
    config: &Config,
    variables: &Variables<'static>,
    problems: &mut Diagnostics,
) -> Vec<Subpackage> {
    let mut expanded = Vec::new();
    let mut size = 0;
    for subpackage in &config.subpackages {
        let made = expanded.len();
        let mut add = |item: Option<(&str, &str)>, problems: &mut Diagnostics| {
            let mut subpackage = subpackage.clone();
            Replace::visit(&mut subpackage, variables, item, problems);
            if subpackage.commit.is_empty() {
                subpackage.commit = config.package.commit.clone();
            }
            expanded.push(subpackage);
        };
        if subpackage.range.is_empty() {
            add(None, problems);
            continue;
        }
        // Upstream takes the last table of a name.
        let name = subpackage.range.as_str();
        let Some(table) = config.data.iter().rev().find(|data| data.name.as_str() == name) else {
            problems.push(unknown_range(&subpackage.range, &config.data));
            continue;
        };
        size += subpackage.span.bytes.len() * table.items.0.len();
        if size > MAX_EXPANDED || made + table.items.0.len() > MAX_SUBPACKAGES {
            let message = "ranges make more than 10,000 subpackages, or 64 MiB, of this recipe";
            let span = subpackage.range.span.clone();
            let diagnostic = Diagnostic::error("too-long", message, span, "")
                .help("split the table under `data:`, or the recipe");
            problems.push(diagnostic);
            break;
        }
        let mut items: Vec<_> = table.items.iter().collect();
        items.sort_unstable();
        items.into_iter().for_each(|item| add(Some(item), problems));
    }
    expanded
}

fn unknown_range(range: &Text, data: &[Data]) -> Diagnostic {
    let name = range.as_str();
    let names = || data.iter().map(|data| data.name.as_str());
    let help = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if data.is_empty() => "`data:` defines the tables that `range` names".to_owned(),
        None => format!("`data:` has {}", quoted_list(names())),
    };
    let message = format!("there is no table `{name}` under `data:`");
    Diagnostic::error("unknown-range", message, range.span.clone(), "").help(help)
}

/// Dependencies and packages are substituted a second time, strictly.
fn late_texts(config: &mut Config, variables: &Variables<'static>, problems: &mut Diagnostics) {
    let mut strict = |text: &mut Text| {
        if !text.value.contains("${{") {
            return;
        }
        match substitute(text.as_str(), &|name| variables.require(name)) {
            Ok(value) => text.value = value,
            Err(found) => found.into_iter().for_each(|problem| problems.push(at(problem, text))),
        }
    };
    let mut dependencies = |dependencies: &mut Dependencies| {
        dependencies.provides.iter_mut().for_each(&mut strict);
        dependencies.runtime.iter_mut().for_each(&mut strict);
        dependencies.replaces.iter_mut().for_each(&mut strict);
        strict(&mut dependencies.provider_priority);
        strict(&mut dependencies.replaces_priority);
    };
    dependencies(&mut config.package.dependencies);
    config.subpackages.iter_mut().for_each(|sub| dependencies(&mut sub.dependencies));
    config.environment.contents.packages.iter_mut().for_each(&mut strict);
    let tests = config.subpackages.iter_mut().filter_map(|subpackage| subpackage.test.as_mut());
    for test in tests.chain(config.test.as_mut()) {
        test.environment.contents.packages.iter_mut().for_each(&mut strict);
    }
}

/// Nested steps inherit what their parent has: the directory, and variables that they don't set.
fn hand_down(step: &mut Step) {
    for child in &mut step.pipeline {
        if child.working_directory.is_empty() {
            child.working_directory = step.working_directory.clone();
        }
        let mut environment = step.environment.clone();
        environment.0.extend(std::mem::take(&mut child.environment).0);
        child.environment = environment;
        hand_down(child);
    }
}
