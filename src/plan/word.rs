//! A value as one word of the shell: what `${{sh.NAME}}` in this project's pipelines stands for.
//!
//! Part of stage 2. The value can't leave its place: no splitting, no pattern, no command. A plain
//! `$NAME` or `${NAME}` is still the shell's variable of that name, as in melange, which puts values
//! into its scripts as they are (`version: ${LLHTTP_FFI_VERSION}`).

/// A word of the shell that means this text, the shell's variables in it expanded.
pub(super) fn shell_word(text: &str) -> String {
    let mut word = String::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = parameter(rest);
        if length == 0 {
            literal.push(character);
            rest = &rest[character.len_utf8()..];
            continue;
        }
        if !literal.is_empty() {
            word.push_str(&quoted(&std::mem::take(&mut literal)));
        }
        word.push_str(&format!("\"{}\"", &rest[..length]));
        rest = &rest[length..];
    }
    if !literal.is_empty() || word.is_empty() {
        word.push_str(&quoted(&literal));
    }
    word
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// How many bytes of a text's beginning are a plain `$NAME` or `${NAME}`.
pub(crate) fn parameter(text: &str) -> usize {
    let Some(rest) = text.strip_prefix('$') else { return 0 };
    let (braces, rest) = match rest.strip_prefix('{') {
        Some(rest) => (2, rest),
        None => (0, rest),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let named = length > 0 && !rest.starts_with(|c: char| c.is_ascii_digit());
    if named && (braces == 0 || rest[length..].starts_with('}')) { 1 + braces + length } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_variables_expanded() {
        for (text, word) in [
            ("a/b-1.2", "'a/b-1.2'"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x)'", r"'$(x)'\'''"),
            ("${VERSION}", "\"${VERSION}\""),
            ("v$VERSION-x", "'v'\"$VERSION\"'-x'"),
            ("$1 $ ${a:-b} ${", "'$1 $ ${a:-b} ${'"),
            ("$a`b`", "\"$a\"'`b`'"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_one_word(text in "[a-c '\"$(){}`;|&*?~\\\\\n0-9é]{0,20}") {
            let script = format!("a='x y'; b='*'; c=\"'\"; set -- {}; printf '%s|%s' $# \"$1\"", shell_word(&text));
            let output = duct::cmd!("sh", "-c", &script).read().unwrap();
            let (count, value) = output.split_once('|').unwrap();
            proptest::prop_assert_eq!(count, "1");
            if !text.contains('$') {
                // `read` takes newlines off the end.
                proptest::prop_assert_eq!(value.trim_end_matches('\n'), text.trim_end_matches('\n'));
            }
        }
    }
}
