//! Rules for what a recipe says of its packages.

use spdx::{Expression, ParseMode};

use super::findings::Findings;
use super::subject::{Subject, arch_names, is_plain};
use super::{Level, Rule};
use crate::config::{Checks, Scriptlets, Text};
use crate::diagnostic::{Diagnostic, Span, nearest, quoted_list};
use crate::plan::references;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "missing-epoch",
        level: Level::Warn,
        summary: "a package without an epoch",
        details: "Without it the epoch is 0, and whoever has to rebuild the package has to notice that \
                  first. Tools that raise epochs look for the key.",
        check: missing_epoch,
    },
    Rule {
        name: "missing-description",
        level: Level::Warn,
        summary: "a package without a description",
        details: "`apk search` and `apk info` show it; it is one line.",
        check: missing_description,
    },
    Rule {
        name: "missing-subpackage-description",
        level: Level::Allow,
        summary: "a subpackage without a description",
        details: "A subpackage does not inherit the main package's: its own is empty.",
        check: missing_subpackage_description,
    },
    Rule {
        name: "missing-license",
        level: Level::Warn,
        summary: "a package without a licence",
        details: "Whoever ships the package needs to know it; it goes into the package and its SBOM.",
        check: missing_license,
    },
    Rule {
        name: "unknown-license",
        level: Level::Warn,
        summary: "a licence that is no SPDX expression",
        details: "Tools that collect licences know only the names of the SPDX list, joined by `AND`, \
                  `OR` and `WITH`. A licence that is not on the list is written `LicenseRef-NAME`, \
                  and its text is named by `license-path`. `custom` and `PROPRIETARY` are let be.",
        check: unknown_license,
    },
    Rule {
        name: "deprecated-license",
        level: Level::Allow,
        summary: "an SPDX name that was replaced by a clearer one",
        details: "`GPL-2.0` does not say whether later versions are meant: it became `GPL-2.0-only` \
                  and `GPL-2.0-or-later`.",
        check: deprecated_license,
    },
    Rule {
        name: "missing-test",
        level: Level::Warn,
        summary: "a recipe without any test",
        details: "A `test:` of the main package or of a subpackage shows that what was built runs: \
                  `runs: hello --version` is a beginning.",
        check: missing_test,
    },
    Rule {
        name: "unknown-architecture",
        level: Level::Deny,
        summary: "a `target-architecture` that is the name of none",
        details: "Names are apk's (`x86_64`, `aarch64`). A package whose list has none of them is \
                  built nowhere, without an error.",
        check: unknown_architecture,
    },
    Rule {
        name: "unknown-check",
        level: Level::Warn,
        summary: "a name under `checks: disabled:` that no check of packages has",
        details: "Nothing is disabled by it.",
        check: unknown_check,
    },
    Rule {
        name: "version-stream",
        level: Level::Allow,
        summary: "a package named after one series of versions that has a version of another",
        details: "`nodejs-22.3` holds 22.3 and what mends it; a version outside of the series ends up \
                  with those who asked for the series. Names may end in other numbers too (`gtk-2.0`), \
                  hence the rule is off.",
        check: version_stream,
    },
    Rule {
        name: "unresolved-reference",
        level: Level::Warn,
        summary: "a `${{…}}` that stays in a package as it is written",
        details: "Descriptions, URLs and scriptlets know `package.*`, `vars.*` and `range.*`, spelled \
                  without spaces; any other reference is shipped verbatim.",
        check: unresolved_reference,
    },
    Rule {
        name: "scriptlet-without-interpreter",
        level: Level::Warn,
        summary: "a scriptlet that does not begin with `#!`",
        details: "apk executes the file: without a first line like `#!/bin/sh` that fails, and what \
                  the script should do never happens.",
        check: scriptlets,
    },
];

fn missing_epoch(subject: &Subject<'_>, findings: &mut Findings) {
    let package = &subject.config.package;
    if package.epoch.span.is_nowhere() {
        let help = "add `epoch: 0` after `version:`";
        findings.add(&package.version.span, "the package has no epoch", "", help);
    }
}

fn missing_description(subject: &Subject<'_>, findings: &mut Findings) {
    let package = &subject.config.package;
    if package.description.is_empty() {
        let help = "add `description:`, one line that says what it is";
        findings.add(&package.name.span, "the package has no description", "", help);
    }
}

fn missing_subpackage_description(subject: &Subject<'_>, findings: &mut Findings) {
    for subpackage in &subject.config.subpackages {
        if subpackage.description.is_empty() {
            let message = format!("`{}` has no description", subpackage.name.as_str());
            let help = "add `description:`: a subpackage does not inherit it";
            findings.add(&subpackage.name.span, message, "", help);
        }
    }
}

fn missing_license(subject: &Subject<'_>, findings: &mut Findings) {
    let package = &subject.config.package;
    let help = "add `copyright:` with `- license: MIT`, or whatever it is";
    if package.copyright.is_empty() {
        findings.add(&package.name.span, "the package has no licence", "", help);
    }
    for entry in package.copyright.iter().filter(|entry| entry.license.is_empty()) {
        findings.add(&entry.span, "this entry names no licence", "", help);
    }
}

/// Licences that recipes name and SPDX leaves alone.
const UNLISTED: [&str; 2] = ["custom", "PROPRIETARY"];

fn unknown_license(subject: &Subject<'_>, findings: &mut Findings) {
    // Names that were replaced are another rule's.
    let mode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };
    for entry in &subject.config.package.copyright {
        let text = &entry.license;
        let skipped = text.is_empty() || UNLISTED.contains(&text.as_str()) || !is_plain(text);
        if skipped {
            continue;
        }
        let Err(problem) = Expression::parse_mode(text.as_str(), mode) else { continue };
        let wrong = text.as_str().get(problem.span.clone()).unwrap_or_default().trim();
        let wrong = if wrong.is_empty() { text.as_str() } else { wrong };
        let known = spdx::identifiers::LICENSES.iter().map(|license| license.name);
        let near = spdx::imprecise_license_id(text.as_str())
            .filter(|(_, length)| *length == text.as_str().len())
            .map(|(id, _)| id.name)
            .or_else(|| nearest(wrong, known));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "use a name of <https://spdx.org/licenses>, or `LicenseRef-NAME` with \
                     `license-path:`"
                .to_owned(),
        };
        let message = format!("`{}` is not an SPDX expression: {}", text.as_str(), problem.reason);
        findings.add(&text.span.narrowed(wrong), message, "", help);
    }
}

fn deprecated_license(subject: &Subject<'_>, findings: &mut Findings) {
    let mode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };
    for entry in &subject.config.package.copyright {
        let Ok(expression) = Expression::parse_mode(entry.license.as_str(), mode) else { continue };
        for requirement in expression.requirements() {
            let Some(id) = requirement.req.license.id() else { continue };
            let name = requirement.req.license.to_string();
            // The crate takes `GPL-2.0-only` for a spelling of `GPL-2.0`.
            let deprecated = id.is_deprecated() && !name.ends_with("-only");
            if deprecated && entry.license.as_str().split([' ', '(', ')']).any(|word| word == name)
            {
                let message = format!("SPDX has replaced `{name}`");
                let help = match id.is_gnu() {
                    true => format!("write `{name}-only` or `{name}-or-later`"),
                    false => format!("look it up: <https://spdx.org/licenses/{name}.html>"),
                };
                findings.add(&entry.license.span.narrowed(&name), message, "", help);
            }
        }
    }
}

fn missing_test(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    let tests = config.subpackages.iter().filter_map(|subpackage| subpackage.test.as_ref());
    let any = config.test.as_ref().into_iter().chain(tests).any(|test| !test.pipeline.is_empty());
    if !any {
        let help = "add `test:` with a `pipeline:` that uses what was built";
        findings.add(&config.package.name.span, "nothing tests this package", "", help);
    }
}

fn unknown_architecture(subject: &Subject<'_>, findings: &mut Findings) {
    for target in &subject.config.package.target_architecture {
        let name = target.as_str();
        if name == "all" || !is_plain(target) || arch_names().any(|known| known == name) {
            continue;
        }
        let help = match name.parse::<crate::arch::Arch>() {
            Ok(arch) => format!("apk's name of it is `{arch}`"),
            Err(_) => match nearest(name, arch_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the names are {}", quoted_list(arch_names())),
            },
        };
        let message = format!("no architecture is named `{name}`: nothing is built for it");
        findings.add(&target.span, message, "", help);
    }
}

/// Checks of packages, by melange's names.
const CHECKS: [&str; 30] = [
    "binaryarch",
    "cudaruntimelib",
    "dev",
    "dll",
    "documentation",
    "duplicate",
    "dylib",
    "empty",
    "infodir",
    "lddcheck",
    "libtool/la-files",
    "maninfo",
    "nonlinux",
    "object",
    "opt",
    "pkgconf",
    "python/docs",
    "python/multiple",
    "python/test",
    "sbom",
    "setuidgid",
    "srv",
    "staticarchive",
    "strip",
    "tempdir",
    "unsupportedarch",
    "usrlocal",
    "usrmerge",
    "varempty",
    "worldwrite",
];

fn unknown_check(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    let subpackages = config.subpackages.iter().map(|subpackage| &subpackage.checks);
    let all: Vec<&Checks> = std::iter::once(&config.package.checks).chain(subpackages).collect();
    for name in all.into_iter().flat_map(|checks| &checks.disabled) {
        if CHECKS.contains(&name.as_str()) {
            continue;
        }
        let help = match nearest(name.as_str(), CHECKS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the checks are {}", quoted_list(CHECKS)),
        };
        let message = format!("there is no check `{}`", name.as_str());
        findings.add(&name.span, message, "", help);
    }
}

fn version_stream(subject: &Subject<'_>, findings: &mut Findings) {
    let package = &subject.config.package;
    let (name, version) = (&package.name, package.version.as_str());
    let Some((_, stream)) = name.as_str().rsplit_once('-') else { return };
    let numbers = stream.split('.').all(|part| part.parse::<u64>().is_ok());
    if !numbers || !stream.contains('.') || !is_plain(&package.version) {
        return;
    }
    // The first numbers are the series; what comes after its last one is a number of its own.
    let within = version.strip_prefix(stream);
    if within.is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        let message = format!("`{version}` is not a version of the series {stream}");
        let help = "look whether the name or the version is the wrong one";
        let other = (&name.span, "the name says which series");
        findings.add_with(&package.version.span, message, "", other, help);
    }
}

fn unresolved_reference(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    let package = &audit.config.package;
    let mut texts = vec![&package.description, &package.url];
    texts.extend(package.scriptlets.iter().flat_map(|all| scripts(all).map(|(_, text)| text)));
    for subpackage in &audit.config.subpackages {
        texts.extend([&subpackage.description, &subpackage.url]);
        let scriptlets = subpackage.scriptlets.iter();
        texts.extend(scriptlets.flat_map(|all| scripts(all).map(|(_, text)| text)));
    }
    for text in texts.into_iter().filter(|text| text.as_str().contains("${{")) {
        let name = references(text.as_str()).first().map(|(_, name)| *name);
        let help = match name {
            Some(name) if audit.variable(name).is_some() => {
                format!("write it without spaces: `${{{{{name}}}}}`")
            }
            _ => {
                "only `package.*`, `vars.*` and, with `range:`, `range.key` and `range.value` are \
                  known here"
                    .to_owned()
            }
        };
        let message = "this is shipped as it is written";
        findings.add(&text.span.narrowed("${{"), message, "not replaced", help);
    }
}

fn scripts(all: &Scriptlets) -> impl Iterator<Item = (&'static str, &Text)> {
    [
        ("trigger", &all.trigger.script),
        ("pre-install", &all.pre_install),
        ("post-install", &all.post_install),
        ("pre-deinstall", &all.pre_deinstall),
        ("post-deinstall", &all.post_deinstall),
        ("pre-upgrade", &all.pre_upgrade),
        ("post-upgrade", &all.post_upgrade),
    ]
    .into_iter()
}

fn scriptlets(subject: &Subject<'_>, findings: &mut Findings) {
    let config = subject.config;
    let subpackages = config.subpackages.iter().map(|subpackage| subpackage.scriptlets.as_ref());
    let all = std::iter::once(config.package.scriptlets.as_ref()).chain(subpackages).flatten();
    for (name, text) in all.flat_map(scripts) {
        if text.as_str().trim().is_empty() || text.as_str().starts_with("#!") {
            continue;
        }
        let message = format!("apk can't run the scriptlet `{name}`: nothing says what runs it");
        let help = "make `#!/bin/sh` its first line";
        findings.push(
            Diagnostic::warning("", message, first_text(&text.span), "no `#!` here").help(help),
        );
    }
}

/// Where the text of a block begins, behind its `|`.
fn first_text(span: &Span) -> Span {
    let text = span.text();
    match text.split_once('\n') {
        Some((head, rest)) if head.starts_with(['|', '>']) => {
            let line = rest.trim_start().lines().next().unwrap_or_default();
            span.narrowed(line)
        }
        _ => span.clone(),
    }
}
