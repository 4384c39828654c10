//! What a recipe fetches and checks out, for the version that it has and for the one that it gets.

use super::edit::Edits;
use super::remote::{Checksums, Remote};
use super::{Error, Options, archs, target};
use crate::config::{Config, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::plan::{Audit, AuditStep, Context, audit};

/// Changes the checksums and commits of all sources that are others for the new version.
pub(super) fn update(
    old: &Config,
    new: &Config,
    options: &Options,
    remote: &dyn Remote,
    edits: &mut Edits,
    notes: &mut Diagnostics,
) -> Result<(), Error> {
    let pairs = pairs(old, new, &options.context)?;
    let given = Given::new(&pairs, options.expected_commit.as_deref());
    let same = old.package.version.as_str() == new.package.version.as_str();
    let failed = Diagnostics::default();
    let mut update = Update { config: old, same, remote, edits, notes, failed };
    for pair in &pairs {
        if !pair.new.in_recipe {
            update.pipeline_file(pair);
        } else if pair.new.uses.as_str() == "fetch" {
            update.fetched(pair)?;
        } else {
            update.checked_out(pair, &given)?;
        }
    }
    let failed = update.failed;
    if !failed.items.is_empty() {
        return Err(Error::Source(failed));
    }
    let any = pairs.iter().any(Pair::is_another);
    if !same && !any && !pairs.is_empty() && given.commit.is_none() {
        let span = old.package.version.span.clone();
        let message = "no source of the recipe is another one for the new version";
        notes.push(Diagnostic::warning("same-sources", message, span, "").help(
            "write `${{package.version}}` where the sources are named, or give \
                 `--expected-commit`",
        ));
    }
    Ok(())
}

/// A step of the old version and the same of the new one.
struct Pair {
    old: AuditStep,
    new: AuditStep,
    /// The table of the subpackage that it is in.
    table: Option<String>,
}

impl Pair {
    /// Whether what it gets is elsewhere for the new version.
    fn is_another(&self) -> bool {
        let names: &[&str] = match self.new.uses.as_str() {
            "fetch" => &["uri"],
            _ => &["repository", "tag", "branch"],
        };
        names.iter().any(|name| value(&self.old, name) != value(&self.new, name))
    }
}

/// All steps that fetch or check out, each on an architecture on which it runs.
fn pairs(old: &Config, new: &Config, context: &Context) -> Result<Vec<Pair>, Error> {
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    for arch in archs(context.arch) {
        let context = Context { arch, ..context.clone() };
        let (Some(old_audit), Some(new_audit)) = (audit(old, &context)?, audit(new, &context)?)
        else {
            continue;
        };
        let tables = tables(old, &old_audit);
        let sources = |audit: Audit| {
            let is_source =
                |step: &AuditStep| matches!(step.uses.as_str(), "fetch" | "git-checkout");
            audit.steps.into_iter().filter(is_source).collect::<Vec<_>>()
        };
        let steps = sources(old_audit).into_iter().zip(sources(new_audit));
        let first = pairs.is_empty();
        for (index, (old, new)) in steps.enumerate() {
            let table = tables.iter().find(|(name, _)| *name == new.package);
            let pair = Pair { table: table.map(|(_, table)| table.clone()), old, new };
            match pairs.get_mut(index) {
                // What runs on no architecture is looked at all the same.
                None if first => pairs.push(Some(pair)),
                Some(Some(before)) if !before.new.runs && pair.new.runs => *before = pair,
                _ => {}
            }
        }
        if pairs.iter().flatten().all(|pair| pair.new.runs) && !pairs.is_empty() {
            break;
        }
    }
    Ok(pairs.into_iter().flatten().collect())
}

/// Subpackages of the audit and the tables that they were made from.
fn tables(config: &Config, audit: &Audit) -> Vec<(String, String)> {
    let written = |span: &Span| {
        let here = |sub: &&crate::config::Subpackage| sub.span.bytes == span.bytes;
        config.subpackages.iter().find(here)
    };
    let expanded = audit.config.subpackages.iter();
    let pairs = expanded.filter_map(|sub| {
        let range = written(&sub.span)?.range.as_str();
        Some((sub.name.value.clone(), range.to_owned()))
    });
    pairs.collect()
}

/// The commit that the caller gives, and for which repository.
struct Given {
    commit: Option<String>,
    repository: String,
    alone: bool,
}

impl Given {
    /// It is meant for the first checkout that is another one for the new version, or follows no
    /// tag, and for others of the same repository; or for the only one.
    fn new(pairs: &[Pair], commit: Option<&str>) -> Self {
        let checkouts = pairs.iter().filter(|pair| {
            pair.new.in_recipe && !pair.new.test && pair.new.uses.as_str() == "git-checkout"
        });
        let checkouts: Vec<&Pair> = checkouts.collect();
        let alone = checkouts.len() == 1;
        let first = checkouts.iter().find(|pair| alone || Self::follows(pair));
        let repository = first.map(|pair| value(&pair.new, "repository")).unwrap_or_default();
        Self { commit: commit.map(str::to_owned), repository: repository.to_owned(), alone }
    }

    fn follows(pair: &Pair) -> bool {
        pair.is_another() || input(&pair.new, "tag").is_none()
    }

    fn of(&self, pair: &Pair) -> Option<&str> {
        let meant = value(&pair.new, "repository") == self.repository
            && (Self::follows(pair) || self.alone && !pair.new.test);
        self.commit.as_deref().filter(|_| meant)
    }
}

struct Update<'a> {
    config: &'a Config,
    /// Whether the version stays what it is.
    same: bool,
    remote: &'a dyn Remote,
    edits: &'a mut Edits,
    notes: &'a mut Diagnostics,
    failed: Diagnostics,
}

impl Update<'_> {
    fn fetched(&mut self, pair: &Pair) -> Result<(), Error> {
        let given = ["expected-sha256", "expected-sha512"];
        let given: Vec<_> =
            given.into_iter().filter_map(|name| Some((name, input(&pair.new, name)?))).collect();
        let Some(uri) = input(&pair.new, "uri") else { return Ok(()) };
        if !pair.is_another() || given.is_empty() {
            return Ok(());
        }
        let Checksums { sha256, sha512 } = match self.remote.checksums(uri.as_str()) {
            Ok(checksums) => checksums,
            Err(problem) => {
                self.fail(uri, "unreachable-source", problem);
                return Ok(());
            }
        };
        for (name, text) in given {
            let found = if name == "expected-sha256" { &sha256 } else { &sha512 };
            self.change(pair, name, text, found)?;
        }
        Ok(())
    }

    fn checked_out(&mut self, pair: &Pair, given: &Given) -> Result<(), Error> {
        let Some(expected) = input(&pair.new, "expected-commit") else { return Ok(()) };
        if let Some(commit) = given.of(pair) {
            return self.change(pair, "expected-commit", expected, commit);
        }
        if !pair.is_another() {
            self.note_branch(pair);
            return Ok(());
        }
        let repository = value(&pair.new, "repository");
        let (reference, place) = match (input(&pair.new, "tag"), input(&pair.new, "branch")) {
            (Some(tag), _) => (format!("refs/tags/{}", tag.as_str()), tag),
            (None, Some(branch)) => (format!("refs/heads/{}", branch.as_str()), branch),
            (None, None) => ("HEAD".to_owned(), expected),
        };
        match self.remote.commit(repository, &reference) {
            Ok(commit) => self.change(pair, "expected-commit", expected, &commit)?,
            Err(problem) => self.fail(place, "unknown-commit", problem),
        }
        if let Some(picks) = input(&pair.new, "cherry-picks") {
            let message = "these commits are still picked onto the new version";
            let help = "remove those that it has";
            let span = picks.span.clone();
            self.notes.push(Diagnostic::warning("cherry-picks", message, span, "").help(help));
        }
        Ok(())
    }

    /// A branch stays where it is, whatever the version is called.
    fn note_branch(&mut self, pair: &Pair) {
        let Some(branch) = input(&pair.new, "branch") else { return };
        if self.same || pair.new.test {
            return;
        }
        let message = format!("the branch `{}` follows no version", branch.as_str());
        let help = "give the commit of the new version with `--expected-commit`";
        let span = branch.span.clone();
        self.notes.push(Diagnostic::warning("branch", message, span, "").help(help));
    }

    /// What a pipeline file gets is not the recipe's to change.
    fn pipeline_file(&mut self, pair: &Pair) {
        let pinned = ["expected-sha256", "expected-sha512", "expected-commit"];
        let pinned = pinned.iter().any(|name| input(&pair.new, name).is_some());
        if pair.is_another() && pinned {
            let span = pair.new.places.first().cloned().unwrap_or_default();
            let message = "a source in this pipeline's file is another one for the new version";
            let help = "look at the checksum or commit in that file";
            let note = Diagnostic::warning("source-in-pipeline", message, span, "");
            self.notes.push(note.help(help));
        }
    }

    fn change(&mut self, pair: &Pair, name: &str, text: &Text, to: &str) -> Result<(), Error> {
        if text.as_str().eq_ignore_ascii_case(to) {
            return Ok(());
        }
        let target = target::find(text, self.config, pair.table.as_deref())?;
        self.edits.replace(&target, to, name)
    }

    fn fail(&mut self, text: &Text, code: &'static str, problem: String) {
        let label = if text.span.text().contains("${{") {
            format!("for the new version: {}", text.as_str())
        } else {
            String::new()
        };
        let problem = Diagnostic::error(code, problem, text.span.clone(), label)
            .help("look whether the new version is released, and under which name");
        self.failed.push(problem);
    }
}

/// An input that is given, and not empty.
fn input<'a>(step: &'a AuditStep, name: &str) -> Option<&'a Text> {
    let text = &step.with.0.get(name)?.value;
    (!text.is_empty()).then_some(text)
}

fn value<'a>(step: &'a AuditStep, name: &str) -> &'a str {
    input(step, name).map(Text::as_str).unwrap_or_default()
}
