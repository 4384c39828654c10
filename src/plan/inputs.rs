//! A step's inputs: what `with` gives, what the pipeline declares, and what each is worth.
//!
//! Stage 2. Values refer to the surrounding step's inputs first, then to their siblings.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::reference::{Problem, substitute};
use super::variables::{Variables, at};
use crate::config::{Dict, Entry, Step, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest, quoted_list};

/// Resolved inputs that a step sees, by name without `inputs.`.
pub(super) type Inputs = IndexMap<String, String>;

/// What was found.
pub(super) struct Resolved {
    /// All that the step and its inline children see.
    pub(super) inputs: Inputs,
    /// What differs from the declared defaults: what `compile` prints as `with`.
    ///
    /// A default that names a variable differs from its value. Upstream prints those too, but
    /// nothing at all of an outermost step that gives no input.
    pub(super) changed: Dict,
}

/// Resolves the inputs of a step whose pipeline file, if any, is already merged into it.
pub(super) fn resolve(
    step: &Step,
    parent: Option<&Inputs>,
    variables: &Variables<'_>,
    problems: &mut Diagnostics,
) -> Resolved {
    let outermost = parent.is_none();
    let none = Inputs::new();
    let parent = parent.unwrap_or(&none);
    let mut raw: IndexMap<String, Text> =
        step.with.0.iter().map(|(name, entry)| (name.clone(), entry.value.clone())).collect();
    for (name, input) in &step.inputs {
        let value = raw.entry(name.clone()).or_default();
        if value.is_empty() {
            *value = input.default.clone();
        }
        if input.required && value.is_empty() {
            problems.push(missing(step, name));
        }
    }
    let mut resolving = Resolving { raw: &raw, parent, variables, done: Inputs::new() };
    for (name, text) in &raw {
        match resolving.value(name, &mut Vec::new()) {
            Ok(value) => {
                if step.inputs.contains_key(name) {
                    check_hash(name, value, text, problems);
                }
            }
            Err(found) => found.into_iter().for_each(|problem| problems.push(at(problem, text))),
        }
    }
    let done = resolving.done;
    let mut changed = Dict::default();
    for (name, text) in raw.iter().filter(|_| !(outermost && step.with.0.is_empty())) {
        let Some(value) = done.get(name) else { continue };
        let default = step.inputs.get(name).map_or("", |input| input.default.as_str());
        if value != default {
            let key = step.with.0.get(name).map(|entry| entry.key.clone()).unwrap_or_default();
            let value = Text::new(value.clone(), text.span.clone());
            changed.0.insert(name.clone(), Entry { key, value });
        }
    }
    let mut inputs = parent.clone();
    inputs.extend(done);
    Resolved { inputs, changed }
}

/// Inputs one after another, each after its siblings that it refers to.
struct Resolving<'a> {
    raw: &'a IndexMap<String, Text>,
    parent: &'a Inputs,
    variables: &'a Variables<'a>,
    done: Inputs,
}

impl<'a> Resolving<'a> {
    fn value(&mut self, name: &str, stack: &mut Vec<String>) -> Result<&str, Vec<Problem>> {
        if !self.done.contains_key(name) {
            let raw: &'a IndexMap<String, Text> = self.raw;
            let text = raw.get(name).map(Text::as_str).unwrap_or_default();
            let value = match self.in_parent(text) {
                Ok(value) => value,
                Err(problems) => self.with_siblings(name, text, stack, problems)?,
            };
            self.done.insert(name.to_owned(), value);
        }
        Ok(self.done.get(name).map(String::as_str).unwrap_or_default())
    }

    fn in_parent(&self, text: &str) -> Result<String, Vec<Problem>> {
        substitute(text, &|name| lookup(name, self.parent, self.variables))
    }

    fn with_siblings(
        &mut self,
        name: &str,
        text: &str,
        stack: &mut Vec<String>,
        problems: Vec<Problem>,
    ) -> Result<String, Vec<Problem>> {
        // A circle: the references stay unknown, as the surrounding step sees them.
        if stack.iter().any(|other| other == name) {
            return Err(problems);
        }
        stack.push(name.to_owned());
        for piece in super::reference::pieces(text) {
            let super::reference::Piece::Reference { name, .. } = piece else { continue };
            let sibling = name.strip_prefix("inputs.").filter(|name| self.raw.contains_key(*name));
            if let Some(sibling) = sibling {
                self.value(sibling, stack).map_err(|_| problems.clone())?;
            }
        }
        stack.pop();
        let mut visible = self.parent.clone();
        visible.extend(self.done.iter().map(|(name, value)| (name.clone(), value.clone())));
        substitute(text, &|name| lookup(name, &visible, self.variables))
    }
}

/// A variable or an input; `sh.` before its name gives it as one quoted word of the shell.
///
/// That is this project's own, for its own pipelines: a name, path or URL can't break out of the
/// command that it stands in.
pub(super) fn lookup<'v>(
    name: &str,
    inputs: &'v Inputs,
    variables: &'v Variables<'_>,
) -> Result<Cow<'v, str>, Problem> {
    if let Some(name) = name.strip_prefix("sh.") {
        return lookup(name, inputs, variables)
            .map(|value| Cow::Owned(super::word::shell_word(&value)));
    }
    let Some(input) = name.strip_prefix("inputs.") else { return variables.require(name) };
    match inputs.get(input) {
        Some(value) => Ok(Cow::Borrowed(value)),
        None if inputs.is_empty() => variables.require(name),
        None => {
            let known = inputs.keys().map(String::as_str);
            let help = match nearest(input, known.clone()) {
                Some(near) => format!("did you mean `${{{{inputs.{near}}}}}`?"),
                None => format!("the inputs are {}", quoted_list(known)),
            };
            Err(Problem::unknown(name, Some(help)))
        }
    }
}

fn missing(step: &Step, name: &str) -> Diagnostic {
    let pipeline = step.uses.as_str();
    let message = format!("pipeline `{pipeline}` requires the input `{name}`");
    let span = match step.with.0.get(name) {
        Some(entry) => entry.key.clone(),
        None => step.uses.span.clone(),
    };
    let diagnostic = Diagnostic::error("missing-input", message, span, "not given, or empty");
    let description = step.inputs.get(name).map(|input| input.description.as_str().trim());
    match description.filter(|text| !text.is_empty()) {
        Some(text) => diagnostic.help(format!("add `{name}:` to `with:` — {}", one_line(text))),
        None => diagnostic.help(format!("add `{name}:` to `with:`")),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Inputs with these names are checksums and commits in every pipeline, as they are upstream.
fn check_hash(name: &str, value: &str, text: &Text, problems: &mut Diagnostics) {
    let (length, help) = match name {
        "expected-sha256" => (64, "`sha256sum FILE` prints it"),
        "expected-sha512" => (128, "`sha512sum FILE` prints it"),
        "expected-commit" => (40, "`git ls-remote URL 'refs/tags/TAG^{}'` prints it in full"),
        _ => return,
    };
    if value.is_empty() {
        return;
    }
    let span = text.span.clone();
    let help = match text.as_str().contains("${{") {
        true => {
            format!("write the checksum itself: what stands here is `{value}` in the end; {help}")
        }
        false => help.to_owned(),
    };
    if let Some(wrong) = value.chars().find(|c| !c.is_ascii_hexdigit()) {
        let message = format!("`{name}` must be hexadecimal, found `{}`", wrong.escape_default());
        problems.push(Diagnostic::error("checksum", message, span, "").help(help));
    } else if value.len() != length {
        let message =
            format!("`{name}` must have {length} hexadecimal digits, found {}", value.len());
        problems.push(Diagnostic::error("checksum", message, span, "").help(help));
    }
}

/// `with` keys that the pipeline does not declare.
pub(super) fn check_names(step: &Step, problems: &mut Diagnostics) {
    for (name, entry) in &step.with.0 {
        if step.inputs.contains_key(name) {
            continue;
        }
        let known = step.inputs.keys().map(String::as_str);
        let help = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if step.inputs.is_empty() => "remove it: the pipeline has no inputs".to_owned(),
            None => format!("its inputs are {}", quoted_list(known)),
        };
        let message = format!("pipeline `{}` has no input `{name}`", step.uses.as_str());
        let diagnostic = Diagnostic::error("unknown-input", message, entry.key.clone(), "");
        problems.push(diagnostic.help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Input;

    fn step(with: &[(&str, &str)], defaults: &[(&str, &str)]) -> Step {
        let mut step = Step::default();
        for (name, value) in with {
            step.with.set(name, value);
        }
        for (name, value) in defaults {
            let default = Text::new((*value).to_owned(), Default::default());
            step.inputs.insert((*name).to_owned(), Input { default, ..Input::default() });
        }
        step
    }

    fn run(step: &Step, parent: &[(&str, &str)]) -> (Resolved, Diagnostics) {
        let mut variables = Variables::default();
        variables.set("package.name", "pkg");
        let parent = parent.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut problems = Diagnostics::default();
        (resolve(step, Some(&parent), &variables, &mut problems), problems)
    }

    #[test]
    fn parents_come_before_siblings() {
        let step = step(
            &[
                ("a", "${{inputs.a}}!"),
                ("b", "${{inputs.a}}"),
                ("c", "${{inputs.d}}"),
                ("d", "${{inputs.b}}"),
            ],
            &[("a", ""), ("b", ""), ("c", ""), ("d", "")],
        );
        let (resolved, problems) = run(&step, &[("a", "outer")]);
        assert!(problems.items.is_empty(), "{problems}");
        let values: Vec<_> = resolved.inputs.values().map(String::as_str).collect();
        assert_eq!(values, ["outer!", "outer", "outer", "outer"]);
    }

    #[test]
    fn empty_values_become_the_default_and_only_changes_are_shown() {
        let step =
            step(&[("a", ""), ("b", "x")], &[("a", "A"), ("b", ""), ("n", "${{package.name}}")]);
        let (resolved, _) = run(&step, &[]);
        assert_eq!(resolved.inputs["a"], "A");
        let changed: Vec<_> = resolved.changed.iter().collect();
        assert_eq!(changed, [("b", "x"), ("n", "pkg")]);
    }

    #[test]
    fn circles_and_bad_hashes_are_errors() {
        let circle =
            step(&[("a", "${{inputs.b}}"), ("b", "${{inputs.a}}")], &[("a", ""), ("b", "")]);
        assert!(run(&circle, &[]).1.has_errors());
        let hash = step(&[("expected-commit", "12g")], &[("expected-commit", "")]);
        assert_eq!(run(&hash, &[]).1.items[0].code, "checksum");
    }
}
