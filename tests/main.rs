//! The one integration binary. Each module is a group of tests; see `support` for the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod apk;
mod apk_peers;
mod buildkit;
mod cli;
mod setup;
mod support;
