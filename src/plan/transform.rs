//! `var-transforms`: a regular expression's matches replaced by Go's rules.
//!
//! Stage 2. Rust's `$` expansion differs from Go's for names that no group has, so ours is used.

use regex::{Captures, RegexBuilder};

use super::go_regex::{self, Invalid, Translated};

/// Replaces every match of `pattern`; the error is the regular expression's.
pub(super) fn replace_all(text: &str, pattern: &str, template: &str) -> Result<String, Invalid> {
    let Translated { pattern: translated, names } = go_regex::translate(pattern)?;
    let built = RegexBuilder::new(&translated).size_limit(1 << 20).build();
    let regex = built.map_err(|error| {
        let message = match error {
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            other => other.to_string(),
        };
        Invalid { at: 0..pattern.len(), message }
    })?;
    let mut result = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        result.push_str(&text[end..whole.start()]);
        expand(&names, &captures, template, &mut result);
        end = whole.end();
    }
    result.push_str(&text[end..]);
    Ok(result)
}

/// Go's template: `$name` takes the longest run of word characters, `${name}` what stands in
/// braces, `$$` is a dollar sign, and a `$` that is none of these stays.
fn expand(names: &[(String, usize)], captures: &Captures<'_>, template: &str, result: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = group_name(rest) {
            result.push_str(group(names, captures, name));
            rest = after;
        } else {
            result.push('$');
        }
    }
    result.push_str(rest);
}

/// The name after a `$`, and what follows it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let (braced, inner) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    let after = if braced { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// What a group caught: the one of this number, or the first of this name that caught something.
fn group<'t>(names: &[(String, usize)], captures: &Captures<'t>, name: &str) -> &'t str {
    let leading_zero = name.len() > 1 && name.starts_with('0');
    let found = match name.parse::<usize>() {
        Ok(number) if !leading_zero => captures.get(number),
        _ => {
            let mut numbers = names.iter().filter(|(own, _)| own == name);
            numbers.find_map(|&(_, number)| captures.get(number))
        }
    };
    found.map_or("", |found| found.as_str())
}

#[cfg(test)]
mod tests {
    use super::replace_all;

    #[test]
    fn replacement_is_gos() {
        for (text, pattern, template, expected) in [
            ("3.14.0", r"^(\d+)\.(\d+).*", "$1.$2", "3.14"),
            ("3.14.0", r"^(\d+)\.(\d+).*", "${1}_$2", "3_14"),
            ("abc", "(b)", "$1x", "ac"),
            ("abc", "(b)", "<$$1>", "a<$1>c"),
            ("abc", "(.*)", "${1}t", "abct"),
            ("x", "x", "--host=${{host.triplet.gnu}}", "--host=${{host.triplet.gnu}}"),
            ("21", "(.*)", r"/usr/lib/llvm-\$1", r"/usr/lib/llvm-\21"),
            ("a-b", "-", "$", "a$b"),
            ("ab", "(?P<first>a)", "$first.$01", "a.b"),
            ("ab", "(?P<1a>a)", "${1a}1$1a", "a1ab"),
            ("ab", "(?P<n>x)|(?P<n>a)", "<$n>", "<a>b"),
        ] {
            assert_eq!(
                replace_all(text, pattern, template).unwrap(),
                expected,
                "{pattern} {template}"
            );
        }
    }

    #[test]
    fn a_bad_expression_is_explained_in_one_line() {
        insta::assert_snapshot!(replace_all("", "(", "").unwrap_err().message, @"nothing closes this `(`");
    }
}
