//! The one integration binary. Each module is a group of tests; see `support` for the harness.

mod apk;
mod apk_peers;
mod cli;
mod image_apko;
mod image_buildkit;
mod image_fixture;
mod support;
