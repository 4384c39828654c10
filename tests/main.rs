//! The one integration binary. Each module is a group of tests; see `support` for the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod buildkit;
mod cli;
mod daemon;
mod support;
