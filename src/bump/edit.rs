//! Changes of a text by places: what is not named stays as it is, byte for byte.

use std::ops::Range;
use std::sync::Arc;

use super::Error;
use super::target::Target;
use crate::config::Package;
use crate::diagnostic::{Diagnostic, Source, Span};

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The line, from 1, in the text before.
    pub line: usize,
    /// What it is: `version`, `epoch`, `expected-sha256` …
    pub what: String,
    /// What it was; nothing if it was not there.
    pub from: String,
    /// What it is now.
    pub to: String,
    bytes: Range<usize>,
    text: String,
}

/// The changes of one text.
pub(super) struct Edits {
    source: Arc<Source>,
    changes: Vec<Change>,
}

impl Edits {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), changes: Vec::new() }
    }

    /// Gives a value another text. Twice the same is once; twice something else is an error.
    pub(super) fn replace(&mut self, target: &Target, to: &str, what: &str) -> Result<(), Error> {
        let span = &target.span;
        if let Some(other) = self.changes.iter().find(|other| other.bytes == span.bytes) {
            if other.to == to {
                return Ok(());
            }
            let message = format!("`{what}` would have to be two things at once");
            let problem = Diagnostic::error("several-values", message, span.clone(), "")
                .help(format!("`{}` and `{to}`: give each source a value of its own", other.to));
            return Err(Error::Recipe(problem.into()));
        }
        if span.text() != to {
            self.push(span, span.text(), to, what, to.to_owned());
        }
        Ok(())
    }

    /// Sets the epoch, which need not be there.
    pub(super) fn epoch(&mut self, package: &Package, epoch: u64) -> Result<(), Error> {
        let span = &package.epoch.span;
        if package.epoch.value == epoch {
            return Ok(());
        }
        let to = epoch.to_string();
        if span.is_nowhere() {
            self.insert_epoch(package, &to);
            return Ok(());
        }
        if span.bytes.is_empty() || span.text().parse::<u64>().is_err() {
            let message = "this epoch can't be changed";
            let problem = Diagnostic::error("epoch", message, span.clone(), "not a plain number")
                .help("write `epoch: 0`");
            return Err(Error::Recipe(problem.into()));
        }
        self.push(span, span.text(), &to, "epoch", to.clone());
        Ok(())
    }

    /// After the line of the version, or after the version itself where all stands in one line.
    fn insert_epoch(&mut self, package: &Package, to: &str) {
        let version = &package.version.span;
        let text = &self.source.text;
        let (before, after) = text.split_at(version.bytes.end.min(text.len()));
        let flow = package.span.text().starts_with('{');
        let (at, inserted) = if flow {
            (before.len(), format!(", epoch: {to}"))
        } else {
            let line = before.rsplit('\n').next().unwrap_or_default();
            let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
            let rest = after.split('\n').next().unwrap_or_default();
            let end = if rest.ends_with('\r') { "\r\n" } else { "\n" };
            let length = rest.trim_end_matches('\r').len();
            (before.len() + length, format!("{end}{indent}epoch: {to}"))
        };
        let span = Span::new(&self.source, at..at);
        self.push(&span, "", to, "epoch", inserted);
    }

    fn push(&mut self, span: &Span, from: &str, to: &str, what: &str, text: String) {
        self.changes.push(Change {
            line: span.line(),
            what: what.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            bytes: span.bytes.clone(),
            text,
        });
    }

    /// The new text, and what was changed in the order of the file.
    pub(super) fn finish(mut self) -> (String, Vec<Change>) {
        self.changes.sort_by_key(|change| (change.bytes.start, change.bytes.end));
        let text = &self.source.text;
        let (mut result, mut end) = (String::with_capacity(text.len()), 0);
        for change in &self.changes {
            result.push_str(text.get(end..change.bytes.start).unwrap_or_default());
            result.push_str(&change.text);
            end = change.bytes.end;
        }
        result.push_str(text.get(end..).unwrap_or_default());
        (result, self.changes)
    }
}
