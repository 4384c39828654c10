//! Go's regular expressions, written as Rust's.
//!
//! Stage 2. Both are RE2's language, but for details: Go's `\w`, `\d`, `\s` and `\b` know ASCII
//! alone, `\Q…\E` quotes, a `{` that repeats nothing is a brace, `[` within a class is a bracket.

/// The expression in Rust's spelling. What is wrong with it stays wrong.
pub(super) fn translate(pattern: &str) -> String {
    let mut result = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = match letter {
            '\\' => escape(after, &mut result, false),
            '[' => class(after, &mut result),
            '{' if !repeats(after) => {
                result.push_str(r"\{");
                after
            }
            _ => {
                result.push(letter);
                after
            }
        };
    }
    result
}

/// What follows a backslash; returns the rest.
fn escape<'t>(text: &'t str, result: &mut String, in_class: bool) -> &'t str {
    let Some(letter) = text.chars().next() else {
        result.push('\\');
        return text;
    };
    let after = &text[letter.len_utf8()..];
    match letter {
        'd' => result.push_str("[0-9]"),
        'D' => result.push_str("[^0-9]"),
        'w' => result.push_str("[0-9A-Za-z_]"),
        'W' => result.push_str("[^0-9A-Za-z_]"),
        's' => result.push_str(r"[\t\n\f\r ]"),
        'S' => result.push_str(r"[^\t\n\f\r ]"),
        'b' if !in_class => result.push_str(r"(?-u:\b)"),
        'B' if !in_class => result.push_str(r"(?-u:\B)"),
        // Half boundaries to Rust.
        '<' | '>' => result.push(letter),
        'Q' if !in_class => {
            let (quoted, after) = after.split_once(r"\E").unwrap_or((after, ""));
            result.push_str(&regex::escape(quoted));
            return after;
        }
        // What stands in braces is a name or a number.
        'p' | 'P' | 'x' if after.starts_with('{') => {
            let length = after.find('}').map_or(after.len(), |end| end + 1);
            let (braces, after) = after.split_at(length);
            result.push('\\');
            result.push(letter);
            result.push_str(braces);
            return after;
        }
        _ => {
            result.push('\\');
            result.push(letter);
        }
    }
    after
}

/// What follows the bracket of a class, up to its end; returns the rest.
fn class<'t>(text: &'t str, result: &mut String) -> &'t str {
    result.push('[');
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('^') {
        result.push('^');
        rest = after;
    }
    // A bracket that stands first is itself.
    if let Some(after) = rest.strip_prefix(']') {
        result.push_str(r"\]");
        rest = after;
    }
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = match letter {
            ']' => {
                result.push(']');
                return after;
            }
            '\\' => escape(after, result, true),
            '[' => match named(rest) {
                Some((name, after)) => {
                    result.push_str(name);
                    after
                }
                None => {
                    result.push_str(r"\[");
                    after
                }
            },
            // Doubled they are operators to Rust.
            '&' | '~' => {
                result.push('\\');
                result.push(letter);
                after
            }
            _ => {
                result.push(letter);
                after
            }
        };
    }
    rest
}

/// `[:alpha:]` at the start of a text, and the rest.
fn named(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("[:")?;
    let length = inner.find(":]")?;
    let is_name = inner[..length].chars().all(|c| c.is_ascii_lowercase() || c == '^');
    is_name.then(|| text.split_at(length + 4))
}

/// Whether what follows a brace is a repetition: `3}`, `3,}` or `3,5}`.
fn repeats(text: &str) -> bool {
    let Some((inner, _)) = text.split_once('}') else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn what_go_and_rust_write_alike_stays() {
        for pattern in [
            r"^(\.)x{2,3}(?P<n>a|b)*?$",
            r"(?i)\pL\p{Greek}\x41\x{263a}\Aa\z\t\n",
            "[a-z0-9_.^-]+",
            "[^[:alpha:][:^digit:]]",
        ] {
            assert_eq!(translate(pattern), pattern);
        }
    }

    #[test]
    fn details_are_gos() {
        for (pattern, text, found) in [
            (r"\w+", "é_a1", "_a1"),
            (r"\d+", "٣3", "3"),
            (r"\S+", "a\u{a0}b c", "a\u{a0}b"),
            (r"\bx\b", "éxé", "x"),
            (r"\Qa.b[\E+", "axb[ a.b[[", "a.b[["),
            (r"\Q(", "x(", "("),
            ("a{", "aa{", "a{"),
            ("a{,2}", "a{,2}", "a{,2}"),
            ("a{1,2}", "aaa", "aa"),
            ("[[]+", "a[[", "[["),
            ("[]a]+", "b]a", "]a"),
            ("[^]a]+", "]ab", "b"),
            ("[a&&b]+", "x&&b", "&&b"),
            (r"[^\W_]+", "_é9", "9"),
            (r"[\w.-]+", "é a-1.b", "a-1.b"),
            (r"\<a\>", "a <a>", "<a>"),
            (r"[\d\]]+", "a1]", "1]"),
        ] {
            let regex = regex::Regex::new(&translate(pattern)).unwrap();
            assert_eq!(regex.find(text).map(|found| found.as_str()), Some(found), "{pattern}");
        }
    }

    #[test]
    fn what_is_wrong_stays_wrong() {
        for pattern in ["(", "[", "[a", "a)", r"\", "*", r"[\", "[z-a]", r"\y", "(?P<n"] {
            assert!(regex::Regex::new(&translate(pattern)).is_err(), "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in r".{0,20}") {
            let _ = translate(&pattern);
        }
    }
}
