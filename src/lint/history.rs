//! Rules that compare a recipe with what it was (`--since REVISION`). Without that they find
//! nothing.

use super::findings::Findings;
use super::subject::Subject;
use super::{Level, Rule};
use crate::apk::version;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "epoch-not-reset",
        level: Level::Warn,
        summary: "a new version that keeps the epoch of the old one (needs `--since`)",
        details: "The epoch counts rebuilds of one version, so a new version begins at 0. \
                  `melange2 bump` does that.",
        check: not_reset,
    },
    Rule {
        name: "epoch-not-raised",
        level: Level::Warn,
        summary: "a changed recipe with the version and epoch of the old one (needs `--since`)",
        details: "Two different packages would have the same name and version, and nobody who has the \
                  one gets the other. Raise the epoch (`melange2 bump RECIPE VERSION` with the same \
                  version), or take a new version. Changes of comments, tests and `update:` don't count.",
        check: not_raised,
    },
    Rule {
        name: "version-went-back",
        level: Level::Warn,
        summary: "a version that apk takes for older than the one before (needs `--since`)",
        details: "Nobody who has the package gets it by upgrading.",
        check: went_back,
    },
];

fn not_reset(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(before) = &subject.before else { return };
    let (old, new) = (&before.package, &subject.config.package);
    let changed = old.version.as_str() != new.version.as_str();
    if changed && new.epoch.value != 0 {
        let message = format!(
            "the version was `{}` and is `{}`, but the epoch is not 0",
            old.version.as_str(),
            new.version.as_str()
        );
        findings.add(&new.epoch.span, message, "", "write `epoch: 0`");
    }
}

fn not_raised(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(before) = &subject.before else { return };
    let (old, new) = (before, subject.config);
    let same = old.package.version.as_str() == new.package.version.as_str()
        && old.package.epoch.value >= new.package.epoch.value;
    if same && built_form(old) != built_form(new) {
        let place = match new.package.epoch.span.is_nowhere() {
            true => &new.package.version.span,
            false => &new.package.epoch.span,
        };
        let help = format!("write `epoch: {}`", old.package.epoch.value.saturating_add(1));
        findings.add(place, "the recipe has changed, but the epoch was not raised", "", help);
    }
}

/// What of a recipe decides the packages.
fn built_form(config: &crate::config::Config) -> serde_json::Value {
    let mut config = config.clone();
    config.package.epoch.value = 0;
    config.test = None;
    config.update = Default::default();
    config.subpackages.iter_mut().for_each(|subpackage| subpackage.test = None);
    let data = config.data.iter().map(crate::config::field::Field::json).collect();
    let ranges = config.subpackages.iter().map(|subpackage| subpackage.range.value.clone());
    let ranges = ranges.collect();
    serde_json::Value::Array(vec![crate::config::field::Field::json(&config), data, ranges])
}

fn went_back(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(before) = &subject.before else { return };
    let (old, new) = (&before.package.version, &subject.config.package.version);
    let readable = version::is_valid(old.as_str()) && version::is_valid(new.as_str());
    if readable && version::compare(new.as_str(), old.as_str()).is_lt() {
        let message = format!("`{}` is older than `{}` was", new.as_str(), old.as_str());
        let help = "if upstream counts anew, ship it under another name, or replace the package";
        findings.add(&new.span, message, "", help);
    }
}
