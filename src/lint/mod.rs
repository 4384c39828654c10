//! Rules for recipes: what can be built and still is, or may be, a mistake.
//!
//! Around the stages: reads recipes through `config` and `plan`, says what it finds as diagnostics,
//! changes nothing. A rule has a name that stays, a level, a sentence, and a function that looks at
//! a `Subject`. Which findings are shown, and as what, `Levels` and comments in the recipe
//! (`suppress`) decide.
//!
//! A maintainer switches off what cries wolf: a rule belongs here when nearly all of its findings
//! are worth a change of the recipe; otherwise its level is `allow`.

mod findings;
mod history;
mod levels;
mod metadata;
mod packages;
mod shell;
mod sources;
mod splices;
mod steps;
mod subject;
mod suppress;
mod updates;
mod variables;

use std::path::Path;

use crate::arch::Arch;
use crate::config;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, nearest};
use crate::plan::Context;

use findings::Findings;
pub use levels::{Level, Levels};
use subject::Subject;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, which is the code of its findings.
    pub name: &'static str,
    /// What its findings are unless somebody says otherwise.
    pub level: Level,
    /// What it finds, in one sentence.
    pub summary: &'static str,
    /// Why that is worth a change, and what to do.
    pub details: &'static str,
    check: fn(&Subject<'_>, &mut Findings),
}

/// All rules, by name.
pub fn rules() -> Vec<&'static Rule> {
    let groups: [&'static [Rule]; 8] = [
        sources::RULES,
        metadata::RULES,
        variables::RULES,
        steps::RULES,
        splices::RULES,
        packages::RULES,
        updates::RULES,
        history::RULES,
    ];
    let mut rules: Vec<&'static Rule> = groups.into_iter().flatten().collect();
    rules.sort_unstable_by_key(|rule| rule.name);
    rules
}

/// The rule of a name, or what to say where there is none.
pub fn rule(name: &str) -> Result<&'static Rule, String> {
    let rules = rules();
    if let Some(rule) = rules.iter().find(|rule| rule.name == name) {
        return Ok(rule);
    }
    Err(match nearest(name, rules.iter().map(|rule| rule.name)) {
        Some(near) => format!("there is no rule `{name}`; did you mean `{near}`?"),
        None => format!("there is no rule `{name}` (`melange2 lint --list` shows all)"),
    })
}

/// How recipes are looked at.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a recipe is planned with; its architecture is not used.
    pub context: Context,
    /// The architectures that recipes are for, those aside that a recipe excludes.
    pub archs: Vec<Arch>,
    /// The git revision whose recipes are the older ones, for rules that compare.
    pub since: Option<String>,
    /// Which rules count.
    pub levels: Levels,
}

/// All that there is to say about a recipe, in the order of the file. A recipe that can't be built
/// gives its errors and nothing else: rules would only repeat them.
pub fn lint(path: &Path, options: &Options) -> Diagnostics {
    let recipe = match config::load(path) {
        Ok(recipe) => recipe,
        Err(problems) => return problems,
    };
    let subject = match Subject::new(&recipe, options) {
        Ok(subject) => subject,
        Err(problems) => return problems,
    };
    let mut found: Vec<Diagnostic> = Vec::new();
    for rule in rules() {
        let severity = match options.levels.of(rule) {
            Level::Allow => continue,
            Level::Warn => Severity::Warning,
            Level::Deny => Severity::Error,
        };
        let mut findings = Findings::new(rule.name, severity);
        (rule.check)(&subject, &mut findings);
        found.extend(findings.into_items());
    }
    let text = &recipe.span.source.text;
    let suppressed = suppress::comments(text);
    found.retain(|item| !suppressed.iter().any(|comment| comment.covers(item)));
    found.sort_by_key(|item| item.labels.first().map_or(0, |(span, _)| span.bytes.start));
    let mut diagnostics = Diagnostics::default();
    found.into_iter().for_each(|item| diagnostics.push(item));
    diagnostics
}
