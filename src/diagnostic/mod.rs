//! Places in a source text, values that keep theirs, and what is wrong there.
//!
//! Around the stages: `config` and `plan` make diagnostics, `commands` show them. Knows no schema.

mod json;
mod render;
mod suggest;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

pub(crate) use suggest::{nearest, quoted_list};

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

    /// The place, without extent, after its last character.
    #[must_use]
    pub fn end(&self) -> Self {
        Self::new(&self.source, self.bytes.end..self.bytes.end)
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line_column().0
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Whether both are the same bytes of the same file.
    pub fn same_place(&self, other: &Span) -> bool {
        self.bytes == other.bytes && self.path() == other.path()
    }

    /// Whether this is no place at all (see `Span::default`).
    pub fn is_nowhere(&self) -> bool {
        self.source.path.as_os_str().is_empty() && self.source.text.is_empty()
    }

    /// The text that stands there.
    pub fn text(&self) -> &str {
        self.source.text.get(self.bytes.clone()).unwrap_or_default()
    }

    /// The first place within this one where `needle` stands, or this place itself.
    ///
    /// A value's text is not the file's text (quotes, escapes, indentation), so a part of a value
    /// is found again by looking for it.
    #[must_use]
    pub fn narrowed(&self, needle: &str) -> Self {
        match self.text().find(needle) {
            Some(at) if !needle.is_empty() => {
                let start = self.bytes.start + at;
                Self::new(&self.source, start..start + needle.len())
            }
            _ => self.clone(),
        }
    }

    /// The place of a part of the value that stands here, or all of it where the value is written in
    /// another way than it reads (with escapes, or folded).
    #[must_use]
    pub fn part(&self, value: &str, part: Range<usize>) -> Self {
        match self.text().find(value) {
            Some(at) if part.start < part.end && part.end <= value.len() => {
                let start = self.bytes.start + at;
                Self::new(&self.source, start + part.start..start + part.end)
            }
            _ => self.clone(),
        }
    }
}

impl Default for Span {
    /// No place at all: what a value that nobody wrote has.
    fn default() -> Self {
        static NOWHERE: LazyLock<Arc<Source>> =
            LazyLock::new(|| Arc::new(Source { path: PathBuf::new(), text: String::new() }));
        Self::new(&NOWHERE, 0..0)
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
#[derive(Clone, Debug, Default)]
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
#[derive(Clone, Debug, Default)]
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
    /// The `uses:` that led into the pipeline file where the main place is: innermost first, each
    /// with the pipeline's name.
    pub chain: Vec<Spanned<String>>,
}

impl Diagnostic {
    /// An error at a place; `label` says what stands there.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: vec![(span, label.into())],
            help: None,
            chain: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, span, label) }
    }

    /// An error about a file as a whole, such as one that can't be read.
    pub fn without_place(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            chain: Vec::new(),
        }
    }

    /// Adds a second place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Says what to do, if there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// The same as data (see `diagnostic/json.rs` for its keys).
    pub fn json(&self) -> serde_json::Value {
        json::json(self)
    }
}

/// More than this many are not read by anybody, and are most likely one mistake.
const MAX_DIAGNOSTICS: usize = 100;

impl Diagnostics {
    /// Adds one, unless the same was said before: a value that is expanded for each item of a range
    /// is wrong once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let same = |other: &Diagnostic| {
            other.code == diagnostic.code
                && other.message == diagnostic.message
                && other.labels.first().map(|(span, _)| span.bytes.clone())
                    == diagnostic.labels.first().map(|(span, _)| span.bytes.clone())
        };
        if self.items.len() < MAX_DIAGNOSTICS && !self.items.iter().any(same) {
            self.items.push(diagnostic);
        }
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: Diagnostics) {
        for item in other.items {
            self.push(item);
        }
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// The rendered text, as it is shown to people: rustc's form, an empty line between two.
    pub fn render(&self, color: bool) -> String {
        render::render(&self.items, color)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { items: vec![diagnostic] }
    }
}

impl fmt::Display for Diagnostics {
    /// One line: the first message with its place, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.items.first() else { return f.write_str("nothing is wrong") };
        if let Some((span, _)) = first.labels.first() {
            write!(f, "{span}: ")?;
        }
        f.write_str(&first.message)?;
        match self.items.len() {
            1 => Ok(()),
            count => write!(f, " (and {} more)", count - 1),
        }
    }
}

impl std::error::Error for Diagnostics {}
