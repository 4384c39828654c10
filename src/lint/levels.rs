//! Which rules count, and as what.

use std::collections::BTreeMap;

use super::{Rule, rule};

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing: the rule is off.
    Allow,
    /// A warning.
    Warn,
    /// An error.
    Deny,
}

impl Level {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Allow => "allow",
            Level::Warn => "warn",
            Level::Deny => "deny",
        }
    }
}

/// The levels of all rules: their own, unless switched.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    all: Option<Level>,
    deny_warnings: bool,
    named: BTreeMap<&'static str, Level>,
}

impl Levels {
    /// Levels from switches: names of rules, or `all`; with `deny` also `warnings`, which makes
    /// errors of all that would be warnings. A name counts more than `all`.
    pub fn new(allow: &[String], warn: &[String], deny: &[String]) -> Result<Self, String> {
        let mut levels = Self::default();
        for (level, names) in [(Level::Allow, allow), (Level::Warn, warn), (Level::Deny, deny)] {
            for name in names {
                levels.switch(level, name)?;
            }
        }
        Ok(levels)
    }

    fn switch(&mut self, level: Level, name: &str) -> Result<(), String> {
        let before = match name {
            "all" => self.all.replace(level),
            "warnings" if level == Level::Deny => {
                self.deny_warnings = true;
                None
            }
            _ => self.named.insert(rule(name)?.name, level),
        };
        match before {
            Some(before) if before != level => Err(format!(
                "`{name}` is switched twice, by `--{}` and by `--{}`",
                before.name(),
                level.name()
            )),
            _ => Ok(()),
        }
    }

    /// The level of a rule.
    pub fn of(&self, rule: &Rule) -> Level {
        let level = self.named.get(rule.name).copied().or(self.all).unwrap_or(rule.level);
        if self.deny_warnings && level == Level::Warn { Level::Deny } else { level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_count_more_than_all_and_warnings_become_errors() {
        let levels = |allow: &[&str], warn: &[&str], deny: &[&str]| {
            Levels::new(&strings(allow), &strings(warn), &strings(deny))
        };
        let of = |levels: &Levels, name: &str| levels.of(rule(name).unwrap());
        let own = levels(&[], &[], &[]).unwrap();
        assert_eq!(of(&own, "unused-variable"), Level::Warn);
        let quiet = levels(&["all"], &["unused-variable"], &["unused-data"]).unwrap();
        assert_eq!(of(&quiet, "unused-variable"), Level::Warn);
        assert_eq!(of(&quiet, "unused-data"), Level::Deny);
        assert_eq!(of(&quiet, "missing-epoch"), Level::Allow);
        let strict = levels(&["unused-data"], &[], &["warnings"]).unwrap();
        assert_eq!(of(&strict, "unused-variable"), Level::Deny);
        assert_eq!(of(&strict, "unused-data"), Level::Allow);
        assert_eq!(of(&strict, "deprecated-license"), Level::Allow);
        assert_eq!(
            levels(&["unused-variabel"], &[], &[]).unwrap_err(),
            "there is no rule `unused-variabel`; did you mean `unused-variable`?"
        );
        assert_eq!(
            levels(&["all"], &["all"], &[]).unwrap_err(),
            "`all` is switched twice, by `--allow` and by `--warn`"
        );
    }
}
