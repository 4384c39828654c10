//! The one integration binary. Each module is a group of tests; see `support` for the harness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod apk;
mod apk_peers;
mod bench;
mod buildkit;
mod bump;
mod cache_rule;
mod cli;
mod commands;
mod compile;
mod corpus;
mod daemon;
mod dockerfile;
mod dockerfile_live;
mod dockerfile_plan;
mod environment;
mod errors;
mod fuzz;
mod house;
mod image_apko;
mod image_buildkit;
mod image_fixture;
mod image_layout;
mod image_model;
mod library;
mod lint;
mod live;
mod network;
mod pipelines;
mod proof;
mod query;
mod recipe;
mod schema;
mod setup;
mod solve;
mod solve_apko;
mod support;
mod update_cache;
