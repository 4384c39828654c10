//! Progress as plain lines, for logs and for terminals that can't redraw.
//!
//! Around the stages. Also words the lines that the live display leaves behind.

use std::io::Write;
use std::time::Duration;

use super::printer::{Color, Verbosity};
use super::progress::{Reporter, StepOutcome, StepReport};
use crate::diagnostic::Diagnostics;

/// How wide the column before the names is.
const COLUMN: usize = 9;

/// Lines, in the order in which things happen.
pub(super) struct Plain<W> {
    out: W,
    style: Style,
}

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) verbosity: Verbosity,
    pub(super) color: Color,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub(super) fn new(out: W, style: Style) -> Self {
        Self { out, style }
    }

    fn line(&mut self, line: &str) {
        // Nowhere to report that stderr is gone.
        let _ = writeln!(self.out, "{line}");
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn phase(&mut self, text: &str) {
        self.line(&self.style.row("", "", text));
    }

    fn took(&mut self, phase: &str, duration: Duration) {
        if self.detailed() {
            self.line(&self.style.took(phase, duration));
        }
    }

    fn detailed(&self) -> bool {
        self.style.verbosity >= Verbosity::Verbose
    }

    fn step_started(&mut self, name: &str) {
        self.line(&self.style.row("start", "36", name));
    }

    fn step_log(&mut self, name: &str, line: &str) {
        if self.style.verbosity >= Verbosity::Verbose {
            self.line(&self.style.log(name, line));
        }
    }

    fn step_ended(&mut self, report: &StepReport) {
        self.line(&self.style.ended(report));
    }

    fn warning(&mut self, text: &str) {
        self.line(&self.style.warning(text));
    }

    fn diagnostics(&mut self, found: &Diagnostics) {
        if !found.items.is_empty() {
            self.line(found.render(self.style.color == Color::Always).trim_end());
        }
    }
}

impl Style {
    /// How a step ended: its duration or what became of it, and its name.
    pub(super) fn ended(self, report: &StepReport) -> String {
        let (text, code) = match report.outcome {
            StepOutcome::Done => (duration(report.duration), "32"),
            StepOutcome::Cached => ("CACHED".to_owned(), "34"),
            StepOutcome::Failed => ("FAILED".to_owned(), "31;1"),
            StepOutcome::Cancelled => ("CANCELLED".to_owned(), "33"),
        };
        self.row(&text, code, &report.name)
    }

    /// How long a phase took, to the millisecond.
    pub(super) fn took(self, phase: &str, duration: Duration) -> String {
        self.row(&format!("{:.3}s", duration.as_secs_f64()), "2", &format!("{phase} (time)"))
    }

    /// A line of a step's log.
    pub(super) fn log(self, name: &str, line: &str) -> String {
        format!("{} {line}", self.paint("2", &format!("{name} |")))
    }

    /// A warning.
    pub(super) fn warning(self, text: &str) -> String {
        format!("{} {text}", self.paint("33;1", "warning:"))
    }

    /// A right-aligned word in a column, and the rest.
    pub(super) fn row(self, word: &str, code: &str, rest: &str) -> String {
        let padded = format!("{word:>COLUMN$}");
        format!("{}  {rest}", self.paint(code, &padded))
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.color {
            Color::Always if !text.trim().is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// `0.3s`, `1m05s`, `2h03m`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        // Tenths are cut, not rounded, so that 59.96 s is not `60.0s`.
        0..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn told(verbosity: Verbosity, color: Color) -> String {
        let mut bytes = Vec::new();
        let mut plain = Plain::new(&mut bytes, Style { verbosity, color });
        plain.phase("solving 12 atoms");
        plain.took("solving", Duration::from_millis(42));
        plain.step_started("make");
        plain.step_log("make", "cc -c hello.c");
        plain.warning("the cache is empty");
        for (outcome, millis) in [
            (StepOutcome::Done, 65_300),
            (StepOutcome::Cached, 0),
            (StepOutcome::Failed, 10),
            (StepOutcome::Cancelled, 10),
        ] {
            let duration = Duration::from_millis(millis);
            plain.step_ended(&StepReport { name: "make".into(), outcome, duration });
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_are_aligned() {
        assert_snapshot!(told(Verbosity::Normal, Color::Never), @"
                   solving 12 atoms
            start  make
        warning: the cache is empty
            1m05s  make
           CACHED  make
           FAILED  make
        CANCELLED  make
        ");
    }

    #[test]
    fn logs_are_for_the_verbose_and_colours_for_terminals() {
        let verbose = told(Verbosity::Verbose, Color::Never);
        assert!(verbose.contains("\nmake | cc -c hello.c\n"), "{verbose}");
        assert!(verbose.contains("\n   0.042s  solving (time)\n"), "{verbose}");
        assert!(!verbose.contains('\x1b'));
        assert!(told(Verbosity::Normal, Color::Always).contains("\x1b[34m   CACHED\x1b[0m  make"));
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let text = |millis| duration(Duration::from_millis(millis));
        assert_eq!(text(0), "0.0s");
        assert_eq!(text(59_960), "59.9s");
        assert_eq!(text(60_000), "1m00s");
        assert_eq!(text(3_725_000), "1h02m");
    }
}
