//! Progress on a terminal: what runs, with its time and its last log line, redrawn in place; what
//! has ended, as lines above.
//!
//! Around the stages.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plain::{Style, duration};
use super::printer::{Color, Verbosity};
use super::progress::{Reporter, StepReport};
use crate::diagnostic::Diagnostics;

const TICK: Duration = Duration::from_millis(100);

/// Running steps are redrawn, ended ones scroll up.
pub(super) struct Live {
    bars: MultiProgress,
    running: Vec<(String, ProgressBar)>,
    phase: Option<(String, Instant, ProgressBar)>,
    style: Style,
}

impl Live {
    /// Draws on `target`.
    pub(super) fn new(target: ProgressDrawTarget, style: Style) -> Self {
        let bars = MultiProgress::with_draw_target(target);
        Self { bars, running: Vec::new(), phase: None, style }
    }

    fn bar(&self, message: &str) -> ProgressBar {
        // `wide_msg` is cut to what is left of the terminal's width.
        let template = match self.style.color {
            Color::Always => "{elapsed:>9.cyan}  {wide_msg}",
            Color::Never => "{elapsed:>9}  {wide_msg}",
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self.bars.add(ProgressBar::new_spinner().with_style(style));
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(TICK);
        bar
    }

    fn above(&self, line: &str) {
        // Nowhere to report that stderr is gone.
        let _ = self.bars.println(line);
    }

    fn end_phase(&mut self) {
        if let Some((text, started, bar)) = self.phase.take() {
            bar.finish_and_clear();
            self.bars.remove(&bar);
            self.above(&self.style.row(&duration(started.elapsed()), "32", &text));
        }
    }
}

impl Reporter for Live {
    fn phase(&mut self, text: &str) {
        self.end_phase();
        self.phase = Some((text.to_owned(), Instant::now(), self.bar(text)));
    }

    fn took(&mut self, phase: &str, duration: Duration) {
        if self.detailed() {
            self.above(&self.style.took(phase, duration));
        }
    }

    fn detailed(&self) -> bool {
        self.style.verbosity >= Verbosity::Verbose
    }

    fn step_started(&mut self, name: &str) {
        self.end_phase();
        let bar = self.bar(name);
        self.running.push((name.to_owned(), bar));
    }

    fn step_log(&mut self, name: &str, line: &str) {
        if self.style.verbosity >= Verbosity::Verbose {
            self.above(&self.style.log(name, line));
        } else if let Some((_, bar)) = self.running.iter().find(|(running, _)| running == name)
            && !line.trim().is_empty()
        {
            bar.set_message(format!("{name}: {}", line.trim()));
        }
    }

    fn step_ended(&mut self, report: &StepReport) {
        self.end_phase();
        if let Some(index) = self.running.iter().position(|(name, _)| *name == report.name) {
            let (_, bar) = self.running.remove(index);
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        self.above(&self.style.ended(report));
    }

    fn warning(&mut self, text: &str) {
        self.above(&self.style.warning(text));
    }

    fn diagnostics(&mut self, found: &Diagnostics) {
        if !found.items.is_empty() {
            self.above(found.render(self.style.color == Color::Always).trim_end());
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end_phase();
        for (_, bar) in self.running.drain(..) {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::StepOutcome;

    #[test]
    fn a_step_has_a_bar_while_it_runs() {
        let style = Style { verbosity: Verbosity::Normal, color: Color::Never };
        let mut live = Live::new(ProgressDrawTarget::hidden(), style);
        live.phase("solving");
        assert!(live.phase.is_some());
        live.step_started("make");
        live.step_log("make", "cc");
        live.step_log("make", "  ");
        live.step_log("unknown", "cc");
        assert!(live.phase.is_none());
        assert_eq!(live.running[0].1.message(), "make: cc");
        let report = StepReport {
            name: "make".into(),
            outcome: StepOutcome::Done,
            duration: Duration::ZERO,
        };
        live.step_ended(&report);
        live.step_ended(&report);
        assert!(live.running.is_empty());
    }
}
