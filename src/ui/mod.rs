//! What the user sees: the only place that prints.
//!
//! Around the stages. Data goes to stdout through [`Ui::data`]; everything else goes to stderr.
//! Stages report through [`Reporter`], never by printing.

mod data;
mod failure;
mod live;
mod plain;
mod printer;
mod progress;

pub use failure::{failure_hint, failure_report};
pub use printer::{Color, Format, Ui, Verbosity};
pub use progress::{Reporter, Silent, StepOutcome, StepReport};
