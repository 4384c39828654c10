//! Specs on a real daemon: what a text can't show.
//!
//! Needs `buildkitd` and `buildctl` (from `MELANGE2_TEST_BUILDKITD` and `MELANGE2_TEST_BUILDCTL`,
//! or from `PATH`), root, and a static `busybox`; says so and passes where one is missing.

mod caches;
mod corpus;
mod daemon;
mod isolation;
mod scripts;
mod workspace;
