//! The variables that a recipe sees: early ones (`package.*`, `vars.*`), and all of a build.
//!
//! Stage 2. Variables may refer to each other; upstream resolves them in random order, here each
//! is resolved after those that it refers to.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use super::reference::{MAX_PROBLEMS, MAX_TEXT, Piece, Problem, malformed, pieces, too_long};
use super::settle::{Unsettled, settle};
use super::{Context, transform};
use crate::config::{Config, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, nearest};

/// Names and values, with those of an enclosing scope behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables<'p> {
    values: HashMap<String, String>,
    parent: Option<&'p Variables<'p>>,
    /// What was said of names that are not there: to look for similar ones takes long where there
    /// are many, and a name that is missed once may be missed in each of many subpackages.
    told: RefCell<HashMap<String, Option<String>>>,
}

impl<'p> Variables<'p> {
    /// A scope within another.
    pub(super) fn within(parent: &'p Variables<'p>) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    /// Sets a value.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// A value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(value) => Some(value),
            None => self.parent?.get(name),
        }
    }

    /// A value that must be there, and must not refer to what is not there.
    pub(super) fn require(&self, name: &str) -> Result<Cow<'_, str>, Problem> {
        let Some(value) = self.get(name) else {
            return Err(Problem::unknown(name, self.help(name)));
        };
        match pieces(value).into_iter().find(|piece| !matches!(piece, Piece::Text(_))) {
            None => Ok(Cow::Borrowed(value)),
            Some(Piece::Reference { name: inner, .. }) => Err(Problem {
                message: format!("variable `{name}` refers to `{inner}`, which is not defined"),
                ..Problem::unknown(name, self.help(inner))
            }),
            Some(Piece::Malformed { why, .. } | Piece::Text(why)) => Err(Problem {
                code: "malformed-reference",
                message: format!("the value of variable `{name}` has {why}"),
                help: Some("mend that value: a variable is written as `${{name}}`".to_owned()),
                raw: String::new(),
            }),
        }
    }

    /// What to say about a name that is not there.
    fn help(&self, name: &str) -> Option<String> {
        if let Some(known) = self.told.borrow().get(name) {
            return known.clone();
        }
        // More problems than that are not shown.
        if self.told.borrow().len() > MAX_PROBLEMS {
            return None;
        }
        let help = match self.parent {
            // The names of an enclosing scope are nearly all, and are asked once for all scopes.
            Some(parent) if !self.values.keys().any(|own| similar(name, own)) => parent.help(name),
            _ => help(name, &self.names()),
        };
        self.told.borrow_mut().insert(name.to_owned(), help.clone());
        help
    }

    /// All names.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.extend(self.parent.map(Variables::names).unwrap_or_default());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Resolves what the values refer to; what nobody defines stays.
    pub(super) fn settle(&mut self) -> Unsettled {
        settle(&mut self.values)
    }
}

/// Whether a name may be a slip for another.
fn similar(name: &str, known: &str) -> bool {
    nearest(name, [known]).is_some()
}

/// What to say about a name that nobody defines.
fn help(name: &str, known: &[&str]) -> Option<String> {
    let text = match name {
        "targets.subpkgdir" | "subpkg.name" => {
            "only subpackages have it; `targets.contextdir` and `context.name` are defined everywhere"
                .to_owned()
        }
        "range.key" | "range.value" => {
            "only subpackages with `range` have it, and it is written without spaces".to_owned()
        }
        "package.description" => {
            "scripts can't use it, only descriptions and the like: write the text itself".to_owned()
        }
        _ if name.starts_with("inputs.") && !known.iter().any(|name| name.starts_with("inputs.")) => {
            "only pipeline files have inputs: write the value here, or define it under `vars:`"
                .to_owned()
        }
        _ => match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `${{{{{near}}}}}`?"),
            None => format!("define it under `vars:`, or use one of {}", groups(known)),
        },
    };
    Some(text)
}

/// The families of names, for a name that is like none.
fn groups(known: &[&str]) -> String {
    let mut groups: Vec<&str> = known.iter().filter_map(|name| name.split('.').next()).collect();
    groups.dedup();
    groups.iter().map(|group| format!("`{group}.…`")).collect::<Vec<_>>().join(", ")
}

/// `package.*` and `vars.*`: what early substitution knows.
pub(super) fn early(config: &Config, problems: &mut Diagnostics) -> Variables<'static> {
    let mut variables = Variables::default();
    let package = &config.package;
    variables.set("package.name", package.name.as_str());
    variables.set("package.version", package.version.as_str());
    variables.set("package.epoch", package.epoch.value.to_string());
    variables
        .set("package.full-version", format!("${{{{package.version}}}}-r{}", package.epoch.value));
    variables.set("package.description", package.description.as_str());
    for (name, value) in config.vars.iter() {
        variables.set(&format!("vars.{name}"), value);
    }
    report(config, variables.settle(), problems);
    if grew_too_long(problems) {
        return variables;
    }
    for transform in &config.var_transforms {
        let from = super::reference::substitute(transform.from.as_str(), &|name| {
            // What a value refers to may be defined later, by another transform or in a step.
            let value = variables.get(name).map(|value| Cow::Owned(value.to_owned()));
            value.ok_or_else(|| Problem::unknown(name, variables.help(name)))
        });
        let replaced = match from {
            Ok(from) => transform::replace_all(
                &from,
                transform.r#match.as_str(),
                transform.replace.as_str(),
            )
            .map_err(|invalid| {
                let message = format!("not a regular expression: {}", invalid.message);
                let regex = &transform.r#match;
                let span = regex.span.part(regex.as_str(), invalid.at);
                let diagnostic = Diagnostic::error("regex", message, span, "").help(
                    "the syntax is RE2's: `\\(` is a parenthesis, and there is no look-around and \
                     no back-reference",
                );
                problems.push(diagnostic);
            }),
            Err(found) => {
                found.into_iter().for_each(|problem| problems.push(at(problem, &transform.from)));
                Err(())
            }
        };
        // A failed transform still defines its name: one mistake is one message.
        let value = replaced.unwrap_or_default();
        if value.len() > MAX_TEXT {
            problems.push(at(too_long(""), &transform.from));
            continue;
        }
        variables.set(&format!("vars.{}", transform.to.as_str()), value);
    }
    report(config, variables.settle(), problems);
    check_values(config, &variables, problems);
    variables
}

/// What a variable's own value refers to is found where it is written, not where it is used.
fn check_values(config: &Config, variables: &Variables<'_>, problems: &mut Diagnostics) {
    for entry in config.vars.0.values() {
        for piece in pieces(entry.value.as_str()) {
            let (name, raw) = match piece {
                Piece::Reference { name, raw } => (name, raw),
                Piece::Malformed { why, raw } => {
                    problems.push(at(malformed(why, raw), &entry.value));
                    continue;
                }
                Piece::Text(_) => continue,
            };
            let early = name.starts_with("vars.") || name.starts_with("package.");
            if early && name != "package.srcdir" && variables.get(name).is_none() {
                let help = variables.help(name);
                let problem = Problem { raw: raw.to_owned(), ..Problem::unknown(name, help) };
                problems.push(at(problem, &entry.value));
            }
        }
    }
}

/// How many names of a circle are told.
const CIRCLE_SHOWN: usize = 10;

/// Says what could not be resolved, where it is written.
fn report(config: &Config, unsettled: Unsettled, problems: &mut Diagnostics) {
    if let Some(name) = unsettled.too_long {
        let message =
            format!("variable `{name}` would be longer than 8 MiB, or all together than 64 MiB");
        let diagnostic = Diagnostic::error("too-long", message, place(config, &name), "");
        problems.push(diagnostic.maybe_help(too_long("").help));
    }
    for circle in unsettled.circles {
        let Some(name) = circle.first() else { continue };
        // Upstream leaves the reference in the text.
        if circle == ["package.description"] {
            continue;
        }
        let places = circle.iter().map(|name| place(config, name));
        let span = places.into_iter().find(|span| !span.is_nowhere()).unwrap_or_default();
        let message = format!("variable `{name}` refers to itself");
        let more = circle.len().saturating_sub(CIRCLE_SHOWN);
        let mut way: Vec<String> =
            circle.iter().take(CIRCLE_SHOWN).map(|name| format!("`{name}`")).collect();
        if more > 0 {
            way.push(format!("… ({more} more)"));
        }
        let diagnostic =
            Diagnostic::error("variable-circle", message, span, "").help(match circle.as_slice() {
                [_] => "give it a value that does not name it".to_owned(),
                _ => format!(
                    "give one of these a value of its own: {}, which names `{name}`",
                    way.join(", which names ")
                ),
            });
        problems.push(diagnostic);
    }
}

/// Where an early variable is given its value; nowhere if the command line does.
fn place(config: &Config, name: &str) -> Span {
    let package = &config.package;
    match name {
        "package.name" => package.name.span.clone(),
        "package.version" | "package.full-version" => package.version.span.clone(),
        "package.description" => package.description.span.clone(),
        _ => {
            let own = name.strip_prefix("vars.").unwrap_or(name);
            let transform = config.var_transforms.iter().find(|made| made.to.as_str() == own);
            let entry = config.vars.0.get(own).map(|entry| entry.key.clone());
            entry.or(transform.map(|made| made.to.span.clone())).unwrap_or_default()
        }
    }
}

/// The label where a problem lies in what a variable or an input stands for.
const WITHIN_A_VALUE: &str = "in what a variable here stands for";

/// Whether texts grew so long that there is nothing more to say: their variables are not resolved.
pub(super) fn grew_too_long(problems: &Diagnostics) -> bool {
    problems.items.iter().any(|item| item.code == "too-long")
}

/// Leaves out what is wrong with a variable's value where the variable is used: it was said where
/// the value is written.
pub(super) fn without_echoes(problems: &mut Diagnostics) {
    let echo =
        |item: &Diagnostic| item.labels.first().is_some_and(|(_, text)| text == WITHIN_A_VALUE);
    let said: Vec<(&str, String)> = problems
        .items
        .iter()
        .filter(|item| !echo(item))
        .map(|item| (item.code, item.message.clone()))
        .collect();
    problems.items.retain(|item| !echo(item) || !said.contains(&(item.code, item.message.clone())));
    // What was not resolved refers to what looks undefined.
    if problems.items.iter().any(|item| matches!(item.code, "too-long" | "variable-circle")) {
        let unresolved = |item: &Diagnostic| {
            item.code == "unknown-variable" && item.message.contains("` refers to `")
        };
        problems.items.retain(|item| !unresolved(item));
    }
}

/// A problem with a reference in a text, as a diagnostic that points to it.
pub(super) fn at(problem: Problem, text: &Text) -> Diagnostic {
    let label = match problem.code {
        _ if !problem.raw.is_empty() && !text.span.text().contains(&problem.raw) => WITHIN_A_VALUE,
        "unknown-variable" => "not defined here",
        _ => "",
    };
    let span = text.span.narrowed(&problem.raw);
    Diagnostic::error(problem.code, problem.message, span, label).maybe_help(problem.help)
}

/// All variables of a build's steps (see melange's documentation of substitutions).
pub(super) fn build(
    config: &Config,
    early: &Variables<'_>,
    context: &Context,
    problems: &mut Diagnostics,
) -> Variables<'static> {
    let mut variables = Variables::default();
    for (name, value) in &early.values {
        if name.starts_with("vars.") {
            variables.set(name, value.clone());
        }
    }
    let package = &config.package;
    let name = package.name.as_str();
    let directory = |name: &str| format!("/home/build/melange-out/{name}");
    let (arch, libc) = (context.arch, context.libc);
    for (key, value) in [
        ("package.name", name.to_owned()),
        ("package.version", package.version.value.clone()),
        ("package.epoch", package.epoch.value.to_string()),
        ("package.full-version", format!("{}-r{}", package.version.as_str(), package.epoch.value)),
        ("package.srcdir", "/home/build".to_owned()),
        ("targets.outdir", "/home/build/melange-out".to_owned()),
        ("targets.destdir", directory(name)),
        ("targets.contextdir", directory(name)),
        ("context.name", name.to_owned()),
        ("host.triplet.gnu", arch.gnu_triplet(libc)),
        ("host.triplet.rust", arch.rust_triplet(libc)),
        ("cross.triplet.gnu.glibc", arch.gnu_triplet(crate::arch::Libc::Gnu)),
        ("cross.triplet.gnu.musl", arch.gnu_triplet(crate::arch::Libc::Musl)),
        ("cross.triplet.rust.glibc", arch.rust_triplet(crate::arch::Libc::Gnu)),
        ("cross.triplet.rust.musl", arch.rust_triplet(crate::arch::Libc::Musl)),
        ("build.arch", arch.apk().to_owned()),
        ("build.goarch", arch.go().to_owned()),
    ] {
        variables.set(key, value);
    }
    let subpackages = config.subpackages.iter().map(|subpackage| subpackage.name.as_str());
    for name in std::iter::once(name).chain(subpackages) {
        variables.set(&format!("targets.package.{name}"), directory(name));
    }
    for name in config.options.keys() {
        variables.set(&format!("options.{name}.enabled"), "false");
    }
    for name in &context.build_options {
        variables.set(&format!("options.{name}.enabled"), "true");
    }
    // Circles were reported when the early variables were made.
    let unsettled = Unsettled { circles: Vec::new(), ..variables.settle() };
    report(config, unsettled, problems);
    variables
}

/// The variables of a subpackage's steps.
pub(super) fn subpackage<'p>(name: &str, build: &'p Variables<'p>) -> Variables<'p> {
    let mut variables = Variables::within(build);
    let directory = format!("/home/build/melange-out/{name}");
    variables.set("subpkg.name", name);
    variables.set("context.name", name);
    variables.set("targets.subpkgdir", directory.clone());
    variables.set("targets.contextdir", directory);
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_defined_is_missed_where_it_is_needed() {
        let mut variables = Variables::default();
        variables.set("a", "${{b}}");
        variables.set("b", "${{host.triplet.gnu}}");
        variables.settle();
        let problem = variables.require("a").unwrap_err();
        assert_eq!(
            problem.message,
            "variable `a` refers to `host.triplet.gnu`, which is not defined"
        );
    }
}
