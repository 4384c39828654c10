//! Compiled steps in running order, with what each inherits.
//!
//! Stage 2's last part before the Dockerfile: a flat list, nothing left to decide.

use indexmap::IndexMap;

use super::Step;
use super::check_environment;
use super::compile::Compiled;
use super::reference::{Piece, pieces};
use crate::diagnostic::{Diagnostic, Diagnostics};

const WORKSPACE: &str = "/home/build";

/// Puts the steps of one package in running order.
pub(super) struct Flatten<'a> {
    /// Index of the package.
    pub(super) package: usize,
    /// Where they go.
    pub(super) steps: &'a mut Vec<Step>,
    /// What is wrong.
    pub(super) problems: &'a mut Diagnostics,
}

impl Flatten<'_> {
    /// All steps of a package.
    pub(super) fn all(&mut self, steps: &[Compiled]) {
        for step in steps {
            self.step(step, &IndexMap::new(), None);
        }
    }

    /// A step and its children; whether it ran. `known_as` is what the recipe calls the step whose
    /// pipeline it is a part of.
    fn step(
        &mut self,
        compiled: &Compiled,
        inherited: &IndexMap<String, String>,
        known_as: Option<&str>,
    ) -> bool {
        if !compiled.runs {
            return false;
        }
        let own_name = [compiled.step.name.as_str(), compiled.step.uses.as_str()];
        let own_name = own_name.into_iter().find(|name| !name.is_empty());
        // Nested steps of the recipe itself are known by their scripts.
        let own_name = own_name.or(known_as.filter(|_| !compiled.chain.is_empty()));
        self.check_environment(compiled);
        let mut variables = inherited.clone();
        let own = compiled.step.environment.iter();
        variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let directory = absolute(compiled.step.working_directory.as_str());
        let script = compiled.step.runs.as_str();
        if !script.trim().is_empty() || must_make_directory(compiled, &directory) {
            self.steps.push(Step {
                label: label(compiled, own_name),
                uses: compiled.pipeline().map(str::to_owned),
                package: self.package,
                script: script.to_owned(),
                working_directory: directory,
                variables: variables.clone(),
                places: compiled.places.clone(),
            });
        }
        let mut ran = 0;
        for child in &compiled.children {
            ran += i64::from(self.step(child, &variables, own_name));
        }
        self.check_assertions(compiled, ran);
        true
    }

    /// Variables of the recipe are not substituted in `environment`, as they are not upstream.
    fn check_environment(&mut self, compiled: &Compiled) {
        let mut found = Diagnostics::default();
        check_environment::variable_names(&compiled.step.environment, &mut found);
        found.items.into_iter().for_each(|item| self.problems.push(compiled.with_chain(item)));
        for (name, entry) in &compiled.step.environment.0 {
            if !entry.value.as_str().contains("${{") {
                continue;
            }
            let pieces = pieces(entry.value.as_str());
            let raw = pieces.iter().find_map(|piece| match piece {
                Piece::Reference { raw, .. } | Piece::Malformed { raw, .. } => Some(*raw),
                Piece::Text(_) => None,
            });
            let raw = raw.unwrap_or_default();
            let message = format!("`{raw}` is not replaced in the environment of a step");
            let span = entry.value.span.narrowed(raw);
            let help = format!("set the variable in the script: `export {name}=\"{raw}\"`");
            let label = "the script sees it as it stands here";
            let warning = Diagnostic::warning("not-substituted", message, span, label).help(help);
            self.problems.push(compiled.with_chain(warning));
        }
    }

    fn check_assertions(&mut self, compiled: &Compiled, ran: i64) {
        let Some(assertions) = &compiled.step.assertions else { return };
        let required = assertions.required_steps;
        if required != ran {
            let message = format!("{required} of the nested steps must run, but {ran} would");
            let span = assertions.span.clone();
            let diagnostic = Diagnostic::error("required-steps", message, span, "")
                .help("look at the `if:` of the nested steps, and at the architecture");
            self.problems.push(compiled.with_chain(diagnostic));
        }
    }
}

/// Whether a step without a script is there for its directory, which no child would make.
fn must_make_directory(compiled: &Compiled, directory: &str) -> bool {
    let makes = |child: &Compiled| {
        child.runs && absolute(child.step.working_directory.as_str()) == directory
    };
    directory != WORKSPACE && !compiled.children.iter().any(makes)
}

/// What the user knows a step by, in one line.
fn label(compiled: &Compiled, name: Option<&str>) -> String {
    let script = compiled.step.runs.as_str();
    let first_line = || script.lines().map(str::trim).find(|line| !line.is_empty());
    let label = name.or_else(first_line).unwrap_or("(no script)");
    label.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A working directory below the workspace, or an absolute one, without `.` and `..`.
fn absolute(directory: &str) -> String {
    let joined = match directory.starts_with('/') {
        true => directory.to_owned(),
        false => format!("{WORKSPACE}/{directory}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn directories_are_below_the_workspace() {
        for (directory, expected) in [
            ("", "/home/build"),
            ("a/./b/", "/home/build/a/b"),
            ("../x", "/home/x"),
            ("/tmp/../var", "/var"),
            ("../../../..", "/"),
        ] {
            assert_eq!(absolute(directory), expected);
        }
    }
}
