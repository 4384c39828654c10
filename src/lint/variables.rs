//! Rules for variables, tables and transforms.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::subject::Subject;
use super::{Level, Rule};
use crate::plan::references;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "unused-variable",
        level: Level::Warn,
        summary: "a variable that nothing refers to",
        details: "Either it is a leftover, or a reference to it has a typing error and means another. \
                  Counted are references in the recipe and in the pipeline files that it uses.",
        check: unused_variable,
    },
    Rule {
        name: "unused-data",
        level: Level::Warn,
        summary: "a table under `data:` that no `range:` names",
        details: "The subpackages that it was made for are gone, or name another table.",
        check: unused_data,
    },
    Rule {
        name: "overwritten-variable",
        level: Level::Warn,
        summary: "a variable that a later transform sets again",
        details: "Transforms run in their order, after `vars:`: only the last value is ever seen.",
        check: overwritten_variable,
    },
    Rule {
        name: "unmatched-transform",
        level: Level::Warn,
        summary: "a transform whose expression matches nothing",
        details: "The variable is then the text that the transform started from. Only expressions with \
                  anchors or groups count: one like `_` replaces what may or may not be there.",
        check: unmatched_transform,
    },
    Rule {
        name: "not-substituted",
        level: Level::Warn,
        summary: "a `${{…}}` in a place where nothing replaces it",
        details: "The environment of a step knows `package.*`, `vars.*` and `range.*` only. Set other \
                  variables in the script.",
        check: not_substituted,
    },
];

/// Names that something refers to.
fn used(subject: &Subject<'_>) -> BTreeSet<String> {
    let mut sources: Vec<&str> = vec![&subject.config.span.source.text];
    let steps = subject.audits.iter().flat_map(|audit| &audit.steps);
    let mut files = BTreeSet::new();
    for place in steps.flat_map(|step| &step.places) {
        if files.insert(place.path().to_owned()) {
            sources.push(&place.source.text);
        }
    }
    let names = sources.into_iter().flat_map(references).map(|(_, name)| name);
    names.filter_map(|name| name.strip_prefix("vars.")).map(str::to_owned).collect()
}

fn unused_variable(subject: &Subject<'_>, findings: &mut Findings) {
    let used = used(subject);
    let help = "remove it, or look for a reference that should name it";
    for (name, entry) in &subject.config.vars.0 {
        if !used.contains(name) {
            let message = format!("nothing refers to the variable `{name}`");
            findings.add(&entry.key, message, "never used", help);
        }
    }
    for transform in &subject.config.var_transforms {
        if !used.contains(transform.to.as_str()) {
            let message = format!("nothing refers to the variable `{}`", transform.to.as_str());
            findings.add(&transform.to.span, message, "never used", help);
        }
    }
}

fn unused_data(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    for data in &config.data {
        let named = |range: &str| range == data.name.as_str();
        if !config.subpackages.iter().any(|subpackage| named(subpackage.range.as_str())) {
            let message = format!("no `range:` names the table `{}`", data.name.as_str());
            let help = "remove it, or write `range:` in the subpackage that it is for";
            findings.add(&data.name.span, message, "never used", help);
        }
    }
}

fn overwritten_variable(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    for (index, transform) in config.var_transforms.iter().enumerate() {
        let name = transform.to.as_str();
        // A transform of a variable into itself uses what was there.
        let uses_itself = references(transform.from.as_str())
            .iter()
            .any(|(_, used)| used.strip_prefix("vars.") == Some(name));
        let earlier = config.var_transforms.iter().take(index);
        let mut before =
            earlier.filter(|earlier| earlier.to.as_str() == name).map(|it| &it.to.span);
        let before = before.next_back().or_else(|| config.vars.0.get(name).map(|entry| &entry.key));
        if let (Some(before), false) = (before, uses_itself) {
            let message = format!("`{name}` is set again: what it was before is never seen");
            let help = "remove one of them, or give one another name";
            let other = (&transform.to.span, "set again here");
            findings.add_with(before, message, "set here", other, help);
        }
    }
}

fn unmatched_transform(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    for transform in &subject.config.var_transforms {
        let from = substituted(transform.from.as_str(), |name| audit.variable(name));
        if !transform.r#match.as_str().contains(['(', '^', '$']) {
            continue;
        }
        let Ok(regex) = regex::Regex::new(transform.r#match.as_str()) else { continue };
        if let Some(from) = from.filter(|from| !regex.is_match(from)) {
            let message = format!("the expression matches nothing in `{from}`");
            let help = "look at its anchors and escapes; without a match the text stays as it is";
            findings.add(&transform.r#match.span, message, "", help);
        }
    }
}

/// A text with its references in place, where all of them are known.
fn substituted<'v>(text: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    let mut result = String::new();
    let mut end = 0;
    for (at, name) in references(text) {
        result.push_str(text.get(end..at)?);
        result.push_str(lookup(name)?);
        end = at + text.get(at..)?.find("}}")? + 2;
    }
    result.push_str(text.get(end..)?);
    (!result.contains("${{")).then_some(result)
}

fn not_substituted(subject: &Subject<'_>, findings: &mut Findings) {
    let warnings = subject.audits.iter().flat_map(|audit| &audit.warnings.items);
    for warning in warnings.filter(|warning| warning.code == "not-substituted") {
        findings.push(warning.clone());
    }
}
