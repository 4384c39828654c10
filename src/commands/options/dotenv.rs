//! `--env-file`: files of `NAME=value` lines, read as melange reads them (godotenv's rules).
//!
//! `export` before a name is allowed, values may be quoted, `#` begins a comment. Nothing is
//! expanded: `$` stays as it is, since values may hold `${{…}}`.

use std::path::Path;

use fs_err as fs;

use crate::error::{Error, Result};

/// Reads a file; an error names the line.
pub(super) fn load(path: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(path)?;
    parse(&text).map_err(|(line, problem)| {
        Error::config(format!("{}:{line}: {problem}", path.display()))
            .hint("write one `NAME=value` a line")
    })
}

/// Whether a variable's name suggests that its value is a secret.
pub(super) fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.split('_').any(|word| {
        matches!(
            word,
            "TOKEN" | "SECRET" | "PASSWORD" | "PASSWD" | "PASSPHRASE" | "CREDENTIALS" | "APIKEY"
        )
    }) || ["API_KEY", "PRIVATE_KEY", "ACCESS_KEY", "AUTH_KEY"].iter().any(|key| name.contains(key))
}

fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    let line_of = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(pairs);
        }
        let line = line_of(rest);
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let declaration = rest.strip_prefix("export ").map_or(rest, str::trim_start);
        let first_line = declaration.split('\n').next().unwrap_or_default();
        let Some((name, _)) = first_line.split_once(['=', ':']) else {
            return Err((line, format!("`{}` has no `=`", first_line.trim())));
        };
        let (after_name, name) = (&declaration[name.len() + 1..], name.trim());
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        {
            return Err((line, format!("`{name}` is not a variable's name")));
        }
        let (value, after) =
            value(after_name.trim_start_matches([' ', '\t'])).map_err(|problem| (line, problem))?;
        pairs.push((name.to_owned(), value));
        rest = after;
    }
}

/// The value at the beginning of `text`, and what follows its line.
fn value(text: &str) -> Result<(String, &str), String> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, after) = quoted(&text[1..], quote).ok_or("the quote is not closed")?;
            let (tail, next) = after.split_once('\n').unwrap_or((after, ""));
            let tail = tail.trim();
            if tail.is_empty() || tail.starts_with('#') {
                Ok((value, next))
            } else {
                Err(format!("unexpected `{tail}` after the closing quote"))
            }
        }
        _ => {
            let (line, next) = text.split_once('\n').unwrap_or((text, ""));
            let end = comment_start(line).unwrap_or(line.len());
            Ok((line[..end].trim().to_owned(), next))
        }
    }
}

/// A `#` begins a comment at the start of a value or after a blank.
fn comment_start(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    (0..bytes.len()).find(|&at| {
        bytes[at] == b'#' && (at == 0 || bytes[at - 1] == b' ' || bytes[at - 1] == b'\t')
    })
}

/// Reads up to the closing quote; backslashes mean something in double quotes only.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            _ if char == quote => return Some((value, &text[at + 1..])),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    fn one(text: &str) -> String {
        pairs(text).remove(0).1
    }

    #[test]
    fn the_forms_that_recipes_repositories_use() {
        let text =
            "# build flags\nexport GOFLAGS=\"-buildvcs=false\"\nA=1 # one\n\nB='x # y'\nC=\n";
        let expected = [("GOFLAGS", "-buildvcs=false"), ("A", "1"), ("B", "x # y"), ("C", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs(text), expected);
    }

    #[test]
    fn quotes_may_span_lines_and_escape() {
        assert_eq!(one("A=\"x\\ny\\\"z\""), "x\ny\"z");
        assert_eq!(one("A='x\\n\ny'"), "x\\n\ny");
        assert_eq!(one("A=$HOME#x"), "$HOME#x");
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(parse("A=1\nnonsense\n").unwrap_err(), (2, "`nonsense` has no `=`".to_owned()));
        assert_eq!(parse("A=\"x").unwrap_err(), (1, "the quote is not closed".to_owned()));
        assert!(parse("A='x' y").is_err());
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in ["GITHUB_TOKEN", "npm_password", "AWS_SECRET_ACCESS_KEY", "API_KEY"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["GOFLAGS", "TOKENIZERS_PARALLELISM", "KEYBOARD"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
