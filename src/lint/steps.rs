//! Rules for steps: conditions, scripts, directories.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::subject::{Subject, Written, arch_names, is_plain};
use super::{Level, Rule};
use crate::config::Text;
use crate::diagnostic::{Span, nearest};
use crate::plan::{Audit, AuditStep};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "unreachable-if",
        level: Level::Warn,
        summary: "a condition that holds on none of the package's architectures",
        details: "The step never runs, or the subpackage is never built. Architectures have apk's names \
                  (`aarch64`, not `arm64`); build options are tried on and off. Conditions on `vars.*` \
                  are let be: `--vars-file` may change those.",
        check: unreachable_if,
    },
    Rule {
        name: "needless-if",
        level: Level::Warn,
        summary: "a condition that holds on all of the package's architectures",
        details: "It decides nothing: a leftover, or something else was meant.",
        check: needless_if,
    },
    Rule {
        name: "empty-step",
        level: Level::Warn,
        summary: "a step that does nothing",
        details: "It has neither `uses` nor `runs` nor a `pipeline` nor a `working-directory` to make.",
        check: empty_step,
    },
    Rule {
        name: "lost-shell-state",
        level: Level::Warn,
        summary: "a script that only changes its own shell",
        details: "Each step is a shell of its own: a directory or a variable that one sets is gone in \
                  the next. Use `working-directory:` and `environment:`.",
        check: lost_shell_state,
    },
    Rule {
        name: "misread-directory",
        level: Level::Warn,
        summary: "a `working-directory` that is not where it seems to be",
        details: "It is relative to the workspace, not to that of the step around it, and a directory \
                  that is not there is made: a wrong one shows only in what the script does not find.",
        check: misread_directory,
    },
    Rule {
        name: "apkbuild-variable",
        level: Level::Warn,
        summary: "a variable of Alpine's APKBUILD files that nothing sets",
        details: "`$pkgdir`, `$srcdir`, `$pkgver` and the like are empty in a melange recipe: \
                  `rm -r \"$pkgdir\"/usr` would remove `/usr`. The references are \
                  `${{targets.destdir}}`, `${{package.version}}` and so on.",
        check: apkbuild_variable,
    },
];

/// A condition that stands in the recipe.
struct Tried {
    span: Span,
    /// What it decides about.
    what: &'static str,
    /// Whether it held wherever it was tried.
    held: Vec<bool>,
}

/// Conditions that stand in the recipe, in its order.
fn conditions<'a>(subject: &'a Subject<'_>) -> impl Iterator<Item = Tried> + use<> {
    let mut found: BTreeMap<usize, Tried> = BTreeMap::new();
    let own = |span: &Span| span.path() == subject.config.span.path() && !span.is_nowhere();
    let mut add = |span: &Span, what: &'static str, holds: bool| {
        let entry = found.entry(span.bytes.start);
        let new = || Tried { span: span.clone(), what, held: Vec::new() };
        entry.or_insert_with(new).held.push(holds);
    };
    let seen = |audit: &'a Audit| audit.steps.iter();
    for step in subject.audits.iter().flat_map(seen) {
        let step: &AuditStep = step;
        if step.in_recipe && !step.condition.is_empty() && own(&step.condition.span) {
            add(&step.condition.span, "step", step.holds);
        }
    }
    for (span, holds) in subject.audits.iter().flat_map(|audit| &audit.conditions) {
        if own(span) {
            add(span, "subpackage", *holds);
        }
    }
    // A person may change variables.
    found.into_values().filter(|tried| !tried.span.text().contains("vars."))
}

fn unreachable_if(subject: &Subject<'_>, findings: &mut Findings) {
    for Tried { span, what, held } in conditions(subject) {
        if held.contains(&true) {
            continue;
        }
        let help = match misspelled_arch(&span) {
            Some((wrong, right)) => format!("apk's name of `{wrong}` is `{right}`"),
            None => format!("mend the condition, or remove the {what}"),
        };
        let never = if what == "step" { "never runs" } else { "is never built" };
        let message = format!("this condition never holds: the {what} {never}");
        findings.add(&span, message, "false on every architecture", help);
    }
}

/// A text of a condition that is not the name of an architecture, but nearly.
fn misspelled_arch(span: &Span) -> Option<(String, &'static str)> {
    if !span.text().contains("build.arch") {
        return None;
    }
    span.text().split(['\'', '"']).find_map(|word| {
        if word.is_empty() || arch_names().any(|name| name == word) {
            return None;
        }
        let arch = word.parse::<crate::arch::Arch>().ok().map(crate::arch::Arch::apk);
        Some((word.to_owned(), arch.or_else(|| nearest(word, arch_names()))?))
    })
}

fn needless_if(subject: &Subject<'_>, findings: &mut Findings) {
    for Tried { span, held, .. } in conditions(subject) {
        if !held.contains(&false) {
            let message = "this condition always holds";
            let help = "remove the `if:`, or mend the condition";
            findings.add(&span, message, "true on every architecture", help);
        }
    }
}

fn empty_step(subject: &Subject<'_>, findings: &mut Findings) {
    for Written { step, .. } in subject.steps() {
        let empty = step.uses.is_empty()
            && step.runs.as_str().trim().is_empty()
            && step.pipeline.is_empty()
            && step.working_directory.is_empty();
        if empty {
            let place = if step.name.is_empty() { &step.span } else { &step.name.span };
            let help = "give it `uses:` or `runs:`, or remove it; a name alone is a remark";
            findings.add(place, "this step does nothing", "", help);
        }
    }
}

fn lost_shell_state(subject: &Subject<'_>, findings: &mut Findings) {
    for Written { step, .. } in subject.steps() {
        // The last step's shell has nobody to lose anything to, but neither has it an effect.
        let lines = step.runs.as_str().lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        if lines.peek().is_none() {
            continue;
        }
        let state: Vec<&str> = lines.clone().filter(|line| changes_shell(line)).collect();
        if state.len() < lines.count() {
            continue;
        }
        let moves = state.iter().any(|line| line.starts_with("cd "));
        let help = match moves {
            true => "use `working-directory:` in the steps that it is for",
            false => "use `environment:` in the steps that it is for, or in the recipe",
        };
        let first = state.first().copied().unwrap_or_default();
        let message = "the next step does not see this: each has a shell of its own";
        findings.add(&step.runs.span.narrowed(first), message, "lost", help);
    }
}

/// Whether a line does nothing but change the directory or a variable.
fn changes_shell(line: &str) -> bool {
    let alone = !line.contains(['&', '|', ';', '(', '`']);
    alone && (line.starts_with("cd ") || line.starts_with("export "))
}

fn misread_directory(subject: &Subject<'_>, findings: &mut Findings) {
    misspelled_directory(subject, findings);
    for Written { step, parent, .. } in subject.steps() {
        let own = &step.working_directory;
        let Some(outer) = parent.map(|parent| &parent.working_directory) else { continue };
        if own.is_empty() || outer.is_empty() || !is_plain(own) {
            continue;
        }
        let (inner, around) = (own.as_str(), outer.as_str().trim_end_matches('/'));
        let below = inner.starts_with(around) || inner.starts_with('/') || around == ".";
        if !below {
            let message = format!("this is `/home/build/{inner}`, not below `{around}`");
            let help = format!("write `{around}/{inner}` if it lies there");
            let other = (&outer.span, "the directory of the step around it");
            findings.add_with(&own.span, message, "relative to the workspace", other, help);
        }
    }
}

/// A directory that nothing makes, beside one of nearly that name that a checkout makes.
fn misspelled_directory(subject: &Subject<'_>, findings: &mut Findings) {
    let steps = subject.steps();
    let inputs = ["destination", "directory"];
    let made = steps.iter().flat_map(|it| inputs.map(|name| it.step.with.0.get(name))).flatten();
    let made: Vec<&Text> = made.map(|entry| &entry.value).collect();
    for Written { step, .. } in &steps {
        let own = &step.working_directory;
        let first = own.as_str().split('/').next().unwrap_or_default();
        // Scripts may make whatever they like.
        let mentioned = || {
            let scripts = steps.iter().map(|written| written.step.runs.as_str());
            let texts = scripts.chain(made.iter().map(|text| text.as_str()));
            texts.into_iter().any(|text| words(text).any(|word| word == first))
        };
        if first.is_empty() || !is_plain(own) || made.is_empty() || mentioned() {
            continue;
        }
        if let Some(near) = nearest(first, made.iter().map(|text| text.as_str())) {
            let message = format!("nothing makes the directory `{first}`");
            let help = format!("did you mean `{near}`?");
            findings.add(&own.span, message, "empty when the step begins", help);
        }
    }
}

/// What could be names of files.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !"._-+".contains(c))
}

const APKBUILD: [(&str, &str); 6] = [
    ("pkgdir", "${{targets.destdir}}"),
    ("subpkgdir", "${{targets.subpkgdir}}"),
    ("srcdir", "${{package.srcdir}}"),
    ("pkgname", "${{package.name}}"),
    ("pkgver", "${{package.version}}"),
    ("pkgrel", "${{package.epoch}}"),
];

fn apkbuild_variable(subject: &Subject<'_>, findings: &mut Findings) {
    let set_outside = |written: &Written<'_>, name: &str| {
        let environment = &subject.config.environment.environment;
        environment.get(name).is_some()
            || written.step.environment.get(name).is_some()
            || written.parent.is_some_and(|parent| parent.environment.get(name).is_some())
    };
    for written in subject.steps() {
        let script = &written.step.runs;
        for (name, reference) in APKBUILD {
            let spelled = [format!("${name}"), format!("${{{name}}}"), format!("${{{name}%")];
            let Some(used) = spelled.iter().find(|used| is_used(script.as_str(), used)) else {
                continue;
            };
            let sets = [format!("{name}="), format!(" {name} in "), format!("read {name}")];
            let set = sets.iter().any(|set| script.as_str().contains(set));
            if set || set_outside(&written, name) {
                continue;
            }
            let message = format!("nothing sets `${name}`: it is a variable of APKBUILD files");
            let help = format!("write `{reference}`");
            findings.add(&script.span.narrowed(used), message, "empty here", help);
        }
    }
}

/// Whether a script has this variable, rather than one whose name only begins like it.
fn is_used(script: &str, used: &str) -> bool {
    script.match_indices(used).any(|(at, _)| {
        let after = script[at + used.len()..].chars().next();
        let longer = after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        !longer || used.ends_with(['}', '%'])
    })
}
