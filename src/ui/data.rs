//! Warnings as data, for programs that read stderr; progress is not shown to them.
//!
//! Around the stages.

use std::io::Write;

use super::progress::{Reporter, StepReport};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};

/// A JSON object per warning, each on a line of its own.
pub(super) struct Data<W> {
    out: W,
}

impl<W: Write + Send> Data<W> {
    /// Writes to `out`.
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Reporter for Data<W> {
    fn phase(&mut self, _: &str) {}
    fn step_started(&mut self, _: &str) {}
    fn step_log(&mut self, _: &str, _: &str) {}
    fn step_ended(&mut self, _: &StepReport) {}

    fn warning(&mut self, text: &str) {
        let warning = Diagnostic::without_place("", text);
        self.diagnostics(&Diagnostic { severity: Severity::Warning, ..warning }.into());
    }

    fn diagnostics(&mut self, found: &Diagnostics) {
        for item in &found.items {
            // Nowhere to report that stderr is gone.
            let _ = writeln!(self.out, "{}", item.json());
        }
    }
}
