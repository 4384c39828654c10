//! apk-tools' version order.

use std::cmp::Ordering;

/// Whether apk-tools accepts the text as a version.
pub fn is_valid(version: &str) -> bool {
    todo!("{version}")
}

/// Compares two versions in apk-tools' order. Invalid versions are ordered too, somehow but totally.
pub fn compare(a: &str, b: &str) -> Ordering {
    todo!("{a} {b}")
}

/// Whether `version` matches `~prefix` (`1.2.3-r0` matches `1.2`).
pub fn fuzzy_matches(version: &str, prefix: &str) -> bool {
    todo!("{version} {prefix}")
}
