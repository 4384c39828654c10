//! Rules for packages: what they need, what they give, what is in them.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::subject::Subject;
use super::{Level, Rule};
use crate::apk::dependency::Atom;
use crate::config::{Config, Dependencies, Text};
use crate::diagnostic::Span;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "repeated-entry",
        level: Level::Warn,
        summary: "a package or dependency that stands twice in one list",
        details: "The second changes nothing; often the first was meant to go, or another one was \
                  meant.",
        check: repeated_entry,
    },
    Rule {
        name: "self-dependency",
        level: Level::Warn,
        summary: "a package that depends on itself",
        details: "It is always satisfied and says nothing. Usually another package was meant: a \
                  subpackage, or the main one.",
        check: self_dependency,
    },
    Rule {
        name: "malformed-dependency",
        level: Level::Deny,
        summary: "a dependency that apk can't read",
        details: "It goes into the package as it is, which then can't be installed. Dependencies are \
                  `name`, `name=1.2-r0`, `name>=1.2`, `name~1.2`, `!name`, `so:…`, `cmd:…`, `pc:…`.",
        check: malformed_dependency,
    },
    Rule {
        name: "empty-subpackage",
        level: Level::Warn,
        summary: "a subpackage with neither steps nor dependencies",
        details: "Nothing is ever in it, and installing it does nothing. A metapackage has \
                  `dependencies:`, every other one needs a `pipeline:`.",
        check: empty_subpackage,
    },
];

/// The lists of one package that apk reads.
fn lists(dependencies: &Dependencies) -> [(&'static str, &Vec<Text>); 3] {
    [
        ("runtime", &dependencies.runtime),
        ("provides", &dependencies.provides),
        ("replaces", &dependencies.replaces),
    ]
}

fn all_dependencies(config: &Config) -> impl Iterator<Item = (&Text, &Dependencies)> {
    let main = (&config.package.name, &config.package.dependencies);
    let subpackages = config.subpackages.iter().map(|sub| (&sub.name, &sub.dependencies));
    std::iter::once(main).chain(subpackages)
}

fn repeated_entry(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    let tests = config.subpackages.iter().filter_map(|subpackage| subpackage.test.as_ref());
    let tests = config.test.iter().chain(tests).map(|test| &test.environment.contents.packages);
    let packages = std::iter::once(&config.environment.contents.packages).chain(tests);
    packages.for_each(|list| repeated(list, "the environment's packages", findings));
    for (_, dependencies) in all_dependencies(config) {
        for (name, list) in lists(dependencies) {
            repeated(list, &format!("`{name}`"), findings);
        }
    }
}

fn repeated(list: &[Text], what: &str, findings: &mut Findings) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for text in list {
        if let Some(first) = seen.insert(text.as_str(), &text.span) {
            let message = format!("`{}` stands twice among {what}", text.as_str());
            findings.add_with(&text.span, message, "again", (first, "first here"), "remove one");
        }
    }
}

fn self_dependency(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    for (name, dependencies) in all_dependencies(&audit.config) {
        for text in &dependencies.runtime {
            let Ok(atom) = text.as_str().parse::<Atom>() else { continue };
            if atom.name == name.as_str() && !atom.conflict {
                let message = format!("`{}` depends on itself", name.as_str());
                let help = "remove it, or name the package that was meant";
                findings.add(&text.span, message, "", help);
            }
        }
    }
}

fn malformed_dependency(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    let environment = std::iter::once(&audit.config.environment.contents.packages);
    let tests = audit.config.subpackages.iter().filter_map(|subpackage| subpackage.test.as_ref());
    let tests = audit.config.test.iter().chain(tests);
    let packages = environment.chain(tests.map(|test| &test.environment.contents.packages));
    let declared = all_dependencies(&audit.config)
        .flat_map(|(_, dependencies)| lists(dependencies).map(|(_, list)| list));
    for text in packages.chain(declared).flatten() {
        if let Err(problem) = text.as_str().parse::<Atom>() {
            let message = format!("apk can't read this: {problem}");
            let help = "write `name`, `name=1.2-r0`, `name>=1.2` or `!name`, without blanks";
            findings.add(&text.span, message, "", help);
        }
    }
}

fn empty_subpackage(subject: &Subject<'_>, findings: &mut Findings) {
    for subpackage in &subject.config.subpackages {
        let dependencies = lists(&subpackage.dependencies);
        let bare = dependencies.iter().all(|(_, list)| list.is_empty());
        if subpackage.pipeline.is_empty() && bare && subpackage.scriptlets.is_none() {
            let message = format!("nothing is in `{}`", subpackage.name.as_str());
            let help = "add `pipeline:`, or `dependencies:` if it is a metapackage";
            findings.add(&subpackage.name.span, message, "", help);
        }
    }
}
