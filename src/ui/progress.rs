//! Progress: what stages report, and how it is shown.
//!
//! Does not decide what happened; the stages do.

use std::time::Duration;

use crate::diagnostic::Diagnostics;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It ran.
    Done,
    /// Its result came from a cache.
    Cached,
    /// It failed.
    Failed,
    /// It was given up because of a signal or another failure.
    Cancelled,
}

/// A step that ended.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The step's name, as the user knows it.
    pub name: String,
    /// How it ended.
    pub outcome: StepOutcome,
    /// How long it took.
    pub duration: Duration,
}

/// Receives what the stages do. Implementations must be cheap: they are called in the flow.
pub trait Reporter: Send {
    /// A phase of the work began ("solving", "fetching 12 packages").
    fn phase(&mut self, text: &str);
    /// How long a phase took; shown only where details are.
    fn took(&mut self, _phase: &str, _duration: Duration) {}
    /// Whether details are shown, such as what takes time to find out.
    fn detailed(&self) -> bool {
        false
    }
    /// A step began to run.
    fn step_started(&mut self, name: &str);
    /// A step wrote a line to its log.
    fn step_log(&mut self, name: &str, line: &str);
    /// A step ended.
    fn step_ended(&mut self, report: &StepReport);
    /// Something to warn of.
    fn warning(&mut self, text: &str);
    /// What deserves a look at places of a recipe.
    fn diagnostics(&mut self, found: &Diagnostics) {
        for item in &found.items {
            self.warning(&Diagnostics::from(item.clone()).to_string());
        }
    }
}

/// Says nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn phase(&mut self, _: &str) {}
    fn step_started(&mut self, _: &str) {}
    fn step_log(&mut self, _: &str, _: &str) {}
    fn step_ended(&mut self, _: &StepReport) {}
    fn warning(&mut self, _: &str) {}
    fn diagnostics(&mut self, _: &Diagnostics) {}
}
