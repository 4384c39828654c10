//! The one integration binary. Each module is a group of tests; see `support` for the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cli;
mod image_apko;
mod image_buildkit;
mod image_fixture;
mod image_layout;
mod image_model;
mod support;
