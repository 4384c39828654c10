//! What the user sees: the only place that prints.
//!
//! Around the stages. Data goes to stdout through [`Ui::data`]; everything else goes to stderr.
//! Stages report through [`Reporter`], never by printing.

mod printer;
mod progress;

pub use printer::{Color, Ui, Verbosity};
pub use progress::{Reporter, Silent, StepOutcome, StepReport};
