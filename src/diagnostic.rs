//! Places in a source text, values that keep theirs, and what is wrong there.
//!
//! Around the stages: `config` and `plan` make diagnostics, `commands` show them. Knows no schema.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text that diagnostics point into: a recipe, or a pipeline file.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// How the file is named in messages (`<built-in>/fetch.yaml` for those in the binary).
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// A place in a [`Source`]: a range of bytes.
#[derive(Clone)]
pub struct Span {
    /// The text.
    pub source: Arc<Source>,
    /// The bytes, which always lie on character boundaries.
    pub bytes: Range<usize>,
}

impl Span {
    /// A place.
    pub fn new(source: &Arc<Source>, bytes: Range<usize>) -> Self {
        Self { source: Arc::clone(source), bytes }
    }

    /// The line and the column, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let start = self.bytes.start.min(self.source.text.len());
        let before = &self.source.text[..start];
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line_column().0
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.source.path
    }
}

impl fmt::Display for Span {
    /// `file:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// One or more things that are wrong with a recipe (or that deserve a warning).
#[derive(Debug, Default)]
pub struct Diagnostics {
    /// What is wrong, in file order.
    pub items: Vec<Diagnostic>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// The recipe can't be used.
    Error,
}

/// Something that is wrong at a place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of this kind of problem, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong: a lowercase sentence without full stop.
    pub message: String,
    /// Where, and what stands there; the first is the main place.
    pub labels: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostics {
    /// The rendered text, as it is shown to people.
    pub fn render(&self, color: bool) -> String {
        todo!("{color}")
    }
}
