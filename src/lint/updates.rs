//! Rules for `update:`, and for keys that have better successors.

use super::findings::Findings;
use super::subject::Subject;
use super::{Level, Rule};
use crate::diagnostic::{nearest, quoted_list};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "update-without-source",
        level: Level::Warn,
        summary: "an `update:` that is enabled and does not say where versions are found",
        details: "Robots find nothing, and new versions are missed.",
        check: without_source,
    },
    Rule {
        name: "update-without-reason",
        level: Level::Warn,
        summary: "an `update:` that is disabled and does not say why",
        details: "Whoever wonders whether the package is up to date reads `exclude-reason:`.",
        check: without_reason,
    },
    Rule {
        name: "update-of-another-project",
        level: Level::Warn,
        summary: "an `update:` that watches another GitHub project than is checked out",
        details: "New versions of the one are not versions of the other. A recipe that is made of \
                  several checkouts is fine when one of them is the project that is watched.",
        check: another_project,
    },
    Rule {
        name: "unknown-period",
        level: Level::Deny,
        summary: "an update schedule with an unknown period",
        details: "Robots know `daily`, `weekly` and `monthly`.",
        check: unknown_period,
    },
    Rule {
        name: "deprecated-key",
        level: Level::Warn,
        summary: "a key or value that has a successor",
        details: "It still works; the successor says more clearly what is meant.",
        check: deprecated_key,
    },
];

fn without_source(subject: &Subject<'_>, findings: &mut Findings) {
    let update = &subject.config.update;
    let source = update.release_monitor.is_some()
        || update.github.is_some()
        || update.git.is_some()
        || update.oci.is_some()
        || update.version_data.is_some();
    if update.enabled && !update.manual && !source {
        let message = "updates are enabled, but nothing says where versions are found";
        let help = "add `github:`, `git:`, `release-monitor:` or `oci:`, or `manual: true`";
        findings.add(&update.span.narrowed("enabled"), message, "", help);
    }
}

fn without_reason(subject: &Subject<'_>, findings: &mut Findings) {
    let update = &subject.config.update;
    let written = !update.span.is_nowhere() && update.span.text().contains("enabled");
    if written && !update.enabled && update.exclude_reason.is_empty() {
        let message = "updates are disabled without a reason";
        let help = "add `exclude-reason:`";
        findings.add(&update.span.narrowed("enabled"), message, "", help);
    }
}

fn another_project(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    let Some(github) = &audit.config.update.github else { return };
    let watched = &github.identifier;
    if watched.is_empty() || watched.as_str().contains("${{") {
        return;
    }
    let projects: Vec<_> = audit
        .steps
        .iter()
        .filter(|step| step.in_recipe && !step.test)
        .filter_map(|step| step.with.0.get("repository").or_else(|| step.with.0.get("uri")))
        .filter_map(|entry| Some((github_project(entry.value.as_str())?, &entry.value.span)))
        .collect();
    let same = |project: &str| project.eq_ignore_ascii_case(watched.as_str());
    if let Some((project, span)) = projects.first()
        && !projects.iter().any(|(project, _)| same(project))
    {
        let message = format!("`{}` is watched, but `{project}` is built", watched.as_str());
        let help = format!("write `identifier: {project}`, unless both release together");
        findings.add_with(&watched.span, message, "", (span, "built from here"), help);
    }
}

/// `owner/name` of a GitHub URL.
fn github_project(url: &str) -> Option<String> {
    let path = url.strip_prefix("https://github.com/")?;
    let mut parts = path.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let name = name.strip_suffix(".git").unwrap_or(name);
    (!name.is_empty()).then(|| format!("{owner}/{name}"))
}

const PERIODS: [&str; 3] = ["daily", "weekly", "monthly"];

fn unknown_period(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(schedule) = &subject.config.update.schedule else { return };
    let period = &schedule.period;
    if PERIODS.contains(&period.as_str()) {
        return;
    }
    let help = match nearest(period.as_str(), PERIODS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", quoted_list(PERIODS)),
    };
    let (span, message) = match period.is_empty() {
        true => (&schedule.span, "the schedule has no period".to_owned()),
        false => (&period.span, format!("`{}` is not a period", period.as_str())),
    };
    findings.add(span, message, "", help);
}

fn deprecated_key(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    if let Some(github) = &config.update.github
        && !github.tag_filter.is_empty()
    {
        let message = "`tag-filter` has a successor";
        findings.add(&github.tag_filter.span, message, "", "write `tag-filter-prefix:`");
    }
    let targets = &config.package.target_architecture;
    if let Some(all) = targets.iter().find(|target| target.as_str() == "all") {
        let message = "`target-architecture: [all]` is what it is without";
        findings.add(&all.span, message, "", "remove `target-architecture:`");
    }
}
