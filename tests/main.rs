//! The one integration binary. Each module is a group of tests; see `support` for the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cli;
mod corpus;
mod errors;
mod pipelines;
mod recipe;
mod support;
