//! The variables that a recipe sees: early ones (`package.*`, `vars.*`), and all of a build.
//!
//! Stage 2. Variables may refer to each other; upstream resolves them in random order, here each
//! is resolved after those that it refers to.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use super::reference::{MAX_PROBLEMS, MAX_TEXT, Piece, Problem, malformed, pieces, too_long};
use super::{Context, transform};
use crate::config::{Config, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};

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

    /// Resolves what the values refer to. What nobody defines stays; returns the circles, each as
    /// the names on the way from a name to itself.
    pub(super) fn settle(&mut self) -> Vec<Vec<String>> {
        let mut names: Vec<String> = self
            .values
            .iter()
            .filter(|(_, value)| value.contains("${{"))
            .map(|(name, _)| name.clone())
            .collect();
        names.sort_unstable();
        let mut settling =
            Settling { raw: &self.values, done: HashMap::new(), circles: Vec::new() };
        for name in &names {
            settling.value(name, &mut Vec::new());
        }
        let (done, circles) = (settling.done, settling.circles);
        self.values.extend(done);
        circles
    }
}

/// Depth-first resolution, each variable once.
struct Settling<'a> {
    raw: &'a HashMap<String, String>,
    done: HashMap<String, String>,
    circles: Vec<Vec<String>>,
}

impl Settling<'_> {
    fn value(&mut self, name: &str, stack: &mut Vec<String>) -> Option<String> {
        if let Some(value) = self.done.get(name) {
            return Some(value.clone());
        }
        let raw = self.raw.get(name)?;
        if !raw.contains("${{") {
            return Some(raw.clone());
        }
        // A chain of a thousand variables is no recipe, and the stack of threads is finite.
        let again = stack.iter().position(|other| other == name);
        if again.is_some() || stack.len() > 500 {
            self.circles.push(stack[again.unwrap_or_default()..].to_vec());
            return None;
        }
        stack.push(name.to_owned());
        let mut value = String::new();
        for piece in pieces(raw) {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Malformed { raw, .. } => value.push_str(raw),
                Piece::Reference { name, raw } => match self.value(name, stack) {
                    Some(inner) if value.len() + inner.len() <= MAX_TEXT => value.push_str(&inner),
                    _ => value.push_str(raw),
                },
            }
        }
        stack.pop();
        self.done.insert(name.to_owned(), value.clone());
        Some(value)
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
    report_circles(config, variables.settle(), problems);
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
            .map_err(|reason| {
                let message = format!("not a regular expression: {reason}");
                let span = transform.r#match.span.clone();
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
    report_circles(config, variables.settle(), problems);
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

fn report_circles(config: &Config, circles: Vec<Vec<String>>, problems: &mut Diagnostics) {
    for circle in circles {
        let Some(name) = circle.first() else { continue };
        let entry = name.strip_prefix("vars.").and_then(|name| config.vars.0.get(name));
        let span = entry.map_or_else(|| config.package.span.clone(), |entry| entry.key.clone());
        let message = format!("variable `{name}` refers to itself");
        let diagnostic =
            Diagnostic::error("variable-circle", message, span, "").help(match circle.as_slice() {
                [_] => "give it a value that does not name it".to_owned(),
                _ => format!(
                    "give one of these a value of its own: {}, which names `{name}`",
                    circle
                        .iter()
                        .map(|name| format!("`{name}`"))
                        .collect::<Vec<_>>()
                        .join(", which names ")
                ),
            });
        problems.push(diagnostic);
    }
}

/// The label where a problem lies in what a variable or an input stands for.
const WITHIN_A_VALUE: &str = "in what a variable here stands for";

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
    variables.settle();
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
    fn values_are_resolved_in_any_order_and_circles_found() {
        let mut variables = Variables::default();
        for (name, value) in [
            ("a", "${{b}}-${{ c }}"),
            ("b", "<${{c}}>"),
            ("c", "1"),
            ("x", "${{y}}"),
            ("y", "${{x}}"),
            ("late", "${{host.triplet.gnu}}"),
        ] {
            variables.set(name, value);
        }
        assert_eq!(variables.settle(), [["x", "y"]]);
        assert_eq!(variables.get("a"), Some("<1>-1"));
        assert_eq!(variables.get("late"), Some("${{host.triplet.gnu}}"));
        assert!(variables.require("late").is_err());
    }

    #[test]
    fn growth_without_bound_ends() {
        let mut variables = Variables::default();
        for number in 0..60 {
            variables.set(&format!("v{number}"), format!("${{{{v{0}}}}}${{{{v{0}}}}}", number + 1));
        }
        variables.set("v60", "text");
        assert!(variables.settle().is_empty());
        assert!(variables.get("v0").unwrap().len() <= MAX_TEXT);
    }
}
