//! The printer: verbosity, colours, warnings, errors.
//!
//! Does not draw progress; `progress.rs` does.

use std::io::{IsTerminal as _, Write as _};

use super::data::Data;
use super::live::Live;
use super::plain::{Plain, Style};
use super::progress::{Reporter, Silent};
use crate::diagnostic::Diagnostics;
use crate::error::Error;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Errors and warnings.
    Warnings,
    /// Progress, results, warnings.
    Normal,
    /// Also the logs of the steps.
    Verbose,
}

/// Whether escape sequences are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}

/// How stderr is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// Errors and warnings only, each as one JSON object on a line of its own.
    Json,
}

/// The only way to print.
#[derive(Clone, Debug)]
pub struct Ui {
    verbosity: Verbosity,
    format: Format,
    color: Color,
    terminal: bool,
}

impl Ui {
    /// Writes to this process's stderr and stdout; colours only on a terminal without `NO_COLOR`.
    pub fn new(verbosity: Verbosity, format: Format) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let color = if terminal && !no_color() { Color::Always } else { Color::Never };
        Self { verbosity, format, color, terminal }
    }

    /// How much is said.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// How errors and warnings are written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether stderr is a terminal, where progress may be redrawn.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether escape sequences are written.
    pub fn color(&self) -> Color {
        self.color
    }

    /// Whether escape sequences may stand in what goes to [`Ui::data`].
    pub fn data_color(&self) -> bool {
        std::io::stdout().is_terminal() && !no_color()
    }

    /// Shows progress: redrawn on a terminal, as lines elsewhere, not at all when quiet. While it
    /// lives nothing else should print; dropped, it leaves the terminal clean.
    pub fn reporter(&self) -> Box<dyn Reporter> {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let redraws = self.terminal && !dumb;
        if redraws && self.verbosity >= Verbosity::Normal && self.format == Format::Text {
            return Box::new(Live::new(indicatif::ProgressDrawTarget::stderr(), self.style()));
        }
        self.lines(Verbosity::Normal)
    }

    /// Reports as lines, whatever stderr is, from some verbosity on.
    fn lines(&self, from: Verbosity) -> Box<dyn Reporter> {
        match self.format {
            _ if self.verbosity < from => Box::new(Silent),
            Format::Json => Box::new(Data::new(std::io::stderr())),
            Format::Text => Box::new(Plain::new(std::io::stderr(), self.style())),
        }
    }

    fn style(&self) -> Style {
        Style { verbosity: self.verbosity, color: self.color }
    }

    /// Writes data to stdout, as it is. A closed pipe is not an error.
    pub fn data(&self, text: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Says what is going on, a line, on stderr.
    pub fn status(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal && self.format == Format::Text {
            self.line(text);
        }
    }

    /// Says something that only `-v` shows.
    pub fn detail(&self, text: &str) {
        if self.verbosity >= Verbosity::Verbose && self.format == Format::Text {
            self.line(text);
        }
    }

    /// Warns, a line, on stderr.
    pub fn warning(&self, text: &str) {
        self.lines(Verbosity::Warnings).warning(text);
    }

    /// Shows what deserves a look in a recipe, on stderr.
    pub fn diagnostics(&self, found: &Diagnostics) {
        self.lines(Verbosity::Warnings).diagnostics(found);
    }

    /// Prints a failure: its report, its message, its hints.
    pub fn error(&self, error: &Error) {
        if self.format == Format::Json {
            error.json().iter().for_each(|json| self.line(&json.to_string()));
            return;
        }
        if let Some(report) = error.report(self.color == Color::Always) {
            self.line(report.trim_end());
        }
        self.line(&format!("{} {error}", self.paint("31;1", "error:")));
        for hint in error.hints() {
            self.line(&format!("{} {hint}", self.paint("36;1", "help:")));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.color {
            Color::Always => format!("\x1b[{code}m{text}\x1b[0m"),
            Color::Never => text.to_owned(),
        }
    }

    fn line(&self, text: &str) {
        // Nowhere to report that stderr is gone.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Whether the user wants no escape sequences, or their terminal knows none.
fn no_color() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    plain || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
