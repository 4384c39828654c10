//! `--env-file`: files of `NAME=value` lines, read as melange reads them: by the rules of godotenv
//! 1.5.1, its oddities included.
//!
//! `export` before a name is allowed, and `:` for `=`. A value may be quoted; a `#` after a blank
//! ends one that is not. The last of two values of one name counts. In values that are not in
//! single quotes `$NAME` and `${NAME}` stand for what the same file gave before (or for nothing),
//! if the name has capitals, digits and `_` only: `${{…}}` stays. Within double quotes `\n` and `\r`
//! are characters of their own and any other backslash goes, but for one before `$`, which keeps it.
//!
//! Names that no shell can hold are refused, as they are in recipes. A file may hold secrets: what
//! is wrong is told with line and column, and no text of the file.

use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use indexmap::IndexMap;

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::error::{Error, Result};

/// What stands in the place of a line of the file.
const NOT_SHOWN: &str = "(not shown: it may be a secret)";

/// Reads a file; an error names the line and the column.
pub(super) fn load(path: &Path) -> Result<IndexMap<String, String>> {
    let unreadable = |error| Error::from(error).hint("is it the right file, and may you read it?");
    let bytes = fs::read(path).map_err(unreadable)?;
    let read = match std::str::from_utf8(&bytes) {
        // What Windows ends lines with.
        Ok(text) => parse(&text.replace("\r\n", "\n")),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Err(Wrong::at(&before, before.len(), "not UTF-8", "save the file as UTF-8"))
        }
    };
    read.map_err(|wrong| {
        Error::config(format!("`--env-file {}` can't be used", path.display()))
            .with_diagnostics(wrong.explain(path).into())
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

/// What is wrong, where (both from 1), and what to do.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    line: usize,
    column: usize,
    message: &'static str,
    help: &'static str,
}

impl Wrong {
    fn at(text: &str, at: usize, message: &'static str, help: &'static str) -> Self {
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, message, help }
    }

    /// A place in a text that has the file's lines and columns, but none of its words.
    fn explain(&self, path: &Path) -> Diagnostic {
        let before = "\n".repeat(self.line - 1) + &" ".repeat(self.column - 1);
        let start = before.len();
        let source = Source { path: path.to_owned(), text: before + NOT_SHOWN };
        let span = Span::new(&Arc::new(source), start..start + 1);
        Diagnostic::error("env-file", self.message, span, "").help(self.help)
    }
}

fn parse(text: &str) -> Result<IndexMap<String, String>, Wrong> {
    let mut variables = IndexMap::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(variables);
        }
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let declaration = without_export(rest);
        let wrong = |at: &str, message, help| Wrong::at(text, text.len() - at.len(), message, help);
        let (name, after) = name(declaration)
            .map_err(|(at, message, help)| wrong(&declaration[at..], message, help))?;
        let after = after.trim_start_matches(is_blank);
        let (value, next) = value(after, &variables).ok_or_else(|| {
            let help = "close it with the same quote; one after a backslash does not count";
            wrong(after, "the quote that opens here is not closed", help)
        })?;
        variables.insert(name.to_owned(), value);
        rest = next;
    }
}

/// White space within a line.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

fn without_export(text: &str) -> &str {
    match text.strip_prefix("export") {
        Some(after) if after.starts_with(is_blank) => after.trim_start_matches(is_blank),
        _ => text,
    }
}

/// The name at the beginning of a text, and what follows its `=`; or at which byte something is
/// wrong, what, and what to do.
fn name(text: &str) -> Result<(&str, &str), (usize, &'static str, &'static str)> {
    const LINE: &str = "write one `NAME=value` a line, put quotes round a value of several lines, \
                        and `#` before a comment";
    const NAME: &str = "a name has letters, digits and `_`, and does not start with a digit";
    let end = text.find(['=', ':', '\n']).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let name = name.trim_end();
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if after.is_empty() || after.starts_with('\n') {
        return Err((0, "this line has no `=`", LINE));
    }
    if name.is_empty() {
        return Err((0, "no name stands before the `=`", LINE));
    }
    if let Some(at) = name.find(|c| !letter(c)) {
        return Err((at, "a name of a variable can't have this character", NAME));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err((0, "a name of a variable can't start with a digit", NAME));
    }
    Ok((name, &after[1..]))
}

/// The value at the beginning of `text`, and what follows it; none if its quote is not closed.
fn value<'t>(text: &'t str, known: &IndexMap<String, String>) -> Option<(String, &'t str)> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let (line, next) = text.split_at(text.find(['\n', '\r']).unwrap_or(text.len()));
        let value = line[..comment(line)].trim_matches(is_blank);
        return Some((expand(value, known), next));
    };
    let bytes = text.as_bytes();
    let closing = |&at: &usize| char::from(bytes[at]) == quote && bytes[at - 1] != b'\\';
    let end = (1..bytes.len()).find(closing)?;
    let inner = text[..end].trim_matches(quote);
    let value = if quote == '"' { expand(&unescape(inner), known) } else { inner.to_owned() };
    Some((value, &text[end + 1..]))
}

/// Where the comment of a line begins: at its last `#` after a blank.
fn comment(line: &str) -> usize {
    let after_blank = |&(at, _): &(usize, &str)| line[..at].ends_with(is_blank);
    line.rmatch_indices('#').find(after_blank).map_or(line.len(), |(at, _)| at)
}

/// Backslashes of a value in double quotes: line breaks first, then all that are left.
fn unescape(text: &str) -> String {
    let breaks = pairs(text, |escaped| match escaped {
        'n' => Some(Vec::from(['\n'])),
        'r' => Some(Vec::from(['\r'])),
        '\n' => None,
        other => Some(Vec::from(['\\', other])),
    });
    // One before `$` is for `expand` to see.
    pairs(&breaks, |escaped| (escaped != '$').then(|| Vec::from([escaped])))
}

/// Replaces each backslash with the character behind it; where there is no replacement the
/// backslash stays, and reading goes on behind it.
fn pairs(text: &str, replacement: impl Fn(char) -> Option<Vec<char>>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let replaced = match character {
            '\\' => characters.peek().and_then(|&escaped| replacement(escaped)),
            _ => None,
        };
        match replaced {
            Some(replaced) => {
                result.extend(replaced);
                characters.next();
            }
            None => result.push(character),
        }
    }
    result
}

/// Puts variables of the same file in place: `$NAME` or `${NAME}`, either brace being dispensable.
fn expand(text: &str, known: &IndexMap<String, String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, reference) = rest.split_at(at);
        let mut inner = &reference[1..];
        for bracket in ['(', '{'] {
            inner = inner.strip_prefix(bracket).unwrap_or(inner);
        }
        let letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let (name, after) = inner.split_at(inner.find(|c| !letter(c)).unwrap_or(inner.len()));
        let after = after.strip_prefix('}').unwrap_or(after);
        let whole = &reference[..reference.len() - after.len()];
        let unescaped = before.strip_suffix('\\');
        result.push_str(unescaped.unwrap_or(before));
        result.push_str(match name {
            _ if unescaped.is_some() => whole,
            "" => whole,
            name => known.get(name).map(String::as_str).unwrap_or_default(),
        });
        rest = after;
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    /// The value of the last line's variable.
    fn last(text: &str) -> String {
        parse(text).unwrap().pop().unwrap().1
    }

    #[test]
    fn the_forms_that_recipes_repositories_use() {
        let text =
            "# build flags\nexport GOFLAGS=\"-buildvcs=false\"\nA=1 # one\n\nB='x # y'\nC=\nD: 2\n";
        let expected =
            [("GOFLAGS", "-buildvcs=false"), ("A", "1"), ("B", "x # y"), ("C", ""), ("D", "2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(values(text), expected);
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        assert_eq!(parse("A=1\nB=2\nA=3\n").unwrap()["A"], "3");
    }

    #[test]
    fn quotes_span_lines_and_backslashes_go() {
        for (text, value) in [
            (r#"A="x\ny\rz""#, "x\ny\rz"),
            ("A='x\\n\ny'", "x\\n\ny"),
            (r#"A="\x \\n \` \t""#, r"x \n ` t"),
            ("A=\"x\\\ny\"", "x\ny"),
            // The quotes that end a value go, escaped or not.
            (r#"A="x \"y\"""#, "x \"y\\"),
            (r"A='it\'s'", r"it\'s"),
            ("A='x' # y", "x"),
            ("A='x' B=y", "y"),
            ("A=x\\ny", "x\\ny"),
        ] {
            assert_eq!(last(text), value, "{text}");
        }
    }

    #[test]
    fn comments_begin_after_a_blank() {
        for (text, value) in [
            ("A=x#y", "x#y"),
            ("A=x # y", "x"),
            ("A=x # y # z", "x # y"),
            ("A=# y", "# y"),
            ("A=  x\t", "x"),
        ] {
            assert_eq!(last(text), value, "{text}");
        }
    }

    #[test]
    fn variables_of_the_same_file_are_put_in_place() {
        for (text, value) in [
            (r#"D="a $A ${A} \t \$A""#, "a 1 1 t $A"),
            ("N=$A$A", "11"),
            ("N=${UNDEF}x", "x"),
            (r#"N="${UNDEF}""#, ""),
            ("N='$A'", "$A"),
            ("N=$1", ""),
            (r"N=\$A", "$A"),
            (r"N=\${A}x", "${A}x"),
            ("N=$$A", "$1"),
            ("N=$(A)", "1)"),
            ("N=$A}${A x", "11 x"),
            ("N=$a ${a} $ ${} x$", "$a ${a} $ ${} x$"),
            ("N=${{vars.a}} ${{A}}", "${{vars.a}} ${{A}}"),
        ] {
            assert_eq!(last(&format!("A=1\n{text}")), value, "{text}");
        }
    }

    #[test]
    fn errors_have_a_place_and_never_a_value() {
        let place = |text: &str| {
            let wrong = parse(text).unwrap_err();
            assert!(!wrong.explain(Path::new("a")).message.contains("hunter2"));
            (wrong.line, wrong.column, wrong.message)
        };
        assert_eq!(place("A=1\nhunter2\n"), (2, 1, "this line has no `=`"));
        assert_eq!(place("A=1\nhunter2"), (2, 1, "this line has no `=`"));
        let opens = "the quote that opens here is not closed";
        assert_eq!(place("A=1\n\n  B = \"hunter2\n\n"), (3, 7, opens));
        let character = "a name of a variable can't have this character";
        assert_eq!(place("A='é' hunter2-x='y'"), (1, 14, character));
        assert_eq!(place("export A-B=c"), (1, 9, character));
        assert_eq!(place("p.q=1"), (1, 2, character));
        assert_eq!(place("=hunter2"), (1, 1, "no name stands before the `=`"));
        assert_eq!(place(" 1A=b"), (1, 2, "a name of a variable can't start with a digit"));
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

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A$\\\\{}()'\"=#\n\r éa]{0,30}") {
            let _ = parse(&text);
        }
    }
}
