//! The `melange2` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A failure here only costs the pretty form of a panic report.
    let _ = color_eyre::install();
    melange2::run(std::env::args_os())
}
