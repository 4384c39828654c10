//! Rules for what a recipe fetches and checks out.

use super::findings::Findings;
use super::subject::{Subject, is_plain};
use super::{Level, Rule};
use crate::config::Text;
use crate::plan::AuditStep;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "unpinned-source",
        level: Level::Warn,
        summary: "a source that is fetched without a checksum or a commit",
        details: "The same recipe builds something else when the server changes its mind, and nobody \
                  notices when somebody else changes it. Give `fetch` the input `expected-sha256` or \
                  `expected-sha512`, and `git-checkout` the input `expected-commit`; `melange2 bump` \
                  keeps both up to date.",
        check: unpinned,
    },
    Rule {
        name: "insecure-source",
        level: Level::Warn,
        summary: "a source that comes over a connection anybody can change",
        details: "`http`, `ftp` and `git` URLs are not protected on their way. A checksum notices a \
                  change only after it was computed from the right file. Most servers have the same \
                  under `https`.",
        check: insecure,
    },
    Rule {
        name: "checkout-without-ref",
        level: Level::Warn,
        summary: "a git-checkout of neither a tag nor a branch",
        details: "What the server has as its default branch is taken. With `expected-commit` the \
                  build breaks with the next push; without, it builds whatever is there.",
        check: checkout_without_ref,
    },
    Rule {
        name: "branch-and-tag",
        level: Level::Deny,
        summary: "a git-checkout of both a branch and a tag",
        details: "The step fails: only one of them can be checked out.",
        check: branch_and_tag,
    },
    Rule {
        name: "hardcoded-version",
        level: Level::Warn,
        summary: "the package's version written out in a source's URL or tag",
        details: "When `package.version` changes, the source stays the old one, and the package has \
                  a version that it does not contain. Write `${{package.version}}`, or a variable \
                  that `var-transforms` makes from it.",
        check: hardcoded_version,
    },
];

fn unpinned(subject: &Subject<'_>, findings: &mut Findings) {
    for step in subject.uses("git-checkout").filter(|step| given(step, "expected-commit").is_none())
    {
        let (message, help) = match (given(step, "tag"), given(step, "branch")) {
            (Some(tag), _) => (
                format!("the tag `{}` may be moved to another commit", tag.as_str()),
                "add `expected-commit:`; `git ls-remote URL 'refs/tags/TAG^{}'` prints it",
            ),
            (None, Some(branch)) => (
                format!("whatever is on the branch `{}` is built", branch.as_str()),
                "add `expected-commit:`; `git ls-remote URL refs/heads/BRANCH` prints it",
            ),
            _ => (
                "whatever is on the default branch is built".to_owned(),
                "add `tag:` and `expected-commit:`",
            ),
        };
        findings.add(&step.uses.span, message, "no `expected-commit`", help);
    }
    for step in subject.uses("fetch") {
        let pinned = ["expected-sha256", "expected-sha512"];
        if pinned.iter().any(|name| given(step, name).is_some()) {
            continue;
        }
        if let Some(none) = given(step, "expected-none") {
            let message = "whatever the server sends is taken";
            let help = "give `expected-sha256:` instead, unless the file changes by design";
            findings.add(&none.span, message, "", help);
            continue;
        }
        let help = "add `expected-sha256:`; `curl -L URL | sha256sum` prints it";
        findings.add(&step.uses.span, "the step fails: it has no checksum", "", help);
    }
}

fn insecure(subject: &Subject<'_>, findings: &mut Findings) {
    let fetched = subject.uses("fetch").filter_map(|step| given(step, "uri"));
    let cloned = subject.uses("git-checkout").filter_map(|step| given(step, "repository"));
    for text in fetched.chain(cloned) {
        let Some((scheme, rest)) = text.as_str().split_once("://") else { continue };
        let local = ["localhost", "127.", "[::1]"].iter().any(|host| rest.starts_with(host));
        if !local && matches!(scheme, "http" | "ftp" | "git") {
            let message = format!("`{scheme}` sources can be changed on their way");
            let help = "use `https://` if the server has it, as most do";
            findings.add(&text.span.narrowed(&format!("{scheme}://")), message, "", help);
        }
    }
}

fn checkout_without_ref(subject: &Subject<'_>, findings: &mut Findings) {
    for step in subject.uses("git-checkout") {
        if given(step, "tag").is_some() || given(step, "branch").is_some() {
            continue;
        }
        // Without a commit another rule speaks.
        let Some(commit) = given(step, "expected-commit") else { continue };
        let message = "the commit is looked for at the tip of the default branch";
        let help = "add `tag:` or `branch:`, or the build breaks with the next push";
        findings.add(&commit.span, message, "", help);
    }
}

fn branch_and_tag(subject: &Subject<'_>, findings: &mut Findings) {
    for step in subject.uses("git-checkout") {
        let (Some(tag), Some(branch)) = (given(step, "tag"), given(step, "branch")) else {
            continue;
        };
        let message = "a checkout is of a branch or of a tag, not both";
        let other = (&tag.span, "a tag too");
        findings.add_with(&branch.span, message, "a branch", other, "remove one of them");
    }
}

fn hardcoded_version(subject: &Subject<'_>, findings: &mut Findings) {
    let version = subject.config.package.version.as_str();
    // A short one stands in many names by chance.
    if version.len() < 3 || !version.contains('.') || version.contains("${{") {
        return;
    }
    for written in subject.steps().into_iter().filter(|written| !written.test) {
        let input = match written.step.uses.as_str() {
            "fetch" => "uri",
            "git-checkout" => "tag",
            _ => continue,
        };
        let Some(entry) = written.step.with.0.get(input) else { continue };
        let text = &entry.value;
        if is_plain(text) && contains_version(text.as_str(), version) {
            let message = format!("`{input}` stays the same when the version changes");
            let help = "write `${{package.version}}` there";
            findings.add(&text.span.narrowed(version), message, "the version of today", help);
        }
    }
}

/// Whether the version stands there, and is not a part of a longer number.
fn contains_version(text: &str, version: &str) -> bool {
    text.match_indices(version).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + version.len()..].chars().next();
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let dotted = text[at + version.len()..].strip_prefix('.').and_then(|t| t.chars().next());
        !digit(before) && !digit(after) && !digit(dotted)
    })
}

/// An input that is given, and not empty.
fn given<'a>(step: &'a AuditStep, input: &str) -> Option<&'a Text> {
    step.with.0.get(input).map(|entry| &entry.value).filter(|text| !text.is_empty())
}
