//! What a command can fail with: a kind (which decides the exit code), a message, hints.
//!
//! Around the stages: each layer has an error enum of its own; this file alone turns them into
//! what the user sees. Nothing here prints.

use std::fmt;

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span, Spanned};

/// The kind of a failure: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step of the recipe failed: exit code 1.
    Step,
    /// Usage or configuration, a local file included: exit code 2.
    Config,
    /// BuildKit can't be reached, or broke: exit code 3.
    Buildkit,
    /// A repository, a package or the network: exit code 4.
    Repository,
    /// Cancelled by a signal: exit code 130.
    Cancelled,
}

impl Kind {
    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Step => 1,
            Kind::Config => 2,
            Kind::Buildkit => 3,
            Kind::Repository => 4,
            Kind::Cancelled => 130,
        }
    }

    /// What stands as `code` in an error's data.
    fn code(self) -> &'static str {
        match self {
            Kind::Step => "step",
            Kind::Config => "config",
            Kind::Buildkit => "buildkit",
            Kind::Repository => "repository",
            Kind::Cancelled => "cancelled",
        }
    }
}

/// A failure as the user gets to see it.
///
/// `Display` is one line; [`Error::report`] adds the source snippets that belong to it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    details: Box<Details>,
}

/// What is shown beside the message.
#[derive(Debug, Default)]
struct Details {
    /// What stands as `code` in the data, if it is more than the kind.
    code: Option<&'static str>,
    report: Option<String>,
    diagnostics: Diagnostics,
    places: Vec<Span>,
}

/// The result of a command or of the library's entry points.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of some kind: a lowercase sentence without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), details: Box::default() }
    }

    /// Usage or configuration.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds text that is shown as it is, such as the end of a log.
    #[must_use]
    pub fn with_report(mut self, report: impl Into<String>) -> Self {
        self.details.report = Some(report.into());
        self
    }

    /// Adds what is wrong at places of the recipe; it is shown before the message, which sums it up.
    #[must_use]
    pub fn with_diagnostics(mut self, diagnostics: Diagnostics) -> Self {
        self.details.diagnostics = diagnostics;
        self
    }

    /// Adds the place of the step that failed: in the recipe, then in the pipelines that it uses.
    #[must_use]
    pub fn with_places(mut self, places: &[Span]) -> Self {
        self.details.places = places.to_vec();
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do about it, a line each.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Text to show as it is, before the message.
    pub fn report(&self, color: bool) -> Option<String> {
        match self.details.diagnostics.items.as_slice() {
            [] => self.details.report.clone(),
            _ => Some(self.details.diagnostics.render(color)),
        }
    }

    /// The same as data, an object for each thing that is wrong, with the keys of a diagnostic
    /// ([`Diagnostic::json`]), and the report as `report` where there is one.
    pub fn json(&self) -> Vec<Value> {
        if !self.details.diagnostics.items.is_empty() {
            return self.details.diagnostics.items.iter().map(Diagnostic::json).collect();
        }
        let (label, chain) = match self.details.places.split_last() {
            Some((script, uses)) => (vec![(script.clone(), String::new())], uses),
            None => (Vec::new(), &[][..]),
        };
        let link = |span: &Span| Spanned::new(span.text().to_owned(), span.clone());
        let item = Diagnostic {
            severity: Severity::Error,
            code: self.details.code.unwrap_or(self.kind.code()),
            message: self.message.clone(),
            labels: label,
            help: (!self.hints.is_empty()).then(|| self.hints.join("\n")),
            chain: chain.iter().rev().map(link).collect(),
        };
        let mut json = item.json();
        if let Some(report) = &self.details.report {
            json["report"] = json!(report);
        }
        vec![json]
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(Kind::Config, chain(&error))
    }
}

impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        if let [only] = diagnostics.items.as_slice()
            && only.labels.is_empty()
        {
            // No place in a file: the file itself can't be read.
            let mut error = Self::new(Kind::Config, only.message.clone());
            error.hints.extend(only.help.clone());
            error.details.code = Some(only.code);
            return error;
        }
        // Warnings among them are shown, and are no reason.
        let errors = diagnostics.items.iter().filter(|item| item.severity == Severity::Error);
        let problems = match errors.count() {
            0 | 1 => "a problem".to_owned(),
            count => format!("{count} problems"),
        };
        Self::new(Kind::Config, format!("the recipe has {problems}")).with_diagnostics(diagnostics)
    }
}

impl From<crate::apk::Error> for Error {
    fn from(error: crate::apk::Error) -> Self {
        Self::new(Kind::Config, chain(&error))
    }
}

impl From<crate::repo::Error> for Error {
    fn from(error: crate::repo::Error) -> Self {
        let kind = match &error {
            crate::repo::Error::Invalid(_) => Kind::Config,
            _ => Kind::Repository,
        };
        let hints = error.hints();
        Self { hints, ..Self::new(kind, chain(&error)) }
    }
}

impl From<crate::bump::Error> for Error {
    fn from(error: crate::bump::Error) -> Self {
        use crate::bump::Error as Bump;
        match error {
            Bump::Recipe(problems) => problems.into(),
            Bump::Source(problems) => {
                let message = "sources of the new version can't be had: the recipe stays as it is";
                Self::new(Kind::Repository, message).with_diagnostics(problems)
            }
            Bump::Version(_) => Self::config(error.to_string()).hint(
                "digits with dots, then perhaps `_rc1`, `_git20260131` or `_p1`; no `v`, no epoch",
            ),
            Bump::Raced(_) => Self::config(error.to_string()).hint("run it again"),
            Bump::Io(error) => error.into(),
            Bump::Network(error) => error.into(),
        }
    }
}

impl From<crate::image::Error> for Error {
    fn from(error: crate::image::Error) -> Self {
        let kind = match &error {
            crate::image::Error::Invalid(_) | crate::image::Error::Io(_) => Kind::Config,
            _ => Kind::Repository,
        };
        Self::new(kind, chain(&error))
    }
}

impl From<crate::dockerfile::Error> for Error {
    fn from(error: crate::dockerfile::Error) -> Self {
        Self::new(Kind::Config, chain(&error))
    }
}

impl From<crate::package::Error> for Error {
    fn from(error: crate::package::Error) -> Self {
        let kind = match &error {
            // What a recipe's steps left behind is the recipe's doing.
            crate::package::Error::Content { .. } => Kind::Step,
            // The stream is the daemon's.
            crate::package::Error::Stream(_) => Kind::Buildkit,
            crate::package::Error::Cancelled => Kind::Cancelled,
            _ => Kind::Config,
        };
        Self::new(kind, chain(&error))
    }
}

impl From<crate::buildkit::Error> for Error {
    fn from(error: crate::buildkit::Error) -> Self {
        let kind = match &error {
            crate::buildkit::Error::Sink(_) => Kind::Config,
            crate::buildkit::Error::Step(_) | crate::buildkit::Error::Timeout(_) => Kind::Step,
            crate::buildkit::Error::Cancelled => Kind::Cancelled,
            _ => Kind::Buildkit,
        };
        let (hints, report) = (error.hints(), error.report());
        match error {
            // What the output's reader found is what the user is to see.
            crate::buildkit::Error::Sink(error) => error,
            error => {
                let details = Box::new(Details { report, ..Details::default() });
                Self { hints, details, ..Self::new(kind, chain(&error)) }
            }
        }
    }
}

/// An error with its causes in one line, each cause once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
