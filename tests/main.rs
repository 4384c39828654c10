//! The one integration binary. Each module is a group of tests; see `support` for the harness.

mod apk;
mod apk_peers;
mod cli;
mod corpus;
mod support;
