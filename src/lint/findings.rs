//! What a rule finds, before anybody decides whether it is shown.

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span};

/// The findings of one rule.
pub(super) struct Findings {
    rule: &'static str,
    severity: Severity,
    found: Diagnostics,
}

impl Findings {
    pub(super) fn new(rule: &'static str, severity: Severity) -> Self {
        Self { rule, severity, found: Diagnostics::default() }
    }

    /// Adds a finding: what is wrong, what stands there, what to do.
    pub(super) fn add(
        &mut self,
        span: &Span,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::warning(self.rule, message, span.clone(), label).help(help));
    }

    /// Adds a finding at two places.
    pub(super) fn add_with(
        &mut self,
        span: &Span,
        message: impl Into<String>,
        label: impl Into<String>,
        other: (&Span, &str),
        help: impl Into<String>,
    ) {
        let item = Diagnostic::warning(self.rule, message, span.clone(), label);
        self.push(item.label(other.0.clone(), other.1).help(help));
    }

    /// Adds what somebody else has found.
    pub(super) fn push(&mut self, item: Diagnostic) {
        self.found.push(Diagnostic { severity: self.severity, code: self.rule, ..item });
    }

    pub(super) fn into_items(self) -> Vec<Diagnostic> {
        self.found.items
    }
}
