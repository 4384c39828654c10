//! Rules for values that are put into shell text.

use indexmap::IndexMap;

use super::findings::Findings;
use super::shell::{Place, Quoting, is_literal, places};
use super::subject::{Subject, Written};
use super::{Level, Rule};
use crate::config::Text;
use crate::diagnostic::Span;
use crate::plan::{Audit, parameter};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "spliced-value",
        level: Level::Warn,
        summary: "a value that the shell takes apart where it is put into a script",
        details: "`${{…}}` is replaced before the shell reads the script: blanks split the value into \
                  words, `$`, quotes and patterns are expanded. Put into quotes it would mean \
                  something else. Where that is meant (a list of options), say so with a comment, \
                  `# nolint:spliced-value`; otherwise quote it.",
        check: spliced_value,
    },
    Rule {
        name: "literal-input",
        level: Level::Warn,
        summary: "shell syntax in an input that is taken as it is",
        details: "The built-in pipelines take names, paths, URLs, checksums and numbers as they are \
                  written, `$NAME` aside; melange's own put them into the script, where the shell \
                  expands `$(command)` and patterns too. The recipe means different things to the \
                  two.",
        check: literal_input,
    },
];

fn spliced_value(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    for written in subject.steps() {
        // Once for each name in a script: the others are mended alike.
        let mut seen: IndexMap<&str, (Place<'_>, String, usize)> = IndexMap::new();
        for place in places(written.step.runs.as_str()) {
            let values = values(subject, audit, &written, place.name);
            let literal = |value: &String| is_literal(value, place.quoting, place.starts_word);
            let Some(value) = values.into_iter().find(|value| !literal(value)) else { continue };
            seen.entry(place.name).or_insert((place, value, 0)).2 += 1;
        }
        for (place, value, count) in seen.into_values() {
            report(&written.step.runs, &place, &value, count, findings);
        }
    }
}

fn report(script: &Text, place: &Place<'_>, value: &str, count: usize, findings: &mut Findings) {
    let text = script.as_str();
    let end = text[place.at..].find("}}").map_or(0, |end| end + 2);
    let reference = &text[place.at..place.at + end];
    let before = text[..place.at].matches(reference).count();
    let span = occurrence(&script.span, reference, before);
    let mut message = format!("the shell takes the value of `{}` apart", place.name);
    if count > 1 {
        message.push_str(&format!(" ({count} times in this script)"));
    }
    let help = match place.quoting {
        Quoting::Bare => format!(
            "write `\"{reference}\"` if it is one word; `# nolint:spliced-value` says that it is meant"
        ),
        _ => "take the special characters out of the value".to_owned(),
    };
    findings.add(&span, message, format!("here it is {}", shown(value)), help);
}

/// The values that a name can have in a step, those aside that no recipe gives.
fn values(subject: &Subject<'_>, audit: &Audit, written: &Written<'_>, name: &str) -> Vec<String> {
    let key = match name {
        "range.key" => true,
        "range.value" => false,
        _ => return audit.variable(name).map(settled).into_iter().collect(),
    };
    let range = written.subpackage.map(|subpackage| subpackage.range.as_str());
    let tables = subject.config.data.iter().filter(|data| Some(data.name.as_str()) == range);
    let items = tables.flat_map(|data| data.items.iter());
    items.map(|(name, value)| settled(if key { name } else { value })).collect()
}

/// A value in which what only a build knows (triplets, directories) is a plain word.
fn settled(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find("${{") {
        text.push_str(&rest[..at]);
        text.push('x');
        rest = rest[at..].split_once("}}").map_or("", |(_, after)| after);
    }
    text + rest
}

/// Where a text stands within a place, when it stands there `before` times before.
fn occurrence(span: &Span, text: &str, before: usize) -> Span {
    match span.text().match_indices(text).nth(before) {
        Some((at, _)) => {
            let start = span.bytes.start + at;
            Span::new(&span.source, start..start + text.len())
        }
        None => span.narrowed(text),
    }
}

fn shown(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(40).collect();
    if cut.len() < line.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
}

fn literal_input(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(audit) = subject.audit() else { return };
    for step in audit.steps.iter().filter(|step| step.in_recipe) {
        // What stands beside a commit in `cherry-picks` is a remark.
        for name in step.literal.iter().filter(|name| *name != "cherry-picks") {
            let Some(entry) = step.with.0.get(name) else { continue };
            let value = &entry.value;
            if value.span.path() != subject.config.span.path() {
                continue;
            }
            let Some(syntax) = shell_syntax(value.as_str()) else { continue };
            let message = format!(
                "`{name}` of `{}` is taken as it is, not expanded by a shell",
                step.uses.as_str()
            );
            let help = "write what it should be, or do it in a script (`runs:`)";
            findings.add(&value.span.narrowed(syntax), message, "no shell reads this", help);
        }
    }
}

/// What of a text a shell would expand, the variables aside that are expanded here too.
fn shell_syntax(text: &str) -> Option<&str> {
    let begins = |(at, c): (usize, char)| match c {
        '`' => true,
        '$' => text[at + 1..].starts_with(['(', '{']) && parameter(&text[at..]) == 0,
        _ => false,
    };
    let start = text.char_indices().find(|&place| begins(place))?.0;
    let rest = &text[start..];
    let end = rest[1..].find(|c: char| c.is_whitespace() || "/\"'".contains(c));
    rest.get(..end.map_or(rest.len(), |end| end + 1))
}
