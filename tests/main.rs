//! The one integration binary. Each module is a group of tests; see `support` for the harness.

mod cli;
mod dockerfile;
mod dockerfile_plan;
mod support;
