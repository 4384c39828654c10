//! Which of several candidates is taken: apko's order, which for the most part is apk-tools'.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::pool::{Member, Pool, Provider};
use super::rules::compare_versions;

/// What the choice for one atom depends on besides the candidates.
pub(super) struct Preference<'a> {
    /// The name that is asked for.
    pub(super) name: &'a str,
    /// The tag that was asked for.
    pub(super) tag: Option<&'a str>,
    /// Origins of what was chosen so far, with their versions.
    pub(super) origins: &'a HashMap<String, String>,
}

impl Preference<'_> {
    /// The candidate to take: the first of those that nothing is preferred to.
    pub(super) fn best(&self, pool: &Pool<'_>, candidates: &[Provider]) -> Option<Provider> {
        let mut best: Option<&Provider> = None;
        for candidate in candidates {
            if best.is_none_or(|best| self.compare(pool, candidate, best).is_gt()) {
                best = Some(candidate);
            }
        }
        best.cloned()
    }

    /// `Greater` if the first is preferred.
    ///
    /// In this order: what comes from an origin that is already there in that version; what comes
    /// from the repository that was asked for; the latest version of the name that is asked for
    /// (a virtual has none, and is then neither later nor earlier); the latest version of one
    /// package; the highest priority; the latest version of different packages, which is apko's
    /// and not apk-tools' rule; the alphabet.
    fn compare(&self, pool: &Pool<'_>, a: &Provider, b: &Provider) -> Ordering {
        let (left, right) = (pool.get(a.id), pool.get(b.id));
        let by_origin = || self.has_origin(&left).cmp(&self.has_origin(&right));
        let by_tag = || self.has_tag(&left).cmp(&self.has_tag(&right));
        let by_name = || match (&a.version, &b.version) {
            (Some(a), Some(b)) => compare_versions(self.name, a, b),
            _ => Ordering::Equal,
        };
        let (left_package, right_package) = (&left.package, &right.package);
        let by_package =
            || crate::apk::version::compare(&left_package.version, &right_package.version);
        let by_package_of_one_name = || {
            if left_package.name == right_package.name { by_package() } else { Ordering::Equal }
        };
        by_origin()
            .then_with(by_tag)
            .then_with(by_name)
            .then_with(by_package_of_one_name)
            .then_with(|| left_package.priority.cmp(&right_package.priority))
            .then_with(by_package)
            .then_with(|| right_package.name.cmp(&left_package.name))
    }

    fn has_origin(&self, member: &Member) -> bool {
        let package = &member.package;
        !package.origin.is_empty() && self.origins.get(&package.origin) == Some(&package.version)
    }

    fn has_tag(&self, member: &Member) -> bool {
        member.tag.as_deref() == self.tag
    }
}
