//! What must hold of a recipe beyond its schema, after early substitution. Stage 2.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::check_environment;
use crate::config::{Capability, Config, Cpe, Dependencies, Step, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, quoted_list};

/// Compiles a pattern of ours.
#[expect(clippy::expect_used, reason = "the patterns are constants, and tests compile them")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-zA-Z0-9][a-zA-Z0-9+_.-]*$"));
static CPE_FIELD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z0-9][a-z0-9+_.-]*$"));
/// apk's version grammar, without the revision, which is the epoch.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^[0-9]+(\.[0-9]+)*[a-z]?",
        r"((_alpha|_beta|_pre|_rc)[0-9]*)?((_cvs|_svn|_git|_hg|_p)[0-9]*)?(-r[0-9]+)?$"
    ))
});

/// File capabilities that packages may have.
const CAPABILITIES: [&str; 5] =
    ["cap_net_bind_service", "cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_sys_admin"];

/// Checks everything; `problems` gets what is wrong.
pub(super) fn check(config: &Config, problems: &mut Diagnostics) {
    let package = &config.package;
    check_environment::check(config, problems);
    if package.span.is_nowhere() {
        // What its parts lack need not be said too.
        let message = "the recipe has no `package:`";
        let diagnostic = Diagnostic::error("missing-package", message, config.span.clone(), "")
            .help("a recipe has `package:` with at least `name`, `version` and `epoch`");
        problems.push(diagnostic);
        return;
    }
    name(&package.name, "package", &package.span, problems);
    version(config, problems);
    priorities(&package.dependencies, problems);
    steps(&config.pipeline, problems);
    capabilities(&package.setcap, problems);
    cpe(&package.cpe, problems);
    let mut seen: HashMap<&str, &Text> = HashMap::from([(package.name.as_str(), &package.name)]);
    for subpackage in &config.subpackages {
        name(&subpackage.name, "subpackage", &subpackage.span, problems);
        // Those without a name were just reported.
        let again = seen.insert(subpackage.name.as_str(), &subpackage.name);
        if let Some(first) = again.filter(|name| !name.is_empty()) {
            problems.push(twice(first, &subpackage.name));
        }
        priorities(&subpackage.dependencies, problems);
        steps(&subpackage.pipeline, problems);
        capabilities(&subpackage.setcap, problems);
    }
}

fn name(name: &Text, what: &str, whole: &Span, problems: &mut Diagnostics) {
    if name.is_empty() {
        let message = format!("a {what} needs a name");
        let diagnostic =
            Diagnostic::error("package-name", message, whole.clone(), "no `name` here");
        problems.push(diagnostic.help("add `name:`"));
    } else if !NAME.is_match(name.as_str()) {
        let message = format!("`{}` can't be the name of a {what}", name.as_str());
        let diagnostic = Diagnostic::error("package-name", message, name.span.clone(), "").help(
            "a name starts with a letter or digit and has letters, digits, `+`, `_`, `.`, `-`",
        );
        problems.push(diagnostic);
    }
}

fn version(config: &Config, problems: &mut Diagnostics) {
    let version = &config.package.version;
    if version.is_empty() {
        let span = config.package.span.clone();
        let message = "the package needs a version";
        let diagnostic = Diagnostic::error("package-version", message, span, "no `version` here");
        problems.push(diagnostic.help("add `version:`"));
    } else if !VERSION.is_match(version.as_str()) {
        let message = format!("`{}` is not a version that apk can order", version.as_str());
        let diagnostic = Diagnostic::error("package-version", message, version.span.clone(), "")
            .help("digits with dots, then a letter, then `_alpha`, `_beta`, `_pre`, `_rc`, `_git`, `_p` …; \
                   `var-transforms` make other forms from it");
        problems.push(diagnostic);
    }
}

fn twice(first: &Text, again: &Text) -> Diagnostic {
    let message = format!("two packages are named `{}`", again.as_str());
    let diagnostic = Diagnostic::error("duplicate-package", message, again.span.clone(), "again");
    if first.span.bytes == again.span.bytes {
        return diagnostic.help("put `${{range.key}}` or `${{range.value}}` into the name");
    }
    diagnostic.label(first.span.clone(), "first here").help("rename one of them")
}

fn priorities(dependencies: &Dependencies, problems: &mut Diagnostics) {
    for priority in [&dependencies.provider_priority, &dependencies.replaces_priority] {
        // What could not be substituted was already reported.
        let checked = !priority.is_empty() && !priority.as_str().contains("${{");
        if checked && priority.as_str().parse::<i64>().is_err() {
            let message = format!("a priority must be a number, found `{}`", priority.as_str());
            let diagnostic = Diagnostic::error("priority", message, priority.span.clone(), "");
            problems.push(
                diagnostic.help("write digits: the package with the greatest number is preferred"),
            );
        }
    }
}

fn steps(all: &[Step], problems: &mut Diagnostics) {
    for step in all {
        let with = step.with.0.values().next().map(|entry| entry.key.clone());
        if !step.uses.is_empty() && !step.runs.is_empty() {
            let message = "a step can't have both `uses` and `runs`";
            let diagnostic =
                Diagnostic::error("step", message, step.runs.span.clone(), "its own script")
                    .label(step.uses.span.clone(), "the pipeline that it uses")
                    .help("make two steps of it");
            problems.push(diagnostic);
        } else if let (true, Some(with)) = (step.uses.is_empty(), with) {
            let message = "a step with `with` must have `uses`";
            let diagnostic = Diagnostic::error("step", message, with, "an input of no pipeline")
                .help("add `uses:`; a script reads variables from `environment:`");
            problems.push(diagnostic);
        }
        steps(&step.pipeline, problems);
    }
}

fn capabilities(all: &[Capability], problems: &mut Diagnostics) {
    for capability in all {
        for (names, entry) in &capability.add.0 {
            for name in names.split(',').filter(|name| !CAPABILITIES.contains(name)) {
                let message = format!("`{name}` is not a capability that files may have");
                let diagnostic = Diagnostic::error("setcap", message, entry.key.narrowed(name), "")
                    .help(format!("they may have {}", quoted_list(CAPABILITIES)));
                problems.push(diagnostic);
            }
        }
        if capability.reason.is_empty() {
            let message = "a file capability needs a reason";
            let diagnostic = Diagnostic::error("setcap", message, capability.span.clone(), "");
            problems.push(diagnostic.help("add `reason:`"));
        }
    }
}

fn cpe(cpe: &Cpe, problems: &mut Diagnostics) {
    if !matches!(cpe.part.as_str(), "" | "a" | "o") {
        let message = format!("a CPE part is `a` or `o`, found `{}`", cpe.part.as_str());
        let diagnostic = Diagnostic::error("cpe", message, cpe.part.span.clone(), "");
        problems.push(diagnostic.help("`a` is an application, `o` an operating system"));
    }
    if cpe.vendor.is_empty() != cpe.product.is_empty() {
        let message = "a CPE needs both `vendor` and `product`";
        let missing = if cpe.vendor.is_empty() { "vendor" } else { "product" };
        let diagnostic = Diagnostic::error("cpe", message, cpe.span.clone(), "");
        problems.push(diagnostic.help(format!("add `{missing}:`")));
    }
    for field in [
        &cpe.vendor,
        &cpe.product,
        &cpe.edition,
        &cpe.language,
        &cpe.sw_edition,
        &cpe.target_sw,
        &cpe.target_hw,
        &cpe.other,
    ] {
        if !field.is_empty() && !CPE_FIELD.is_match(field.as_str()) {
            let message = format!("`{}` can't be a part of a CPE", field.as_str());
            let diagnostic = Diagnostic::error("cpe", message, field.span.clone(), "")
                .help("write lower-case letters, digits, `+`, `_`, `.`, `-`");
            problems.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_apks() {
        for version in ["1", "1.10.0", "00303", "1.2a", "1.2_rc3_git20240101", "3.0_p1", "1.0-r3"] {
            assert!(VERSION.is_match(version), "{version}");
        }
        for version in ["v1", "1.", "1-2", "1.0-beta", "1_foo", ""] {
            assert!(!VERSION.is_match(version), "{version}");
        }
        assert!(NAME.is_match("g++") && !NAME.is_match("-a") && !CPE_FIELD.is_match("A"));
    }
}
