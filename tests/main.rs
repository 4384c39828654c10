//! The one integration binary. Each module is a group of tests; see `support` for the harness.

mod cli;
mod support;
