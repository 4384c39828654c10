//! Turns Debian packages and their dependencies into a signed apk repository.
//!
//! A development program of this project: its quickstart, tests and benchmarks need a distribution
//! that can be had where only Debian's mirror is reachable. Not shipped.

fn main() {}
